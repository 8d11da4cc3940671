import type Stripe from 'stripe'
import {
  type BillingDetails,
  newCharge,
  newCheckoutSession,
  newCustomer,
  newDispute,
  newEvent,
  newLineItems,
  newPaymentIntent,
  newRefund,
  newSessionId,
  type Order,
  type PaymentMethod,
} from './objects.ts'

export const checkoutActions = ['pay', 'decline', 'pay-later', 'settle', 'fail', 'expire'] as const
export type CheckoutAction = (typeof checkoutActions)[number]

export const paymentActions = ['refund', 'refund-fail', 'dispute', 'win', 'lose'] as const
export type PaymentAction = (typeof paymentActions)[number]

/** Where a checkout stands, which Stripe spreads over the session and its payment intent. */
export type CheckoutState = 'open' | 'processing' | 'paid' | 'failed' | 'expired'

/** What an action came to: the ids it touched, or why it cannot be. */
export type Outcome =
  | { session: string; paymentIntent: string | null; refused?: undefined }
  | { refused: 'unknown' | 'conflict'; message: string }

export interface Checkout {
  session: Stripe.Checkout.Session
  order: Order
  lineItems: Stripe.LineItem[]
  /** What the buyer filled in before a card was declined, so that the next try need not start over. */
  billing?: BillingDetails
}

/** All of the account as JSON, each list oldest first. */
export interface AccountSnapshot {
  checkouts: Checkout[]
  customers: Stripe.Customer[]
  paymentIntents: Stripe.PaymentIntent[]
  charges: Stripe.Charge[]
  refunds: Stripe.Refund[]
  disputes: Stripe.Dispute[]
  events: Stripe.Event[]
}

export interface AccountOptions {
  now: () => Date
  publicUrl: string
  onEvent: (event: Stripe.Event) => void
  saved?: AccountSnapshot
}

/** Who pays when nobody said. `example.com` belongs to nobody. */
const sampleBilling: BillingDetails = {
  name: 'Sam Sample',
  email: 'sam@example.com',
  address: {
    line1: '1 Example Street',
    line2: null,
    city: 'Springfield',
    state: 'OR',
    postal_code: '97477',
    country: 'US',
  },
}

/** Old events go first. The service asks for the last hours only, so this is far beyond what it can miss. */
const eventsMax = 10_000

/**
 * One Stripe account in test mode: its objects, the ways they may change, and the event each change makes.
 * Every method is synchronous, so no request ever sees a change half-way.
 */
export class Account {
  readonly checkouts: Map<string, Checkout>
  readonly customers: Map<string, Stripe.Customer>
  readonly paymentIntents: Map<string, Stripe.PaymentIntent>
  readonly charges: Map<string, Stripe.Charge>
  readonly refunds: Map<string, Stripe.Refund>
  readonly disputes: Map<string, Stripe.Dispute>
  readonly events: Map<string, Stripe.Event>
  readonly #options: AccountOptions

  constructor(options: AccountOptions) {
    this.#options = options
    const { saved } = options
    this.checkouts = new Map(saved?.checkouts.map((checkout) => [checkout.session.id, checkout]))
    this.customers = byId(saved?.customers)
    this.paymentIntents = byId(saved?.paymentIntents)
    this.charges = byId(saved?.charges)
    this.refunds = byId(saved?.refunds)
    this.disputes = byId(saved?.disputes)
    this.events = byId(saved?.events)
    this.#renewLinks()
  }

  snapshot(): AccountSnapshot {
    return {
      checkouts: [...this.checkouts.values()],
      customers: [...this.customers.values()],
      paymentIntents: [...this.paymentIntents.values()],
      charges: [...this.charges.values()],
      refunds: [...this.refunds.values()],
      disputes: [...this.disputes.values()],
      events: [...this.events.values()],
    }
  }

