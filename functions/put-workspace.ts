import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { changeWorkspace } from '../shared/operations/change-workspace.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/** `PUT /v1/workspaces/{workspaceId}`: creates a workspace, or changes its plan or its Stripe customer. */
export const handler = endpoint(
  'put-workspace',
  async ({ workspaceId, caller, key, body, now }) => {
    const change = { workspaceId, key, ...body, by: caller.subject }
    const outcome = await changeWorkspace(store, change, now)
    if ('refused' in outcome) return outcome
    const { entry, workspace, replayed } = outcome
    const { next, stripeCustomerId, blockedBy } = workspace
    const meter = meterOf(workspace, now, caller.role)
    const told = {
      effect: entry.effect,
      next,
      stripeCustomerId,
      purchasing: blockedBy ? 'blocked' : 'allowed',
      blockedBy: blockedBy && Object.keys(blockedBy),
      meter,
    }
    return answer(200, told, replayed)
  },
)
