import { checkoutConfig, stripeConfig, tablesConfig } from '../shared/config.ts'
import { purchaseView } from '../shared/domain/purchase.ts'
import { answer } from '../shared/http/answer.ts'
import { endpoint } from '../shared/http/endpoint.ts'
import { returnUrlFault } from '../shared/http/input.ts'
import { startPurchase } from '../shared/operations/start-purchase.ts'
import { openStripe } from '../shared/payments/stripe.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())
const stripe = openStripe(stripeConfig())
const { allowedOrigins, returnUrl: defaultReturnUrl, options: checkout } = checkoutConfig()

/** `POST /v1/workspaces/{workspaceId}/purchases`: an admin orders tokens and gets a checkout page. */
export const handler = endpoint(
  'start-purchase',
  async ({ workspaceId, caller, key, body, now }) => {
    const { tokens, returnUrl = defaultReturnUrl } = body
    const detail = returnUrlFault(returnUrl, allowedOrigins)
    if (detail) return { refused: 'invalid_request', errors: [{ pointer: '#/returnUrl', detail }] }
    const { role, subject: by } = caller
    const order = { workspaceId, key, role, by, tokens, returnUrl, checkout }
    const outcome = await startPurchase(store, await stripe(), order, now)
    if ('refused' in outcome) return outcome
    return answer(201, purchaseView(outcome.purchase, now), outcome.replayed)
  },
)
