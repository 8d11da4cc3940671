import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import type Stripe from 'stripe'
import { failureOf, keyInUse, parameterInvalid, resourceMissing, StripeApiError } from './errors.ts'
import { expand } from './expand.ts'
import { parseForm } from './form.ts'
import type { Answer, KeptAnswers } from './kept-answers.ts'
import { newId } from './objects.ts'
import { Parameters } from './parameters.ts'
import { readOrder } from './session-parameters.ts'
import type { Account } from './state.ts'

export const outageModes = ['none', 'down', 'error', 'lost-response'] as const
/**
 * `down` breaks every connection, `error` answers 500 and does nothing, `lost-response` does what was asked
 * and breaks the connection before saying so.
 */
export type OutageMode = (typeof outageModes)[number]

/** What is wrong with the API at the moment, for whoever asks it. */
export interface Trouble {
  outage: OutageMode
  /** How long each request waits before it is carried out. */
  latencyMs: number
  /** Objects that cannot be read, and the status in their place. */
  failing: Map<string, number>
}

export function noTrouble(): Trouble {
  return { outage: 'none', latencyMs: 0, failing: new Map() }
}

export interface StripeApiOptions {
  account: Account
  answers: KeptAnswers
  apiKey: string
  trouble: Trouble
  /** Resolves once the account is kept; no answer leaves before. */
  save: () => Promise<void>
  log: (line: string) => void
}

const bodyBytesMax = 1_000_000
/** Stripe lists no event older than this. */
const eventsListedSeconds = 30 * 86_400

/** Stripe's HTTP API, as far as this service calls it. */
export function createStripeApi(options: StripeApiOptions): Server {
  const keysInUse = new Set<string>()
  const server = createServer((request, response) => {
    respond(options, keysInUse, request, response).catch((error: unknown) => {
      options.log(`stripe stand-in: ${error instanceof Error ? error.stack : String(error)}`)
      response.destroy()
    })
  })
  // Longer than a client keeps a connection idle, so that a reused one is not closed under its request.
  server.keepAliveTimeout = 60_000
  return server
}

interface ApiRequest {
  method: string
  path: string
  query: string
  body: string
  authorization: string | undefined
  key: string | undefined
}

async function respond(
  options: StripeApiOptions,
  keysInUse: Set<string>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { trouble } = options
  if (trouble.outage === 'down') {
    response.destroy()
    return
  }
  const body = await readBody(request)
  const url = new URL(request.url ?? '/', 'http://stripe.invalid')
  const key = request.headers['idempotency-key']
  const asked: ApiRequest = {
    method: request.method ?? 'GET',
    path: url.pathname,
    query: url.search.slice(1),
    body,
    authorization: request.headers.authorization,
    key: typeof key === 'string' && key !== '' ? key : undefined,
  }
  const answer = await carriedOut(options, keysInUse, asked)
  await options.save()
  if (trouble.outage === 'lost-response') {
    response.destroy()
    return
  }
  response.writeHead(answer.status, {
    'content-type': 'application/json',
    'request-id': answer.requestId,
    ...answer.headers,
  })
  response.end(JSON.stringify(answer.body, null, 2))
}

/** A key is in use for as long as its first request takes, and whoever else comes with it is told so. */
async function carriedOut(
  options: StripeApiOptions,
  keysInUse: Set<string>,
  request: ApiRequest,
): Promise<ApiAnswer> {
  const { key } = request
  if (key !== undefined && keysInUse.has(key)) return answerTo(options, request, true)
  if (key !== undefined) keysInUse.add(key)
  try {
    const { latencyMs } = options.trouble
    if (latencyMs > 0) await sleep(latencyMs)
    return answerTo(options, request, false)
  } finally {
    if (key !== undefined) keysInUse.delete(key)
  }
}

interface ApiAnswer extends Answer {
  headers?: Record<string, string>
}

