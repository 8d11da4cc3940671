import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { build, type Metafile, type Plugin, transform } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const outputFolder = join(root, '.build')

/** What everyone who embeds the meter loads before they see it. */
const meterGzipBytesMax = 21_000

export interface BuiltSite {
  /** To be deployed. See site.ts for how long each file may be cached. */
  web: string
  /** The assistant page of one machine, which uses the modules of `web`. */
  demo: string
}

/**
 * Builds the pages and modules into `.build/web` and `.build/demo`, in one esbuild call.
 *
 * Each element is one module with nothing to import, under two names: `assets/<name>-<hash>.js`, which never
 * changes and may be pinned with the integrity that `manifest.json` gives, and `<name>.js`, the same bytes
 * under the name that a host embeds once and for all. Throws when the meter outgrows its limit.
 */
export async function buildWeb(): Promise<BuiltSite> {
  const { metafile, outputs } = await bundle()
  const files = new Map<string, Buffer>()
  const manifest: Record<string, { file: string; integrity: string }> = {}

  for (const { folder, path, contents } of outputs.values())
    files.set(`${folder}/${path}`, contents)
  for (const element of elements) {
    const { path, contents } = outputs.get(element)!
    const lastingName = `${nameOf(element)}.js`
    files.set(`web/${lastingName}`, contents)
    manifest[lastingName] = { file: `/${path}`, integrity: integrityOf(contents) }
  }
  for (const { html, folder, entries } of pages) {
    const source = await readFile(join(root, html), 'utf8')
    const linked = entries.reduce(
      (text, entry) => text.replaceAll(`./${basename(entry)}`, `/${outputs.get(entry)!.path}`),
      source,
    )
    files.set(`${folder}/index.html`, Buffer.from(linked))
  }
  files.set('web/manifest.json', Buffer.from(`${JSON.stringify(manifest, null, 2)}\n`))
  files.set('web/licenses.txt', await licensesOf(metafile))

  checkSize(files.get('web/token-meter.js')!)
  await replaceFolders(['web', 'demo'], files)
  return { web: join(outputFolder, 'web'), demo: join(outputFolder, 'demo') }
}

interface Output {
  folder: 'web' | 'demo'
  /** Below the folder, with a hash of the contents in its name. */
  path: string
  contents: Buffer
}

async function bundle(): Promise<{ metafile: Metafile; outputs: Map<string, Output> }> {
  const folders = new Map<string, Output['folder']>([
    ...elements.map((entry) => [entry, 'web'] as const),
    ...pages.flatMap(({ entries, folder }) => entries.map((entry) => [entry, folder] as const)),
  ])
  const { metafile, outputFiles } = await build({
    absWorkingDir: root,
    entryPoints: [...folders.keys()],
    outdir: outputFolder,
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2024',
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'warning',
    metafile: true,
    write: false,
    plugins: [cssAsText],
  })
  const texts = new Map(outputFiles.map(({ path, text }) => [relative(root, path), text]))
  const outputs = Object.entries(metafile.outputs).map(([name, { entryPoint }]) => {
    const contents = Buffer.from(withoutIndentation(texts.get(name)!))
    const hash = createHash('sha256').update(contents).digest('hex').slice(0, 12)
    const path = `assets/${nameOf(entryPoint!)}-${hash}${extname(name)}`
    return [entryPoint!, { folder: folders.get(entryPoint!)!, path, contents }] as const
  })
  return { metafile, outputs: new Map(outputs) }
}

const elements = ['web/meter/token-meter.ts', 'web/usage/token-usage.ts']

/** A page links to what it needs by the name of the source beside it, and gets the name of the output. */
const pages = [
  {
    html: 'web/pages/index.html',
    folder: 'web',
    entries: ['web/pages/page.ts', 'web/pages/page.css'],
  },
  {
    html: 'web/demo/index.html',
    folder: 'demo',
    entries: ['web/demo/demo.ts', 'web/demo/demo.css'],
  },
] as const

/** An element's sheet goes into its module as text; a page's stays a sheet. */
const cssAsText: Plugin = {
  name: 'css-as-text',
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      if (
        pages.some(({ entries }) => (entries as readonly string[]).includes(relative(root, path)))
      )
        return
      const { code } = await transform(await readFile(path, 'utf8'), {
        loader: 'css',
        minify: true,
      })
      return { contents: code, loader: 'text' }
    })
  },
}

/**
 * Minifying leaves the templates of HTML as they were written. Breaks between their tags and values mean
 * nothing, for what stands in a line there is laid out by flex or grid. Other text keeps its breaks.
 */
function withoutIndentation(code: string): string {
  return code.replace(/(?<=[>}`])\n\s*(?=[<`]|\$\{)/g, '')
}

function nameOf(entry: string): string {
  return basename(entry, extname(entry))
}

function integrityOf(contents: Buffer): string {
  return `sha384-${createHash('sha384').update(contents).digest('base64')}`
}

/** Throws, with how much is too much, when the meter's module has outgrown its limit. */
export function checkSize(meter: Buffer): void {
  const bytes = gzipSync(meter, { level: 9 }).length
  const over = bytes - meterGzipBytesMax
  if (over > 0) {
    throw new Error(
      `token-meter.js has ${bytes} bytes gzipped, ${over} more than the ${meterGzipBytesMax} allowed`,
    )
  }
}

/** The licences of the packages that went into the modules, which they ask to be passed on. */
async function licensesOf({ inputs }: Metafile): Promise<Buffer> {
  const packages = new Set(
    Object.keys(inputs).flatMap(
      (path) => /^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1] ?? [],
    ),
  )
  const texts = [...packages].sort().map(async (folder) => {
    const { name, version } = JSON.parse(await readFile(join(root, folder, 'package.json'), 'utf8'))
    const license = (await readdir(join(root, folder))).find((file) => /^licen[cs]e/i.test(file))
    if (!license) throw new Error(`${name} has no licence file`)
    return `${name} ${version}\n\n${await readFile(join(root, folder, license), 'utf8')}`
  })
  return Buffer.from((await Promise.all(texts)).join(`\n${'-'.repeat(80)}\n\n`))
}

/** Each file whole or not at all, because several programs may build at once, and nothing left from before. */
async function replaceFolders(folders: string[], files: Map<string, Buffer>): Promise<void> {
  for (const [name, contents] of files) {
    const path = join(outputFolder, name)
    if (existsSync(path) && contents.equals(await readFile(path))) continue
    await mkdir(dirname(path), { recursive: true })
    const draft = join(outputFolder, `.${process.pid}-draft`)
    await writeFile(draft, contents)
    await rename(draft, path)
  }
  for (const folder of folders) {
    const entries = await readdir(join(outputFolder, folder), {
      recursive: true,
      withFileTypes: true,
    })
    for (const entry of entries.filter((each) => each.isFile())) {
      const path = join(entry.parentPath, entry.name)
      if (!files.has(relative(outputFolder, path))) await rm(path, { force: true })
    }
  }
}

if (import.meta.main) {
  const { web } = await buildWeb()
  const module = await readFile(join(web, 'token-meter.js'))
  const gzipped = gzipSync(module, { level: 9 }).length
  console.log(`.build/web is built; token-meter.js has ${module.length} bytes, ${gzipped} gzipped.`)
}
