import { tablesConfig } from '../shared/config.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { encodeCursor } from '../shared/http/input.ts'
import { listActivity } from '../shared/operations/list-activity.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())

/** `GET /v1/workspaces/{workspaceId}/activity`: usage per day, and for admins what moved tokens and money. */
export const handler = endpoint('activity', async ({ workspaceId, caller, query, now }) => {
  const withMoney = caller.role === 'admin'
  const outcome = await listActivity(store, { workspaceId, withMoney, ...query }, now)
  if ('refused' in outcome) return outcome
  const { cursor, ...activity } = outcome
  return answer(200, { ...activity, nextCursor: cursor && encodeCursor(cursor) })
})
