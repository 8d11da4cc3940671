import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { failureOf, keyInUse, StripeApiError } from './errors.ts'
import { newId } from './ids.ts'
import type { Answer, KeptAnswers } from './kept-answers.ts'
import { resourceAsked } from './resources.ts'
import type { Account } from './state.ts'
import type { Trouble } from './trouble.ts'

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
    return keep({ status: 200, body: resourceAsked(options.account, request), requestId })
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
