import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { consumeTokens } from '../shared/operations/consume-tokens.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/** `POST /v1/workspaces/{workspaceId}/consume`: takes the tokens a product has used. */
export const handler = endpoint('consume', async ({ workspaceId, caller, key, body, now }) => {
  const outcome = await consumeTokens(store, { workspaceId, key, ...body }, now)
  if ('refused' in outcome) return outcome
  const { requested, taken } = outcome.entry
  const meter = meterOf(outcome.workspace, now, caller.role)
  return answer(200, { requested, taken, meter }, outcome.replayed)
})