  /** Epoch seconds of the local clock. */
  now(): number {
    return Math.floor(this.#options.now().getTime() / 1000)
  }

  openCheckout(order: Order): Stripe.Checkout.Session {
    const id = newSessionId()
    const session = newCheckoutSession(id, order, this.now(), this.#pageOf(id))
    const customer = order.customer === null ? undefined : this.customers.get(order.customer)
    const email = customer?.email ?? order.customerEmail
    if (email) session.customer_details = customerDetails({ email, name: customer?.name ?? null })
    this.checkouts.set(id, { session, order, lineItems: newLineItems(order) })
    return session
  }

  checkout(id: string, action: CheckoutAction, filledIn?: BillingDetails): Outcome {
    this.expireDue()
    const checkout = this.checkouts.get(id)
    if (!checkout) return { refused: 'unknown', message: `There is no checkout session ${id}.` }
    const { session } = checkout
    const intent = this.#intentOf(session)

    const needed = action === 'settle' || action === 'fail' ? 'processing' : 'open'
    const state = this.stateOf(session)
    if (state !== needed) {
      const message = `Cannot ${action}: checkout session ${id} is ${state}, and must be ${needed}.`
      return { refused: 'conflict', message }
    }

    const billing = filledIn ?? this.billingOf(checkout)
    const changes: Record<CheckoutAction, () => void> = {
      pay: () => this.#complete(checkout, 'card', billing),
      // The session stays open: the buyer may try another card.
      decline: () => {
        checkout.billing = billing
      },
      'pay-later': () => this.#complete(checkout, 'us_bank_account', billing),
      settle: () => this.#settle(session, intent!),
      fail: () => this.#fail(session, intent!),
      expire: () => this.#expire(session),
    }
    changes[action]()
    return touched(session)
  }

  /** What is known of who pays: typed in before, or on the customer, or else a sample. */
  billingOf({ billing, order }: Checkout): BillingDetails {
    if (billing) return billing
    const customer = this.customers.get(order.customer ?? '')
    return {
      name: customer?.name ?? sampleBilling.name,
      email: customer?.email ?? order.customerEmail ?? sampleBilling.email,
      address: customer?.address ?? sampleBilling.address,
    }
  }

  /** `amount` is in minor units; without one, all that is left is refunded or disputed. */
  payment(id: string, action: PaymentAction, amount?: number): Outcome {
    const intent = this.paymentIntents.get(id)
    if (!intent) return { refused: 'unknown', message: `There is no payment intent ${id}.` }
    const charge = this.charges.get(String(intent.latest_charge))
    if (intent.status !== 'succeeded' || !charge) {
      const message = `Cannot ${action}: payment intent ${id} is ${intent.status}, and must be succeeded.`
      return { refused: 'conflict', message }
    }

    const changes: Record<PaymentAction, () => string | undefined> = {
      refund: () => this.#refund(charge, amount),
      'refund-fail': () => this.#failRefund(charge),
      dispute: () => this.#dispute(charge, amount),
      win: () => this.#closeDispute(charge, 'won'),
      lose: () => this.#closeDispute(charge, 'lost'),
    }
    const conflict = changes[action]()
    if (conflict) return { refused: 'conflict', message: `Cannot ${action}: ${conflict}` }
    return touched(this.sessionOf(id)!)
  }

  /** Ends the open sessions whose time has come by the local clock. */
  expireDue(): void {
    const now = this.now()
    for (const { session } of this.checkouts.values()) {
      if (session.status === 'open' && session.expires_at <= now) this.#expire(session)
    }
  }

  stateOf(session: Stripe.Checkout.Session): CheckoutState {
    if (session.status === 'open') return 'open'
    if (session.status === 'expired') return 'expired'
    if (session.payment_status === 'paid') return 'paid'
    return this.#intentOf(session)?.status === 'processing' ? 'processing' : 'failed'
  }

  sessionOf(paymentIntent: string): Stripe.Checkout.Session | undefined {
    return this.checkouts
      .values()
      .map(({ session }) => session)
      .find((session) => session.payment_intent === paymentIntent)
  }

  refundsOf(paymentIntent: string): Stripe.Refund[] {
    return [...this.refunds.values()].filter((one) => one.payment_intent === paymentIntent)
  }

  disputesOf(paymentIntent: string): Stripe.Dispute[] {
    return [...this.disputes.values()].filter((one) => one.payment_intent === paymentIntent)
  }

  /** Any object by its id, for expansion. */
  find(id: string): object | undefined {
    return (
      this.checkouts.get(id)?.session ??
      this.customers.get(id) ??
      this.paymentIntents.get(id) ??
      this.charges.get(id) ??
      this.refunds.get(id) ??
      this.disputes.get(id)
    )
  }

  #complete(checkout: Checkout, method: PaymentMethod, billing: BillingDetails): void {
    const { session, order } = checkout
    const at = this.now()
    if (session.customer === null && session.customer_creation === 'always') {
      const customer = newCustomer(billing, at)
      this.customers.set(customer.id, customer)
      session.customer = customer.id
    }
    const customerId = typeof session.customer === 'string' ? session.customer : null
    const intent = newPaymentIntent(order, customerId, method, at)
    const charge = newCharge(intent, method, billing, at)
    intent.latest_charge = charge.id
    this.paymentIntents.set(intent.id, intent)
    this.charges.set(charge.id, charge)

    session.status = 'complete'
    session.url = null
    session.payment_intent = intent.id
    session.customer_details = customerDetails(billing)
    if (method === 'card') this.#receive(session, intent, charge)
    this.#emit('checkout.session.completed', session)
  }

  #settle(session: Stripe.Checkout.Session, intent: Stripe.PaymentIntent): void {
    this.#receive(session, intent, this.charges.get(String(intent.latest_charge))!)
    this.#emit('checkout.session.async_payment_succeeded', session)
  }

