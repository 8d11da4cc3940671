import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type BuildOptions, buildSync } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const outputFolder = join(root, '.build', 'functions')

/**
 * Bundles `functions/<name>.ts` for every name, in one esbuild call: one process parses the AWS SDK once,
 * where a call for each function would parse it eleven times.
 *
 * Returns the folder of each function, which holds `index.mjs` with its `handler`. The SDK is bundled,
 * because the runtime's own copy is older and changes without us.
 */
export function bundleFunctions<Name extends string>(names: readonly Name[]): Record<Name, string> {
  const { outputFiles } = buildSync({
    ...bundleOptions,
    absWorkingDir: root,
    entryPoints: Object.fromEntries(
      names.map((name) => [`${name}/index`, join('functions', `${name}.ts`)]),
    ),
    outdir: outputFolder,
    outExtension: { '.js': '.mjs' },
    write: false,
  })
  for (const { path, contents } of outputFiles) writeIfChanged(path, contents)
  return Object.fromEntries(names.map((name) => [name, join(outputFolder, name)])) as Record<
    Name,
    string
  >
}

/** How any code is bundled for Lambda; the benchmarks bundle what they compare with in the same way. */
export const bundleOptions = {
  bundle: true,
  minify: true,
  platform: 'node',
  target: 'node24',
  format: 'esm',
  // The SDK's and zod's ES modules lose what a function does not use; their CommonJS builds cannot.
  mainFields: ['module', 'main'],
  legalComments: 'none',
  logLevel: 'warning',
  alias: {
    // The SDK's default looks for credentials in files, single sign-on and other clouds' metadata: a
    // third of a bundle and half of its start-up, for places that Lambda does not have.
    '@aws-sdk/credential-provider-node': fileURLToPath(
      new URL('./environment-credentials.ts', import.meta.url),
    ),
  },
} as const satisfies BuildOptions

/** Whole or not at all, so that two synths at once never hash or copy half a bundle. */
function writeIfChanged(path: string, contents: Uint8Array): void {
  if (existsSync(path) && readFileSync(path).equals(contents)) return
  mkdirSync(dirname(path), { recursive: true })
  const draft = join(outputFolder, `.${process.pid}-draft`)
  writeFileSync(draft, contents)
  renameSync(draft, path)
}
