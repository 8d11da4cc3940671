import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { MeteredCall } from '../client/src/metering.ts'
import { type Format, formats } from '../test/client/formats.ts'
import { tokensInMemory } from '../test/support/tokens-in-memory.ts'
import { table } from './handlers.ts'

const pieces = 100_000
const calls = 5_000
const rounds = 5
const microsecondsMax = 5
const callMsMax = 0.2
const heapMbMax = 2

/** What reading an answer through the client costs, beside reading the same stream bare. */
export async function measureStreams(): Promise<string> {
  const rows = []
  for (const format of formats) {
    const piece = await leastOf(() => perPiece(format))
    const call = await leastOf(() => perCall(format))
    rows.push([format.name, piece.toFixed(2), call.toFixed(3), await heapMbOf(format)])
  }
  return [
    `A stream of ${pieces.toLocaleString('en-US')} pieces, and calls of one piece, against tokens kept in memory: CPU beside the same stream read bare, the least of ${rounds} rounds, and by how much the heap has grown at the last of the pieces.`,
    table(
      [
        'stream',
        `CPU µs a piece (≤ ${microsecondsMax})`,
        `CPU ms a call (≤ ${callMsMax})`,
        `heap MB (≤ ${heapMbMax})`,
      ],
      rows,
    ),
  ].join('\n\n')
}

const request: MeteredCall = { workspace: 'acme', estimate: 1_000 }

async function perPiece(format: Format): Promise<number> {
  const bare = await cpuMsOf(async () => {
    for await (const _ of sending(format, pieces));
  })
  const metered = await cpuMsOf(() => readMetered(format, pieces))
  return ((metered - bare) * 1_000) / pieces
}

async function perCall(format: Format): Promise<number> {
  const ms = await cpuMsOf(async () => {
    for (let n = 0; n < calls; n++) await readMetered(format, 1)
  })
  return ms / calls
}

async function heapMbOf(format: Format): Promise<string> {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const used = () => {
    collect()
    return process.memoryUsage().heapUsed
  }
  let [first, last] = [0, 0]
  await readMetered(format, pieces, (n) => {
    if (n === pieces / 10) first = used()
    if (n === pieces) last = used()
  })
  return ((last - first) / 1e6).toFixed(2)
}

async function readMetered(
  format: Format,
  count: number,
  onPiece?: (n: number) => void,
): Promise<void> {
  const reader = await format.open(tokensInMemory().client, request, () => sending(format, count))
  let n = 0
  while (!(await reader.next()).done) onPiece?.(++n)
}

async function* sending(format: Format, count: number): AsyncGenerator<unknown> {
  for (let n = 0; n < count; n++) yield format.text('word ')
}

async function leastOf(measure: () => Promise<number>): Promise<number> {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < rounds; round++) least = Math.min(least, await measure())
  return least
}

async function cpuMsOf(work: () => Promise<void>): Promise<number> {
  const start = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(start)
  return (user + system) / 1_000
}