  #receive(
    session: Stripe.Checkout.Session,
    intent: Stripe.PaymentIntent,
    charge: Stripe.Charge,
  ): void {
    session.payment_status = 'paid'
    intent.status = 'succeeded'
    intent.amount_received = intent.amount
    charge.status = 'succeeded'
    charge.paid = true
    charge.captured = true
    charge.amount_captured = charge.amount
    charge.receipt_url = this.#pageOf(session.id)
  }

  #fail(session: Stripe.Checkout.Session, intent: Stripe.PaymentIntent): void {
    const charge = this.charges.get(String(intent.latest_charge))!
    const message = "The customer's bank account could not be debited: insufficient funds."
    charge.status = 'failed'
    charge.failure_code = 'insufficient_funds'
    charge.failure_message = message
    intent.status = 'requires_payment_method'
    intent.payment_method = null
    intent.last_payment_error = {
      charge: charge.id,
      code: 'payment_intent_payment_attempt_failed',
      decline_code: 'insufficient_funds',
      message,
      type: 'card_error',
    }
    this.#emit('checkout.session.async_payment_failed', session)
  }

  #expire(session: Stripe.Checkout.Session): void {
    session.status = 'expired'
    session.url = null
    this.#emit('checkout.session.expired', session)
  }

  /** Returns why not, as the other changes of a payment do. */
  #refund(charge: Stripe.Charge, wanted: number | undefined): string | undefined {
    const dispute = this.disputesOf(String(charge.payment_intent)).find(
      (one) => one.status !== 'won',
    )
    if (dispute) return `the charge is disputed (${dispute.id} is ${dispute.status}).`
    const left = charge.amount - charge.amount_refunded
    if (left === 0) return 'the charge has already been refunded.'
    const amount = wanted ?? left
    if (amount > left) return `${amount} is more than the ${left} left to refund.`

    const refund = newRefund(charge, amount, this.now())
    this.refunds.set(refund.id, refund)
    const previous = { amount_refunded: charge.amount_refunded, refunded: charge.refunded }
    charge.amount_refunded += amount
    charge.refunded = charge.amount_refunded === charge.amount
    this.#emit('refund.created', refund)
    this.#emit('charge.refunded', charge, previous)
    return undefined
  }

  #failRefund(charge: Stripe.Charge): string | undefined {
    const refund = this.refundsOf(String(charge.payment_intent)).at(-1)
    if (!refund) return 'the payment has no refund.'
    if (refund.status === 'failed') return `the newest refund ${refund.id} has already failed.`

    refund.status = 'failed'
    refund.failure_reason = 'expired_or_canceled_card'
    charge.amount_refunded -= refund.amount
    charge.refunded = false
    const previous = { status: 'succeeded' }
    this.#emit('refund.failed', refund, previous)
    this.#emit('refund.updated', refund, previous)
    return undefined
  }

  #dispute(charge: Stripe.Charge, wanted: number | undefined): string | undefined {
    const disputes = this.disputesOf(String(charge.payment_intent))
    const open = disputes.find((one) => one.status === 'needs_response')
    if (open) return `${open.id} is still open.`
    const lost = disputes.reduce((sum, one) => sum + (one.status === 'lost' ? one.amount : 0), 0)
    const disputable = charge.amount - lost
    // A bank may dispute money that was already refunded, so only an unnamed amount leaves the refunds out.
    const amount = wanted ?? disputable - charge.amount_refunded
    if (amount <= 0) return 'nothing of the charge is left to dispute.'
    if (amount > disputable) return `${amount} is more than the ${disputable} left to dispute.`

    const dispute = newDispute(charge, amount, this.now())
    this.disputes.set(dispute.id, dispute)
    charge.disputed = true
    this.#emit('charge.dispute.created', dispute)
    return undefined
  }

  #closeDispute(charge: Stripe.Charge, status: 'won' | 'lost'): string | undefined {
    const dispute = this.disputesOf(String(charge.payment_intent)).findLast(
      (one) => one.status === 'needs_response',
    )
    if (!dispute) return 'the payment has no open dispute.'
    const previous = { status: dispute.status }
    dispute.status = status
    this.#emit('charge.dispute.closed', dispute, previous)
    return undefined
  }

  #emit(type: Stripe.Event['type'], object: object, previous?: object): void {
    const event = newEvent(type, object, previous, this.now())
    this.events.set(event.id, event)
    if (this.events.size > eventsMax) this.events.delete(this.events.keys().next().value!)
    this.#options.onEvent(event)
  }

  #intentOf(session: Stripe.Checkout.Session): Stripe.PaymentIntent | undefined {
    return this.paymentIntents.get(String(session.payment_intent))
  }

  #pageOf(sessionId: string): string {
    return `${this.#options.publicUrl}/local/checkout/${sessionId}`
  }

  /** The address may have changed since the account was saved, as when the port did. */
  #renewLinks(): void {
    for (const { session } of this.checkouts.values()) {
      if (session.url !== null) session.url = this.#pageOf(session.id)
      const charge = this.charges.get(String(this.#intentOf(session)?.latest_charge))
      if (charge?.receipt_url) charge.receipt_url = this.#pageOf(session.id)
    }
  }
}

function touched(session: Stripe.Checkout.Session): Outcome {
  const { id, payment_intent } = session
  return { session: id, paymentIntent: typeof payment_intent === 'string' ? payment_intent : null }
}

function customerDetails(details: {
  email: string
  name: string | null
  address?: Stripe.Address
}): Stripe.Checkout.Session.CustomerDetails {
  return {
    address: details.address ?? null,
    business_name: null,
    email: details.email,
    individual_name: null,
    name: details.name,
    phone: null,
    tax_exempt: 'none',
    tax_ids: [],
  }
}

function byId<Item extends { id: string }>(items: Item[] = []): Map<string, Item> {
  return new Map(items.map((item) => [item.id, item]))
}
