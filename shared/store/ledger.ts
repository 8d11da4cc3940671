import { GetCommand, QueryCommand } from '@aws-sdk/lib-dynamodb'
import type { LedgerEntry, Recordable, ResetEntry } from '../domain/entry.ts'
import { startOf } from '../domain/period.ts'
import type { Purchase } from '../domain/purchase.ts'
import { answered, type Store } from './dynamodb.ts'
import { schema } from './schema.ts'

/** Nothing lies in the ledger's table under this id yet. */
export const notYetRecorded = 'attribute_not_exists(entryId)'

/** The entry under this id as it is stored now (a consistent read), or undefined. */
export async function readEntry(
  store: Store,
  workspaceId: string,
  entryId: string,
): Promise<Recordable | undefined> {
  const item = await readItem(store, { workspaceId, entryId })
  return item as Recordable | undefined
}

/** Whatever lies in the ledger's table under this key now (a consistent read), or undefined. */
export async function readItem(
  { client, ledgerTable }: Store,
  key: { workspaceId: string; entryId: string },
): Promise<Record<string, unknown> | undefined> {
  const { Item } = await answered(
    client.send(new GetCommand({ TableName: ledgerTable, Key: key, ConsistentRead: true })),
  )
  return Item
}

/** The write that records an entry, if no entry has its id yet. */
export function entryPut(store: Store, entry: Recordable) {
  const days = daysKept(entry, store)
  const shelf =
    days === undefined
      ? { [schema.ledger.byTimeIndex.sortKey]: entry.at }
      : { [schema.ledger.timeToLive]: expiryOf(entry, days) }
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

/** A hold may be opened late for the month it was asked in; it counts in the next, and is kept from there. */
function expiryOf({ type, at, period }: Recordable, days: number): number {
  const asked = Date.parse(at)
  const from = type === 'open' ? Math.max(asked, startOf(period).getTime()) : asked
  return Math.floor(from / 1000) + days * 86_400
}
