import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type Stripe from 'stripe'
import { Html, html } from '../html.ts'
import type { BillingDetails, OrderLine } from './order.ts'
import type { CheckoutState } from './state.ts'

export interface CheckoutView {
  state: CheckoutState
  lines: readonly OrderLine[]
  amount: number
  currency: string
  /** What the form starts with. */
  billing: BillingDetails
  addressRequired: boolean
  codesAllowed: boolean
  /** A card was just declined. */
  declined: boolean
  /** What is wrong with the form as it was sent. */
  problems: readonly FieldProblem[]
  refunds: readonly Stripe.Refund[]
  disputes: readonly Stripe.Dispute[]
  successUrl: string
  cancelUrl: string | null
}

export interface FieldProblem {
  field: string
  message: string
}

export function renderCheckoutPage(view: CheckoutView): string {
  const price = money(view.amount, view.currency)
  const { title, body } = {
    open: openState,
    processing: processingState,
    paid: paidState,
    failed: failedState,
    expired: expiredState,
  }[view.state](view, price)
  return page(
    title,
    html`<div class="columns">
      <section class="summary" aria-labelledby="summary-title">
        <h2 id="summary-title">Your order</h2>
        <p class="price">${price}</p>
        <ul class="lines">${view.lines.map((line) => orderLine(line, view.currency))}</ul>
        <p class="total"><span>Total</span> <span>${price}</span></p>
      </section>
      <div class="form">${body}</div>
    </div>`,
  )
}

export function renderUnknownCheckout(): string {
  return page(
    'No such checkout',
    html`<h1>No such checkout</h1>
      <p>This address names no checkout session of this machine. Its data may have been cleared since;
      start the purchase again from your app.</p>`,
  )
}

const styles = readFileSync(new URL('./checkout-page.css', import.meta.url), 'utf8')

/** Names the one style sheet by its hash, so that nothing else on the page can bring its own. */
export function checkoutPageHeaders(): Record<string, string> {
  const hash = createHash('sha256').update(styles).digest('base64')
  return {
    'content-type': 'text/html; charset=utf-8',
    'cache-control': 'no-store',
    'content-security-policy': `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; frame-ancestors 'none'`,
    'x-content-type-options': 'nosniff',
  }
}

/** Codes a person may choose as country of the billing address. */
export const countries =
  'AE AT AU BE BR CA CH CZ DE DK ES FI FR GB IE IL IN IT JP KR MX NL NO NZ PL PT SE SG US ZA'.split(
    ' ',
  )

function money(amount: number, currency: string): string {
  const format = new Intl.NumberFormat('en-US', { style: 'currency', currency })
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2
  return format.format(amount / 10 ** digits)
}

interface State {
  title: string
  body: Html
}

function openState(view: CheckoutView, price: string): State {
  const { billing } = view
  const { address } = billing
  const required = view.addressRequired
  const field = (name: string, label: string, value: string | null, options: FieldOptions = {}) =>
    textField(name, label, value, { ...options, problem: problemOf(view, name) })
  const body = html`
    <h1>Checkout</h1>
    ${
      view.declined &&
      html`<p class="notice bad" role="alert"><strong>The card was declined.</strong>
      No money moved. You can try again.</p>`
    }
    ${
      view.problems.length > 0 &&
      html`<p class="notice bad" role="alert"><strong>Please check the details below.</strong>
      Nothing was paid.</p>`
    }
    <form method="post">
      <fieldset>
        <legend>Billing details</legend>
        ${field('name', 'Full name', billing.name, { required: true, autocomplete: 'name' })}
        ${field('email', 'Email', billing.email, { required: true, autocomplete: 'email', type: 'email' })}
        ${field('line1', 'Address', address.line1, { required, autocomplete: 'address-line1' })}
        ${field('line2', 'Address line 2', address.line2, { autocomplete: 'address-line2' })}
        <div class="pair">
          ${field('city', 'City', address.city, { required, autocomplete: 'address-level2' })}
          ${field('state', 'State or region', address.state, { autocomplete: 'address-level1' })}
        </div>
        <div class="pair">
          ${field('postal_code', 'Postal code', address.postal_code, { required, autocomplete: 'postal-code' })}
          ${countryField(address.country, problemOf(view, 'country'))}
        </div>
        ${view.codesAllowed && field('promotion_code', 'Promotion code', null)}
      </fieldset>
      <fieldset class="ways">
        <legend>How should this payment go?</legend>
        <button class="primary" name="action" value="pay">Pay ${price}</button>
        <button name="action" value="decline">Pay with a declined card</button>
        <button name="action" value="pay-later">Pay later (bank debit)</button>
        ${
          view.cancelUrl !== null &&
          html`<button class="quiet" name="action" value="cancel" formnovalidate>Cancel</button>`
        }
      </fieldset>
    </form>`
  return { title: view.declined ? 'Card declined' : `Pay ${price}`, body }
}

