import type { GrantEntry } from '../domain/entry.ts'
import { type Grant, grant } from '../domain/movements/grant.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { Workspace } from '../domain/workspace.ts'
import { commitAndRead } from '../store/commit.ts'
import type { Store } from '../store/dynamodb.ts'

/** Adds tokens an account representative gives a workspace, with the reason and who gave them. */
export function grantTokens(
  store: Store,
  request: Grant,
  now: Date,
): Promise<{ entry: GrantEntry; replayed: boolean; workspace: Workspace } | Refusal> {
  return commitAndRead(store, {
    workspaceId: request.workspaceId,
    now,
    decide: (moment, seen) => grant(request, moment, seen),
  })
}
