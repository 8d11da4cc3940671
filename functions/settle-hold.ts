import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { closeHold } from '../shared/operations/close-hold.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/** `POST /v1/workspaces/{workspaceId}/holds/{holdId}/settle`: pays for what was used, returns the rest. */
export const handler = endpoint(
  'settle-hold',
  async ({ workspaceId, holdId, caller, body, now }) => {
    const closing = { outcome: 'settled' as const, tokens: body.tokens }
    const outcome = await closeHold(store, { workspaceId, holdId, closing }, now)
    if ('refused' in outcome) return outcome
    const { used, charged, uncovered, returned } = outcome.entry
    const meter = meterOf(outcome.workspace, now, caller.role)
    return answer(200, { holdId, used, charged, uncovered, returned, meter }, outcome.replayed)
  },
)
