import { createHash } from 'node:crypto'
import { entryId, type HoldEntry } from '../domain/entry.ts'
import { type HoldRequest, openHold as movementTo, type OpenHold } from '../domain/hold.ts'
import type { Refusal, RefusalCode } from '../domain/refusal.ts'
import type { Workspace } from '../domain/workspace.ts'
import { commit, readAfterwards } from '../store/commit.ts'
import type { Store } from '../store/dynamodb.ts'
import { readEntry } from '../store/ledger.ts'

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
  const holdId = holdIdOf(workspaceId, key)
  const outcome = await commit(store, {
    workspaceId,
    now,
    decide: (moment, seen) => movementTo({ ...request, holdId }, moment, seen),
  })
  if ('entry' in outcome) {
    const workspace = await readAfterwards(store, { workspaceId, now })
    return { hold: outcome.entry, replayed: outcome.replayed, workspace }
  }
  const final = 'refused' in outcome && !dependsOnState.has(outcome.refused)
  if (final) return outcome
  const entry = await readEntry(store, workspaceId, entryId.hold(holdId))
  // A cancelled transaction need not name every reason, so a lack of tokens may hide that the hold is closed.
  if (!entry) return 'refused' in outcome ? outcome : { refused: 'busy' }
  const closed = entry as HoldEntry
  if (closed.held !== request.tokens) return { refused: 'idempotency_key_reused' }
  const workspace = await readAfterwards(store, { workspaceId, now })
  return { hold: { holdId, tokens: closed.held, heldUntil: closed.at }, replayed: true, workspace }
}

const dependsOnState = new Set<RefusalCode>(['insufficient_tokens', 'holds_limit'])

/** 128 bits of a digest: the same for the same workspace and key. */
function holdIdOf(workspaceId: string, key: string): string {
  const digest = createHash('sha256').update(`${workspaceId}\n${key}`).digest()
  return `hold_${digest.subarray(0, 16).toString('base64url')}`
}
