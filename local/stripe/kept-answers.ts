import { createHash } from 'node:crypto'
import { StripeApiError } from './errors.ts'

/** An answer kept under the Idempotency-Key it was given for. */
export interface KeptAnswer {
  key: string
  path: string
  parameters: string
  status: number
  body: object
  requestId: string
  /** Epoch seconds. */
  at: number
}

/** Stripe forgets a key after a day: from then on the same key starts a new request. */
const keptSeconds = 86_400

/** What Stripe remembers of keyed requests, failures included: a stored 500 is replayed like any success. */
export class KeptAnswers {
  readonly #answers: Map<string, KeptAnswer>
  readonly #now: () => number

  constructor(now: () => number, saved: readonly KeptAnswer[] = []) {
    this.#now = now
    this.#answers = new Map(saved.map((answer) => [answer.key, answer]))
  }

  snapshot(): KeptAnswer[] {
    return [...this.#answers.values()]
  }

  /** The first answer, if this request was made before. Throws when the key was used for another request. */
  find(key: string, path: string, body: string): KeptAnswer | undefined {
    if (key.length > 255) {
      throw new StripeApiError(400, 'Idempotency keys hold 255 characters at most.', {
        type: 'idempotency_error',
      })
    }
    const answer = this.#answers.get(key)
    if (!answer || answer.at + keptSeconds <= this.#now()) return undefined
    if (answer.path !== path) {
      const message = `Keys for idempotent requests can only be used for the same endpoint they were first used for ('${path}' vs '${answer.path}'). Try using a key other than '${key}' if you meant to execute a different request.`
      throw new StripeApiError(400, message, { type: 'idempotency_error' })
    }
    if (answer.parameters !== fingerprint(body)) {
      const message = `Keys for idempotent requests can only be used with the same parameters they were first used with. Try using a key other than '${key}' if you meant to execute a different request.`
      throw new StripeApiError(400, message, { type: 'idempotency_error' })
    }
    return answer
  }

  keep(request: { key: string; path: string; body: string }, answer: Answer): void {
    const at = this.#now()
    for (const [key, kept] of this.#answers) {
      if (kept.at + keptSeconds <= at) this.#answers.delete(key)
    }
    const { key, path } = request
    const { status, body, requestId } = answer
    const parameters = fingerprint(request.body)
    this.#answers.set(key, { key, path, parameters, status, body, requestId, at })
  }
}

export interface Answer {
  status: number
  body: object
  requestId: string
}

/** The order of a form's parameters means nothing, so it must not make two requests different. */
function fingerprint(body: string): string {
  const pairs = [...new URLSearchParams(body)].map((pair) => JSON.stringify(pair)).sort()
  return createHash('sha256').update(pairs.join('\n')).digest('base64url')
}
