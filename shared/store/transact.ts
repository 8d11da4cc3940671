import type { CancellationReason } from '@aws-sdk/client-dynamodb'
import { unmarshall } from '@aws-sdk/util-dynamodb'
import type { Recordable } from '../domain/entry.ts'
import type { Also, Movement } from '../domain/movement.ts'
import type { Workspace } from '../domain/workspace.ts'
import { conditionFailed, type Store, together, type Writes } from './dynamodb.ts'
import { holdClosed, holdExtended } from './holds.ts'
import { entryAbsent, entryPut } from './ledger.ts'
import { purchasePut } from './purchases.ts'
import { retryPut } from './retries.ts'

/** What became of one transaction, with the most telling of the reasons where it was cancelled. */
export type TransactionResult =
  | { applied: true }
  | { entry: Recordable }
  | { conflict: true }
  | { stale: true }
  /** The workspace's condition failed, and this is how it stood; undefined where there is none. */
  | { workspace: Workspace | undefined }

/**
 * Tries a movement once: everything it says in one transaction, or nothing. Throws `Unavailable` when DynamoDB
 * does not answer.
 */
export async function transact(store: Store, movement: Movement): Promise<TransactionResult> {
  const outcome = await together(store, [
    { Update: workspaceUpdate(store, movement) },
    { Put: entryPut(store, movement.entry) },
    ...(movement.also ?? []).map((also) => alsoWrite(store, movement.entry, also)),
  ])
  if (!('reasons' in outcome)) return outcome
  const result = whyCancelled(outcome.reasons)
  if (!result) throw outcome.error
  return result
}

const conflictCodes = new Set([
  'TransactionConflict',
  'ThrottlingError',
  'ProvisionedThroughputExceeded',
])

/** Undefined where no reason is one we know how to answer, which is a bug of ours. */
function whyCancelled([workspace, entry, ...also]: CancellationReason[]):
  | TransactionResult
  | undefined {
  if (conditionFailed(entry) && entry?.Item) return { entry: unmarshall(entry.Item) as Recordable }
  const codes = [workspace, entry, ...also].map((reason) => reason?.Code ?? 'None')
  if (codes.some((code) => conflictCodes.has(code))) return { conflict: true }
  if (also.some(conditionFailed)) return { stale: true }
  if (conditionFailed(workspace)) {
    return { workspace: workspace?.Item && (unmarshall(workspace.Item) as Workspace) }
  }
  return undefined
}

type TransactItem = Writes[number]

function alsoWrite(store: Store, { workspaceId, at }: Recordable, also: Also): TransactItem {
  if ('purchase' in also) return { Put: purchasePut(store, also) }
  if ('closes' in also) return { Delete: holdClosed(store, also.closes, also.ifExpiredBy) }
  if ('extends' in also) return { Update: holdExtended(store, also.extends, also.to) }
  if ('entry' in also) return { Put: entryPut(store, also.entry) }
  if ('retry' in also) return { Put: retryPut(store, also.retry, at, also.nextAt) }
  return { ConditionCheck: entryAbsent(store, workspaceId, also.absent) }
}

type UpdateItem = NonNullable<TransactItem['Update']>

/** The movement's conditions and changes as one update of the workspace's item. */
function workspaceUpdate(store: Store, { entry, when, add, set }: Movement): UpdateItem {
  const names: Record<string, string> = {}
  const values: Record<string, unknown> = {}
  const name = (field: string) => {
    names[`#${field}`] = field
    return `#${field}`
  }
  const value = (label: string, given: unknown) => {
    values[`:${label}`] = given
    return `:${label}`
  }

  const conditions: string[] = []
  const asRead = { period: entry.period, ...when.asRead }
  if (when.absent) conditions.push('attribute_not_exists(workspaceId)')
  if (when.balanceAtLeast !== undefined) {
    conditions.push(`${name('balance')} >= ${value('balanceAtLeast', when.balanceAtLeast)}`)
  }
  if (when.topUpsAtMost !== undefined) {
    conditions.push(`${name('topUps')} <= ${value('topUpsAtMost', when.topUpsAtMost)}`)
  }
  if (when.heldAtLeast !== undefined) {
    conditions.push(`${name('held')} >= ${value('heldAtLeast', when.heldAtLeast)}`)
  }
  if (when.holdsBelow !== undefined) {
    conditions.push(`${name('holds')} < ${value('holdsBelow', when.holdsBelow)}`)
  }
  if (when.holdsExpireBy !== undefined) {
    conditions.push(`${name('holdsExpireFrom')} <= ${value('holdsExpireBy', when.holdsExpireBy)}`)
  }
  for (const [field, read] of Object.entries(when.absent ? {} : asRead)) {
    conditions.push(
      read === undefined
        ? `attribute_not_exists(${name(field)})`
        : `${name(field)} = ${value(`${field}AsRead`, read)}`,
    )
  }

  const increased = (field: string, by: string) =>
    `if_not_exists(${name(field)}, ${value('zero', 0)}) + ${by}`
  const sets = [
    `${name('updatedAt')} = ${value('updatedAt', entry.at)}`,
    `${name('version')} = ${increased('version', value('one', 1))}`,
  ]
  const removes: string[] = []
  for (const field of ['quota', 'topUps', 'balance', 'held', 'holds'] as const) {
    if (add[field])
      sets.push(`${name(field)} = ${name(field)} + ${value(`${field}Added`, add[field])}`)
  }
  if (add.impounded) {
    sets.push(
      `${name('impounded')} = ${increased('impounded', value('impoundedAdded', add.impounded))}`,
    )
  }
  if (add.openOrders) {
    const added = value('openOrdersAdded', add.openOrders)
    sets.push(`${name('openOrders')} = ${increased('openOrders', added)}`)
  }
  if (add.day) {
    const day = `${name('days')}.${name(add.day.day)}`
    const used = `if_not_exists(${day}, ${value('zero', 0)}) + ${value('dayAdded', add.day.tokens)}`
    sets.push(`${day} = ${used}`)
  }
  for (const [field, given] of Object.entries(set)) {
    if (given === undefined) removes.push(name(field))
    else sets.push(`${name(field)} = ${value(field, given)}`)
  }

  return {
    TableName: store.workspacesTable,
    Key: { workspaceId: entry.workspaceId },
    ConditionExpression: conditions.join(' AND '),
    UpdateExpression: `SET ${sets.join(', ')}${removes.length > 0 ? ` REMOVE ${removes.join(', ')}` : ''}`,
    ExpressionAttributeNames: names,
    ExpressionAttributeValues: values,
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
  }
}
