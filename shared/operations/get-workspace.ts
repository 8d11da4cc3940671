import { withExpiredReturned } from '../domain/movements/hold-expiry.ts'
import type { Refusal } from '../domain/refusal.ts'
import { holdsExpiredBy, type Workspace } from '../domain/workspace.ts'
import type { Store } from '../store/dynamodb.ts'
import { listOpenHolds } from '../store/holds.ts'
import { readWorkspace } from '../store/workspaces.ts'

/**
 * A workspace as it reads now, for somebody who only looks: open holds that have expired are shown as
 * returned, without writing.
 */
export async function getWorkspace(
  store: Store,
  workspaceId: string,
  now: Date,
): Promise<Workspace | Refusal<'workspace_not_found'>> {
  const workspace = await readWorkspace(store, workspaceId)
  if (!workspace) return { refused: 'workspace_not_found' }
  if (!holdsExpiredBy(workspace, now.toISOString())) return workspace
  return withExpiredReturned(workspace, await listOpenHolds(store, workspace), now)
}
