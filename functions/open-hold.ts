import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { openHold } from '../shared/operations/open-hold.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/** `POST /v1/workspaces/{workspaceId}/holds`: sets tokens aside for work that is about to begin. */
export const handler = endpoint('open-hold', async ({ workspaceId, caller, key, body, now }) => {
  const outcome = await openHold(store, { workspaceId, key, ...body }, now)
  if ('refused' in outcome) return outcome
  const { holdId, tokens, heldUntil } = outcome.hold
  const meter = meterOf(outcome.workspace, now, caller.role)
  const { closed, replayed } = outcome
  return answer(201, { holdId, tokens, expiresAt: heldUntil, closed, meter }, replayed)
})
