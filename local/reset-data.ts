import { rmSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { runningIn } from './data-folder.ts'

/** `npm run reset-local`: forgets all local data, keys and the moved clock. */

const folder = fileURLToPath(new URL('../.local', import.meta.url))
const running = await runningIn(folder)
if (running) {
  console.error(
    `Token Top-up is running at ${running.url} (process ${running.pid}): stop it with Ctrl-C first.`,
  )
  process.exit(1)
}
rmSync(folder, { recursive: true, force: true })
console.log(`Cleared ${relative('.', folder)}/.`)
