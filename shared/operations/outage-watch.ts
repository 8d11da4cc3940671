import { setTimeout as sleep } from 'node:timers/promises'
import { Unavailable } from '../domain/refusal.ts'
import { failureOf } from '../payments/stripe.ts'

/** After so many looks in a row that came to nothing, everything is out, and the rest is spared the try. */
const outageAfter = 10
/** Looks at one purchase while Stripe says that it is asked too much. */
const rateLimitAttemptsMax = 4

/** Tells an outage of everything from failures of one purchase: nothing has worked for a while. */
export class OutageWatch {
  #inARow = 0
  last: unknown

  worked(): void {
    this.#inARow = 0
  }

  failed(error: unknown): void {
    this.last = error
    this.#inARow = concernsEverything(error) ? this.#inARow + 1 : 0
  }

  get isOn(): boolean {
    return this.#inARow >= outageAfter
  }
}

/**
 * No answer, or one that refuses our key: the next purchase would most likely fare the same. Any other refusal
 * of Stripe's is about the object it was asked for.
 */
function concernsEverything(error: unknown): boolean {
  const { statusCode = 500 } = failureOf(error) ?? {}
  if (statusCode === 401 || statusCode === 403) return true
  return error instanceof Unavailable && (statusCode >= 500 || statusCode === 429)
}

/** Waits and asks again where Stripe says that it is asked too much. */
export async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if (!isRateLimit(error) || attempt === rateLimitAttemptsMax) throw error
      await sleep(1_000 * 2 ** (attempt - 1))
    }
  }
}

function isRateLimit(error: unknown): boolean {
  return failureOf(error)?.statusCode === 429
}
