import { openOrdersAdded, type Purchase } from '../domain/purchase.ts'
import { openOrdersMax } from '../domain/workspace.ts'
import { backoff } from './commit.ts'
import { conditionFailed, queried, type Store, together, type Writes } from './dynamodb.ts'
import { purchaseCreated, purchasePut, replacePurchase } from './purchases.ts'
import { schema } from './schema.ts'

/** Tries at a write that met other writes to the same workspace. */
const attemptsMax = 6

/** What became of an order: it is stored, it was there, or the workspace has as many open as it may. */
export type Placed = 'placed' | 'exists' | 'full' | 'busy'

/** Stores a new order and counts it among the open ones of its workspace, in one transaction. */
export async function placeOrder(store: Store, purchase: Purchase): Promise<Placed> {
  return placed(store, { Put: purchaseCreated(store, purchase) }, purchase)
}

/** Opens an order again that had been closed, if there is room for it. `exists`: it has changed since it was read. */
export async function reopenOrder(store: Store, before: Purchase, open: Purchase): Promise<Placed> {
  const change = { purchase: open, replacesVersion: before.version }
  return placed(store, { Put: purchasePut(store, change) }, open)
}

async function placed(store: Store, put: Writes[number], order: Purchase): Promise<Placed> {
  const outcome = await both(store, [put, { Update: counted(store, order, 1, openOrdersMax) }])
  if (outcome === 'done') return 'placed'
  if (outcome === 'busy') return 'busy'
  return outcome.putFailed ? 'exists' : 'full'
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
  const outcome = await both(store, [
    { Put: purchasePut(store, change) },
    { Update: counted(store, purchase, added) },
  ])
  return outcome === 'done'
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

/** Both writes or none: `done`, `busy` where others kept coming between, or whose condition did not hold. */
async function both(
  store: Store,
  writes: [put: Writes[number], count: Writes[number]],
): Promise<'done' | 'busy' | { putFailed: boolean }> {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const outcome = await together(store, writes)
    if ('applied' in outcome) return 'done'
    if ('reasons' in outcome && outcome.reasons.some(conditionFailed)) {
      return { putFailed: conditionFailed(outcome.reasons[0]) }
    }
    await backoff(attempt)
  }
  return 'busy'
}
