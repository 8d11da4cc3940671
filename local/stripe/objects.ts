import { randomInt } from 'node:crypto'
import Stripe from 'stripe'

/** What a checkout sells, as the API call that opened it said. Kept beside the session, which shows part of it. */
export interface Order {
  lineItems: OrderLine[]
  currency: string
  successUrl: string
  cancelUrl: string | null
  clientReferenceId: string | null
  metadata: Record<string, string>
  paymentMetadata: Record<string, string>
  paymentDescription: string | null
  customer: string | null
  customerEmail: string | null
  customerCreation: 'always' | 'if_required' | null
  billingAddressCollection: 'auto' | 'required' | null
  invoiceCreation: boolean
  adaptivePricing: boolean | null
  automaticTax: boolean
  taxIdCollection: Stripe.Checkout.Session.TaxIdCollection | null
  allowPromotionCodes: boolean | null
  customText: Stripe.Checkout.Session.CustomText
  locale: string | null
  submitType: 'auto' | 'pay' | 'book' | 'donate' | 'subscribe' | null
  /** Epoch seconds. */
  expiresAt: number
}

export interface OrderLine {
  name: string
  description: string | null
  unitAmount: number
  quantity: number
}

export interface BillingDetails {
  name: string
  email: string
  address: Stripe.Address
}

export type PaymentMethod = 'card' | 'us_bank_account'

/** When an object was made, in epoch seconds, and in which mode: what every object of an account tells. */
export interface Made {
  at: number
  livemode: boolean
}

export function newCheckoutSession(
  id: string,
  order: Order,
  { at, livemode }: Made,
  url: string,
): Stripe.Checkout.Session {
  const amount = subtotalOf(order)
  return {
    id,
    object: 'checkout.session',
    adaptive_pricing: order.adaptivePricing === null ? null : { enabled: order.adaptivePricing },
    after_expiration: null,
    allow_promotion_codes: order.allowPromotionCodes,
    allowed_payment_method_types: null,
    amount_subtotal: amount,
    amount_total: amount,
    automatic_tax: {
      enabled: order.automaticTax,
      liability: order.automaticTax ? { type: 'self' } : null,
      provider: order.automaticTax ? 'stripe' : null,
      status: order.automaticTax ? 'requires_location_inputs' : null,
    },
    billing_address_collection: order.billingAddressCollection,
    cancel_url: order.cancelUrl,
    client_reference_id: order.clientReferenceId,
    client_secret: null,
    collected_information: null,
    consent: null,
    consent_collection: null,
    created: at,
    currency: order.currency,
    currency_conversion: null,
    custom_fields: [],
    custom_text: order.customText,
    customer: order.customer,
    customer_account: null,
    customer_creation: order.customer === null ? (order.customerCreation ?? 'if_required') : null,
    customer_details: null,
    customer_email: order.customerEmail,
    discounts: [],
    expires_at: order.expiresAt,
    integration_identifier: null,
    invoice: null,
    invoice_creation: {
      enabled: order.invoiceCreation,
      invoice_data: {
        account_tax_ids: null,
        custom_fields: null,
        description: null,
        footer: null,
        issuer: null,
        metadata: {},
        rendering_options: null,
      },
    },
    livemode,
    locale: order.locale,
    managed_payments: null,
    metadata: order.metadata,
    mode: 'payment',
    origin_context: null,
    payment_intent: null,
    payment_link: null,
    payment_method_collection: 'if_required',
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card', 'us_bank_account'],
    payment_status: 'unpaid',
    permissions: null,
    phone_number_collection: { enabled: false },
    recovered_from: null,
    saved_payment_method_options: null,
    setup_intent: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: 'open',
    submit_type: order.submitType,
    subscription: null,
    success_url: order.successUrl,
    ...(order.taxIdCollection && { tax_id_collection: order.taxIdCollection }),
    total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: 0 },
    ui_mode: 'hosted_page',
    url,
    wallet_options: null,
  }
}

export function newLineItems(order: Order): Stripe.LineItem[] {
  return order.lineItems.map((line) => {
    const amount = line.unitAmount * line.quantity
    return {
      id: newId('li'),
      object: 'item',
      adjustable_quantity: null,
      amount_discount: 0,
      amount_subtotal: amount,
      amount_tax: 0,
      amount_total: amount,
      currency: order.currency,
      description: line.name,
      metadata: {},
      // Made from `price_data`, so there is no price of the account's own to show.
      price: null,
      quantity: line.quantity,
    }
  })
}

export function newCustomer(details: BillingDetails, { at, livemode }: Made): Stripe.Customer {
  return {
    id: newId('cus'),
    object: 'customer',
    address: details.address,
    balance: 0,
    created: at,
    currency: null,
    default_source: null,
    delinquent: false,
    description: null,
    discount: null,
    email: details.email,
    invoice_settings: {
      custom_fields: null,
      default_payment_method: null,
      footer: null,
      rendering_options: null,
    },
    livemode,
    metadata: {},
    name: details.name,
    phone: null,
    preferred_locales: ['en'],
    shipping: null,
    tax_exempt: 'none',
  }
}

