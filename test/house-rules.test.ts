import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { catalog } from '../shared/catalog.ts'
import { entryId } from '../shared/domain/entry.ts'
import { grouped } from '../shared/domain/grouped.ts'
import { problem, problemCodes } from '../shared/http/problem.ts'
import { routes } from '../shared/http/routes.ts'
import { signalNames } from '../shared/signals.ts'
import { englishStrings } from '../web/meter/strings.ts'
import { englishUsageStrings } from '../web/usage/strings.ts'

/*
 * The floors of the house, and what else a reader may rely on without looking: rules of the code base that no
 * compiler keeps.
 */
const root = fileURLToPath(new URL('..', import.meta.url))
const read = (file: string) => readFileSync(join(root, file), 'utf8')

/** Files below the folders, as paths from the root. */
function filesIn(...folders: string[]): string[] {
  return folders
    .filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(root.length)),
    )
    .sort()
}

const typescriptIn = (...folders: string[]) =>
  filesIn(...folders).filter((file) => file.endsWith('.ts'))

interface Import {
  /** A path from the root, or the name of a package. */
  of: string
  /** Gone before the code runs. */
  typeOnly: boolean
}

/** What a file names: imports and exports from elsewhere, and files it loads by their URL. */
function importsOf(file: string): Import[] {
  const source = withoutComments(read(file))
  const statements = /^(?:import|export)(\s+type)?\s[^=;'"`]*?\bfrom\s+'([^']+)'/gm
  const effects = /^import()\s+'([^']+)'/gm
  const calls = /\bimport\(\s*'([^']+)'/g
  const urls = /new URL\(\s*'([^':]+\.ts)',\s*import\.meta\.url/g
  const local = (name: string) => normalize(join(dirname(file), name))
  const target = (name: string) => (name.startsWith('.') ? local(name) : name)
  return [
    ...[...source.matchAll(statements), ...source.matchAll(effects)].map(([, type, name]) => ({
      of: target(name!),
      typeOnly: Boolean(type),
    })),
    ...source.matchAll(calls).map(([, name]) => ({ of: target(name!), typeOnly: false })),
    ...source.matchAll(urls).map(([, name]) => ({ of: local(name!), typeOnly: false })),
  ]
}

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1')
}

/** Each floor, and what files on it may import from this project; anything below one of these paths. */
const floors: Record<string, string[]> = {
  functions: ['shared/'],
  'shared/operations': [
    'shared/operations/',
    'shared/store/',
    'shared/payments/',
    'shared/domain/',
    'shared/signals.ts',
  ],
  'shared/store': ['shared/store/', 'shared/domain/', 'shared/config.ts'],
  'shared/payments': [
    'shared/payments/',
    'shared/domain/',
    'shared/config.ts',
    'shared/signals.ts',
  ],
  'shared/http': ['shared/http/', 'shared/domain/', 'shared/config.ts', 'shared/signals.ts'],
  'shared/domain': ['shared/domain/', 'shared/catalog.ts'],
  // Functions it names by their path alone; the names it shares are the tables', the signals' and the site's, and
  // what the settings are where nobody says otherwise.
  infra: [
    'infra/',
    'shared/config.ts',
    'shared/signals.ts',
    'shared/http/routes.ts',
    'shared/payments/checkout-options.ts',
    'shared/store/schema.ts',
    'web/site.ts',
  ],
  local: ['local/', 'shared/', 'web/site.ts', 'web/build.ts'],
  audit: ['audit/', 'shared/'],
  // A command for whoever deploys, and no part of the service: all it shares is which events are followed.
  connect: ['connect/', 'shared/payments/events.ts'],
}

