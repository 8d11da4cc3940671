import { BatchWriteCommand } from '@aws-sdk/lib-dynamodb'
import type { Stack } from '../local/stack.ts'
import { periodOf } from '../shared/domain/period.ts'
import type { Workspace } from '../shared/domain/workspace.ts'
import { resetWorkspaces } from '../shared/operations/reset-workspaces.ts'
import { openStore, type Store } from '../shared/store/dynamodb.ts'
import { environment, table } from './handlers.ts'
import { type Cost, startMeteringProxy } from './metering-proxy.ts'

const workspaceCount = Number(process.env.BENCH_WORKSPACES ?? 100_000)
const segments = 8

/** So few that counting every request on its way does not take long. */
const meteredCount = 1_000

/** The monthly sweep over many workspaces at full speed, its cost for each, and what it keeps in memory. */
export async function measureSweep(stack: Stack): Promise<string> {
  const proxy = await startMeteringProxy(stack.dynamoDbEndpoint)
  let costs: Record<string, Cost>
  try {
    const metered = open(stack, proxy.endpoint)
    await fill(metered, 'metered', meteredCount)
    proxy.take()
    await sweep(metered)
    costs = proxy.take()
  } finally {
    proxy.stop()
  }

  const store = open(stack, stack.dynamoDbEndpoint)
  await fill(store, 'swept', workspaceCount)
  const heap: number[] = []
  const watch = setInterval(() => heap.push(process.memoryUsage().heapUsed / 1e6), 500)
  const start = performance.now()
  const rolledOver = await sweep(store)
  const seconds = (performance.now() - start) / 1000
  clearInterval(watch)

  const each = (of: 'requests' | 'writeUnits' | 'readUnits') =>
    (Object.values(costs).reduce((sum, cost) => sum + cost[of], 0) / meteredCount).toFixed(3)
  const third = Math.ceil(heap.length / 3)
  const thirds = [heap.slice(0, third), heap.slice(third, -third), heap.slice(-third)]
  return [
    '## The monthly sweep',
    `${rolledOver.toLocaleString('en-US')} workspaces, ${segments} segments side by side in one process, unpaced (deployed, the pace is a prop). Requests and units are counted over ${meteredCount.toLocaleString('en-US')} of them.`,
    table(
      ['workspaces/s', 'requests each', 'WCU each', 'RCU each', 'heap peak by thirds, MB'],
      [
        [
          (rolledOver / seconds).toFixed(0),
          each('requests'),
          each('writeUnits'),
          each('readUnits'),
          thirds.map((values) => Math.max(...values).toFixed(0)).join(' · '),
        ],
      ],
    ),
  ].join('\n\n')
}

function open(stack: Stack, endpoint: string): Store {
  Object.assign(process.env, environment(stack, endpoint))
  const { WORKSPACES_TABLE, LEDGER_TABLE } = process.env
  return openStore({
    workspacesTable: WORKSPACES_TABLE!,
    ledgerTable: LEDGER_TABLE!,
    usageRetentionDays: 400,
  })
}

/** How many workspaces all segments together rolled over. */
async function sweep(store: Store): Promise<number> {
  const swept = await Promise.all(
    Array.from({ length: segments }, (_, segment) =>
      resetWorkspaces(store, {
        segment,
        segments,
        period: periodOf(new Date()),
        pacePerSecond: 1_000_000,
        timeLeftMs: () => Number.POSITIVE_INFINITY,
      }),
    ),
  )
  return swept.reduce((sum, one) => sum + one.rolledOver, 0)
}

/** Workspaces as a month of use leaves them, in the month before this one. */
async function fill(store: Store, prefix: string, total: number): Promise<void> {
  const lastMonth = new Date()
  lastMonth.setUTCDate(0)
  const period = periodOf(lastMonth)
  const days = Object.fromEntries(Array.from({ length: 28 }, (_, day) => [String(day + 1), 40_000]))
  for (let start = 0; start < total; start += 25 * 8) {
    await Promise.all(
      Array.from({ length: 8 }, (_, batch) => {
        const first = start + batch * 25
        const count = Math.min(25, total - first)
        if (count <= 0) return undefined
        const items = Array.from({ length: count }, (_, n): Workspace => {
          const at = lastMonth.toISOString()
          return {
            workspaceId: `${prefix}-${first + n}`,
            plan: 'pro',
            quota: 2_000_000,
            topUps: 1_000_000,
            balance: 1_880_000,
            held: 0,
            holds: 0,
            period,
            days,
            createdAt: at,
            updatedAt: at,
            version: 1,
          }
        })
        const puts = items.map((Item) => ({ PutRequest: { Item } }))
        return store.client.send(
          new BatchWriteCommand({ RequestItems: { [store.workspacesTable]: puts } }),
        )
      }),
    )
  }
}
