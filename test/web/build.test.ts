import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { beforeAll, describe, expect, it } from 'vitest'
import { type BuiltSite, buildWeb, checkSize } from '../../web/build.ts'
import { cacheControlOf, isEmbeddable, securityHeaders } from '../../web/site.ts'

let site: BuiltSite
beforeAll(async () => {
  site = await buildWeb()
})

const read = (path: string) => readFileSync(join(site.web, path))
const files = () =>
  readdirSync(site.web, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(site.web.length + 1))

describe('the built site', () => {
  it('has a meter of at most 21 KB, in one module that imports nothing', () => {
    const meter = read('token-meter.js')
    expect(gzipSync(meter, { level: 9 }).length).toBeLessThanOrEqual(21_000)
    expect(meter.toString()).not.toMatch(/\bimport\s*["'({*]|\bfrom\s*["']/)
  })

  it('would not be built with a larger one, and says by how much it is', () => {
    const larger = randomBytes(22_000)
    const over = gzipSync(larger, { level: 9 }).length - 21_000
    expect(() => checkSize(larger)).toThrow(`${over} more than the 21000 allowed`)
  })

  it('gives each element a lasting name and one that can be pinned, of the same bytes', () => {
    const manifest: Record<string, { file: string; integrity: string }> = JSON.parse(
      read('manifest.json').toString(),
    )
    expect(Object.keys(manifest)).toEqual(['token-meter.js', 'token-usage.js'])
    for (const [name, { file, integrity }] of Object.entries(manifest)) {
      expect(read(file.slice(1)).equals(read(name)), name).toBe(true)
      const digest = createHash('sha384').update(read(name)).digest('base64')
      expect(integrity).toBe(`sha384-${digest}`)
    }
  })

  it('publishes no source maps, and passes on the licences of what it contains', () => {
    for (const file of files()) {
      expect(file).not.toMatch(/\.map$/)
      if (file.endsWith('.js'))
        expect(read(file).toString(), file).not.toContain('sourceMappingURL')
    }
    expect(read('licenses.txt').toString()).toMatch(/lit-html[\s\S]*BSD[\s\S]*oauth4webapi/)
  })

  it('has a page that links only to files of its own, and puts no script or style inline', () => {
    const page = read('index.html').toString()
    const links = [...page.matchAll(/\b(?:src|href)="([^"?#]+)"/g)].map(([, link]) => link!)
    expect(links.length).toBeGreaterThan(3)
    for (const link of links.filter((each) => !each.startsWith('data:'))) {
      expect(files(), link).toContain(link.slice(1))
    }
    expect(page).not.toMatch(/<style|\sstyle=|\son\w+=|<script(?![^>]*\bsrc=)/)
  })

  it('says how long each file may be kept, and which ones other origins may load', () => {
    for (const file of files()) {
      const immutable = /-[0-9a-f]{12}\.(js|css)$/.test(file)
      expect(cacheControlOf(file).includes('immutable'), file).toBe(immutable)
    }
    expect(cacheControlOf('index.html')).toBe('no-cache')
    expect(cacheControlOf('config.json')).toBe('no-cache')
    expect(files().filter(isEmbeddable)).toEqual(
      expect.arrayContaining(['token-meter.js', 'token-usage.js', 'manifest.json']),
    )
    expect(isEmbeddable('index.html')).toBe(false)
  })

  it('lets the page reach the sign-in and nothing else', () => {
    const policy = securityHeaders(['https://issuer.example.com'])['content-security-policy']
    expect(policy).toContain("connect-src 'self' https://issuer.example.com;")
    expect(policy).not.toContain('unsafe')
  })
})
