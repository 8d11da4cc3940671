import type Stripe from 'stripe'
import { amountsOf, type TaxSetting } from './amounts.ts'
import { newId, newSessionId } from './ids.ts'
import {
  type Made,
  newCharge,
  newCheckoutSession,
  newCustomer,
  newEvent,
  newInvoice,
  newLineItems,
  newPaymentIntent,
  type PaymentMethod,
} from './objects.ts'
import { type BillingDetails, type Order, subtotalOf } from './order.ts'
import {
  disputeActions,
  refundActions,
  type TakingBackAction,
  takeBack,
  type Wanted,
} from './taking-back.ts'

export const checkoutActions = ['pay', 'decline', 'pay-later', 'settle', 'fail', 'expire'] as const
export type CheckoutAction = (typeof checkoutActions)[number]

export const paymentActions = [...refundActions, ...disputeActions] as const
export type PaymentAction = TakingBackAction

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
  /** By the promotion code that was entered, which stays for the next try. */
  percentOff?: number
}

/** What the buyer gives at the checkout. */
export interface Given {
  billing?: BillingDetails
  promotionCode?: string
}

/** All of the account as JSON, each list oldest first. */
export interface AccountSnapshot {
  tax: TaxSetting
  /** Percent off, by code. */
  promotionCodes: [code: string, percentOff: number][]
  checkouts: Checkout[]
  customers: Stripe.Customer[]
  paymentIntents: Stripe.PaymentIntent[]
  charges: Stripe.Charge[]
  invoices: Stripe.Invoice[]
  refunds: Stripe.Refund[]
  disputes: Stripe.Dispute[]
  events: Stripe.Event[]
}

export interface AccountOptions {
  now: () => Date
  livemode?: boolean
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

/** What a price bears where nobody said otherwise. */
const usualTax: TaxSetting = { percent: 19, behavior: 'exclusive' }

/** Old events go first. The service asks for the last hours only, so this is far beyond what it can miss. */
const eventsMax = 10_000

/**
 * One Stripe account: its objects, the ways they may change, and the event each change makes.
 * Every method is synchronous, so no request ever sees a change half-way.
 */
export class Account {
  tax: TaxSetting
  readonly promotionCodes: Map<string, number>
  readonly checkouts: Map<string, Checkout>
  readonly customers: Map<string, Stripe.Customer>
  readonly paymentIntents: Map<string, Stripe.PaymentIntent>
  readonly charges: Map<string, Stripe.Charge>
  readonly invoices: Map<string, Stripe.Invoice>
  readonly refunds: Map<string, Stripe.Refund>
  readonly disputes: Map<string, Stripe.Dispute>
  readonly events: Map<string, Stripe.Event>
  readonly #options: AccountOptions

  constructor(options: AccountOptions) {
    this.#options = options
    const { saved } = options
    this.tax = saved?.tax ?? usualTax
    this.promotionCodes = new Map(saved?.promotionCodes)
    this.checkouts = new Map(saved?.checkouts.map((checkout) => [checkout.session.id, checkout]))
    this.customers = byId(saved?.customers)
    this.paymentIntents = byId(saved?.paymentIntents)
    this.charges = byId(saved?.charges)
    this.invoices = byId(saved?.invoices)
    this.refunds = byId(saved?.refunds)
    this.disputes = byId(saved?.disputes)
    this.events = byId(saved?.events)
    this.#renewLinks()
  }

