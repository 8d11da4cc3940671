import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const clientSources = fileURLToPath(new URL('client/src/', import.meta.url))

export default defineConfig({
  resolve: {
    // The examples import the client as its users do; here they get its sources.
    alias: [
      { find: /^token-top-up-client$/, replacement: `${clientSources}index.ts` },
      { find: /^token-top-up-client\/(.+)$/, replacement: `${clientSources}$1.ts` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    // Each worker is a process of its own: the machines this must run on have two cores.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
