import { type Meter, meterOf } from '../domain/meter.ts'
import type { Role } from '../domain/plan.ts'
import type { FieldError, Refusal, RefusalCode } from '../domain/refusal.ts'
import type { Answer } from './answer.ts'

/** Every error this service answers with: its status, and what is true whenever it is given. */
export const problems = {
  invalid_request: [
    400,
    'The request is not valid',
    'Nothing was changed. Mend the fields named in `errors` and send it again.',
  ],
  invalid_signature: [
    400,
    'The signature is not valid',
    'The body was not signed by Stripe with a current secret of ours in the last five minutes. Nothing was changed.',
  ],
  access_token_required: [
    401,
    'An access token is required',
    'This is an ID token, which says who someone is and not what they may do. Send an access token. Nothing was changed.',
  ],
  insufficient_tokens: [
    402,
    'Not enough tokens',
    'The workspace has fewer tokens left than were asked for, and nothing was taken. See `meter` for what remains and how to get more.',
  ],
  forbidden: [
    403,
    'Not allowed',
    'This token lacks what the call needs: a role in this workspace, a scope, or a subject to record. Nothing was changed.',
  ],
  service_required: [
    403,
    'Only a service may do this by a scope',
    'The token has the scope, but nothing by which its issuer vouches that it was made for a client and not for a person: a `gty` of client credentials, or a `sub` that is the `client_id` or `azp`. Use a client-credentials token, or set `serviceMark` to the claim that your issuer writes. Nothing was changed.',
  ],
  admin_required: [
    403,
    'Only a workspace admin may do this',
    'Nothing was charged or changed. Ask an admin of the workspace.',
  ],
  upgrade_required: [
    403,
    'This plan cannot buy tokens',
    'Nothing was charged. Upgrade to a paid plan to buy more tokens.',
  ],
  contact_account_representative: [
    403,
    'Tokens are arranged by your account representative',
    'Nothing was charged. Contact your account representative, who can add tokens to this workspace.',
  ],
  purchases_blocked: [
    403,
    'Purchases are blocked',
    'Nothing was charged. A dispute about an earlier purchase was lost after its tokens had been used, so this workspace cannot buy more by itself. Contact us.',
  ],
  workspace_not_found: [
    404,
    'No such workspace',
    'There is no workspace with this id that this token may see. Nothing was changed.',
  ],
  purchase_not_found: [404, 'No such purchase', 'This workspace has no purchase with this id.'],
  hold_not_found: [
    404,
    'No such hold',
    'This workspace has no hold with this id. Nothing was changed.',
  ],
  top_ups_limit: [
    409,
    'Too many tokens for one workspace',
    'The workspace would hold more tokens than it can. Nothing was charged or changed.',
  ],
  holds_limit: [
    409,
    'Too many open holds',
    'The workspace has 1,000 open holds, and nothing was set aside. Settle or release some, or wait for them to expire.',
  ],
  hold_closed: [
    409,
    'The hold is closed',
    'This hold was settled, released or ended by the reset before, in another way than asked now. That stands, and nothing was changed.',
  ],
  hold_taken: [
    409,
    'Another try has the hold',
    'Another try holds tokens under this key, and nothing was set aside for this one. Leave the work to it: asked again, this says how its hold ended. For other work, use a new key.',
  ],
  body_too_large: [
    413,
    'The body is too large',
    'A body may have at most 16 KB. Nothing was changed.',
  ],
  idempotency_key_reused: [
    422,
    'The idempotency key belongs to another request',
    'A different request was made with this key before, and stands. Nothing was changed now. Use a new key.',
  ],
  too_many_looks: [
    429,
    'Asked too often',
    'Stripe is asked at most 5 times in 10 seconds for the people of one workspace. Nothing was changed. Ask again after the time in Retry-After.',
  ],
  internal_error: [
    500,
    'Something went wrong on our side',
    'Retry with the same Idempotency-Key: if the work was done, you will get its outcome and nothing happens twice.',
  ],
  busy: [
    503,
    'The workspace is too busy',
    'Retry with the same Idempotency-Key after the time in Retry-After: nothing happens twice.',
  ],
  unavailable: [
    503,
    'A service we need did not answer',
    'It is not known whether the work was done. Retry with the same Idempotency-Key after the time in Retry-After: nothing happens twice.',
  ],
} as const satisfies Record<string, readonly [status: number, title: string, detail: string]> &
  Record<RefusalCode, unknown>

export type ProblemCode = keyof typeof problems

export const problemCodes = Object.keys(problems) as ProblemCode[]

/** What the caller needs for the next step. */
export interface ProblemExtras {
  /** Which input was wrong and how to mend it: a pointer into the body, or `header/…`, `path/…`, `query/…`. */
  errors?: FieldError[]
  meter?: Meter
  requested?: number
}

interface Retry {
  /** When it may be tried again; a short while where nothing says otherwise. */
  retryAfterSeconds?: number
}

/** A problem document (RFC 9457). Its `type` leads to the code's section in docs/errors.md. */
export function problem(
  code: ProblemCode,
  requestId: string,
  { retryAfterSeconds = shortWhileSeconds, ...extras }: ProblemExtras & Retry = {},
): Answer {
  const [status, title, detail] = problems[code]
  const type = `/docs/errors.md#${code}`
  return {
    statusCode: status,
    headers: {
      'content-type': 'application/problem+json',
      'cache-control': 'no-store',
      ...(mayPass(status) && { 'retry-after': String(retryAfterSeconds) }),
    },
    body: JSON.stringify({ type, title, status, detail, code, requestId, ...extras }),
  }
}

const shortWhileSeconds = 2

/** Whether an answer of this status says when to try again. */
export function mayPass(status: number): boolean {
  return status === 429 || status === 503
}

/** The problem document of a refusal, with the meter where the refusal says how the workspace stood. */
export function refusal(
  { refused, workspace, errors, retryAfterSeconds }: Refusal,
  {
    requestId,
    now,
    role,
    requested,
  }: { requestId: string; now: Date; role?: Role; requested?: number },
): Answer {
  return problem(refused, requestId, {
    retryAfterSeconds,
    errors,
    requested,
    meter: workspace && meterOf(workspace, now, role),
  })
}