  snapshot(): AccountSnapshot {
    return {
      tax: this.tax,
      promotionCodes: [...this.promotionCodes],
      checkouts: [...this.checkouts.values()],
      customers: [...this.customers.values()],
      paymentIntents: [...this.paymentIntents.values()],
      charges: [...this.charges.values()],
      invoices: [...this.invoices.values()],
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
    const made = this.#made()
    const id = newSessionId(made.livemode)
    const session = newCheckoutSession(id, order, made, this.#pageOf(id))
    const customer = order.customer === null ? undefined : this.customers.get(order.customer)
    if (customer?.email) {
      session.customer_details = customerDetails({
        email: customer.email,
        name: customer.name ?? null,
      })
    }
    this.checkouts.set(id, { session, order, lineItems: newLineItems(order) })
    return session
  }

  checkout(id: string, action: CheckoutAction, given: Given = {}): Outcome {
    this.expireDue()
    const checkout = this.checkouts.get(id)
    if (!checkout) return { refused: 'unknown', message: `There is no checkout session ${id}.` }
    const { session } = checkout
    const conflict = (why: string): Outcome => ({
      refused: 'conflict',
      message: `Cannot ${action}: ${why}`,
    })

    const needed = action === 'settle' || action === 'fail' ? 'processing' : 'open'
    const state = this.stateOf(session)
    if (state !== needed) {
      return conflict(`checkout session ${id} is ${state}, and must be ${needed}.`)
    }
    const code = this.#redeem(checkout, given.promotionCode)
    if (code) return conflict(code)

    checkout.billing = given.billing ?? this.billingOf(checkout)
    const changes: Record<CheckoutAction, () => void> = {
      pay: () => this.#complete(checkout, 'card'),
      // The session stays open: the buyer may try another card.
      decline: () => {
        this.#decline(this.#attempt(checkout, 'card'), 'card_declined', 'Your card was declined.')
      },
      'pay-later': () => this.#complete(checkout, 'us_bank_account'),
      settle: () => this.#settle(checkout),
      fail: () => this.#fail(session),
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
      email: customer?.email ?? sampleBilling.email,
      address: customer?.address ?? sampleBilling.address,
    }
  }

  payment(id: string, action: PaymentAction, wanted: Wanted = {}): Outcome {
    const intent = this.paymentIntents.get(id)
    if (!intent) return { refused: 'unknown', message: `There is no payment intent ${id}.` }
    const conflict = (why: string): Outcome => ({
      refused: 'conflict',
      message: `Cannot ${action}: ${why}`,
    })
    const charge = this.charges.get(String(intent.latest_charge))
    if (intent.status !== 'succeeded' || !charge) {
      return conflict(`payment intent ${id} is ${intent.status}, and must be succeeded.`)
    }

    const [refunds, disputes] = [this.refundsOf(id), this.disputesOf(id)]
    const change = takeBack({ charge, refunds, disputes }, action, wanted, this.#made())
    if (typeof change === 'string') return conflict(change)
    const { refund, dispute, events } = change
    if (refund) this.refunds.set(refund.id, refund)
    if (dispute) this.disputes.set(dispute.id, dispute)
    for (const event of events) this.#emit(...event)
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
    if (session.payment_status !== 'unpaid') return 'paid'
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
      this.invoices.get(id) ??
      this.refunds.get(id) ??
      this.disputes.get(id)
    )
  }

  /** Gives the session the amounts it comes to with this code; says why where it cannot be redeemed. */
  #redeem(checkout: Checkout, code: string | undefined): string | undefined {
    const { session, order } = checkout
    if (session.status !== 'open') return undefined
    if (code !== undefined) {
      if (!order.allowPromotionCodes)
        return `checkout session ${session.id} takes no promotion codes.`
      checkout.percentOff = this.promotionCodes.get(code)
      if (checkout.percentOff === undefined) return `there is no promotion code ${code}.`
      session.discounts = [{ coupon: newId('co'), promotion_code: newId('promo') }]
    }
    const { percentOff = 0 } = checkout
    const taxed = order.automaticTax || this.tax.unasked === true
    if (percentOff === 0 && !taxed) return undefined
    const tax = taxed ? this.tax : { ...this.tax, percent: 0 }
    Object.assign(session, amountsOf(subtotalOf(order), percentOff, tax))
    if (order.automaticTax) session.automatic_tax.status = 'complete'
    return undefined
  }

  #complete(checkout: Checkout, method: PaymentMethod): void {
    const { session, billing } = checkout
    if (session.customer === null && session.customer_creation === 'always') {
      const customer = newCustomer(billing!, this.#made())
      this.customers.set(customer.id, customer)
      session.customer = customer.id
    }
    session.status = 'complete'
    session.url = null
    session.customer_details = customerDetails(billing!)
    if (session.amount_total === 0) {
      // Nothing is left to pay: Stripe makes no payment intent, and so neither charge nor receipt.
      session.payment_status = 'no_payment_required'
    } else {
      const attempt = this.#attempt(checkout, method)
      if (method === 'card') this.#receive(checkout, attempt)
    }
    this.#emit('checkout.session.completed', session)
  }

  /** A try to pay, on the payment intent of the tries before it if there were any. */
  #attempt({ session, order, billing }: Checkout, method: PaymentMethod): Stripe.Charge {
    const made = this.#made()
    const customer = typeof session.customer === 'string' ? session.customer : null
    const intent = this.#intentOf(session) ?? newPaymentIntent(order, customer, made)
    this.paymentIntents.set(intent.id, intent)
    session.payment_intent = intent.id
    intent.amount = session.amount_total ?? 0
    intent.customer = customer
    intent.payment_method = newId('pm')
    intent.payment_method_types = [method]
    intent.last_payment_error = null
    intent.status = 'processing'
    const charge = newCharge(intent, method, billing!, made)
    this.charges.set(charge.id, charge)
    intent.latest_charge = charge.id
    return charge
  }

