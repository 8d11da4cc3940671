import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const dist = join(root, '.build', 'client')
const manifest = JSON.parse(readFileSync(join(root, 'client', 'package.json'), 'utf8'))

beforeAll(() => {
  rmSync(dist, { recursive: true, force: true })
  const typescript = createRequire(import.meta.url).resolve('typescript/package.json')
  const tsc = join(dirname(typescript), 'bin', 'tsc')
  execFileSync(process.execPath, [tsc, '-p', 'client', '--outDir', dist], { cwd: root })
}, 60_000)

/** What a built file imports, and everything that leads to. */
function importsOf(file: string, seen = new Set<string>()): Set<string> {
  if (seen.has(file)) return seen
  seen.add(file)
  if (!file.startsWith('./')) return seen
  const source = readFileSync(join(dist, file), 'utf8')
  for (const [, name] of source.matchAll(/\bfrom '([^']+)'/g)) importsOf(name!, seen)
  return seen
}

describe('the package', () => {
  it('has every file that it exports, with its types', () => {
    const targets = Object.values(manifest.exports as Record<string, Record<string, string | null>>)
      .flatMap((conditions) => Object.values(conditions))
      .filter((target) => target !== null)
    expect(targets.length).toBe(10)
    for (const target of targets) {
      expect(existsSync(join(dist, target.replace('./dist/', ''))), target).toBe(true)
    }
  })

  it('imports nothing but itself', () => {
    expect(manifest.dependencies).toBeUndefined()
    const files = readdirSync(dist).filter((name) => name.endsWith('.js'))
    const imported = files.flatMap((name) => [...importsOf(`./${name}`)])
    expect(imported.filter((name) => !name.startsWith('./'))).toEqual([])
  })

  it('gives pages neither a way to use tokens nor the code for it', async () => {
    expect([...importsOf('./index.js')].sort()).toEqual([
      './errors.js',
      './index.js',
      './transport.js',
    ])
    for (const [name, conditions] of Object.entries(manifest.exports)) {
      if (name !== '.') expect(conditions).toMatchObject({ browser: null })
    }
    const { createClient } = await import(pathToFileURL(join(dist, 'index.js')).href)
    expect(Object.keys(createClient({ baseUrl: '' })).sort()).toEqual([
      'activity',
      'documents',
      'getPurchase',
      'meter',
      'plans',
      'startPurchase',
    ])
  })
})