describe('a floor knows only what is below it', () => {
  it.each(Object.entries(floors))('%s', (floor, below) => {
    const strangers = typescriptIn(floor).flatMap((file) =>
      importsOf(file)
        .filter(
          ({ of }) => existsSync(join(root, of)) && !below.some((path) => of.startsWith(path)),
        )
        .map(({ of }) => `${file} imports ${of}`),
    )
    expect(strangers).toEqual([])
  })

  it('the rules need nothing but themselves: no package, no runtime, no clock', () => {
    for (const file of [...typescriptIn('shared/domain'), 'shared/catalog.ts']) {
      for (const { of } of importsOf(file)) expect(of, file).toMatch(/^shared\//)
      expect(withoutComments(read(file)), file).not.toMatch(/\bprocess\b|Date\.now|new Date\(\)/)
    }
  })

  it('the files beside the floors know none of them', () => {
    for (const file of ['shared/catalog.ts', 'shared/config.ts', 'shared/signals.ts']) {
      expect(importsOf(file), file).toEqual([])
    }
  })

  it('nothing of the service reads the wall clock: time comes with the event', () => {
    for (const file of typescriptIn('shared', 'functions')) {
      expect(withoutComments(read(file)), file).not.toMatch(/Date\.now\(|new Date\(\)/)
    }
  })

  it('a page shares rules with the service, and no code that reaches a server', () => {
    const strangers = typescriptIn('web').flatMap((file) =>
      importsOf(file)
        .filter(({ of, typeOnly }) => of.startsWith('shared/') && !typeOnly)
        .filter(({ of }) => !/^shared\/(domain\/|catalog\.ts)/.test(of))
        .map(({ of }) => `${file} imports ${of}`),
    )
    expect(strangers).toEqual([])
  })
})

/** Everything that is written in TypeScript, but what a configuration alone reads. */
const everywhere = [
  'shared',
  'functions',
  'infra',
  'local',
  'audit',
  'connect',
  'web',
  'client',
  'bench',
  'test',
]

describe('imports', () => {
  it('lead back to no file that they came from, not even those of types', () => {
    expect(circlesIn(typescriptIn(...everywhere))).toEqual([])
  })
})

/** Groups of files of which each leads to each other. */
function circlesIn(files: string[]): string[][] {
  const imported = new Map(files.map((file) => [file, importsOf(file).map(({ of }) => of)]))
  const reachedFrom = new Map(
    files.map((file) => [file, reach(imported.get(file)!, (each) => imported.get(each) ?? [])]),
  )
  const leads = (one: string, other: string) => reachedFrom.get(one)!.has(other)
  return files
    .filter((file) => leads(file, file))
    .map((file) => files.filter((other) => leads(file, other) && leads(other, file)))
    .filter((circle, at, circles) => circles.findIndex(([first]) => first === circle[0]) === at)
}

/** What is reached from the first ones on, themselves included. */
function reach(first: string[], next: (file: string) => string[]): Set<string> {
  const reached = new Set<string>()
  const waiting = [...first]
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (reached.has(file)) continue
    reached.add(file)
    waiting.push(...next(file))
  }
  return reached
}

describe('one name is one thing', () => {
  const declared = /^(?:export )?(?:async )?(?:interface|type|class|const|function\*?) (\w+)/gm
  const namesIn = (...folders: string[]) =>
    typescriptIn(...folders).flatMap((file) =>
      [...withoutComments(read(file)).matchAll(declared)].map(([statement, name]) => ({
        file,
        name: name!,
        isExported: statement.startsWith('export'),
      })),
    )
  const exported = (folder: string) => namesIn(folder).filter(({ isExported }) => isExported)

  it('movements are named by nouns, as their files are, and operations by verbs: none shares a name', () => {
    const inDomain = new Set(exported('shared/domain').map(({ name }) => name))
    const shared = exported('shared/operations').filter(({ name }) => inDomain.has(name))
    expect(shared).toEqual([])
    for (const file of typescriptIn('shared/domain/movements')) {
      const name = basename(file, '.ts').replace(/-(\w)/g, (_, letter) => letter.toUpperCase())
      expect(exported('shared/domain/movements'), file).toContainEqual(
        expect.objectContaining({ file, name }),
      )
    }
  })

  it('nothing of the service is called like something of the platform’s', () => {
    const platform = new Set(Object.getOwnPropertyNames(globalThis))
    expect(namesIn('shared', 'functions').filter(({ name }) => platform.has(name))).toEqual([])
  })
})

describe('every file is used', () => {
  const scripts: Record<string, string> = JSON.parse(read('package.json')).scripts
  const commands = [...Object.values(scripts), JSON.parse(read('cdk.json')).app].join('\n')
  const entries = [
    ...commands.matchAll(/\b(?:node|stryker run) (\S+\.ts)/g).map(([, file]) => file!),
    // What an adopter imports, and what the test runners start.
    'infra/token-top-up.ts',
    ...['vitest.config.ts', 'test/mutation/stryker.config.ts'].flatMap((config) =>
      [...read(config).matchAll(/'(test\/[^'*]+\.ts)'/g)].map(([, file]) => file!),
    ),
    // What a host loads, what the client exports, and how it is shown to be used.
    ...[...read('web/build.ts').matchAll(/'(web\/[^'*]+\.ts)'/g)].map(([, file]) => file!),
    ...Object.values<{ default: string }>(JSON.parse(read('client/package.json')).exports).map(
      (of) => of.default.replace(/^\.\/dist\/(.+)\.js$/, 'client/src/$1.ts'),
    ),
    ...typescriptIn('client/examples'),
    ...typescriptIn('functions'),
    ...typescriptIn('test').filter((file) => file.endsWith('.test.ts')),
  ]

  it('from an entry that exists', () => {
    expect(entries).toEqual(
      expect.arrayContaining(['local/main.ts', 'infra/app.ts', 'test/support/global-setup.ts']),
    )
    for (const entry of entries) expect(existsSync(join(root, entry)), entry).toBe(true)
  })

  it('so nothing is kept that nothing imports', () => {
    const reached = reach(entries, (file) =>
      existsSync(join(root, file)) ? importsOf(file).map(({ of }) => of) : [],
    )
    const kept = typescriptIn(...everywhere).filter((file) => !file.endsWith('.d.ts'))
    expect(kept.filter((file) => !reached.has(file))).toEqual([])
  })

  it('and every import leads to a file', () => {
    const broken = typescriptIn(...everywhere).flatMap((file) =>
      importsOf(file)
        .filter(({ of }) => of.endsWith('.ts') && !existsSync(join(root, of)))
        .map(({ of }) => `${file} imports ${of}`),
    )
    expect(broken).toEqual([])
  })
})

describe('a text of the page', () => {
  const code = typescriptIn('web')
    .filter((file) => !file.endsWith('strings.ts'))
    .map(read)
    .join('\n')

  it.each([
    ['the meter', englishStrings],
    ['the usage page', englishUsageStrings],
  ])('is shown, each of those of %s', (_, strings) => {
    // What helps with an outcome is found by the outcome's own name.
    const isShown = (name: string) =>
      [name, name.replace(/Help$/, '')].some((each) => new RegExp(`\\b${each}\\b`).test(code))
    expect(Object.keys(strings).filter((name) => !isShown(name))).toEqual([])
  })
})

describe('the catalog', () => {
  it('is the only file of the service that carries its figures', () => {
    const { plans, topUp } = catalog
    const quotas = Object.values(plans).map(({ monthlyQuota }) => monthlyQuota)
    const figures = new Set([...quotas, topUp.stepTokens, topUp.stepAmount].map(String))
    const repeated = typescriptIn('shared', 'functions')
      .filter((file) => file !== 'shared/catalog.ts')
      .flatMap((file) =>
        [...withoutComments(read(file)).matchAll(/\b\d[\d_]*\b/g)]
          .filter(([literal]) => figures.has(literal.replaceAll('_', '')))
          .map(([literal]) => `${file} says ${literal}`),
      )
    expect(repeated).toEqual([])
  })
})

/** What is written for people. */
const pages = [
  ...['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'client/README.md'],
  ...filesIn('docs').filter((file) => file.endsWith('.md')),
]

describe('a page', () => {
  /** Made when it is needed, so that it need not be there. */
  const made = read('.gitignore').trim().split('\n')
  const kept = [...filesIn(...everywhere, 'docs', '.ci'), ...readdirSync(root)]

  it.each(pages)('%s links to what is there', (page) => {
    const dead = [...read(page).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, link]) => link!)
      .filter((link) => !/^(https?|mailto):/.test(link))
      .filter((link) => {
        const [path, heading] = link.split('#') as [string, string?]
        const target = path === '' ? page : normalize(join(dirname(page), path))
        if (!existsSync(join(root, target))) return true
        return heading !== undefined && !headingsOf(target).includes(heading)
      })
    expect(dead).toEqual([])
  })

  it.each(pages)('%s names no file or folder that is not there', (page) => {
    const folders = [...everywhere, 'docs', '.ci'].join('|').replace('.', '\\.')
    const path = new RegExp(`(?<![\\w./…@-])(?:${folders})/[\\w./*-]*`, 'g')
    const file = /^[\w-]+(\.test)?\.ts$/
    const code = [...read(page).matchAll(/```[\s\S]*?```|`[^`\n]+`/g)].map(([each]) => each)
    const paths = code.flatMap((each) => each.match(path) ?? [])
    const names = code.map((each) => each.slice(1, -1)).filter((each) => file.test(each))
    const isThere = (named: string) => {
      const like = named
        .replace(/[/.:]+$/, '')
        .replaceAll('.', '\\.')
        .replaceAll('*', '[^/]*')
      return kept.some((file) => new RegExp(`^${like}(?:/|$)`).test(file))
    }
    const missing = paths.filter(
      (each) => !isThere(each) && !made.some((of) => each.startsWith(of.slice(0, -1))),
    )
    const unknown = names.filter((each) => !kept.some((file) => basename(file) === each))
    expect([...missing, ...unknown]).toEqual([])
  })

  it.each(pages)('%s names no command that is not there', (page) => {
    const { scripts } = JSON.parse(read('package.json'))
    const named = [...read(page).matchAll(/\bnpm run ([\w:-]+)/g)].map(([, name]) => name!)
    expect(named.filter((name) => !(name in scripts))).toEqual([])
  })
})

/** As GitHub makes them, for links into a page. */
function headingsOf(page: string): string[] {
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  )
}

describe('what is told twice, so that nobody has to look, is told alike', () => {
  const readme = read('README.md')

  it('README.md has a row for every plan, with its quota', () => {
    for (const { name, monthlyQuota } of Object.values(catalog.plans)) {
      const quota = monthlyQuota === 'per_workspace' ? 'set per workspace' : grouped(monthlyQuota)
      expect(readme.includes(`\n| ${name} | ${quota} | `), name).toBe(true)
    }
  })

  it('README.md has a row for every route, and for no other', () => {
    const rows = [...readme.matchAll(/^\| `((?:GET|POST|PUT|DELETE) [^`]+)` \|/gm)]
    const told = rows.map(([, route]) => route!.replace('…', '/v1/workspaces/{workspaceId}'))
    expect(told.sort()).toEqual(routes.map(({ method, path }) => `${method} ${path}`).sort())
  })

  it('docs/deploy.md says of every signal what to do', () => {
    const [, alarms = ''] = read('docs/deploy.md').split('## When an alarm goes off')
    const rows = alarms.match(/^\| `[^|]+/gm)?.join()
    for (const signal of signalNames) expect(rows, signal).toContain(`\`${signal}\``)
  })

  it('docs/data-model.md has a row for every kind of entry', () => {
    const page = read('docs/data-model.md')
    for (const make of Object.values(entryId)) {
      const [kind] = make('' as never, 0).split('#')
      expect(page.includes(`\n| \`${kind}#`), kind).toBe(true)
    }
  })

  it('CONTRIBUTING.md shows code as it stands', () => {
    const rows = [...read('CONTRIBUTING.md').matchAll(/^\|.*\| `(.+)` \| `([\w/.-]+)` \|$/gm)]
    expect(rows.length).toBeGreaterThan(10)
    for (const [, code, file] of rows) expect(read(file!).includes(code!), code).toBe(true)
  })
})

describe('a text of this project', () => {
  const texts = [
    ...filesIn(...everywhere, 'docs', '.ci'),
    ...pages,
    ...['package.json', 'cdk.json', 'tsconfig.json', 'biome.json', 'vitest.config.ts'],
  ].filter((file) => /\.(ts|md|json|css|html|sh|run)$|\/run$/.test(file))

  it('names no place on the machine it was written on', () => {
    // Spelt so that this line does not find itself.
    const homes = ['home', 'root', 'Users', 'work', 'tmp', 'mnt'].join('|')
    const place = new RegExp(`(?:^|[\\s'"\`(=])(/(?:${homes})/[\\w.-]+)`, 'm')
    for (const file of texts) expect(place.exec(read(file))?.[1], file).toBeUndefined()
  })
})

describe('docs/errors.md', () => {
  const sections = new Map(
    read('docs/errors.md')
      .split(/^## /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')).trim(), section] as const),
  )

  it('has a section for every code an answer can carry, and for no other', () => {
    expect([...sections.keys()].sort()).toEqual([...problemCodes].sort())
  })

  it.each(problemCodes)('shows what %s really looks like, and says what to do', (code) => {
    const section = sections.get(code) ?? ''
    const example = /```json\n([\s\S]*?)```/.exec(section)?.[1] ?? '{}'
    const shown = JSON.parse(example)
    expect(shown).toMatchObject(JSON.parse(problem(code, shown.requestId).body))
    for (const part of ['**When:**', '**Did tokens or money move?**', '**Next:**']) {
      expect(section).toContain(part)
    }
  })
})
