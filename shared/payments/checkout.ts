import type Stripe from 'stripe'
import { grouped } from '../domain/grouped.ts'
import type { Purchase } from '../domain/purchase.ts'
import type { PaymentFacts } from '../domain/standing.ts'
import type { CheckoutOptions } from './checkout-options.ts'
import { answeredByStripe, failureOf, idOf, type StripeAccount, unlessMissing } from './stripe.ts'

export type CheckoutOutcome =
  | { sessionId: string; checkoutUrl: string }
  /** Stripe no longer knows the customer the purchase names. */
  | { failed: 'customer_missing' }
  /** Another request is opening it at this moment, or is being told of it. */
  | { failed: 'under_way'; cause: unknown }
  /** A release asks for the same order in another way, which Stripe does not take under the same key. */
  | { failed: 'parameters_changed' }
  /** Stripe answered with an error of its own, which it would repeat for the same idempotency key. */
  | { failed: 'stripe_error'; cause: unknown }
  /** Stripe does not take what it is asked: `param`, where it names one. */
  | { failed: 'rejected'; code?: string; param?: string; cause: unknown }

/**
 * Opens the Checkout session of a purchase. Every parameter comes from the stored purchase, so the same
 * attempt asks for the same thing, and Stripe answers a repeat with the session it made the first time.
 */
export async function openCheckout(
  { client }: StripeAccount,
  purchase: Purchase,
): Promise<CheckoutOutcome> {
  const { deploymentId, purchaseId, attempt } = purchase
  try {
    const session = await answeredByStripe(
      client.checkout.sessions.create(sessionParams(purchase), {
        idempotencyKey: `${deploymentId}/${purchaseId}/${attempt}`,
      }),
    )
    return { sessionId: session.id, checkoutUrl: session.url! }
  } catch (error) {
    return failedOf(error)
  }
}

/** What can be done about a session that Stripe did not open. Throws where that is nothing but to wait. */
function failedOf(error: unknown): Extract<CheckoutOutcome, { failed: string }> {
  const { statusCode = 0, type, code, param } = failureOf(error) ?? {}
  if (statusCode >= 500) return { failed: 'stripe_error', cause: error }
  if (code === 'resource_missing' && param === 'customer') return { failed: 'customer_missing' }
  if (code === 'idempotency_key_in_use') return { failed: 'under_way', cause: error }
  if (statusCode === 400 && type === 'idempotency_error') return { failed: 'parameters_changed' }
  // The others of the 4xx are about our key or our pace, and not about this order.
  const aboutOrder = statusCode === 400 || statusCode === 402 || statusCode === 404
  if (aboutOrder) return { failed: 'rejected', code, param, cause: error }
  throw error
}

function sessionParams(purchase: Purchase): Stripe.Checkout.SessionCreateParams {
  const { deploymentId, workspaceId, purchaseId, customerId } = purchase
  const metadata = { deploymentId, workspaceId, purchaseId }
  const checkout: CheckoutOptions = { invoice_creation: { enabled: true }, ...purchase.checkout }
  return {
    ...checkout,
    mode: 'payment',
    line_items: [lineItem(purchase)],
    client_reference_id: workspaceId,
    metadata,
    payment_intent_data: { metadata },
    billing_address_collection: 'required',
    // Otherwise a setting in Stripe's dashboard would let buyers pay in another currency than was ordered.
    adaptive_pricing: { enabled: false },
    ...(customerId
      ? { customer: customerId, ...customerUpdate(checkout) }
      : { customer_creation: 'always' }),
    success_url: returnUrl(purchase, 'success'),
    cancel_url: returnUrl(purchase, 'cancelled'),
  }
}

/** For a customer who is there already, Stripe collects what taxes need only where it may store it with them. */
function customerUpdate({
  automatic_tax,
  tax_id_collection,
}: CheckoutOptions): Pick<Stripe.Checkout.SessionCreateParams, 'customer_update'> {
  const collects = automatic_tax?.enabled || tax_id_collection?.enabled
  return collects ? { customer_update: { address: 'auto', name: 'auto' } } : {}
}

/**
 * Closes the checkout of an order nobody pays. One that cannot be closed has been paid or closed meanwhile: the
 * caller looks which. Throws `Unavailable` when Stripe does not answer.
 */
