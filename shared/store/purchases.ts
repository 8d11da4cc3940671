import { PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb'
import { entryId } from '../domain/entry.ts'
import type { PurchaseChange } from '../domain/movement.ts'
import type { Purchase, PurchaseRef } from '../domain/purchase.ts'
import { applied, queried, type Store } from './dynamodb.ts'
import { notYetRecorded, readItem } from './ledger.ts'
import { schema } from './schema.ts'

const stillAtVersion = 'version = :version'
const notSeenYet = 'attribute_not_exists(seenUpTo) AND attribute_exists(entryId)'

/** The purchase as it is stored now (a consistent read), or undefined. */
export async function readPurchase(
  store: Store,
  workspaceId: string,
  purchaseId: string,
): Promise<Purchase | undefined> {
  const item = await readItem(store, keyOf({ workspaceId, purchaseId }))
  return item as Purchase | undefined
}

/** The purchases of a workspace that have something pending, as they are stored now. */
export async function pendingPurchases(store: Store, workspaceId: string): Promise<Purchase[]> {
  return Array.fromAsync(
    queried<Purchase>(store, {
      TableName: store.ledgerTable,
      KeyConditionExpression: 'workspaceId = :workspaceId AND begins_with(entryId, :purchase)',
      FilterExpression: 'pending > :none',
      ExpressionAttributeValues: {
        ':workspaceId': workspaceId,
        ':purchase': entryId.purchase(''),
        ':none': 0,
      },
      ConsistentRead: true,
    }),
  )
}

/** The write that stores a new purchase, if none has its id yet. */
export function purchaseCreated(store: Store, purchase: Purchase) {
  return {
    TableName: store.ledgerTable,
    Item: purchaseItem(purchase),
    ConditionExpression: notYetRecorded,
  }
}

/** The write that replaces a purchase, if it is still at the version it was read at. */
export function purchasePut(store: Store, { purchase, replacesVersion }: PurchaseChange) {
  return {
    TableName: store.ledgerTable,
    Item: purchaseItem(purchase),
    ConditionExpression: stillAtVersion,
    ExpressionAttributeValues: { ':version': replacesVersion },
  }
}

/** Replaces a purchase on its own, where no tokens move. False where it has changed since it was read. */
export function replacePurchase(store: Store, change: PurchaseChange): Promise<boolean> {
  return applied(store.client.send(new PutCommand(purchasePut(store, change))))
}

/**
 * Takes the turn to ask Stripe about a purchase that somebody is watching. False where another caller has
 * taken it since `before`, so a page that polls, in however many tabs, costs Stripe one look at a time.
 */
export function claimCheck(
  store: Store,
  purchase: PurchaseRef,
  now: Date,
  before: Date,
): Promise<boolean> {
  return applied(
    store.client.send(
      new UpdateCommand({
        TableName: store.ledgerTable,
        Key: keyOf(purchase),
        UpdateExpression: 'SET checkedAt = :now',
        ConditionExpression: 'attribute_not_exists(checkedAt) OR checkedAt <= :before',
        ExpressionAttributeValues: { ':now': now.toISOString(), ':before': before.toISOString() },
      }),
    ),
  )
}

/**
 * Notes that a purchase has been seen to after everything Stripe dates up to `upTo` (epoch seconds, by Stripe's
 * clock) and after its event `eventId`. An older note never replaces a newer one.
 */
export function noteSeen(
  store: Store,
  purchase: PurchaseRef,
  { upTo, eventId }: { upTo: number; eventId?: string },
): Promise<boolean> {
  return applied(
    store.client.send(
      new UpdateCommand({
        TableName: store.ledgerTable,
        Key: keyOf(purchase),
        UpdateExpression: `SET seenUpTo = :upTo${eventId ? ', seenEvent = :eventId' : ''}`,
        ConditionExpression: `seenUpTo < :upTo OR ${notSeenYet}`,
        ExpressionAttributeValues: { ':upTo': upTo, ...(eventId && { ':eventId': eventId }) },
      }),
    ),
  )
}

function purchaseItem(purchase: Purchase) {
  return {
    ...purchase,
    ...keyOf(purchase),
    type: 'purchase',
    [schema.ledger.byTimeIndex.sortKey]: purchase.createdAt,
  }
}

function keyOf({ workspaceId, purchaseId }: PurchaseRef) {
  return { workspaceId, entryId: entryId.purchase(purchaseId) }
}
