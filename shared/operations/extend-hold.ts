import { type ExtensionEntry, entryId, type OpenHold } from '../domain/entry.ts'
import { holdExtension } from '../domain/movements/hold-extension.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { Workspace } from '../domain/workspace.ts'
import { commit, readAfterwards } from '../store/commit.ts'
import type { Store } from '../store/dynamodb.ts'
import { readEntry } from '../store/ledger.ts'

/** Times the hold is looked up again because it was closed or extended in between. */
const attemptsMax = 4

/** Keeps a hold open for longer, counted from now. It never shortens one. */
export async function extendHold(
  store: Store,
  request: { workspaceId: string; holdId: string; key: string; ttlSeconds: number },
  now: Date,
): Promise<{ entry: ExtensionEntry; replayed: boolean; workspace: Workspace } | Refusal> {
  const { workspaceId, holdId } = request
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const hold = await readEntry(store, workspaceId, entryId.open(holdId))
    if (!hold) return closedMeanwhile(store, request, now)
    const outcome = await commit(store, {
      workspaceId,
      now,
      decide: (moment) => holdExtension(hold as OpenHold, request, moment),
    })
    if ('stale' in outcome) continue
    if ('refused' in outcome) return outcome
    return { ...outcome, workspace: await readAfterwards(store, { workspaceId, now }) }
  }
  return { refused: 'busy' }
}

/** A retry of an extension that was made before the hold was closed still finds its outcome. */
async function closedMeanwhile(
  store: Store,
  { workspaceId, holdId, key }: { workspaceId: string; holdId: string; key: string },
  now: Date,
): Promise<{ entry: ExtensionEntry; replayed: true; workspace: Workspace } | Refusal> {
  const closed = await readEntry(store, workspaceId, entryId.hold(holdId))
  if (!closed) return { refused: 'hold_not_found' }
  const entry = await readEntry(store, workspaceId, entryId.extend(key))
  if (entry?.type !== 'extend' || entry.holdId !== holdId) return { refused: 'hold_closed' }
  return { entry, replayed: true, workspace: await readAfterwards(store, { workspaceId, now }) }
}
