export type StripeErrorType =
  | 'invalid_request_error'
  | 'idempotency_error'
  | 'rate_limit_error'
  | 'api_error'

/** An answer Stripe would give in its own error shape. */
export class StripeApiError extends Error {
  readonly status: number
  readonly type: StripeErrorType
  readonly code: string | undefined
  readonly param: string | undefined

  constructor(
    status: number,
    message: string,
    details: { type?: StripeErrorType; code?: string; param?: string } = {},
  ) {
    super(message)
    this.status = status
    this.type = details.type ?? 'invalid_request_error'
    this.code = details.code
    this.param = details.param
  }

  get body(): object {
    const { type, code, message, param } = this
    return { error: { type, code, message, param } }
  }
}

export function parameterMissing(param: string): StripeApiError {
  return new StripeApiError(400, `Missing required param: ${param}.`, {
    code: 'parameter_missing',
    param,
  })
}

export function parameterInvalid(param: string, message: string, code?: string): StripeApiError {
  return new StripeApiError(400, message, { code, param })
}

/** `status` is 404 for the object a URL names and 400 for one that a parameter names. */
export function resourceMissing(
  status: 404 | 400,
  kind: string,
  id: string,
  param: string,
): StripeApiError {
  return new StripeApiError(status, `No such ${kind}: '${id}'`, { code: 'resource_missing', param })
}

export function keyInUse(key: string): StripeApiError {
  const message = `There is currently another in-progress request using this Idempotency Key: ${key}`
  const details = { type: 'idempotency_error', code: 'idempotency_key_in_use' } as const
  return new StripeApiError(409, message, details)
}

/** What a script wants to hear of one object, in the type Stripe gives an error of this status. */
export function failureOf(object: string, status: number): StripeApiError {
  const type =
    status >= 500 ? 'api_error' : status === 429 ? 'rate_limit_error' : 'invalid_request_error'
  return new StripeApiError(status, `The stand-in was told to fail for ${object}.`, { type })
}
