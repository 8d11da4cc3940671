import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { dirname } from 'node:path'

/** Keeps one JSON value in one file: whole or not at all, and the newest of many quick changes in one write. */
export class DataFile<Value> {
  readonly #path: string
  readonly #value: () => Value
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined

  constructor(path: string, value: () => Value) {
    this.#path = path
    this.#value = value
  }

  /** Resolves once everything up to this call is on disk. */
  save(): Promise<void> {
    if (!this.#running) {
      this.#running = this.#write().finally(() => {
        this.#running = undefined
      })
      return this.#running
    }
    // The write under way may have missed the latest change; one more after it serves all who ask meanwhile.
    this.#next ??= this.#running
      .catch(() => undefined)
      .then(() => {
        this.#next = undefined
        return this.save()
      })
    return this.#next
  }

  async #write(): Promise<void> {
    const json = JSON.stringify(this.#value())
    const draft = `${this.#path}.new`
    await mkdir(dirname(this.#path), { recursive: true })
    const file = await open(draft, 'w')
    try {
      await file.writeFile(json)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, this.#path)
  }
}

/** `undefined` when there is no file yet. Throws when there is one that is not JSON. */
export async function readDataFile(path: string): Promise<unknown> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  try {
    return JSON.parse(text)
  } catch {
    throw new Error(`${path} is not JSON: restore it, or delete it to start anew`)
  }
}
