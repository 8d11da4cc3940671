import Stripe from 'stripe'
import type { StripeAccount } from '../../shared/payments/stripe.ts'
import type { StripeHttpClient, TestStripe } from './stripe.ts'

type Answer = Awaited<ReturnType<StripeHttpClient['makeRequest']>>

/** What happens to one request on its way to Stripe; `forward` hands it on. */
export type StripeStep = (forward: () => Promise<Answer>) => Promise<Answer>

/** Stripe answers with an error in place of doing what it was asked. */
export const answering =
  (status: number, type = 'api_error', code?: string): StripeStep =>
  async () =>
    answerOf(status, { error: { type, code, message: 'A fault of the test.' } })

/** Stripe lists nothing yet. */
export const listingNothing: StripeStep = async () =>
  answerOf(200, { object: 'list', url: '/v1/events', has_more: false, data: [] })

/** The connection breaks before an answer. */
export const broken: StripeStep = async () => {
  throw Object.assign(new Error('the connection broke'), { code: 'ECONNRESET' })
}

/** Something else happens first. */
export const preceded =
  (by: () => Promise<unknown>): StripeStep =>
  async (forward) => {
    await by()
    return forward()
  }

export interface StripeWire {
  account: StripeAccount
  /** Lets this happen to every further request whose path contains `part`; the last one named counts. */
  on(part: string, step: StripeStep): void
  clear(): void
  /** The paths asked for since then. */
  asked: string[]
  askedFor(part: string): number
}

/** The network between the client and the stand-in, where one object or all of Stripe can fail. */
export function throughStripeWire(
  stripe: TestStripe,
  inner: StripeHttpClient = Stripe.createNodeHttpClient(),
): StripeWire {
  const steps = new Map<string, StripeStep>()
  const asked: string[] = []
  const account = stripe.accountBy({
    getClientName: () => inner.getClientName(),
    async makeRequest(...request) {
      const path = request[2]
      asked.push(path)
      const step = [...steps].findLast(([part]) => path.includes(part))?.[1]
      const forward = () => inner.makeRequest(...request)
      return step ? step(forward) : forward()
    },
  })
  return {
    account,
    on: (part, step) => void steps.set(part, step),
    clear: () => {
      steps.clear()
      asked.length = 0
    },
    asked,
    askedFor: (part) => asked.filter((path) => path.includes(part)).length,
  }
}

function answerOf(status: number, body: object): Answer {
  return {
    getStatusCode: () => status,
    getHeaders: () => ({ 'content-type': 'application/json' }),
    getRawResponse: () => ({}),
    toStream: () => {
      throw new Error('nothing is streamed')
    },
    toJSON: async () => body,
  } as unknown as Answer
}
