import { GetCommand, PutCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb'
import { entryId, type LedgerEntry, type Recordable, type ResetEntry } from '../domain/entry.ts'
import type { PurchaseChange } from '../domain/movement.ts'
import type { Purchase } from '../domain/purchase.ts'
import { answered, applied, type Store } from './dynamodb.ts'
import { schema } from './schema.ts'

const notYetRecorded = 'attribute_not_exists(entryId)'
const stillAtVersion = 'version = :version'
const notSeenYet = 'attribute_not_exists(seenUpTo) AND attribute_exists(entryId)'

/** The entry under this id as it is stored now (a consistent read), or undefined. */
export async function readEntry(
  store: Store,
  workspaceId: string,
  entryId: string,
): Promise<Recordable | undefined> {
  const item = await readItem(store, workspaceId, entryId)
  return item as Recordable | undefined
}

/** The write that records an entry, if no entry has its id yet. */
export function entryPut(store: Store, entry: Recordable) {
  const days = daysKept(entry, store)
  const shelf =
    days === undefined
      ? { [schema.ledger.byTimeIndex.sortKey]: entry.at }
      : { [schema.ledger.timeToLive]: expiryOf(entry.at, days) }
  return {
    TableName: store.ledgerTable,
    Item: { ...entry, ...shelf },
    ConditionExpression: notYetRecorded,
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
  }
}

/** Undefined for what is kept for ever, and listed by time. */
function daysKept(entry: Recordable, { usageRetentionDays }: Store): number | undefined {
  switch (entry.type) {
    case 'use':
    case 'hold':
    case 'extend':
    case 'expire':
      return usageRetentionDays
    case 'open':
      return openHoldDays
    default:
      return undefined
  }
}

/** Longer than any month: until the reset has ended it, a hold's item is what returns its tokens. */
const openHoldDays = 40

/** The check that there is no entry with this id. */
export function entryAbsent(store: Store, workspaceId: string, entryId: string) {
  return {
    TableName: store.ledgerTable,
    Key: { workspaceId, entryId },
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

/** The purchase as it is stored now (a consistent read), or undefined. */
export async function readPurchase(
  store: Store,
  workspaceId: string,
  purchaseId: string,
): Promise<Purchase | undefined> {
  const item = await readItem(store, workspaceId, entryId.purchase(purchaseId))
  return item as Purchase | undefined
}

/** The write that stores a new purchase, if none has its id yet. */
export function purchaseCreated(store: Store, purchase: Purchase) {
  return {
    TableName: store.ledgerTable,
    Item: purchaseItem(purchase),
    ConditionExpression: notYetRecorded,
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
  { workspaceId, purchaseId }: Purchase,
  now: Date,
  before: Date,
): Promise<boolean> {
  return applied(
    store.client.send(
      new UpdateCommand({
        TableName: store.ledgerTable,
        Key: { workspaceId, entryId: entryId.purchase(purchaseId) },
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
  { workspaceId, purchaseId }: Pick<Purchase, 'workspaceId' | 'purchaseId'>,
  { upTo, eventId }: { upTo: number; eventId?: string },
): Promise<boolean> {
  return applied(
    store.client.send(
      new UpdateCommand({
        TableName: store.ledgerTable,
        Key: { workspaceId, entryId: entryId.purchase(purchaseId) },
        UpdateExpression: `SET seenUpTo = :upTo${eventId ? ', seenEvent = :eventId' : ''}`,
        ConditionExpression: `seenUpTo < :upTo OR ${notSeenYet}`,
        ExpressionAttributeValues: { ':upTo': upTo, ...(eventId && { ':eventId': eventId }) },
      }),
    ),
  )
}

/** The last `count` resets, newest first; each carries the usage per day of the month it closed. */
export async function readResets(
  store: Store,
  workspaceId: string,
  count: number,
): Promise<ResetEntry[]> {
  const { Items = [] } = await answered(
    store.client.send(
      new QueryCommand({
        TableName: store.ledgerTable,
        KeyConditionExpression: 'workspaceId = :workspaceId AND begins_with(entryId, :reset)',
        ExpressionAttributeValues: { ':workspaceId': workspaceId, ':reset': 'reset#' },
        ScanIndexForward: false,
        Limit: count,
      }),
    ),
  )
  return Items as ResetEntry[]
}

/** Where a listing goes on: the last item of the page before. */
export interface ListingCursor {
  entryId: string
  listedAt: string
}

/** What a listing holds: every kind of entry but usage and holds, and purchases as they stand. */
export type Listed = { listedAt: string } & (
  | Exclude<LedgerEntry, { type: 'use' | 'hold' | 'extend' | 'expire' }>
  | (Purchase & { type: 'purchase' })
)

/** One page of what happened in a workspace, newest first: everything but usage and holds. */
export async function listByTime(
  store: Store,
  workspaceId: string,
  limit: number,
  cursor?: ListingCursor,
): Promise<{ items: Listed[]; cursor?: ListingCursor }> {
  const { Items = [], LastEvaluatedKey } = await answered(
    store.client.send(
      new QueryCommand({
        TableName: store.ledgerTable,
        IndexName: schema.ledger.byTimeIndex.name,
        KeyConditionExpression: 'workspaceId = :workspaceId',
        ExpressionAttributeValues: { ':workspaceId': workspaceId },
        ScanIndexForward: false,
        Limit: limit,
        ExclusiveStartKey: cursor && { workspaceId, ...cursor },
      }),
    ),
  )
  return {
    items: Items as Listed[],
    cursor: LastEvaluatedKey && {
      entryId: LastEvaluatedKey.entryId,
      listedAt: LastEvaluatedKey.listedAt,
    },
  }
}

async function readItem(
  store: Store,
  workspaceId: string,
  entryId: string,
): Promise<Record<string, unknown> | undefined> {
  const { Item } = await answered(
    store.client.send(
      new GetCommand({
        TableName: store.ledgerTable,
        Key: { workspaceId, entryId },
        ConsistentRead: true,
      }),
    ),
  )
  return Item
}

function purchaseItem(purchase: Purchase) {
  return {
    ...purchase,
    type: 'purchase',
    entryId: entryId.purchase(purchase.purchaseId),
    [schema.ledger.byTimeIndex.sortKey]: purchase.createdAt,
  }
}

function expiryOf(at: string, days: number): number {
  return Math.floor(Date.parse(at) / 1000) + days * 86_400
}
