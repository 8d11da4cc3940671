import type { InsufficientTokens, InvalidRequest, OtherProblem } from './api-types.ts'

export type Problem = InvalidRequest | InsufficientTokens | OtherProblem
export type ProblemCode = Problem['code']

/** Codes that say nothing of the request: the same one may go through later, and was tried again already. */
export type OutageCode = 'internal_error' | 'busy' | 'unavailable' | 'too_many_looks'

/** Why the service would not do what it was asked. */
export type RefusalCode = Exclude<ProblemCode, OutageCode>

/** The problem document that goes with a code. */
export type ProblemOf<Code extends ProblemCode> = Code extends 'invalid_request'
  ? InvalidRequest
  : Code extends 'insufficient_tokens'
    ? InsufficientTokens
    : OtherProblem & { code: Code }

export interface Circumstances {
  status?: number
  /** Finds the request in the service's logs. */
  requestId?: string
  /** The Idempotency-Key of the call: the same call under it finds the outcome of this one. */
  key?: string
  cause?: unknown
}

/** Anything this client throws but the abort reasons of its callers and mistakes in how it is called. */
export class TokensError extends Error {
  override readonly name: string = 'TokensError'
  readonly status: number | undefined
  readonly requestId: string | undefined
  readonly key: string | undefined

  constructor(message: string, { status, requestId, key, cause }: Circumstances = {}) {
    super(message, { cause })
    this.status = status
    this.requestId = requestId
    this.key = key
  }
}

/**
 * The service said no, and nothing was changed. It is thrown, not returned, so that a refusal nobody looks at
 * stops the work it was asked for. `isRefused(error, 'insufficient_tokens')` tells one from another.
 */
export class TokensRefused<Code extends RefusalCode = RefusalCode> extends TokensError {
  override readonly name = 'TokensRefused'
  readonly code: Code
  readonly problem: ProblemOf<Code>

  constructor(problem: ProblemOf<Code>, key?: string) {
    const { status, requestId, title, detail } = problem
    super(`${title}: ${detail}`, { status, requestId, key })
    this.code = problem.code as Code
    this.problem = problem
  }
}

/**
 * The service did not answer, or could not, as often as it was asked. Whether the last attempt was carried out
 * is not known; the same call with the same `key` finishes it or finds it done.
 */
export class TokensUnavailable extends TokensError {
  override readonly name = 'TokensUnavailable'
  readonly attempts: number
  readonly code: OutageCode | undefined

  constructor(attempts: number, code: OutageCode | undefined, circumstances: Circumstances) {
    const why = code ?? (circumstances.status ? `status ${circumstances.status}` : 'no answer')
    const tried = attempts === 1 ? '1 attempt' : `${attempts} attempts`
    super(`the token service is unavailable (${why}) after ${tried}`, circumstances)
    this.attempts = attempts
    this.code = code
  }
}

/**
 * Whether an error means that the service is away: nothing answered, or only what stands in front of it, saying
 * that it cannot reach it. What the service itself answers is no outage, be it `busy` or `internal_error`: it
 * is there, and what it would say of other work is not known.
 */
export function isOutage(error: unknown): error is TokensUnavailable {
  if (!(error instanceof TokensUnavailable) || error.code !== undefined) return false
  return error.status === undefined || unreachableStatuses.includes(error.status)
}

const unreachableStatuses: readonly number[] = [502, 503, 504]

/** Whether an error is a refusal, and for which of the reasons named; without any, for whatever reason. */
export function isRefused<Code extends RefusalCode = RefusalCode>(
  error: unknown,
  ...codes: Code[]
): error is TokensRefused<Code> {
  if (!(error instanceof TokensRefused)) return false
  return codes.length === 0 || (codes as RefusalCode[]).includes(error.code)
}
