import type { PlanEntry } from '../domain/entry.ts'
import { type WorkspaceChange, workspaceChange } from '../domain/movements/workspace-change.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { Workspace } from '../domain/workspace.ts'
import { commitAndRead } from '../store/commit.ts'
import type { Store } from '../store/dynamodb.ts'
import { readWorkspace } from '../store/workspaces.ts'

/** Creates a workspace on a plan, or changes an existing one; more tokens now, fewer at the reset. */
export async function changeWorkspace(
  store: Store,
  request: WorkspaceChange,
  now: Date,
): Promise<{ entry: PlanEntry; replayed: boolean; workspace: Workspace } | Refusal> {
  return commitAndRead(store, {
    workspaceId: request.workspaceId,
    now,
    seen: await readWorkspace(store, request.workspaceId),
    decide: (moment, seen) => workspaceChange(request, moment, seen),
  })
}
