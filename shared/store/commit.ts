import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type CancellationReason,
  TransactionCanceledException,
  TransactionInProgressException,
} from '@aws-sdk/client-dynamodb'
import { TransactWriteCommand, type TransactWriteCommandInput } from '@aws-sdk/lib-dynamodb'
import { unmarshall } from '@aws-sdk/util-dynamodb'
import { isSameRequest, type LedgerEntry } from '../domain/entry.ts'
import { type Moment, type Movement, momentOf, reset } from '../domain/movement.ts'
import type { Period } from '../domain/period.ts'
import { isRefusal, type Refusal, type RefusalCode } from '../domain/refusal.ts'
import type { Workspace } from '../domain/workspace.ts'
import { answered, isThrottle, type Store } from './dynamodb.ts'
import { entryPut, purchasePut, readEntry } from './ledger.ts'
import { readWorkspace } from './workspaces.ts'

/** Attempts at one movement, whatever stood in its way, and the longest wait between two of them. */
const attemptsMax = 12
const backoffBaseMs = 20
const backoffMaxMs = 500
/** No attempt begins later: the SDK waits out throttles too, and whoever called must still be answered. */
const attemptsMsMax = 6_000

export interface Request<Entry extends LedgerEntry, Code extends RefusalCode> {
  workspaceId: string
  now: Date
  /**
   * Builds the movement for a moment, from the workspace where it has been seen. Called again whenever the
   * state turned out to be another than it was built for.
   */
  decide(moment: Moment, seen?: Workspace): Movement<Entry> | Refusal<Code>
  /** What the caller has read already; without it the first attempt is made blind. */
  seen?: Workspace
}

export type Outcome<Entry extends LedgerEntry, Code extends RefusalCode> =
  | { entry: Entry; replayed: boolean }
  | Refusal<Code | 'idempotency_key_reused' | 'workspace_not_found' | 'busy'>
  /** The purchase has changed since it was read: read it again and start over. */
  | { stale: true }

/**
 * Carries a movement out, once, in one transaction: the workspace under the movement's conditions, its
 * ledger entry if absent, and the purchase it settles. The write is the check, so nothing can come between
 * deciding and doing.
 *
 * What stood in the way is answered in a fixed order: an entry already there (the same request is a replay,
 * another one a reused key); a conflict or throttle (bounded retries, then `busy`); a purchase that has
 * changed; no such workspace; a workspace in an earlier period (rolled over first) or a later one (its
 * period wins); and only then what the movement itself says of the state. A refusal is final only after one
 * more look for the entry, since a cancelled transaction need not name every reason.
 *
 * Throws `Unavailable` when DynamoDB does not answer. Each transaction carries a token, so the SDK's own
 * retries cannot apply it twice; the entry does the same for the caller's.
 */
export async function commit<Entry extends LedgerEntry, Code extends RefusalCode>(
  store: Store,
  { workspaceId, now, decide, seen }: Request<Entry, Code>,
): Promise<Outcome<Entry, Code>> {
  let moment = momentOf(now)
  let wanted: Entry | undefined
  const deadline = performance.now() + attemptsMsMax
  for (let attempt = 1; attempt <= attemptsMax && performance.now() < deadline; attempt++) {
    if (seen && seen.period > moment.period) moment = momentOf(now, seen.period)
    if (seen && seen.period < moment.period) {
      const rolled = await rollOver(store, seen, moment.period)
      if (rolled === 'conflict') await backoff(attempt)
      else seen = rolled
      continue
    }

    const movement = decide(moment, seen)
    if (isRefusal(movement)) {
      const entry = wanted && (await readEntry(store, workspaceId, wanted.entryId))
      return entry ? alreadyRecorded(entry, wanted!) : movement
    }
    wanted = movement.entry

    const result = await transact(store, movement)
    if ('applied' in result) return { entry: movement.entry, replayed: false }
    if ('entry' in result) return alreadyRecorded(result.entry, movement.entry)
    if ('stale' in result) return result
    if ('conflict' in result) await backoff(attempt)
    else if (!result.workspace) return { refused: 'workspace_not_found' }
    else seen = result.workspace
  }
  return { refused: 'busy' }
}

/**
 * Writes the reset of a workspace into a later period, and answers with the workspace as it stands then:
 * undefined where somebody else was first and left no picture of it.
 */
