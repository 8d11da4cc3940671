import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { getWorkspace } from '../shared/operations/get-workspace.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/**
 * `GET /v1/workspaces/{workspaceId}/meter`: what is used and left, and what this viewer may do about it.
 * Where services have an issuer of their own, they find it under `/v1/services/workspaces/…`.
 */
export const handler = endpoint('meter', async ({ workspaceId, caller, now }) => {
  const outcome = await getWorkspace(store, workspaceId, now)
  if ('refused' in outcome) return outcome
  return answer(200, meterOf(outcome, now, caller.role))
})
