import { tablesConfig } from '../shared/config.ts'
import { meterOf } from '../shared/domain/meter.ts'
import { quotaOf } from '../shared/domain/plan.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { answer } from '../shared/http/problem.ts'
import { changePlan } from '../shared/operations/change-plan.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/** `PUT /v1/workspaces/{workspaceId}`: creates a workspace, or changes its plan. */
export const handler = endpoint(
  'put-workspace',
  async ({ workspaceId, caller, key, body: { plan, quota = 0 }, now }) => {
    const change = { workspaceId, key, plan, quota: quotaOf(plan, quota), by: caller.subject }
    const outcome = await changePlan(store, change, now)
    if ('refused' in outcome) return outcome
    const { entry, workspace, replayed } = outcome
    const meter = meterOf(workspace, now, caller.role)
    return answer(200, { effect: entry.effect, next: workspace.next, meter }, replayed)
  },
)
