import { setTimeout as sleep } from 'node:timers/promises'
import { isSameRequest, type Recordable } from '../domain/entry.ts'
import { type Moment, type Movement, momentOf } from '../domain/movement.ts'
import { holdExpiry } from '../domain/movements/hold-expiry.ts'
import { reset } from '../domain/movements/reset.ts'
import type { Period } from '../domain/period.ts'
import { isRefusal, type Refusal, type RefusalCode } from '../domain/refusal.ts'
import { holdsExpiredBy, type Workspace } from '../domain/workspace.ts'
import type { Store } from './dynamodb.ts'
import { listOpenHolds } from './holds.ts'
import { readEntry } from './ledger.ts'
import { transact } from './transact.ts'
import { postponeHoldsCheck, readWorkspace } from './workspaces.ts'

/** Attempts at one movement, whatever stood in its way, and the longest wait between two of them. */
const attemptsMax = 12
const backoffBaseMs = 20
const backoffMaxMs = 500
/** No attempt begins later: the SDK waits out throttles too, and whoever called must still be answered. */
const attemptsMsMax = 6_000

/** A movement that somebody wants to be carried out. */
export interface Proposal<Entry extends Recordable, Code extends RefusalCode> {
  workspaceId: string
  now: Date
  /**
   * Builds the movement for a moment, from the workspace where it has been seen. Called again whenever the
   * state turned out to be another than it was built for. It may read what no other write changes as long as
   * the workspace is at the version seen. Undefined where others have left nothing to do: that is as stale.
   */
  decide(moment: Moment, seen?: Workspace): Decided<Entry, Code> | Promise<Decided<Entry, Code>>
  /** What the caller has read already; without it the first attempt is made blind. */
  seen?: Workspace
}

type Decided<Entry extends Recordable, Code extends RefusalCode> =
  | Movement<Entry>
  | Refusal<Code>
  | undefined

export type Outcome<Entry extends Recordable, Code extends RefusalCode> =
  | { entry: Entry; replayed: boolean }
  | Refusal<Code | 'idempotency_key_reused' | 'workspace_not_found' | 'busy'>
  /** The purchase or hold beside it has changed since it was read: read it again and start over. */
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
export async function commit<Entry extends Recordable, Code extends RefusalCode>(
  store: Store,
  { workspaceId, now, decide, seen }: Proposal<Entry, Code>,
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

    if (seen && holdsExpiredBy(seen, moment.at)) {
      const returned = await returnExpiredHolds(store, seen, now)
      if (returned) {
        seen = returned
        continue
      }
    }

    const movement = await decide(moment, seen)
    if (!movement) return { stale: true }
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
  if ('applied' in result) {
    return { ...workspace, ...movement.set, version: workspace.version + 1 }
  }
  if ('conflict' in result) return 'conflict'
  return 'workspace' in result ? result.workspace : undefined
}

/**
 * `commit` for movements that write nothing beside their entry, so none of them can be stale, and the workspace
 * as one consistent read finds it afterwards: a transaction returns no item. A replay repeats what was
 * recorded, beside the workspace of today.
 */
export async function commitAndRead<Entry extends Recordable, Code extends RefusalCode>(
  store: Store,
  proposal: Proposal<Entry, Code>,
): Promise<
  | { entry: Entry; replayed: boolean; workspace: Workspace }
  | Refusal<Code | 'idempotency_key_reused' | 'workspace_not_found' | 'busy'>
> {
  const outcome = await commit(store, proposal)
  if ('stale' in outcome) return { refused: 'busy' }
  if ('refused' in outcome) return outcome
  return { ...outcome, workspace: await readAfterwards(store, proposal) }
}

/**
 * The workspace after a movement, in one consistent read in the usual case. Where open holds may have
 * expired meanwhile, they are returned on this occasion, so that they need no timer.
 */
export async function readAfterwards(
  store: Store,
  { workspaceId, now }: { workspaceId: string; now: Date },
): Promise<Workspace> {
  const workspace = (await readWorkspace(store, workspaceId))!
  if (!holdsExpiredBy(workspace, now.toISOString())) return workspace
  return (await returnExpiredHolds(store, workspace, now)) ?? workspace
}

/**
 * The workspace with its month opened and its expired holds returned, for somebody who has to know where it
 * stands before there is anything to write. Where others keep coming between, it is only as good as read.
 */
export async function readUpToDate(
  store: Store,
  { workspaceId, now }: { workspaceId: string; now: Date },
): Promise<Workspace | undefined> {
  let workspace = await readWorkspace(store, workspaceId)
  if (workspace && workspace.period < momentOf(now).period) {
    const rolled = await rollOver(store, workspace, momentOf(now).period)
    workspace =
      rolled === undefined || rolled === 'conflict'
        ? await readWorkspace(store, workspaceId)
        : rolled
  }
  if (!workspace || !holdsExpiredBy(workspace, now.toISOString())) return workspace
  return (await returnExpiredHolds(store, workspace, now)) ?? workspace
}

/**
 * Returns what expired holds set aside, and answers with the workspace as it stands then. Undefined where
 * none had expired and the workspace is as given; the next look is then put off to when one may. Where somebody
 * else was at it, what they returned is in the answer, or a refusal would speak of tokens that are back.
 *
 * However many have expired, all are returned before anybody goes on: a caller's attempts are not for them.
 */
async function returnExpiredHolds(
  store: Store,
  workspace: Workspace,
  now: Date,
): Promise<Workspace | undefined> {
  const { workspaceId, period } = workspace
  let holds = await listOpenHolds(store, workspace)
  let movement = holdExpiry(workspace, holds, now)
  if (!movement) {
    const next = earliest(holds.map(({ heldUntil }) => heldUntil))
    const asGiven = await postponeHoldsCheck(store, workspace, next)
    return asGiven ? undefined : readWorkspace(store, workspaceId)
  }
  for (;;) {
    const result = await transact(store, movement)
    const after = await readWorkspace(store, workspaceId)
    if (!('applied' in result) || after?.period !== period) return after
    const closed = closedBy(movement)
    holds = holds.filter(({ holdId }) => !closed.has(holdId))
    movement = holdExpiry(after, holds, now)
    if (!movement) return after
  }
}

function closedBy({ also = [] }: Movement): Set<string> {
  return new Set(also.flatMap((one) => ('closes' in one ? [one.closes.holdId] : [])))
}

function earliest(times: string[]): string | undefined {
  return times.sort()[0]
}

/** Entries of one id have one type, so an entry that records the same request is of the wanted type. */
function alreadyRecorded<Entry extends Recordable>(entry: Recordable, wanted: Entry) {
  return isSameRequest(entry, wanted)
    ? { entry: entry as Entry, replayed: true }
    : { refused: 'idempotency_key_reused' as const }
}

/** Full jitter: the waits of callers who collided once are spread out, so they do not collide again. */
export async function backoff(attempt: number): Promise<void> {
  await sleep(Math.random() * Math.min(backoffMaxMs, backoffBaseMs * 2 ** attempt))
}