/** Synchronous, so that no request sees another's half-way. */
function answerTo(options: StripeApiOptions, request: ApiRequest, keyIsInUse: boolean): ApiAnswer {
  const requestId = newId('req')
  // Only requests that change something are remembered, as at Stripe.
  const keyed = request.method === 'POST' && request.key !== undefined
  const keep = (answer: ApiAnswer): ApiAnswer => {
    if (!keyed) return answer
    options.answers.keep({ ...request, key: request.key! }, answer)
    return { ...answer, headers: { ...answer.headers, 'idempotency-key': request.key! } }
  }

  try {
    authenticate(request.authorization, options.apiKey)
    if (keyIsInUse) throw keyInUse(request.key!)
    const kept = keyed ? options.answers.find(request.key!, request.path, request.body) : undefined
    if (kept) return replay(kept, requestId)
    if (options.trouble.outage === 'error') {
      const message = 'An unknown error occurred. (The stand-in was told to have an outage.)'
      const { body } = new StripeApiError(500, message, { type: 'api_error' })
      return keep({ status: 500, body, requestId, headers: { 'stripe-should-retry': 'false' } })
    }
    refuseWhatFails(options.trouble, request)
    options.account.expireDue()
    return keep({ status: 200, body: route(options.account, request), requestId })
  } catch (error) {
    if (!(error instanceof StripeApiError)) throw error
    const answer = { status: error.status, body: error.body, requestId }
    // Stripe keeps the outcome of work it began, and a missing object is found only then. A request with
    // malformed parameters never begins, so its key stays free.
    return error.code === 'resource_missing' ? keep(answer) : answer
  }
}

function replay(kept: Answer & { key: string }, requestId: string): ApiAnswer {
  return {
    status: kept.status,
    body: kept.body,
    requestId,
    headers: {
      'idempotency-key': kept.key,
      'idempotent-replayed': 'true',
      'original-request': kept.requestId,
      ...(kept.status >= 500 && { 'stripe-should-retry': 'false' }),
    },
  }
}

function authenticate(authorization: string | undefined, apiKey: string): void {
  const given = authorization?.match(/^Bearer (.+)$/i)?.[1]
  if (given === apiKey) return
  const message = given
    ? `Invalid API Key provided: ${given.slice(0, 3)}****${given.slice(-4)}`
    : "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY')."
  throw new StripeApiError(401, message)
}

/** An object fails where it is read by its id, and where what belongs to it is listed. */
function refuseWhatFails({ failing }: Trouble, { method, path, query }: ApiRequest): void {
  if (method !== 'GET') return
  const named = [...path.split('/'), ...new URLSearchParams(query).values()]
  for (const id of named) {
    const status = failing.get(id)
    if (status !== undefined) throw failureOf(id, status)
  }
}

type Handler = (account: Account, parameters: Parameters, id: string) => object

/** A `*` stands for one id. */
const routes: readonly [method: string, path: string, handler: Handler][] = [
  ['POST', '/v1/checkout/sessions', createSession],
  ['GET', '/v1/checkout/sessions', listSessions],
  ['GET', '/v1/checkout/sessions/*', retrieveSession],
  ['POST', '/v1/checkout/sessions/*/expire', expireSession],
  ['GET', '/v1/payment_intents/*', retrievePaymentIntent],
  ['GET', '/v1/charges/*', retrieveCharge],
  ['GET', '/v1/invoices/*', retrieveInvoice],
  ['GET', '/v1/customers/*', retrieveCustomer],
  ['GET', '/v1/refunds', listRefunds],
  ['GET', '/v1/disputes', listDisputes],
  ['GET', '/v1/events', listEvents],
  ['GET', '/v1/events/*', retrieveEvent],
]