export async function rollOver(
  store: Store,
  workspace: Workspace,
  to: Period,
): Promise<Workspace | undefined | 'conflict'> {
  const movement = reset(workspace, to)
  const result = await transact(store, movement)
  if ('applied' in result) return { ...workspace, ...movement.set }
  if ('conflict' in result) return 'conflict'
  return 'workspace' in result ? result.workspace : undefined
}

/**
 * `commit` for movements without a purchase, and the workspace as one consistent read finds it afterwards: a
 * transaction returns no item. A replay repeats what was recorded, beside the workspace of today.
 */
export async function commitAndRead<Entry extends LedgerEntry, Code extends RefusalCode>(
  store: Store,
  request: Request<Entry, Code>,
): Promise<
  | { entry: Entry; replayed: boolean; workspace: Workspace }
  | Refusal<Code | 'idempotency_key_reused' | 'workspace_not_found' | 'busy'>
> {
  const outcome = await commit(store, request)
  if ('stale' in outcome) throw new Error('a movement without a purchase cannot be stale')
  if ('refused' in outcome) return outcome
  const workspace = await readWorkspace(store, request.workspaceId)
  return { ...outcome, workspace: workspace! }
}

/** Entries of one id have one type, so an entry that records the same request is of the wanted type. */
function alreadyRecorded<Entry extends LedgerEntry>(entry: LedgerEntry, wanted: Entry) {
  return isSameRequest(entry, wanted)
    ? { entry: entry as Entry, replayed: true }
    : { refused: 'idempotency_key_reused' as const }
}

type TransactionResult =
  | { applied: true }
  | { entry: LedgerEntry }
  | { conflict: true }
  | { stale: true }
  /** The workspace's condition failed, and this is how it stood; undefined where there is none. */
  | { workspace: Workspace | undefined }

async function transact(store: Store, movement: Movement): Promise<TransactionResult> {
  const items = [
    { Update: workspaceUpdate(store, movement) },
    { Put: entryPut(store, movement.entry) },
    ...(movement.also ? [{ Put: purchasePut(store, movement.also) }] : []),
  ]
  try {
    await answered(
      store.client.send(
        new TransactWriteCommand({ TransactItems: items, ClientRequestToken: randomUUID() }),
      ),
    )
    return { applied: true }
  } catch (error) {
    const cause = error instanceof Error && isThrottle(error.cause) ? error.cause : error
    if (isThrottle(cause) || cause instanceof TransactionInProgressException)
      return { conflict: true }
    if (cause instanceof TransactionCanceledException) {
      const result = whyCancelled(cause.CancellationReasons ?? [])
      if (result) return result
    }
    throw error
  }
}

const conflictCodes = new Set([
  'TransactionConflict',
  'ThrottlingError',
  'ProvisionedThroughputExceeded',
])

/** Undefined where no reason is one we know how to answer, which is a bug of ours. */
function whyCancelled([workspace, entry, also]: CancellationReason[]):
  | TransactionResult
  | undefined {
  if (conditionFailed(entry) && entry?.Item) return { entry: unmarshall(entry.Item) as LedgerEntry }
  const codes = [workspace, entry, also].map((reason) => reason?.Code ?? 'None')
  if (codes.some((code) => conflictCodes.has(code))) return { conflict: true }
  if (conditionFailed(also)) return { stale: true }
  if (conditionFailed(workspace)) {
    return { workspace: workspace?.Item && (unmarshall(workspace.Item) as Workspace) }
  }
  return undefined
}

function conditionFailed(reason: CancellationReason | undefined): boolean {
  return reason?.Code === 'ConditionalCheckFailed'
}

/** Full jitter: the waits of callers who collided once are spread out, so they do not collide again. */
export async function backoff(attempt: number): Promise<void> {
  await sleep(Math.random() * Math.min(backoffMaxMs, backoffBaseMs * 2 ** attempt))
}

type UpdateItem = NonNullable<
  NonNullable<TransactWriteCommandInput['TransactItems']>[number]['Update']
>

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
  for (const [field, read] of Object.entries(when.absent ? {} : asRead)) {
    conditions.push(
      read === undefined
        ? `attribute_not_exists(${name(field)})`
        : `${name(field)} = ${value(`${field}AsRead`, read)}`,
    )
  }

  const sets = [`${name('updatedAt')} = ${value('updatedAt', entry.at)}`]
  const removes: string[] = []
  for (const field of ['quota', 'topUps', 'balance'] as const) {
    if (add[field])
      sets.push(`${name(field)} = ${name(field)} + ${value(`${field}Added`, add[field])}`)
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
