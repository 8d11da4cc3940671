import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import { SetupError } from './setup-error.ts'

/** The key in a file, which may be a pipe: it never stands on a command line, where others could read it. */
export async function keyFromFile(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new SetupError(`Could not read ${path}: ${error.code}. Nothing was changed.`)
  })
  return checked(text)
}

/** Asks whoever is at the terminal, and shows nothing of what they type. */
export async function keyFromPrompt(): Promise<string> {
  if (!process.stdin.isTTY) {
    throw new SetupError(
      'There is no Stripe key yet, and nobody to ask for it here. Nothing was changed. Give it with --key-file.',
    )
  }
  process.stderr.write('Stripe secret or restricted key (not shown): ')
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() })
  const line = createInterface({ input: process.stdin, output: silent, terminal: true })
  try {
    return checked(await new Promise<string>((resolve) => line.question('', resolve)))
  } finally {
    line.close()
    process.stderr.write('\n')
  }
}

function checked(text: string): string {
  const key = text.trim()
  if (/^[rs]k_(test|live)_\w+$/.test(key)) return key
  throw new SetupError(
    'That is no Stripe key: it begins with sk_test_, sk_live_, rk_test_ or rk_live_. Nothing was changed.',
  )
}
