import {
  type CheckoutView,
  checkoutPageHeaders,
  countries,
  type FieldProblem,
  renderCheckoutPage,
  renderUnknownCheckout,
} from './checkout-page.ts'
import type { BillingDetails } from './order.ts'
import type { Account, Checkout, CheckoutAction } from './state.ts'

/** The checkout page of one session: shows it, and does what its buttons say. */
export async function serveCheckoutPage(
  account: Account,
  sessionId: string,
  request: Request,
): Promise<Response> {
  account.expireDue()
  const checkout = account.checkouts.get(sessionId)
  if (!checkout) return pageResponse(404, renderUnknownCheckout())
  const url = new URL(request.url)
  if (request.method === 'GET') {
    const declined = url.searchParams.get('outcome') === 'declined'
    return pageResponse(200, renderCheckoutPage(viewOf(account, checkout, { declined })))
  }
  if (request.method !== 'POST') {
    return new Response('Method not allowed', { status: 405, headers: { allow: 'GET, POST' } })
  }
  return submit(account, checkout, url.pathname, new URLSearchParams(await request.text()))
}

function submit(
  account: Account,
  checkout: Checkout,
  path: string,
  form: URLSearchParams,
): Response {
  const { session, order } = checkout
  const action = form.get('action') ?? ''
  if (action === 'cancel') return seeOther(order.cancelUrl ?? path)
  if (!isPageAction(action)) {
    return pageResponse(400, renderCheckoutPage(viewOf(account, checkout, {})))
  }

  const paying = action !== 'settle' && action !== 'fail'
  const billing = paying ? readBilling(form) : undefined
  const problems = billing ? problemsOf(billing, addressRequired(checkout)) : []
  if (problems.length > 0 && account.stateOf(session) === 'open') {
    return pageResponse(422, renderCheckoutPage(viewOf(account, checkout, { billing, problems })))
  }

  const outcome = account.checkout(session.id, action, {
    billing,
    promotionCode: form.get('promotion_code')?.trim() || undefined,
  })
  // Pressed on an old copy of the page: the page itself tells how the checkout stands now.
  if (outcome.refused) return seeOther(path)
  if (action === 'decline') return seeOther(`${path}?outcome=declined`)
  if (action === 'fail') return seeOther(path)
  return seeOther(successUrlOf(checkout))
}

const pageActions = ['pay', 'decline', 'pay-later', 'settle', 'fail'] as const

function isPageAction(action: string): action is CheckoutAction {
  return pageActions.some((one) => one === action)
}

function viewOf(
  account: Account,
  checkout: Checkout,
  now: { declined?: boolean; billing?: BillingDetails; problems?: FieldProblem[] },
): CheckoutView {
  const { session, order } = checkout
  const intent = typeof session.payment_intent === 'string' ? session.payment_intent : ''
  return {
    state: account.stateOf(session),
    lines: order.lineItems,
    amount: session.amount_total ?? 0,
    codesAllowed: order.allowPromotionCodes ?? false,
    currency: order.currency,
    billing: now.billing ?? account.billingOf(checkout),
    addressRequired: addressRequired(checkout),
    declined: now.declined ?? false,
    problems: now.problems ?? [],
    refunds: account.refundsOf(intent),
    disputes: account.disputesOf(intent),
    successUrl: successUrlOf(checkout),
    cancelUrl: order.cancelUrl,
  }
}

function addressRequired({ order }: Checkout): boolean {
  return order.billingAddressCollection === 'required'
}

/** Stripe puts the session's id where the success URL asks for it. */
function successUrlOf({ session, order }: Checkout): string {
  return order.successUrl.replaceAll('{CHECKOUT_SESSION_ID}', session.id)
}

function readBilling(form: URLSearchParams): BillingDetails {
  const text = (name: string) => (form.get(name) ?? '').trim()
  return {
    name: text('name'),
    email: text('email'),
    address: {
      line1: text('line1') || null,
      line2: text('line2') || null,
      city: text('city') || null,
      state: text('state') || null,
      postal_code: text('postal_code') || null,
      country: text('country') || null,
    },
  }
}

function problemsOf({ name, email, address }: BillingDetails, required: boolean): FieldProblem[] {
  const problems: FieldProblem[] = []
  const check = (field: string, wrong: boolean, message: string) => {
    if (wrong) problems.push({ field, message })
  }
  check('name', name === '', 'Enter a name.')
  check('email', !/^[^@\s]+@[^@\s]+$/.test(email), 'Enter an email address.')
  check('line1', required && address.line1 === null, 'Enter an address.')
  check('city', required && address.city === null, 'Enter a city.')
  check('postal_code', required && address.postal_code === null, 'Enter a postal code.')
  check('country', !countries.includes(address.country ?? ''), 'Choose a country.')
  for (const [field, value] of Object.entries({ name, email, ...address })) {
    check(field, (value?.length ?? 0) > 200, 'Use at most 200 characters.')
  }
  return problems
}

function pageResponse(status: number, page: string): Response {
  return new Response(page, { status, headers: checkoutPageHeaders() })
}

/** An address goes into the header in its encoded form, whatever characters it came with. */
function seeOther(address: string): Response {
  const location = URL.parse(address)?.href ?? address
  return new Response(null, { status: 303, headers: { location, 'cache-control': 'no-store' } })
}