export async function expireCheckout({ client }: StripeAccount, sessionId: string): Promise<void> {
  try {
    await answeredByStripe(client.checkout.sessions.expire(sessionId))
  } catch (error) {
    const { statusCode = 0 } = failureOf(error) ?? {}
    if (statusCode !== 400 && statusCode !== 404) throw error
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
  const session = await unlessMissing(
    client.checkout.sessions.retrieve(sessionId, { expand: ['payment_intent.latest_charge'] }),
  )
  if (!session) return undefined
  const intent = session.payment_intent as Stripe.PaymentIntent | null
  const status = statusOf(session, intent)
  // Cards that were declined before left charges too; of a payment that succeeded, the latest is the one.
  const charge = status === 'paid' ? (intent?.latest_charge as Stripe.Charge | null) : null
  return {
    deploymentId: session.metadata?.deploymentId,
    workspaceId: session.metadata?.workspaceId,
    purchaseId: session.metadata?.purchaseId,
    livemode: session.livemode,
    currency: session.currency ?? '',
    status,
    amountSubtotal: session.amount_subtotal ?? 0,
    amountDiscounted: session.total_details?.amount_discount ?? 0,
    amountTotal: isFree(session) ? 0 : (session.amount_total ?? 0),
    ...(charge
      ? await readTakenBack(client, charge)
      : { amountRefunded: 0, amountDisputed: 0, disputeLost: false }),
    customerId: idOf(session.customer),
  }
}

function statusOf(
  session: Stripe.Checkout.Session,
  intent: Stripe.PaymentIntent | null,
): PaymentFacts['status'] {
  if (session.status === 'open') return 'open'
  if (session.status === 'expired') return 'expired'
  if (session.payment_status === 'paid' || isFree(session)) return 'paid'
  // A delayed payment that failed asks for another method, which a completed session cannot take any more.
  const failed = intent?.status === 'requires_payment_method' || intent?.status === 'canceled'
  return failed ? 'failed' : 'processing'
}

/** A code left nothing to pay, so there is no payment. Whether it may is for the order to say. */
function isFree({ payment_status }: Stripe.Checkout.Session): boolean {
  return payment_status === 'no_payment_required'
}

/**
 * What has left the payment again, in minor units of the charge's own currency. The charge says whether there
 * is anything to ask for, so that most payments take no further call.
 */
async function readTakenBack(
  client: Stripe,
  charge: Stripe.Charge,
): Promise<Pick<PaymentFacts, 'amountRefunded' | 'amountDisputed' | 'disputeLost'>> {
  const page = { charge: charge.id, limit: 100 }
  const all = { limit: listedMax }
  const [refunds, disputes] = await answeredByStripe(
    Promise.all([
      charge.amount_refunded > 0 ? client.refunds.list(page).autoPagingToArray(all) : [],
      charge.disputed ? client.disputes.list(page).autoPagingToArray(all) : [],
    ]),
  )
  return {
    amountRefunded: refundedOf(charge, refunds),
    amountDisputed: disputedOf(charge, disputes),
    disputeLost: disputes.some(({ status }) => status === 'lost' || status.startsWith('appeal_')),
  }
}

/** One payment cannot have more: each takes back at least one cent of the dearest order. */
const listedMax = 10_000

/**
 * Stripe documents `amount_refunded` as what was refunded of the charge, and not from when on it counts a
 * refund that is `pending` or `requires_action`, nor how soon it forgets one that failed. So a refund counts
 * once the charge counts it, and no longer than it has not failed; an event comes with either. One made in
 * another currency is known only by what the charge makes of it.
 */
function refundedOf(charge: Stripe.Charge, refunds: Stripe.Refund[]): number {
  const alive = refunds.filter(({ status }) => status !== 'failed' && status !== 'canceled')
  const foreign = alive.some(({ currency }) => currency !== charge.currency)
  return foreign ? charge.amount_refunded : Math.min(charge.amount_refunded, sum(alive))
}

/**
 * Stripe documents that a dispute's amount may differ from the charge's, usually as currencies fluctuate or
 * as only part of an order is disputed. One in another currency or of about the whole charge is of all of it.
 */
function disputedOf({ amount, currency }: Stripe.Charge, disputes: Stripe.Dispute[]): number {
  const standing = disputes.filter(({ status }) => holdsMoneyBack(status))
  const ofAll = standing.some(
    (one) => one.currency !== currency || one.amount * 100 >= amount * wholeFromPercent,
  )
  return ofAll ? amount : Math.min(amount, sum(standing))
}

const wholeFromPercent = 95

/**
 * Warnings are inquiries and move no money; a dispute won or prevented gave it back or never took it. All else
 * holds it back: also a lost dispute that is appealed, until it is won, and a status that Stripe has yet to name.
 */
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
