import { tablesConfig } from '../shared/config.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { activityQuery, encodeCursor } from '../shared/http/input.ts'
import { answer, refusal } from '../shared/http/problem.ts'
import { listActivity } from '../shared/operations/list-activity.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/** `GET /v1/workspaces/{workspaceId}/activity`: usage per day, and for admins what moved tokens and money. */
export const handler = endpoint(
  { who: { roles: ['admin', 'member'] }, query: activityQuery },
  async ({ requestId, workspaceId, caller, query, now }) => {
    const withMoney = caller.role === 'admin'
    const outcome = await listActivity(store, { workspaceId, withMoney, ...query }, now)
    if ('refused' in outcome) return refusal(outcome, { requestId, now })
    const { cursor, ...activity } = outcome
    return answer(200, { ...activity, nextCursor: cursor && encodeCursor(cursor) })
  },
)
