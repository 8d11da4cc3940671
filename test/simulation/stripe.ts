import Stripe from 'stripe'
import { createStripeApi } from '../../local/stripe/api.ts'
import { KeptAnswers } from '../../local/stripe/kept-answers.ts'
import { Account } from '../../local/stripe/state.ts'
import { noTrouble, type OutageMode } from '../../local/stripe/trouble.ts'
import type { StripeAccount } from '../../shared/payments/stripe.ts'
import { stripeFaults } from './faults.ts'
import { type Actor, currentActor, silence } from './scheduler.ts'

export const webhookSecret = 'whsec_simulation'

/** Percent that each takes off. */
const promotionCodes = { FIFTH: 20, ALL: 100 }
export type PromotionCode = keyof typeof promotionCodes

export interface SimulatedStripe {
  account: Account
  ours: StripeAccount
}

/**
 * One of Stripe's modes in this process: the stand-in's account and API, reached by the real `stripe` client where
 * it would have reached a socket.
 */
export function openSimulatedStripe(
  livemode: boolean,
  now: () => Date,
  onEvent: (event: Stripe.Event) => void,
): SimulatedStripe {
  const apiKey = `sk_${livemode ? 'live' : 'test'}_simulation`
  const account = new Account({ now, livemode, publicUrl: 'http://localhost', onEvent })
  for (const [code, percentOff] of Object.entries(promotionCodes)) {
    account.promotionCodes.set(code, percentOff)
  }
  const trouble = noTrouble()
  const api = createStripeApi({
    account,
    answers: new KeptAnswers(() => account.now()),
    apiKey,
    trouble,
    save: async () => undefined,
    log: (line) => {
      throw new Error(line)
    },
  })

  const ask: Ask = async (request, mode = 'none') => {
    trouble.outage = mode
    try {
      return await new Promise<Answer>((resolve) => {
        let head: Pick<Answer, 'status' | 'headers'>
        const response = {
          writeHead: (status: number, headers: Answer['headers']) => {
            head = { status, headers }
          },
          end: (body: string) => resolve({ ...head, body }),
        }
        api.emit('request', incoming(request), response)
      })
    } finally {
      trouble.outage = 'none'
    }
  }

  const client = new Stripe(apiKey, {
    maxNetworkRetries: 2,
    telemetry: false,
    httpClient: httpClient((request) => {
      const actor = currentActor()
      const turn = () => withFaults(actor!, request, ask)
      return actor ? actor.scheduler.turn(actor, turn) : ask(request)
    }),
  })
  return { account, ours: { client, livemode, webhookSecrets: [webhookSecret] } }
}

interface SentRequest {
  method: string
  url: string
  headers: Record<string, string>
  body: string
}

interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

type Ask = (request: SentRequest, mode?: OutageMode) => Promise<Answer>

async function withFaults(
  actor: Actor,
  request: SentRequest,
  ask: Ask,
): Promise<Answer | typeof silence> {
  if (actor.refusedObject && request.url.includes(actor.refusedObject)) {
    actor.faults.happened('stripe: one object fails')
    return refused(400, 'invalid_request_error')
  }
  const fault = actor.faults.next(stripeFaults)
  if (!fault) return ask(request)
  actor.faults.happened(fault)
  switch (fault) {
    case 'stripe: response lost':
      await ask(request)
      throw broken('ECONNRESET')
    case 'stripe: refused connection':
      throw broken('ECONNREFUSED')
    case 'stripe: timeout':
      throw Stripe.HttpClient.makeTimeoutError()
    case 'stripe: 429':
      return refused(429, 'rate_limit_error')
    case 'stripe: 409':
      return refused(409, 'idempotency_error')
    case 'stripe: 402':
      return refused(402, 'invalid_request_error')
    case 'stripe: 503':
      return refused(503, 'api_error')
    case 'stripe: remembered 500':
      return ask(request, 'error')
    case 'crash before a call to Stripe':
      actor.scheduler.crash(actor)
      return silence
    case 'crash after a call to Stripe':
      await ask(request)
      actor.scheduler.crash(actor)
      return silence
  }
}

function refused(status: number, type: string): Answer {
  const body = JSON.stringify({ error: { type, message: 'A fault of the simulator.' } })
  return { status, headers: { 'content-type': 'application/json' }, body }
}

function broken(code: string): Error {
  return Object.assign(new Error('the connection broke'), { code })
}

/** A request as the stand-in's server sees one that came over a socket. */
function incoming({ method, url, headers, body }: SentRequest) {
  return {
    method,
    url,
    headers: Object.fromEntries(
      Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]),
    ),
    async *[Symbol.asyncIterator]() {
      if (body) yield Buffer.from(body)
    },
  }
}

function httpClient(send: (request: SentRequest) => Promise<Answer>) {
  return {
    getClientName: () => 'simulation',
    async makeRequest(
      _host: string,
      _port: string,
      url: string,
      method: string,
      headers: object,
      body: string,
    ) {
      const answer = await send({ method, url, headers: headers as Record<string, string>, body })
      return {
        getStatusCode: () => answer.status,
        getHeaders: () => answer.headers,
        getRawResponse: () => answer,
        toStream: () => {
          throw new Error('nothing is streamed')
        },
        toJSON: async () => JSON.parse(answer.body),
      }
    },
  } as unknown as Stripe.HttpClient
}
