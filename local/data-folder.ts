import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SetupError } from './setup-error.ts'

/** Where one running stack keeps what it must not forget. */
export interface DataFolder {
  path: string
  /** False for a folder that is thrown away when the stack stops. */
  kept: boolean
  read<T>(name: string): T | undefined
  /** Only its owner may read the file: keys are among what is kept. */
  write(name: string, value: unknown): void
  /** Marks the folder as in use by this process. Throws a one-line error when another one uses it. */
  claim(url: string): Promise<void>
  release(): void
}

const lockName = 'running.json'

export interface Running {
  pid: number
  url: string
}

/** Opens `path`, or without one a temporary folder that `release` deletes. */
export function openDataFolder(path?: string): DataFolder {
  if (path) mkdirSync(path, { recursive: true })
  const folder = path ?? mkdtempSync(join(tmpdir(), 'token-top-up-'))
  const write = (name: string, value: unknown) => {
    const file = join(folder, name)
    // Renaming makes the change whole: a process killed half-way leaves the file as it was.
    writeFileSync(`${file}.new`, `${JSON.stringify(value, null, 2)}\n`, { mode: 0o600 })
    renameSync(`${file}.new`, file)
  }
  return {
    path: folder,
    kept: path !== undefined,
    read: (name) => readJson(join(folder, name)),
    write,
    async claim(url) {
      const other = await runningIn(folder)
      if (other && other.pid !== process.pid) {
        throw new SetupError(
          `Another Token Top-up (process ${other.pid}, ${other.url}) uses ${folder}: stop it, or start this one with LOCAL_DATA=memory.`,
        )
      }
      write(lockName, { pid: process.pid, url } satisfies Running)
    },
    release() {
      if (path === undefined) rmSync(folder, { recursive: true, force: true })
      else if (readJson<Running>(join(folder, lockName))?.pid === process.pid) {
        rmSync(join(folder, lockName), { force: true })
      }
    },
  }
}

/**
 * The stack that uses this folder now. Its process must be alive and answer: after a crash, the number in
 * the file may have passed to another program.
 */
export async function runningIn(folder: string): Promise<Running | undefined> {
  const running = readJson<Running>(join(folder, lockName))
  if (!running) return undefined
  try {
    process.kill(running.pid, 0)
    await fetch(running.url, { signal: AbortSignal.timeout(2_000) })
    return running
  } catch {
    return undefined
  }
}

function readJson<T>(file: string): T | undefined {
  if (!existsSync(file)) return undefined
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as T
  } catch {
    throw new SetupError(
      `${file} cannot be read as JSON: run \`npm run reset-local\` to start afresh.`,
    )
  }
}
