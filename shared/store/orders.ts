import { randomUUID } from 'node:crypto'
import { TransactionCanceledException } from '@aws-sdk/client-dynamodb'
import { TransactWriteCommand } from '@aws-sdk/lib-dynamodb'
import { openOrdersAdded, type Purchase } from '../domain/purchase.ts'
import { openOrdersMax } from '../domain/workspace.ts'
import { backoff } from './commit.ts'
import { answered, queried, type Store, wasInTheWay } from './dynamodb.ts'
import { purchaseCreated, purchasePut, replacePurchase } from './ledger.ts'
import { schema } from './schema.ts'

/** Tries at a write that met other writes to the same workspace. */
const attemptsMax = 6

/** What became of an order: it is stored, it was there, or the workspace has as many open as it may. */
export type Placed = 'placed' | 'exists' | 'full' | 'busy'

/** Stores a new order and counts it among the open ones of its workspace, in one transaction. */
export async function placeOrder(store: Store, purchase: Purchase): Promise<Placed> {
  const codes = await together(store, [
    { Put: purchaseCreated(store, purchase) },
    { Update: counted(store, purchase, 1, openOrdersMax) },
  ])
  return placedOf(codes)
}

function placedOf(codes: Awaited<ReturnType<typeof together>>): Placed {
  if (codes === 'done') return 'placed'
  if (codes === 'busy') return 'busy'
  return codes[0] === 'ConditionalCheckFailed' ? 'exists' : 'full'
}

/** Opens an order again that had been closed, if there is room for it. `exists`: it has changed since it was read. */
export async function reopenOrder(store: Store, before: Purchase, open: Purchase): Promise<Placed> {
  const codes = await together(store, [
    { Put: purchasePut(store, { purchase: open, replacesVersion: before.version }) },
    { Update: counted(store, open, 1, openOrdersMax) },
  ])
  return placedOf(codes)
}

/**
 * Replaces a purchase where no tokens move, and keeps count of the open orders. False where it has changed since
 * it was read, or the workspace is too busy: whoever asked reads it again.
 */
export async function replaceOrder(
  store: Store,
  before: Purchase,
  purchase: Purchase,
): Promise<boolean> {
  const change = { purchase, replacesVersion: before.version }
  const added = openOrdersAdded(before, purchase)
  if (added === 0) return replacePurchase(store, change)
  const codes = await together(store, [
    { Put: purchasePut(store, change) },
    { Update: counted(store, purchase, added) },
  ])
  return codes === 'done'
}

/** The open orders of a workspace that have waited longest, oldest first. It may show one just closed. */
export async function oldestOpenOrders(
  store: Store,
  workspaceId: string,
  count: number,
): Promise<Purchase[]> {
  const found: Purchase[] = []
  const all = queried<Purchase>(store, {
    TableName: store.ledgerTable,
    IndexName: schema.ledger.byTimeIndex.name,
    KeyConditionExpression: 'workspaceId = :workspaceId',
    FilterExpression: '#status = :open',
    ExpressionAttributeNames: { '#status': 'status' },
    ExpressionAttributeValues: { ':workspaceId': workspaceId, ':open': 'open' },
  })
  for await (const order of all) {
    found.push(order)
    if (found.length === count) break
  }
  return found
}

function counted(store: Store, { workspaceId }: Purchase, added: number, below?: number) {
  return {
    TableName: store.workspacesTable,
    Key: { workspaceId },
    UpdateExpression: 'SET openOrders = if_not_exists(openOrders, :zero) + :added',
    ConditionExpression:
      below === undefined
        ? 'attribute_exists(workspaceId)'
        : 'attribute_not_exists(openOrders) OR openOrders < :below',
    ExpressionAttributeValues: {
      ':zero': 0,
      ':added': added,
      ...(below !== undefined && { ':below': below }),
    },
  }
}

type Writes = NonNullable<ConstructorParameters<typeof TransactWriteCommand>[0]['TransactItems']>

/** Both writes or none: `done`, `busy` where others kept coming between, or why each of them was not. */
async function together(store: Store, writes: Writes): Promise<'done' | 'busy' | string[]> {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    try {
      await answered(
        store.client.send(
          new TransactWriteCommand({ TransactItems: writes, ClientRequestToken: randomUUID() }),
        ),
      )
      return 'done'
    } catch (error) {
      if (error instanceof TransactionCanceledException) {
        const codes = (error.CancellationReasons ?? []).map(({ Code }) => Code ?? 'None')
        if (codes.includes('ConditionalCheckFailed')) return codes
      } else if (!wasInTheWay(error)) throw error
      await backoff(attempt)
    }
  }
  return 'busy'
}
