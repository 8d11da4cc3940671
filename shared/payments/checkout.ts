import type Stripe from 'stripe'
import { grouped } from '../domain/grouped.ts'
import type { PaymentFacts, Purchase } from '../domain/purchase.ts'
import { answeredByStripe, type StripeAccount, StripeFailure } from './stripe.ts'

export type CheckoutOutcome =
  | { sessionId: string; checkoutUrl: string }
  /** Stripe no longer knows the customer the purchase names. */
  | { failed: 'customer_missing' }
  /** Stripe answered with an error of its own, which it would repeat for the same idempotency key. */
  | { failed: 'stripe_error'; cause: unknown }

/**
 * Opens the Checkout session of a purchase. Every parameter comes from the stored purchase, so the same
 * attempt asks for the same thing, and Stripe answers a repeat with the session it made the first time.
 */
export async function openCheckout(
  { client }: StripeAccount,
  purchase: Purchase,
): Promise<CheckoutOutcome> {
  const { workspaceId, purchaseId, attempt, customerId } = purchase
  const metadata = { workspaceId, purchaseId }
  try {
    const session = await answeredByStripe(
      client.checkout.sessions.create(
        {
          mode: 'payment',
          line_items: [lineItem(purchase)],
          client_reference_id: workspaceId,
          metadata,
          payment_intent_data: { metadata },
          billing_address_collection: 'required',
          invoice_creation: { enabled: true },
          ...(customerId ? { customer: customerId } : { customer_creation: 'always' }),
          success_url: returnUrl(purchase, 'success'),
          cancel_url: returnUrl(purchase, 'cancelled'),
        },
        { idempotencyKey: `${purchaseId}/${attempt}` },
      ),
    )
    return { sessionId: session.id, checkoutUrl: session.url! }
  } catch (error) {
    if (isMissingCustomer(error)) return { failed: 'customer_missing' }
    const { cause } = error as Error
    if (cause instanceof StripeFailure && (cause.statusCode ?? 0) >= 500) {
      return { failed: 'stripe_error', cause: error }
    }
    throw error
  }
}

/**
 * What Stripe says now about the session of a purchase, its payment, refunds and disputes; undefined where
 * Stripe does not know the session. Events are never consulted: they may be late, doubled or out of order.
 */
export async function readFacts(
  { client }: StripeAccount,
  sessionId: string,
): Promise<PaymentFacts | undefined> {
  const session = await retrieveSession(client, sessionId)
  if (!session) return undefined
  const intent = session.payment_intent as Stripe.PaymentIntent | null
  const status = statusOf(session, intent)
  const taken =
    status === 'paid' && intent
      ? await readTakenBack(client, intent.id)
      : { refunded: 0, disputed: 0 }
  const charge = intent?.latest_charge as Stripe.Charge | null | undefined
  const amountTotal = session.amount_total ?? 0
  return {
    workspaceId: session.metadata?.workspaceId,
    purchaseId: session.metadata?.purchaseId,
    livemode: session.livemode,
    currency: session.currency ?? '',
    status,
    amountTotal,
    amountBeforeTax: amountTotal - (session.total_details?.amount_tax ?? 0),
    amountRefunded: taken.refunded,
    amountDisputed: taken.disputed,
    customerId: idOf(session.customer),
    receiptUrl: charge?.receipt_url ?? undefined,
  }
}

async function retrieveSession(client: Stripe, sessionId: string) {
  try {
    return await answeredByStripe(
      client.checkout.sessions.retrieve(sessionId, { expand: ['payment_intent.latest_charge'] }),
    )
  } catch (error) {
    if (error instanceof StripeFailure && error.code === 'resource_missing') return undefined
    throw error
  }
}

function statusOf(
  session: Stripe.Checkout.Session,
  intent: Stripe.PaymentIntent | null,
): PaymentFacts['status'] {
  if (session.status === 'open') return 'open'
  if (session.status === 'expired') return 'expired'
  if (session.payment_status === 'paid') return 'paid'
  // A delayed payment that failed asks for another method, which a completed session cannot take any more.
  const failed = intent?.status === 'requires_payment_method' || intent?.status === 'canceled'
  return failed ? 'failed' : 'processing'
}

/** What has left the payment again, in minor units: refunds not failed, and disputes not won. */
async function readTakenBack(client: Stripe, paymentIntent: string) {
  const page = { payment_intent: paymentIntent, limit: 100 }
  const [refunds, disputes] = await answeredByStripe(
    Promise.all([
      client.refunds.list(page).autoPagingToArray({ limit: listedMax }),
      client.disputes.list(page).autoPagingToArray({ limit: listedMax }),
    ]),
  )
  return {
    refunded: sum(refunds.filter(({ status }) => status !== 'failed' && status !== 'canceled')),
    disputed: sum(disputes.filter(({ status }) => holdsMoneyBack(status))),
  }
}

/** One payment cannot have more: each takes back at least one cent of the dearest order. */
const listedMax = 10_000

/** Warnings are inquiries and move no money; a dispute won or prevented gave it back or never took it. */
function holdsMoneyBack(status: Stripe.Dispute.Status): boolean {
  return !status.startsWith('warning_') && status !== 'won' && status !== 'prevented'
}

function sum(parts: { amount: number }[]): number {
  return parts.reduce((total, { amount }) => total + amount, 0)
}

function lineItem({
  tokens,
  amount,
  currency,
}: Purchase): Stripe.Checkout.SessionCreateParams.LineItem {
  const name = `${grouped(tokens)} AI tokens`
  return { quantity: 1, price_data: { currency, unit_amount: amount, product_data: { name } } }
}

/** The buyer's return URL, telling the page which purchase it is about and how they left Stripe. */
function returnUrl({ returnUrl, purchaseId }: Purchase, checkout: 'success' | 'cancelled'): string {
  const url = new URL(returnUrl)
  url.searchParams.set('purchase', purchaseId)
  url.searchParams.set('checkout', checkout)
  return url.href
}

function isMissingCustomer(error: unknown): boolean {
  return (
    error instanceof StripeFailure &&
    error.code === 'resource_missing' &&
    error.param === 'customer'
  )
}

function idOf(reference: string | { id: string } | null | undefined): string | undefined {
  return typeof reference === 'string' ? reference : reference?.id
}
