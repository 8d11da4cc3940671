import type { Stack } from '../local/stack.ts'
import { bundles, consumeEvent, createWorkspace, load, table } from './handlers.ts'
import { type Cost, startMeteringProxy } from './metering-proxy.ts'

/** AWS's on-demand list prices in us-east-1, in dollars a million. */
const price = { writeUnit: 0.625, readUnit: 0.125 }

const day = 86_400_000

/** Requests, capacity units and bytes of each way a consume can go, as the engine counts them. */
export async function measureCosts(stack: Stack): Promise<string> {
  const proxy = await startMeteringProxy(stack.dynamoDbEndpoint)
  try {
    const { consume } = await bundles(stack)
    const handler = await load(stack, consume, proxy.endpoint)
    await createWorkspace(stack, 'costs')
    const now = new Date()
    const nextMonth = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 3))
    const ways: [string, () => Promise<unknown>][] = [
      ['usual', () => handler(consumeEvent('costs', 'a', 1_000, now))],
      ['replay of a key', () => handler(consumeEvent('costs', 'a', 1_000, now))],
      ['refused', () => handler(consumeEvent('costs', 'b', 1_000_000_000_000, now))],
      ['first of a month', () => handler(consumeEvent('costs', 'c', 1_000, nextMonth))],
      [
        'usual, a day on',
        () => handler(consumeEvent('costs', 'd', 1_000, new Date(+nextMonth + day))),
      ],
    ]
    proxy.take()
    const rows = []
    for (const [name, run] of ways) {
      await run()
      rows.push(row(name, proxy.take()))
    }
    return [
      '## What a consume costs',
      'Requests and capacity units as DynamoDB Local reports them (`ReturnConsumedCapacity`), bytes on the wire without headers.',
      table(['consume', 'requests', 'WCU', 'RCU', 'bytes out', 'bytes in', '$ per million'], rows),
      `The dollars are WCU × ${price.writeUnit} + RCU × ${price.readUnit}, the on-demand list prices of us-east-1 for a million units.`,
    ].join('\n\n')
  } finally {
    proxy.stop()
  }
}

function row(name: string, costs: Record<string, Cost>): (string | number)[] {
  const all = Object.values(costs)
  const sum = (of: keyof Cost) => all.reduce((total, cost) => total + cost[of], 0)
  const requests = Object.entries(costs).map(([operation, cost]) => `${cost.requests} ${operation}`)
  const dollars = sum('writeUnits') * price.writeUnit + sum('readUnits') * price.readUnit
  return [
    name,
    requests.join(' + '),
    sum('writeUnits'),
    sum('readUnits'),
    sum('bytesSent'),
    sum('bytesReceived'),
    dollars.toFixed(2),
  ]
}
