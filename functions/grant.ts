import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { grantTokens } from '../shared/operations/grant-tokens.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/** `POST /v1/workspaces/{workspaceId}/grants`: an account representative adds tokens. */
export const handler = endpoint('grant', async ({ workspaceId, caller, key, body, now }) => {
  const grant = { workspaceId, key, by: caller.subject, ...body }
  const outcome = await grantTokens(store, grant, now)
  if ('refused' in outcome) return outcome
  const meter = meterOf(outcome.workspace, now, caller.role)
  return answer(201, { granted: outcome.entry.tokens, meter }, outcome.replayed)
})