function route(account: Account, request: ApiRequest): object {
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

function readParameters(encoded: string): Parameters {
  try {
    return new Parameters(parseForm(encoded))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    throw new StripeApiError(400, `Invalid request: ${error.message}`)
  }
}

/** The id a path carries, the empty string for a path without one, `undefined` when it does not match. */
function match(pattern: string, path: string): string | undefined {
  const [before, after] = pattern.split('*')
  if (after === undefined) return path === pattern ? '' : undefined
  if (!path.startsWith(before!) || !path.endsWith(after)) return undefined
  const id = path.slice(before!.length, path.length - after.length)
  return id !== '' && !id.includes('/') ? id : undefined
}

function createSession(account: Account, parameters: Parameters): object {
  const order = readOrder(parameters, account.now())
  if (order.customer !== null && !account.customers.has(order.customer)) {
    throw resourceMissing(400, 'customer', order.customer, 'customer')
  }
  return account.openCheckout(order)
}

function listSessions(account: Account, parameters: Parameters): object {
  const filters = ['payment_intent', 'customer', 'status'] as const
  parameters.only(...pageParameters, ...filters)
  parameters.choice('status', ['open', 'complete', 'expired'])
  const sessions = [...account.checkouts.values()]
    .map(({ session }) => session)
    .filter((session) => filters.every((name) => agrees(parameters.text(name), session[name])))
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

function retrievePaymentIntent(account: Account, parameters: Parameters, id: string): object {
  parameters.only('expand')
  const intent = account.paymentIntents.get(id)
  if (!intent) throw resourceMissing(404, 'payment_intent', id, 'intent')
  return intent
}

function retrieveCharge(account: Account, parameters: Parameters, id: string): object {
  parameters.only('expand')
  const charge = account.charges.get(id)
  if (!charge) throw resourceMissing(404, 'charge', id, 'charge')
  return charge
}

function retrieveInvoice(account: Account, parameters: Parameters, id: string): object {
  parameters.only('expand')
  const invoice = account.invoices.get(id)
  if (!invoice) throw resourceMissing(404, 'invoice', id, 'invoice')
  return invoice
}

function retrieveCustomer(account: Account, parameters: Parameters, id: string): object {
  parameters.only('expand')
  const customer = account.customers.get(id)
  if (!customer) throw resourceMissing(404, 'customer', id, 'id')
  return customer
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
  parameters.only(...pageParameters, 'type', 'types')
  const types = [...parameters.texts('types'), ...parameters.texts('type')]
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

function retrieveEvent(account: Account, parameters: Parameters, id: string): object {
  parameters.only('expand')
  const event = account.events.get(id)
  if (!event) throw resourceMissing(404, 'event', id, 'id')
  return event
}

const pageParameters = ['limit', 'starting_after', 'ending_before', 'created', 'expand'] as const

/** One page of a list, newest first. `items` come in the order they were made. */
function listed<Item extends { id: string; created: number }>(
  parameters: Parameters,
  url: string,
  items: Item[],
): object {
  const limit = parameters.integer('limit') ?? 10
  if (limit < 1 || limit > 100) {
    const message = 'This value must be between 1 and 100.'
    throw parameterInvalid('limit', message, 'parameter_invalid_integer')
  }
  const created = createdFilter(parameters)
  // The clock may have been set back between two of them, so being made later does not mean a later date.
  const newestFirst = items
    .filter(created)
    .reverse()
    .sort((one, other) => other.created - one.created)

  const after = positionOf(newestFirst, parameters, 'starting_after')
  const before = positionOf(newestFirst, parameters, 'ending_before')
  if (before !== undefined) {
    const start = Math.max(0, before - limit)
    return { object: 'list', url, has_more: start > 0, data: newestFirst.slice(start, before) }
  }
  const start = after === undefined ? 0 : after + 1
  const data = newestFirst.slice(start, start + limit)
  return { object: 'list', url, has_more: newestFirst.length > start + limit, data }
}

function positionOf(
  items: readonly { id: string }[],
  parameters: Parameters,
  key: 'starting_after' | 'ending_before',
): number | undefined {
  const id = parameters.text(key)
  if (id === undefined) return undefined
  const position = items.findIndex((item) => item.id === id)
  if (position === -1) throw resourceMissing(400, 'object', id, key)
  return position
}

function createdFilter(parameters: Parameters): (item: { created: number }) => boolean {
  const range = parameters.has('created') ? parameters.group('created') : undefined
  if (!range) return () => true
  range.only('gt', 'gte', 'lt', 'lte')
  const [gt, gte] = [range.integer('gt') ?? -Infinity, range.integer('gte') ?? -Infinity]
  const [lt, lte] = [range.integer('lt') ?? Infinity, range.integer('lte') ?? Infinity]
  return ({ created }) => created > gt && created >= gte && created < lt && created <= lte
}

function agrees(wanted: string | undefined, value: unknown): boolean {
  return wanted === undefined || wanted === value
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > bodyBytesMax) throw new Error(`a request body is over ${bodyBytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
