import type { Workspace } from './workspace.ts'

/** Why a request was not carried out. Each has a status in `http/problem.ts` and a section in docs/errors.md. */
export type RefusalCode =
  | 'invalid_request'
  | 'insufficient_tokens'
  | 'top_ups_limit'
  | 'holds_limit'
  | 'hold_not_found'
  | 'hold_closed'
  | 'hold_taken'
  | 'idempotency_key_reused'
  | 'workspace_not_found'
  | 'purchase_not_found'
  | 'upgrade_required'
  | 'contact_account_representative'
  | 'admin_required'
  | 'purchases_blocked'
  | 'too_many_looks'
  | 'busy'

/** A refusal is an ordinary answer and is returned; only bugs and outages are thrown. */
export interface Refusal<Code extends RefusalCode = RefusalCode> {
  refused: Code
  /** The workspace as it stood, where that tells the caller what to do next. */
  workspace?: Workspace
  /** With `invalid_request`: what about the request cannot be, as the workspace stands. */
  errors?: FieldError[]
  /** When the same request may go through, where that is known. */
  retryAfterSeconds?: number
}

export interface FieldError {
  /** `#/quota` */
  pointer: string
  /** What it must be. */
  detail: string
}

export function isRefusal(outcome: object): outcome is Refusal {
  return 'refused' in outcome
}

/**
 * A service we depend on did not answer. Whether it applied the request is unknown; the same call with the
 * same key finishes the job or finds it done.
 */
export class Unavailable extends Error {
  readonly service: 'dynamodb' | 'stripe' | 'secrets'

  constructor(service: Unavailable['service'], cause: unknown) {
    super(`${service} did not answer`, { cause })
    this.name = 'Unavailable'
    this.service = service
  }
}
