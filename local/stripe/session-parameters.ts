import { parameterInvalid, parameterMissing, StripeApiError } from './errors.ts'
import { type Order, type OrderLine, subtotalOf } from './order.ts'
import type { Parameters } from './parameters.ts'

const minute = 60
const day = 24 * 60 * minute
/** Stripe's bounds for a payment in US dollars, in cents. */
const amountMin = 50
const amountMax = 99_999_999

/**
 * Reads the call that opens a Checkout Session. Only what the stand-in models is accepted: a parameter that
 * would change the outcome at Stripe and nothing here is refused, not ignored.
 */
export function readOrder(parameters: Parameters, now: number): Order {
  parameters.only(
    'mode',
    'line_items',
    'client_reference_id',
    'metadata',
    'payment_intent_data',
    'customer',
    'customer_creation',
    'customer_update',
    'billing_address_collection',
    'invoice_creation',
    'adaptive_pricing',
    'automatic_tax',
    'tax_id_collection',
    'allow_promotion_codes',
    'custom_text',
    'success_url',
    'cancel_url',
    'expires_at',
    'locale',
    'submit_type',
    'expand',
  )
  parameters.choice('mode', ['payment'])
  if (!parameters.has('mode')) throw parameterMissing('mode')
  onlyOneOf(parameters, 'customer', 'customer_creation')
  if (parameters.has('customer_update') && !parameters.has('customer')) {
    const message = '`customer_update` can only be used with `customer`.'
    throw parameterInvalid('customer_update', message)
  }

  const successUrl = parameters.url('success_url')
  if (successUrl === undefined) throw parameterMissing('success_url')
  const { lineItems, currency } = readLines(parameters)
  const payment = parameters.group('payment_intent_data')
  payment?.only('metadata', 'description')
  const invoice = parameters.group('invoice_creation')
  invoice?.only('enabled', 'invoice_data')
  const data = invoice?.group('invoice_data')
  data?.only('description', 'footer', 'metadata', 'custom_fields')
  const adaptivePricing = parameters.group('adaptive_pricing')
  adaptivePricing?.only('enabled')
  const automaticTax = parameters.group('automatic_tax')
  automaticTax?.only('enabled')
  const taxIds = parameters.group('tax_id_collection')
  taxIds?.only('enabled', 'required')
  const taxIdsWanted = taxIds?.flag('enabled')
  const taxIdsRequired = taxIds?.choice('required', ['if_supported', 'never'])

  const order: Order = {
    lineItems,
    currency,
    successUrl,
    cancelUrl: parameters.url('cancel_url') ?? null,
    clientReferenceId: parameters.text('client_reference_id', 200) ?? null,
    metadata: parameters.metadata(),
    paymentMetadata: payment?.metadata() ?? {},
    paymentDescription: payment?.text('description') ?? null,
    customer: parameters.text('customer') ?? null,
    customerCreation: parameters.choice('customer_creation', ['always', 'if_required']) ?? null,
    billingAddressCollection:
      parameters.choice('billing_address_collection', ['auto', 'required']) ?? null,
    invoiceCreation: invoice?.flag('enabled') ?? false,
    adaptivePricing: adaptivePricing?.flag('enabled') ?? null,
    automaticTax: automaticTax?.flag('enabled') ?? false,
    taxIdCollection:
      taxIdsWanted === undefined
        ? null
        : { enabled: taxIdsWanted, required: taxIdsRequired ?? 'never' },
    allowPromotionCodes: parameters.flag('allow_promotion_codes') ?? null,
    customText: readCustomText(parameters),
    locale: parameters.text('locale', 20) ?? null,
    submitType:
      parameters.choice('submit_type', ['auto', 'pay', 'book', 'donate', 'subscribe']) ?? null,
    expiresAt: readExpiry(parameters, now),
  }
  refuseAmountOutOfBounds(subtotalOf(order))
  if (order.customer !== null) refuseToLeaveCustomerAsIs(order, parameters)
  return order
}

