import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { openStore } from '../shared/store/dynamodb.ts'
import { readForDisplay } from '../shared/store/holds.ts'

const store = openStore(tablesConfig())

/**
 * `GET /v1/workspaces/{workspaceId}/meter`: what is used and left, and what this viewer may do about it.
 * Where services have an issuer of their own, they find it under `/v1/services/workspaces/…`.
 */
export const handler = endpoint('meter', async ({ workspaceId, caller, now }) => {
  const workspace = await readForDisplay(store, workspaceId, now)
  if (!workspace) return { refused: 'workspace_not_found' }
  return answer(200, meterOf(workspace, now, caller.role))
})
