import { stripeConfig, tablesConfig } from '../shared/config.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { getDocuments } from '../shared/operations/get-documents.ts'
import { openStripe } from '../shared/payments/stripe.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())
const stripe = openStripe(stripeConfig())

/** `GET /v1/workspaces/{workspaceId}/purchases/{purchaseId}/documents`: the receipt and the invoice of an order. */
export const handler = endpoint('get-documents', async ({ workspaceId, purchaseId, now }) => {
  const outcome = await getDocuments(store, stripe, { workspaceId, purchaseId }, now)
  if ('refused' in outcome) return outcome
  return answer(200, outcome)
})