function readCustomText(parameters: Parameters): Order['customText'] {
  const places = [
    'after_submit',
    'shipping_address',
    'submit',
    'terms_of_service_acceptance',
  ] as const
  const texts = parameters.group('custom_text')
  texts?.only(...places)
  const at = (place: (typeof places)[number]) => {
    const text = texts?.group(place)
    text?.only('message')
    return text ? { message: text.requiredText('message', 1_200) } : null
  }
  return {
    after_submit: at('after_submit'),
    shipping_address: at('shipping_address'),
    submit: at('submit'),
    terms_of_service_acceptance: at('terms_of_service_acceptance'),
  }
}

/** What Stripe collects for taxes it also writes to a customer who is there already, and only if it may. */
function refuseToLeaveCustomerAsIs(order: Order, parameters: Parameters): void {
  const update = parameters.group('customer_update')
  update?.only('address', 'name')
  const mayWrite = (part: 'address' | 'name') => update?.choice(part, ['auto', 'never']) === 'auto'
  if (order.automaticTax && !mayWrite('address')) {
    const message =
      'Automatic tax calculation in Checkout requires a valid address on the Customer, or `customer_update[address]` set to `auto`.'
    throw new StripeApiError(400, message, { code: 'customer_tax_location_invalid' })
  }
  if (order.taxIdCollection?.enabled && !mayWrite('name')) {
    const message =
      'Tax ID collection for an existing customer requires `customer_update[name]` to be `auto`.'
    throw parameterInvalid('customer_update[name]', message)
  }
}

function readLines(parameters: Parameters): Pick<Order, 'lineItems' | 'currency'> {
  const groups = parameters.groups('line_items')
  if (groups.length === 0) throw parameterMissing('line_items')
  if (groups.length > 100) throw parameterInvalid('line_items', 'Too many line items: at most 100')

  const currencies = new Set<string>()
  const lineItems = groups.map((line): OrderLine => {
    line.only('price_data', 'quantity')
    const price = line.group('price_data')
    if (!price) throw parameterMissing(line.name('price_data'))
    price.only('currency', 'unit_amount', 'product_data')
    const currency = price.requiredText('currency').toLowerCase()
    if (!/^[a-z]{3}$/.test(currency)) {
      throw parameterInvalid(price.name('currency'), `Invalid currency: ${currency}.`)
    }
    currencies.add(currency)
    const product = price.group('product_data')
    if (!product) throw parameterMissing(price.name('product_data'))
    product.only('name', 'description', 'metadata')
    product.metadata()
    return {
      name: product.requiredText('name', 250),
      description: product.text('description') ?? null,
      unitAmount: requiredInteger(price, 'unit_amount', 0),
      quantity: requiredInteger(line, 'quantity', 1),
    }
  })
  const [currency, another] = currencies
  if (another !== undefined) {
    throw parameterInvalid('line_items', 'All line items must have the same currency.')
  }
  return { lineItems, currency: currency! }
}

function requiredInteger(parameters: Parameters, key: string, min: number): number {
  const value = parameters.integer(key)
  if (value === undefined) throw parameterMissing(parameters.name(key))
  if (value < min) {
    const message = `This value must be greater than or equal to ${min}.`
    throw parameterInvalid(parameters.name(key), message, 'parameter_invalid_integer')
  }
  return value
}

function readExpiry(parameters: Parameters, now: number): number {
  const expiresAt = parameters.integer('expires_at')
  if (expiresAt === undefined) return now + day
  if (expiresAt < now + 30 * minute || expiresAt > now + day) {
    const message =
      'The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session creation.'
    throw parameterInvalid('expires_at', message)
  }
  return expiresAt
}

function refuseAmountOutOfBounds(amount: number): void {
  if (amount < amountMin) {
    const message = `The Checkout Session's total amount must be at least ${amountMin}, not ${amount}.`
    throw new StripeApiError(400, message, { code: 'amount_too_small' })
  }
  if (amount > amountMax) {
    const message = `The Checkout Session's total amount must be no more than ${amountMax}, not ${amount}.`
    throw new StripeApiError(400, message, { code: 'amount_too_large' })
  }
}

function onlyOneOf(parameters: Parameters, one: string, other: string): void {
  if (!parameters.has(one) || !parameters.has(other)) return
  const message = `You may only specify one of these parameters: ${one}, ${other}.`
  throw parameterInvalid(one, message)
}
