import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { grouped } from '../../../shared/domain/grouped.ts'
import { shapes } from './index.ts'

/** Writes the table of docs/client.md: `node test/client/streams/table.ts`. A test compares the two. */
const guideFile = fileURLToPath(new URL('../../../docs/client.md', import.meta.url))
const begin = '<!-- made from test/client/streams -->\n'
const end = '<!-- until here -->'

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(guideFile, guideWith(streamsTable()))
}

export function guideWith(table: string): string {
  const [before, , after] = splitGuide()
  return `${before}${begin}${table}\n${end}${after}`
}

export function printedTable(): string {
  return splitGuide()[1].trim()
}

function splitGuide(): [before: string, table: string, after: string] {
  const guide = readFileSync(guideFile, 'utf8')
  const [from, to] = [guide.indexOf(begin), guide.indexOf(end)]
  if (from < 0 || to < from) throw new Error('docs/client.md has no place for the table of streams')
  return [guide.slice(0, from), guide.slice(from + begin.length, to), guide.slice(to + end.length)]
}

export function streamsTable(): string {
  const rows = shapes.map(({ provider, name, charge, why, bySdk, source }) => {
    const sdk = bySdk === undefined ? '' : grouped(bySdk)
    return `| ${provider} | [${name}](${source}) | ${grouped(charge)} | ${why} | ${sdk} |`
  })
  return ['| From | What is odd | Charge | How | AI SDK |', '|---|---|---|---|---|', ...rows].join(
    '\n',
  )
}
