import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { closeHold } from '../shared/operations/close-hold.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/** `DELETE /v1/workspaces/{workspaceId}/holds/{holdId}`: returns all that was held. */
export const handler = endpoint('release-hold', async ({ workspaceId, holdId, caller, now }) => {
  const closing = { outcome: 'released' as const }
  const outcome = await closeHold(store, { workspaceId, holdId, closing }, now)
  if ('refused' in outcome) return outcome
  const { returned } = outcome.entry
  const meter = meterOf(outcome.workspace, now, caller.role)
  return answer(200, { holdId, returned, meter }, outcome.replayed)
})
