import { stripeConfig, tablesConfig } from '../shared/config.ts'
import { purchaseView } from '../shared/domain/purchase.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { getPurchase } from '../shared/operations/get-purchase.ts'
import { openStripe } from '../shared/payments/stripe.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())
const stripe = openStripe(stripeConfig())

/** `GET /v1/workspaces/{workspaceId}/purchases/{purchaseId}`: where an order stands. */
export const handler = endpoint('get-purchase', async ({ workspaceId, purchaseId, now }) => {
  const outcome = await getPurchase(store, stripe, { workspaceId, purchaseId }, now)
  if ('refused' in outcome) return outcome
  return answer(200, purchaseView(outcome, now))
})