export function newPaymentIntent(
  order: Order,
  customer: string | null,
  { at, livemode }: Made,
): Stripe.PaymentIntent {
  const id = newId('pi')
  return {
    id,
    object: 'payment_intent',
    allowed_payment_method_types: null,
    amount: subtotalOf(order),
    amount_capturable: 0,
    amount_received: 0,
    application: null,
    application_fee_amount: null,
    automatic_payment_methods: null,
    canceled_at: null,
    cancellation_reason: null,
    capture_method: 'automatic_async',
    client_secret: `${id}_secret_${randomText(25)}`,
    confirmation_method: 'automatic',
    created: at,
    currency: order.currency,
    customer,
    customer_account: null,
    description: order.paymentDescription,
    excluded_payment_method_types: null,
    last_payment_error: null,
    latest_charge: null,
    livemode,
    managed_payments: null,
    metadata: { ...order.paymentMetadata },
    next_action: null,
    on_behalf_of: null,
    payment_method: null,
    payment_method_configuration_details: null,
    payment_method_options: {},
    payment_method_types: ['card', 'us_bank_account'],
    payment_record: null,
    processing: null,
    receipt_email: null,
    review: null,
    setup_future_usage: null,
    shipping: null,
    source: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'requires_payment_method',
    transfer_data: null,
    transfer_group: null,
  }
}

export function newCharge(
  intent: Stripe.PaymentIntent,
  method: PaymentMethod,
  billing: BillingDetails,
  { at, livemode }: Made,
): Stripe.Charge {
  return {
    id: newId('ch'),
    object: 'charge',
    amount: intent.amount,
    amount_captured: 0,
    amount_refunded: 0,
    application: null,
    application_fee: null,
    application_fee_amount: null,
    balance_transaction: null,
    billing_details: { ...billing, phone: null, tax_id: null },
    calculated_statement_descriptor: null,
    captured: false,
    created: at,
    currency: intent.currency,
    customer: intent.customer,
    description: intent.description,
    disputed: false,
    failure_balance_transaction: null,
    failure_code: null,
    failure_message: null,
    fraud_details: {},
    livemode,
    metadata: { ...intent.metadata },
    on_behalf_of: null,
    outcome: null,
    paid: false,
    payment_intent: intent.id,
    payment_method: typeof intent.payment_method === 'string' ? intent.payment_method : null,
    payment_method_details: { type: method },
    receipt_email: null,
    receipt_number: null,
    receipt_url: null,
    refunded: false,
    review: null,
    shipping: null,
    source: null,
    source_transfer: null,
    statement_descriptor: null,
    statement_descriptor_suffix: null,
    status: 'pending',
    transfer_data: null,
    transfer_group: null,
  }
}

export function newRefund(
  charge: Stripe.Charge,
  { amount, currency, status }: Pick<Stripe.Refund, 'amount' | 'currency' | 'status'>,
  { at }: Made,
): Stripe.Refund {
  return {
    id: newId('re'),
    object: 'refund',
    amount,
    balance_transaction: null,
    charge: charge.id,
    created: at,
    currency,
    customer: charge.customer,
    customer_account: null,
    metadata: {},
    payment_intent: charge.payment_intent,
    payment_method: charge.payment_method,
    ...(status === 'pending' && { pending_reason: 'processing' }),
    reason: null,
    receipt_number: null,
    source_transfer_reversal: null,
    status,
    transfer_reversal: null,
  }
}

export function newDispute(
  charge: Stripe.Charge,
  { amount, currency, status }: Pick<Stripe.Dispute, 'amount' | 'currency' | 'status'>,
  { at, livemode }: Made,
): Stripe.Dispute {
  return {
    id: newId('du'),
    object: 'dispute',
    amount,
    balance_transactions: [],
    charge: charge.id,
    created: at,
    currency,
    enhanced_eligibility_types: [],
    evidence: {
      access_activity_log: null,
      billing_address: null,
      cancellation_policy: null,
      cancellation_policy_disclosure: null,
      cancellation_rebuttal: null,
      customer_communication: null,
      customer_email_address: null,
      customer_name: null,
      customer_purchase_ip: null,
      customer_signature: null,
      duplicate_charge_documentation: null,
      duplicate_charge_explanation: null,
      duplicate_charge_id: null,
      enhanced_evidence: {},
      product_description: null,
      receipt: null,
      refund_policy: null,
      refund_policy_disclosure: null,
      refund_refusal_explanation: null,
      service_date: null,
      service_documentation: null,
      shipping_address: null,
      shipping_carrier: null,
      shipping_date: null,
      shipping_documentation: null,
      shipping_tracking_number: null,
      uncategorized_file: null,
      uncategorized_text: null,
    },
    evidence_details: {
      due_by: at + 7 * 86_400,
      enhanced_eligibility: {},
      has_evidence: false,
      past_due: false,
      submission_count: 0,
      submission_method: 'not_submitted',
    },
    intended_submission_method: null,
    is_charge_refundable: status.startsWith('warning_'),
    livemode,
    metadata: {},
    payment_intent: charge.payment_intent,
    reason: 'fraudulent',
    status,
  }
}

