import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { answer, problem } from '../shared/http/problem.ts'
import { openStore } from '../shared/store/dynamodb.ts'
import { readForDisplay } from '../shared/store/holds.ts'

const store = openStore(tablesConfig())

/** `GET /v1/workspaces/{workspaceId}/meter`: what is used and left, and what this viewer may do about it. */
export const handler = endpoint(
  { who: { roles: ['admin', 'member'], scope: 'tokens:read' } },
  async ({ requestId, workspaceId, caller, now }) => {
    const workspace = await readForDisplay(store, workspaceId, now)
    if (!workspace) return problem('workspace_not_found', requestId)
    return answer(200, meterOf(workspace, now, caller.role))
  },
)
