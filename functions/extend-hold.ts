import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { extendHold } from '../shared/operations/extend-hold.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/** `POST /v1/workspaces/{workspaceId}/holds/{holdId}/extend`: keeps a hold for longer, counted from now. */
export const handler = endpoint(
  'extend-hold',
  async ({ workspaceId, holdId, caller, key, body, now }) => {
    const outcome = await extendHold(store, { workspaceId, holdId, key, ...body }, now)
    if ('refused' in outcome) return outcome
    const meter = meterOf(outcome.workspace, now, caller.role)
    return answer(200, { holdId, expiresAt: outcome.entry.heldUntil, meter }, outcome.replayed)
  },
)
