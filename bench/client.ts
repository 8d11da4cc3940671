import { createClient, isRefused } from '../client/src/server.ts'
import type { Stack } from '../local/stack.ts'
import { createWorkspace, table } from './handlers.ts'
import { openInProcessApi } from './in-process-api.ts'
import { startMeteringProxy } from './metering-proxy.ts'
import { measureStreams } from './streams.ts'

const baseUrl = 'http://tokens.local'

/** What the client costs its process, what a lease saves, and what both do to one hot workspace. */
export async function measureClient(stack: Stack): Promise<string> {
  return [
    await measureOverhead(),
    await measureStreams(),
    await measureLeases(stack),
    await measureHotWorkspace(stack),
  ].join('\n\n')
}

const overheadCalls = 20_000
const overheadMsMax = 0.2

async function measureOverhead(): Promise<string> {
  const answer = JSON.stringify({ requested: 1, taken: 1, meter: { remaining: 1 } })
  const reply: typeof fetch = async () => new Response(answer)
  const client = createClient({ baseUrl, token: 'token', fetch: reply })
  const bare = async () => JSON.parse(await (await reply(baseUrl)).text())
  const calls = {
    'client.consume': () => client.consume({ workspace: 'acme', tokens: 1 }),
    'the same fetch called bare': bare,
  }
  const rows = []
  for (const [name, call] of Object.entries(calls)) {
    for (let n = 0; n < overheadCalls / 10; n++) await call()
    const start = process.cpuUsage()
    for (let n = 0; n < overheadCalls; n++) await call()
    const { user, system } = process.cpuUsage(start)
    const bound = name === 'client.consume' ? `≤ ${overheadMsMax}` : ''
    rows.push([name, ((user + system) / 1_000 / overheadCalls).toFixed(4), bound])
  }
  return [
    '## The client',
    `CPU of ${overheadCalls.toLocaleString('en-US')} calls against a \`fetch\` that answers at once, garbage collection and all.`,
    table(['call', 'CPU ms each', 'bound'], rows),
  ].join('\n\n')
}

const leaseBounds = [
  { k: 10, uses: 1_000, max: 0.5 },
  { k: 100, uses: 4_000, max: 0.05 },
]

async function measureLeases(stack: Stack): Promise<string> {
  const proxy = await startMeteringProxy(stack.dynamoDbEndpoint)
  try {
    const api = await openInProcessApi(stack, proxy.endpoint)
    const client = createClient({ baseUrl, fetch: api.fetch })
    const rows = []
    for (const { k, uses, max } of leaseBounds) {
      const workspace = `lease-${k}`
      await createWorkspace(stack, workspace)
      proxy.take()
      const lease = client.lease({ workspace, tokens: k * 100 })
      for (let n = 0; n < uses; n++) await lease.consume(100)
      await lease.close()
      const { TransactWriteItems, ...others } = proxy.take()
      const reads = Object.values(others).reduce((sum, { requests }) => sum + requests, 0)
      const each = (TransactWriteItems?.requests ?? 0) / uses
      const units = (TransactWriteItems?.writeUnits ?? 0) / uses
      rows.push([k, each.toFixed(3), `≤ ${max}`, (reads / uses).toFixed(3), units.toFixed(3)])
    }
    return [
      'A lease of k uses, one caller. A plain consume is one transaction and one read.',
      table(['k', 'transactions a use', 'bound', 'reads a use', 'WCU a use'], rows),
    ].join('\n\n')
  } finally {
    proxy.stop()
  }
}

const callers = 64
const conflictShare = 0.2
const plainUses = 960
const leasedUses = 192_000
const speedUpMin = 20
/** Tokens for nine tenths of the uses, so that the end is fought for. */
const quotaShare = 0.9

async function measureHotWorkspace(stack: Stack): Promise<string> {
  const proxy = await startMeteringProxy(stack.dynamoDbEndpoint, { conflictShare })
  try {
    const api = await openInProcessApi(stack, proxy.endpoint)
    const client = createClient({ baseUrl, fetch: api.fetch, retries: 20 })
    const lease = client.lease({ workspace: 'hot-leased', tokens: 20_000 })
    const ways = [
      {
        name: 'plain',
        workspace: 'hot-plain',
        uses: plainUses,
        use: (tokens: number) => client.consume({ workspace: 'hot-plain', tokens }),
        end: async () => {},
      },
      {
        name: 'leased',
        workspace: 'hot-leased',
        uses: leasedUses,
        use: (tokens: number) => lease.consume(tokens),
        end: () => lease.close(),
      },
    ]
    const rows = []
    const perSecond: number[] = []
    for (const way of ways) {
      const quota = Math.floor(way.uses * quotaShare)
      await createWorkspace(stack, way.workspace, quota)
      proxy.take()
      const { given, refused, seconds } = await race(way.use, way.uses)
      const costs = proxy.take()
      await way.end()
      const { used, held } = await client.meter({ workspace: way.workspace })
      perSecond.push(given / seconds)
      rows.push([
        way.name,
        way.uses,
        given,
        refused,
        used === given && given <= quota && held === 0 ? 'no' : `YES: ${used} of ${quota} used`,
        api.takeFailures(),
        costs.conflict?.requests ?? 0,
        (given / seconds).toFixed(0),
      ])
    }
    const ratio = perSecond[1]! / perSecond[0]!
    return [
      `One hot workspace, ${callers} callers that each use 1 token again and again, and tokens for ${quotaShare * 100} % of that. ${conflictShare * 100} % of all transactions are turned away with a conflict.`,
      table(
        ['', 'asked', 'given', 'refused', 'overspent', '5xx', 'conflicts', 'given a second'],
        rows,
      ),
      `Leased is ${ratio.toFixed(0)} × plain; the bound is ${speedUpMin}.`,
    ].join('\n\n')
  } finally {
    proxy.stop()
  }
}

/** All callers at once, each making its uses one after the other, until the tokens are gone. */
async function race(use: (tokens: number) => Promise<unknown>, uses: number) {
  let given = 0
  let refused = 0
  let lastGiven = 0
  const start = performance.now()
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let n = 0; n < uses / callers; n++) {
        try {
          await use(1)
          given++
          lastGiven = performance.now()
        } catch (error) {
          if (!isRefused(error, 'insufficient_tokens')) throw error
          refused++
        }
      }
    }),
  )
  return { given, refused, seconds: (lastGiven - start) / 1_000 }
}
