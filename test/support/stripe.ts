import Stripe from 'stripe'
import { startStripeStandIn } from '../../local/stripe/index.ts'
import type { CheckoutAction, PaymentAction } from '../../local/stripe/state.ts'
import type { Wanted } from '../../local/stripe/taking-back.ts'
import type { StripeAccount } from '../../shared/payments/stripe.ts'

export interface TestStripe {
  account: StripeAccount
  /** The same account, reached by another client. */
  accountBy(httpClient: StripeHttpClient): StripeAccount
  /** What a buyer does at the checkout page. */
  buyer(session: string, action: CheckoutAction, promotionCode?: string): Promise<Touched>
  /** What happens to a payment afterwards, of an amount in cents or of all that is left. */
  bank(paymentIntent: string, action: PaymentAction, wanted?: number | Wanted): Promise<Touched>
  /** Any other control of the stand-in's, under `/local/stripe/`. */
  control(path: string, body: object): Promise<unknown>
  /** Where its API is, for another process. */
  apiBase: string
  outage(mode: 'none' | 'down' | 'error' | 'lost-response'): Promise<void>
  /** All events so far, oldest first. */
  events(): Promise<Stripe.Event[]>
  stop(): Promise<void>
}

export type StripeHttpClient = ReturnType<typeof Stripe.createNodeHttpClient>

interface Touched {
  session: string
  paymentIntent: string
}

const webhookSecret = 'whsec_local'

/**
 * The local Stripe account, with its webhooks switched off: a test settles by itself, when it wants to. The
 * client does not retry, so that an outage is felt at once.
 */
export async function openTestStripe(
  now: () => Date,
  { livemode = false } = {},
): Promise<TestStripe> {
  const apiKey = livemode ? 'sk_live_local' : 'sk_test_local'
  // The list of events is in no order within a second, and in most tests no second passes.
  const dropped: string[] = []
  const standIn = await startStripeStandIn({
    log: (line) => dropped.push(...(line.match(/evt_\w+/) ?? [])),
    now,
    publicUrl: 'http://localhost:4000',
    webhookUrl: 'http://localhost:4000/v1/stripe/webhook',
    apiKey,
    webhookSecret,
  })
  const control = async (path: string, body: object = {}) => {
    const url = `http://localhost:4000/local/stripe/${path}`
    const request = new Request(url, { method: 'POST', body: JSON.stringify(body) })
    const response = await standIn.handle(request)
    if (!response?.ok) throw new Error(`${path}: ${await response?.text()}`)
    return response.json()
  }
  await control('webhooks', { mode: 'drop' })

  const { hostname, port } = new URL(standIn.apiBase)
  const accountBy = (httpClient: StripeHttpClient): StripeAccount => ({
    client: new Stripe(apiKey, {
      protocol: 'http',
      host: hostname,
      port,
      telemetry: false,
      maxNetworkRetries: 0,
      httpClient,
    }),
    livemode,
    webhookSecrets: [webhookSecret],
  })
  const account = accountBy(Stripe.createNodeHttpClient())
  const { client } = account
  return {
    account,
    accountBy,
    apiBase: standIn.apiBase,
    control,
    buyer: async (session, action, promotionCode) =>
      (await control(`checkout/${session}/${action}`, { promotionCode })) as Touched,
    bank: async (intent, action, wanted) => {
      const body = typeof wanted === 'number' ? { amount: wanted } : wanted
      return (await control(`payments/${intent}/${action}`, body)) as Touched
    },
    outage: async (mode) => void (await control('outage', { mode })),
    events: async () => {
      const all = await client.events.list({ limit: 100 }).autoPagingToArray({ limit: 1_000 })
      const byId = new Map(all.map((event) => [event.id, event]))
      return dropped.map((id) => byId.get(id)!)
    },
    stop: () => standIn.stop(),
  }
}
