import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Browser, chromium } from 'playwright-core'

/**
 * A real Chromium: the one at CHROME_PATH, or else one from npm that needs no package of the system. Its web
 * security stays on.
 */
export async function launchBrowser(): Promise<Browser> {
  const path = process.env.CHROME_PATH
  if (path) return chromium.launch({ executablePath: path })
  const folder = await unpackedChromium()
  return chromium.launch({
    executablePath: join(folder, 'chromium'),
    args: ['--no-sandbox', '--headless=shell', '--disable-gpu', '--disable-dev-shm-usage'],
    env: {
      ...environment(),
      LD_LIBRARY_PATH: join(folder, 'al2023', 'lib'),
      // The system's own fonts where it has any: the bundled ones know few scripts.
      ...(!existsSync('/etc/fonts') && { FONTCONFIG_PATH: join(folder, 'fonts') }),
    },
  })
}

/**
 * The package unpacks into the system's temporary folder, to names that never change, and takes whatever
 * it finds there for finished. So it unpacks into a folder of this process, which then gets its proper name:
 * one for each version, whole or not there, however many test files start at once.
 */
async function unpackedChromium(): Promise<string> {
  const entry = fileURLToPath(import.meta.resolve('@sparticuz/chromium'))
  const { version } = JSON.parse(readFileSync(join(entry, '../../package.json'), 'utf8'))
  const parent = fileURLToPath(new URL('../../.build/chromium', import.meta.url))
  const folder = join(parent, version)
  if (existsSync(folder)) return folder

  const draft = join(parent, `draft-${process.pid}`)
  mkdirSync(draft, { recursive: true })
  const { TMPDIR } = process.env
  process.env.TMPDIR = draft
  try {
    const { default: bundled, inflate } = await import('@sparticuz/chromium')
    await bundled.executablePath()
    await inflate(join(entry, '../../bin/al2023.tar.br'))
  } finally {
    if (TMPDIR === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = TMPDIR
  }
  try {
    renameSync(draft, folder)
  } catch (cause) {
    if (!existsSync(folder)) throw cause
    rmSync(draft, { recursive: true })
  }
  return folder
}

function environment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    ),
  )
}