  #settle(checkout: Checkout): void {
    const intent = this.#intentOf(checkout.session)!
    this.#receive(checkout, this.charges.get(String(intent.latest_charge))!)
    this.#emit('checkout.session.async_payment_succeeded', checkout.session)
  }

  #receive({ session, order, billing }: Checkout, charge: Stripe.Charge): void {
    const intent = this.#intentOf(session)!
    session.payment_status = 'paid'
    intent.status = 'succeeded'
    intent.amount_received = intent.amount
    charge.status = 'succeeded'
    charge.paid = true
    charge.captured = true
    charge.amount_captured = charge.amount
    charge.receipt_url = this.#pageOf(session.id)
    if (!order.invoiceCreation) return
    const invoice = newInvoice(session, billing!, this.#pageOf(session.id), this.#made())
    this.invoices.set(invoice.id, invoice)
    session.invoice = invoice.id
  }

  #fail(session: Stripe.Checkout.Session): void {
    const charge = this.charges.get(String(this.#intentOf(session)!.latest_charge))!
    const message = "The customer's bank account could not be debited: insufficient funds."
    this.#decline(charge, 'insufficient_funds', message)
    this.#emit('checkout.session.async_payment_failed', session)
  }

  #decline(charge: Stripe.Charge, code: string, message: string): void {
    const intent = this.paymentIntents.get(String(charge.payment_intent))!
    charge.status = 'failed'
    charge.failure_code = code
    charge.failure_message = message
    intent.status = 'requires_payment_method'
    intent.payment_method = null
    intent.last_payment_error = {
      charge: charge.id,
      code: code === 'card_declined' ? code : 'payment_intent_payment_attempt_failed',
      decline_code: code === 'card_declined' ? 'generic_decline' : code,
      message,
      type: 'card_error',
    }
  }

  #expire(session: Stripe.Checkout.Session): void {
    session.status = 'expired'
    session.url = null
    const intent = this.#intentOf(session)
    if (intent) intent.status = 'canceled'
    this.#emit('checkout.session.expired', session)
  }

  #emit(type: Stripe.Event['type'], object: object, previous?: object): void {
    const event = newEvent(type, object, previous, this.#made())
    this.events.set(event.id, event)
    if (this.events.size > eventsMax) this.events.delete(this.events.keys().next().value!)
    this.#options.onEvent(event)
  }

  #intentOf(session: Stripe.Checkout.Session): Stripe.PaymentIntent | undefined {
    return this.paymentIntents.get(String(session.payment_intent))
  }

  #made(): Made {
    return { at: this.now(), livemode: this.#options.livemode ?? false }
  }

  #pageOf(sessionId: string): string {
    return `${this.#options.publicUrl}/local/checkout/${sessionId}`
  }

  /** The address may have changed since the account was saved, as when the port did. */
  #renewLinks(): void {
    for (const { session } of this.checkouts.values()) {
      const page = this.#pageOf(session.id)
      if (session.url !== null) session.url = page
      const charge = this.charges.get(String(this.#intentOf(session)?.latest_charge))
      if (charge?.receipt_url) charge.receipt_url = page
      const invoice = this.invoices.get(String(session.invoice))
      if (invoice) Object.assign(invoice, { hosted_invoice_url: page, invoice_pdf: page })
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
