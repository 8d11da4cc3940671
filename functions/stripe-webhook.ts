import { stripeConfig, tablesConfig } from '../shared/config.ts'
import { answer } from '../shared/http/answer.ts'
import { publicEndpoint, rawBodyOf } from '../shared/http/endpoint.ts'
import { problem } from '../shared/http/problem.ts'
import { followEvent } from '../shared/operations/follow-event.ts'
import { verifyEvent } from '../shared/payments/events.ts'
import { openStripe, withWebhookSecrets } from '../shared/payments/stripe.ts'
import { signal } from '../shared/signals.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())
const stripe = openStripe(stripeConfig())

const bodyBytesMax = 1024 * 1024

/**
 * `POST /v1/stripe/webhook`. Whatever is signed is answered 200 once it has been dealt with, ours or not:
 * Stripe sends again what is refused, and in the end switches the endpoint off.
 */
export const handler = publicEndpoint(async (event, now) => {
  const { requestId } = event.requestContext
  const rawBody = rawBodyOf(event)
  const account = withWebhookSecrets(await stripe())
  const signature = event.headers['stripe-signature'] ?? ''
  const verified =
    rawBody.length <= bodyBytesMax ? verifyEvent(account, rawBody, signature, now) : undefined
  if (!verified) {
    signal('webhook_rejected', { requestId, bytes: rawBody.length })
    return problem('invalid_signature', requestId)
  }
  return answer(200, { outcome: await followEvent(store, account, verified, now) })
})
