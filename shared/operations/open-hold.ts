import { entryId, type HoldEntry, type OpenHold } from '../domain/entry.ts'
import { type HoldEnd, type HoldRequest, holdEndOf, isHeldBy, wasAskedFor } from '../domain/hold.ts'
import { momentOf } from '../domain/movement.ts'
import { holdOpening } from '../domain/movements/hold-opening.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { Workspace } from '../domain/workspace.ts'
import { commit, readAfterwards } from '../store/commit.ts'
import type { Store } from '../store/dynamodb.ts'
import { readEntry } from '../store/ledger.ts'
import { derivedId } from './derived-id.ts'

/**
 * Sets tokens aside for work that is about to begin. The hold's id comes from the workspace and the caller's
 * key, so a retry finds the hold it opened, even after it has been closed; then `closed` says how. As long as
 * the hold is open, only the try that opened it gets it: of two that ask with one key, one does the work.
 */
export async function openHold(
  store: Store,
  { key, ...asked }: Omit<HoldRequest, 'holdId'> & { key: string },
  now: Date,
): Promise<
  | {
      hold: Pick<OpenHold, 'holdId' | 'tokens' | 'heldUntil'>
      closed?: HoldEnd
      replayed: boolean
      workspace: Workspace
    }
  | Refusal
> {
  const { workspaceId } = asked
  const request = { ...asked, holdId: derivedId('hold', workspaceId, key) }
  const outcome = await commit(store, {
    workspaceId,
    now,
    decide: (moment, seen) => holdOpening(request, moment, seen),
  })
  if ('entry' in outcome) {
    const { entry: hold, replayed } = outcome
    const workspace = await readAfterwards(store, { workspaceId, now })
    const closed = holdEndOf(hold, momentOf(now, workspace.period))
    if (!closed && !isHeldBy(hold, request)) return { refused: 'hold_taken' }
    return { hold, closed, replayed, workspace }
  }
  // A cancelled transaction need not name every reason, so whatever it named may hide that the hold is closed.
  const entry = await readEntry(store, workspaceId, entryId.hold(request.holdId))
  if (!entry) return 'refused' in outcome ? outcome : { refused: 'busy' }
  const { holdId, held: tokens, at: heldUntil } = entry as HoldEntry
  if (!wasAskedFor(entry as HoldEntry, request)) return { refused: 'idempotency_key_reused' }
  const workspace = await readAfterwards(store, { workspaceId, now })
  const closed = holdEndOf(entry as HoldEntry, momentOf(now, workspace.period))
  return { hold: { holdId, tokens, heldUntil }, closed, replayed: true, workspace }
}
