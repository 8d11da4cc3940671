import { entryId, type HoldEntry } from '../domain/entry.ts'
import { type HoldRequest, openHold as movementTo, type OpenHold } from '../domain/hold.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { Workspace } from '../domain/workspace.ts'
import { commit, readAfterwards } from '../store/commit.ts'
import type { Store } from '../store/dynamodb.ts'
import { readEntry } from '../store/ledger.ts'
import { derivedId } from './derived-id.ts'

/**
 * Sets tokens aside for work that is about to begin. The hold's id comes from the workspace and the caller's
 * key, so a retry finds the hold it opened, even after it has been closed.
 */
export async function openHold(
  store: Store,
  { key, ...request }: Omit<HoldRequest, 'holdId'> & { key: string },
  now: Date,
): Promise<
  | {
      hold: Pick<OpenHold, 'holdId' | 'tokens' | 'heldUntil'>
      replayed: boolean
      workspace: Workspace
    }
  | Refusal
> {
  const { workspaceId } = request
  const holdId = derivedId('hold', workspaceId, key)
  const outcome = await commit(store, {
    workspaceId,
    now,
    decide: (moment, seen) => movementTo({ ...request, holdId }, moment, seen),
  })
  if ('entry' in outcome) {
    const workspace = await readAfterwards(store, { workspaceId, now })
    return { hold: outcome.entry, replayed: outcome.replayed, workspace }
  }
  // A cancelled transaction need not name every reason, so whatever it named may hide that the hold is closed.
  const closed = await readEntry(store, workspaceId, entryId.hold(holdId))
  if (!closed) return 'refused' in outcome ? outcome : { refused: 'busy' }
  const { held: tokens, at: heldUntil } = closed as HoldEntry
  if (tokens !== request.tokens) return { refused: 'idempotency_key_reused' }
  const workspace = await readAfterwards(store, { workspaceId, now })
  return { hold: { holdId, tokens, heldUntil }, replayed: true, workspace }
}
