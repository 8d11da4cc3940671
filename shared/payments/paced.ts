import { setTimeout as sleep } from 'node:timers/promises'
import Stripe from 'stripe'

/** What the `stripe` client sends its requests with. */
type HttpClient = ReturnType<typeof Stripe.createNodeHttpClient>

/** Well under what Stripe grants an account, 100 a second live and 25 in test mode: callers come first. */
export const requestsPerSecond = { live: 40, test: 20 } as const

/** How long nothing is sent after Stripe has said that it is too much. */
const pauseMs = 1_000

/**
 * Sends at most so many requests a second, evenly, whoever makes them: retries and further pages of a list
 * count like any other. A 429 holds all of them back for a moment.
 */
export function pacedHttpClient(
  perSecond: number,
  inner: HttpClient = Stripe.createNodeHttpClient(),
): HttpClient {
  const intervalMs = 1_000 / perSecond
  let notBefore = 0
  let queue = Promise.resolve()
  // One after the other. One that comes late gains the next ones half an interval, and never makes a burst.
  const turn = () => {
    queue = queue.then(async () => {
      const waitMs = notBefore - performance.now()
      if (waitMs > 0) await sleep(Math.ceil(waitMs))
      notBefore = Math.max(notBefore, performance.now() - intervalMs / 2) + intervalMs
    })
    return queue
  }
  return {
    getClientName: () => inner.getClientName(),
    async makeRequest(...request) {
      await turn()
      const response = await inner.makeRequest(...request)
      if (response.getStatusCode() === 429) {
        notBefore = Math.max(notBefore, performance.now() + pauseMs)
      }
      return response
    },
  }
}
