import { DeleteCommand, PutCommand, QueryCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb'
import type { PurchaseRef } from '../domain/purchase.ts'
import { answered, applied, type Store } from './dynamodb.ts'
import { ownPartitions, schema } from './schema.ts'

/** What is to be looked at again: a purchase, or a payment whose purchase could not even be told. */
export type RetrySubject = { purchase: PurchaseRef } | { paymentIntent: string }

/** One entry of the list. What it says besides its subject makes it the same entry as when it was read. */
export type Retry = RetrySubject & {
  /** The list's own: `ownPartitions`. */
  workspaceId: string
  entryId: string
  /** When it first could not be settled; ISO 8601. */
  since: string
  /** How often it has been tried again since. */
  tries: number
  /** Not to be tried before; ISO 8601. */
  nextAt: string
}

/** The index by time, which lists an entry by when it is due: what is not due yet costs no reading. */
const dueAt = schema.ledger.byTimeIndex.sortKey
const notOnTheList = 'attribute_not_exists(entryId)'
const asRead = 'since = :since AND tries = :tries AND nextAt = :nextAt'

/**
 * The write that puts a purchase on the list, whether or not it is there: its count begins again. For use
 * in a transaction with what makes another look necessary.
 */
export function retryPut(
  store: Store,
  { workspaceId, purchaseId, livemode }: PurchaseRef & { livemode: boolean },
  at: string,
  nextAt: string,
) {
  return entryPut(store, livemode, { purchase: { workspaceId, purchaseId } }, at, nextAt)
}

/** Puts something on the list that could not be settled. An entry that is there keeps its age and its time. */
export async function addRetry(
  store: Store,
  livemode: boolean,
  subject: RetrySubject,
  at: string,
  nextAt: string,
): Promise<void> {
  const put = {
    ...entryPut(store, livemode, subject, at, nextAt),
    ConditionExpression: notOnTheList,
  }
  await applied(store.client.send(new PutCommand(put)))
}

/** Where a listing goes on: the last entry of the page before. */
export type RetriesCursor = Record<string, unknown>

/** One page of what is due at `now` (ISO 8601), the longest due first. It may show an entry just taken off. */
export async function pageOfDue(
  store: Store,
  livemode: boolean,
  now: string,
  limit: number,
  cursor?: RetriesCursor,
): Promise<{ retries: Retry[]; cursor?: RetriesCursor }> {
  const { Items = [], LastEvaluatedKey } = await answered(
    store.client.send(
      new QueryCommand({
        TableName: store.ledgerTable,
        IndexName: schema.ledger.byTimeIndex.name,
        KeyConditionExpression: `workspaceId = :workspaceId AND ${dueAt} <= :now`,
        ExpressionAttributeValues: {
          ':workspaceId': ownPartitions.stripeIn(livemode),
          ':now': now,
        },
        Limit: limit,
        ExclusiveStartKey: cursor,
      }),
    ),
  )
  return { retries: Items as Retry[], cursor: LastEvaluatedKey }
}

/** Leaves it on the list for later. False where it was taken off, or put on anew, since it was read. */
export function postponeRetry(store: Store, retry: Retry, nextAt: string): Promise<boolean> {
  return applied(
    store.client.send(
      new UpdateCommand({
        TableName: store.ledgerTable,
        Key: keyOf(retry),
        UpdateExpression: `SET tries = :triesAfter, nextAt = :nextAtAfter, ${dueAt} = :nextAtAfter`,
        ConditionExpression: asRead,
        ExpressionAttributeValues: {
          ...valuesOf(retry),
          ':triesAfter': retry.tries + 1,
          ':nextAtAfter': nextAt,
        },
      }),
    ),
  )
}

/** Takes it off the list. False where it was put on anew since it was read: then there is more to do. */
export function removeRetry(store: Store, retry: Retry): Promise<boolean> {
  return applied(
    store.client.send(
      new DeleteCommand({
        TableName: store.ledgerTable,
        Key: keyOf(retry),
        ConditionExpression: asRead,
        ExpressionAttributeValues: valuesOf(retry),
      }),
    ),
  )
}

function entryPut(
  store: Store,
  livemode: boolean,
  subject: RetrySubject,
  at: string,
  nextAt: string,
) {
  const Item = {
    workspaceId: ownPartitions.stripeIn(livemode),
    entryId: entryIdOf(subject),
    type: 'retry',
    ...subject,
    since: at,
    tries: 0,
    nextAt,
    [dueAt]: nextAt,
  }
  return { TableName: store.ledgerTable, Item }
}

/** No workspace's id is empty, so a payment's entry cannot have the id of a purchase's. */
function entryIdOf(subject: RetrySubject): string {
  if ('paymentIntent' in subject) return `retry##${subject.paymentIntent}`
  const { workspaceId, purchaseId } = subject.purchase
  return `retry#${workspaceId}#${purchaseId}`
}

function keyOf({ workspaceId, entryId }: Retry) {
  return { workspaceId, entryId }
}

function valuesOf({ since, tries, nextAt }: Retry) {
  return { ':since': since, ':tries': tries, ':nextAt': nextAt }
}
