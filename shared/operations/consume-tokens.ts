import type { UsageEntry } from '../domain/entry.ts'
import { type Use, use } from '../domain/movements/use.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { Workspace } from '../domain/workspace.ts'
import { commitAndRead } from '../store/commit.ts'
import type { Store } from '../store/dynamodb.ts'

/**
 * Takes tokens a product has used from its customer's workspace, or with `onShortfall: 'drain'` whatever is
 * left of them. Refuses with `insufficient_tokens` and the workspace as it stood; a refusal leaves nothing
 * behind, so the same key may succeed later.
 */
export function consumeTokens(
  store: Store,
  request: Use,
  now: Date,
): Promise<{ entry: UsageEntry; replayed: boolean; workspace: Workspace } | Refusal> {
  return commitAndRead(store, {
    workspaceId: request.workspaceId,
    now,
    decide: (moment, seen) => use(request, moment, seen),
  })
}