/** The paid invoice that Stripe draws up after a checkout that asked for one. */
export function newInvoice(
  session: Stripe.Checkout.Session,
  billing: BillingDetails,
  url: string,
  { at, livemode }: Made,
): Stripe.Invoice {
  const id = newId('in')
  const subtotal = session.amount_subtotal ?? 0
  const total = session.amount_total ?? 0
  const tax = session.total_details?.amount_tax ?? 0
  return {
    id,
    object: 'invoice',
    account_country: 'US',
    account_name: 'Token Top-up on this machine',
    account_tax_ids: null,
    amount_due: total,
    amount_overpaid: 0,
    amount_paid: total,
    amount_remaining: 0,
    amount_shipping: 0,
    application: null,
    attempt_count: 1,
    attempted: true,
    auto_advance: false,
    automatic_tax: {
      enabled: session.automatic_tax.enabled,
      disabled_reason: null,
      liability: null,
      provider: null,
      status: session.automatic_tax.enabled ? 'complete' : null,
    },
    automatically_finalizes_at: null,
    billing_reason: 'manual',
    collection_method: 'charge_automatically',
    created: at,
    currency: session.currency ?? '',
    custom_fields: null,
    customer: typeof session.customer === 'string' ? session.customer : null,
    customer_account: null,
    customer_address: billing.address,
    customer_email: billing.email,
    customer_name: billing.name,
    customer_phone: null,
    customer_shipping: null,
    customer_tax_exempt: 'none',
    customer_tax_ids: [],
    default_payment_method: null,
    default_source: null,
    default_tax_rates: [],
    description: null,
    discounts: [],
    due_date: null,
    effective_at: at,
    ending_balance: 0,
    footer: null,
    from_invoice: null,
    hosted_invoice_url: url,
    invoice_pdf: url,
    issuer: { type: 'self' },
    last_finalization_error: null,
    latest_revision: null,
    lines: { object: 'list', data: [], has_more: false, url: `/v1/invoices/${id}/lines` },
    livemode,
    metadata: {},
    next_payment_attempt: null,
    number: `LOCAL-${id.slice(-4).toUpperCase()}-0001`,
    on_behalf_of: null,
    parent: null,
    payment_settings: {
      default_mandate: null,
      payment_method_options: null,
      payment_method_types: null,
    },
    period_end: at,
    period_start: at,
    post_payment_credit_notes_amount: 0,
    pre_payment_credit_notes_amount: 0,
    receipt_number: null,
    rendering: null,
    shipping_cost: null,
    shipping_details: null,
    starting_balance: 0,
    statement_descriptor: null,
    status: 'paid',
    status_transitions: {
      finalized_at: at,
      marked_uncollectible_at: null,
      paid_at: at,
      voided_at: null,
    },
    subtotal,
    subtotal_excluding_tax: null,
    test_clock: null,
    total,
    total_discount_amounts: [],
    total_excluding_tax: total - tax,
    total_pretax_credit_amounts: [],
    total_taxes: [],
    webhooks_delivered_at: at,
  }
}

export function newEvent(
  type: Stripe.Event['type'],
  object: object,
  previous: object | undefined,
  { at, livemode }: Made,
): Stripe.Event {
  const event: Stripe.EventBase = {
    id: newId('evt'),
    object: 'event',
    api_version: Stripe.API_VERSION,
    created: at,
    // An event keeps the object as it was at that moment, whatever becomes of it later.
    data: {
      object: structuredClone(object),
      ...(previous && { previous_attributes: previous }),
    },
    livemode,
    pending_webhooks: 1,
    request: { id: null, idempotency_key: null },
    type,
  }
  // `Stripe.Event` joins `type` and `data.object` in a union of some 250 members; the pair is right by the caller.
  return event as Stripe.Event
}

export function newId(prefix: string): string {
  return `${prefix}_${randomText(24)}`
}

export function newSessionId(livemode: boolean): string {
  return `cs_${livemode ? 'live' : 'test'}_${randomText(58)}`
}

export function subtotalOf(order: Order): number {
  return order.lineItems.reduce((sum, line) => sum + line.unitAmount * line.quantity, 0)
}

function randomText(length: number): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'
  return Array.from({ length }, () => alphabet[randomInt(alphabet.length)]).join('')
}