function processingState(view: CheckoutView): State {
  const body = html`
    <h1>Bank debit under way</h1>
    <p class="notice" role="status">The order is placed, and the bank has not answered yet. At Stripe that
    takes days; here you decide.</p>
    <form method="post" class="ways">
      <button class="primary" name="action" value="settle">Let the debit succeed</button>
      <button name="action" value="fail">Let the debit fail</button>
    </form>
    ${wayBack(view.successUrl, 'Back to the app')}`
  return { title: 'Bank debit under way', body }
}

function paidState(view: CheckoutView, price: string): State {
  const body = html`
    <h1>Paid</h1>
    <p class="notice good" role="status">${price} has already been paid. There is nothing more to do.</p>
    ${view.refunds.length + view.disputes.length > 0 && paymentHistory(view)}
    ${wayBack(view.successUrl, 'Back to the app')}`
  return { title: 'Paid', body }
}

function paymentHistory(view: CheckoutView): Html {
  const refunds = view.refunds.map(
    (one) => html`<li>Refund of ${money(one.amount, one.currency)}: ${one.status}</li>`,
  )
  const disputes = view.disputes.map(
    (one) =>
      html`<li>Dispute over ${money(one.amount, one.currency)}: ${one.status.replaceAll('_', ' ')}</li>`,
  )
  return html`<h2>Since then</h2><ul>${refunds}${disputes}</ul>`
}

function failedState(view: CheckoutView): State {
  const body = html`
    <h1>The bank debit failed</h1>
    <p class="notice bad" role="status">The bank did not pay, and no money moved. To try again, start a
    new purchase from your app.</p>
    ${wayBack(view.cancelUrl ?? view.successUrl, 'Back to the app')}`
  return { title: 'Payment failed', body }
}

function expiredState(view: CheckoutView): State {
  const body = html`
    <h1>This checkout has expired</h1>
    <p class="notice" role="status">It can no longer be paid, and no money moved. To buy, start a new
    purchase from your app.</p>
    ${view.cancelUrl !== null && wayBack(view.cancelUrl, 'Back to the app')}`
  return { title: 'Checkout expired', body }
}

function wayBack(url: string, label: string): Html {
  return html`<p><a class="back" href="${url}">${label}</a></p>`
}

function orderLine(line: OrderLine, currency: string): Html {
  const each =
    line.quantity > 1 &&
    html` <small>${line.quantity} × ${money(line.unitAmount, currency)}</small>`
  const description = line.description !== null && html`<small>${line.description}</small>`
  return html`<li>
    <span><strong>${line.name}</strong>${description}${each}</span>
    <span>${money(line.unitAmount * line.quantity, currency)}</span>
  </li>`
}

interface FieldOptions {
  required?: boolean
  autocomplete?: string
  type?: 'text' | 'email'
  problem?: string | undefined
}

function textField(name: string, label: string, value: string | null, options: FieldOptions): Html {
  const { required, autocomplete, type = 'text', problem } = options
  return html`<div class="field">
    <label for="${name}">${label}${!required && html` <small>(optional)</small>`}</label>
    <input id="${name}" name="${name}" type="${type}" value="${value}" autocomplete="${autocomplete}" maxlength="200"
      ${required && html`required`} ${describedBy(name, problem)}>
    ${problemText(name, problem)}
  </div>`
}

const countryNames = new Intl.DisplayNames(['en'], { type: 'region' })

function countryField(value: string | null, problem: string | undefined): Html {
  const options = countries
    .map((code) => ({ code, name: countryNames.of(code) ?? code }))
    .sort((one, other) => one.name.localeCompare(other.name, 'en'))
    .map(
      ({ code, name }) =>
        html`<option value="${code}" ${code === value && html`selected`}>${name}</option>`,
    )
  return html`<div class="field">
    <label for="country">Country</label>
    <select id="country" name="country" autocomplete="country" ${describedBy('country', problem)}>${options}</select>
    ${problemText('country', problem)}
  </div>`
}

function problemOf(view: CheckoutView, field: string): string | undefined {
  return view.problems.find((problem) => problem.field === field)?.message
}

function describedBy(name: string, problem: string | undefined): Html | undefined {
  return problem ? html`aria-invalid="true" aria-describedby="${name}-problem"` : undefined
}

function problemText(name: string, problem: string | undefined): Html | undefined {
  return problem ? html`<p class="problem" id="${name}-problem">${problem}</p>` : undefined
}

function page(title: string, body: Html): string {
  return html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <meta name="robots" content="noindex">
  <title>${title} · local checkout</title>
  <style>${new Html(styles)}</style>
</head>
<body>
  <p class="stand-in"><strong>Local stand-in for Stripe Checkout.</strong> No money moves.</p>
  <main>${body}</main>
</body>
</html>
`.text
}
