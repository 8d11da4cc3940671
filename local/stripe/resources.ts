import type Stripe from 'stripe'
import { resourceMissing, StripeApiError } from './errors.ts'
import { expand } from './expand.ts'
import { parseForm } from './form.ts'
import { agrees, listed, pageParameters } from './lists.ts'
import { Parameters } from './parameters.ts'
import { readOrder } from './session-parameters.ts'
import type { Account } from './state.ts'

interface ResourceRequest {
  method: string
  path: string
  query: string
  body: string
}

/** What was asked of the account, with what the caller wants expanded. Throws `StripeApiError`. */
export function resourceAsked(account: Account, request: ResourceRequest): object {
  const { method, path } = request
  for (const [routeMethod, pattern, handler] of routes) {
    if (routeMethod !== method) continue
    const id = match(pattern, path)
    if (id === undefined) continue
    const parameters = readParameters(method === 'GET' ? request.query : request.body)
    const result = handler(account, parameters, id)
    return expand(account, result, parameters.texts('expand'))
  }
  const message = `Unrecognized request URL (${method}: ${path}). The local stand-in answers what this service calls, and no more.`
  throw new StripeApiError(404, message)
}

type Handler = (account: Account, parameters: Parameters, id: string) => object

/** A `*` stands for one id. */
const routes: readonly [method: string, path: string, handler: Handler][] = [
  ['POST', '/v1/checkout/sessions', createSession],
  ['GET', '/v1/checkout/sessions', listSessions],
  ['GET', '/v1/checkout/sessions/*', retrieveSession],
  ['POST', '/v1/checkout/sessions/*/expire', expireSession],
  [
    'GET',
    '/v1/payment_intents/*',
    retriever('payment_intent', 'intent', ({ paymentIntents }) => paymentIntents),
  ],
  ['GET', '/v1/charges/*', retriever('charge', 'charge', ({ charges }) => charges)],
  ['GET', '/v1/invoices/*', retriever('invoice', 'invoice', ({ invoices }) => invoices)],
  ['GET', '/v1/customers/*', retriever('customer', 'id', ({ customers }) => customers)],
  ['GET', '/v1/refunds', listRefunds],
  ['GET', '/v1/disputes', listDisputes],
  ['GET', '/v1/events', listEvents],
]

/** Stripe lists no event older than this. */
const eventsListedSeconds = 30 * 86_400

/** The id a path carries, the empty string for a path without one, `undefined` when it does not match. */
function match(pattern: string, path: string): string | undefined {
  const [before, after] = pattern.split('*')
  if (after === undefined) return path === pattern ? '' : undefined
  if (!path.startsWith(before!) || !path.endsWith(after)) return undefined
  const id = path.slice(before!.length, path.length - after.length)
  return id !== '' && !id.includes('/') ? id : undefined
}

function readParameters(encoded: string): Parameters {
  try {
    return new Parameters(parseForm(encoded))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new StripeApiError(400, `Invalid request: ${error.message}`)
  }
}

function createSession(account: Account, parameters: Parameters): object {
  const order = readOrder(parameters, account.now())
  if (order.customer !== null && !account.customers.has(order.customer)) {
    throw resourceMissing(400, 'customer', order.customer, 'customer')
  }
  return account.openCheckout(order)
}

function listSessions(account: Account, parameters: Parameters): object {
  parameters.only(...pageParameters, 'payment_intent')
  const sessions = [...account.checkouts.values()]
    .map(({ session }) => session)
    .filter((session) => agrees(parameters.text('payment_intent'), session.payment_intent))
  return listed(parameters, '/v1/checkout/sessions', sessions)
}

function retrieveSession(account: Account, parameters: Parameters, id: string): object {
  parameters.only('expand')
  const checkout = account.checkouts.get(id)
  if (!checkout) throw resourceMissing(404, 'checkout.session', id, 'session')
  return checkout.session
}

function expireSession(account: Account, parameters: Parameters, id: string): object {
  const session = retrieveSession(account, parameters, id)
  const outcome = account.checkout(id, 'expire')
  if (outcome.refused) {
    const message =
      'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session is not open.'
    throw new StripeApiError(400, message)
  }
  return session
}

/** Answers with one object of a kind as it is; `param` names its place in the path, as Stripe's error does. */
function retriever(
  kind: string,
  param: string,
  all: (account: Account) => ReadonlyMap<string, object>,
) {
  return (account: Account, parameters: Parameters, id: string): object => {
    parameters.only('expand')
    const found = all(account).get(id)
    if (!found) throw resourceMissing(404, kind, id, param)
    return found
  }
}

function listRefunds(account: Account, parameters: Parameters): object {
  return listOfPayment(parameters, '/v1/refunds', account.refunds)
}

function listDisputes(account: Account, parameters: Parameters): object {
  return listOfPayment(parameters, '/v1/disputes', account.disputes)
}

function listOfPayment(
  parameters: Parameters,
  url: string,
  all: ReadonlyMap<string, Stripe.Refund | Stripe.Dispute>,
): object {
  const filters = ['payment_intent', 'charge'] as const
  parameters.only(...pageParameters, ...filters)
  const items = [...all.values()].filter((item) =>
    filters.every((name) => agrees(parameters.text(name), item[name])),
  )
  return listed(parameters, url, items)
}

function listEvents(account: Account, parameters: Parameters): object {
  parameters.only(...pageParameters, 'types')
  const types = parameters.texts('types')
  const since = account.now() - eventsListedSeconds
  const events = [...account.events.values()].filter(
    (event) => event.created >= since && (types.length === 0 || types.includes(event.type)),
  )
  return listed(parameters, '/v1/events', shuffled(events))
}

/** Stripe lists by seconds, and promises no order within one. This one is always the same, and rarely right. */
function shuffled(events: Stripe.Event[]): Stripe.Event[] {
  const place = (index: number) => Math.imul(index + 1, 0x9e3779b1) >>> 0
  return events
    .map((event, index) => ({ event, place: place(index) }))
    .sort((one, other) => one.place - other.place)
    .map(({ event }) => event)
}
