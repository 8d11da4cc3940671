import middy, { type MiddlewareObj } from '@middy/core'
import type { APIGatewayProxyEventV2, APIGatewayProxyEventV2WithJWTAuthorizer } from 'aws-lambda'
import type * as z from 'zod/mini'
import { claimsConfig } from '../config.ts'
import { Unavailable } from '../domain/refusal.ts'
import { signal } from '../signals.ts'
import { barFor, type Caller, type Claims, callerOf, isIdToken, type Who } from './caller.ts'
import { holdId, idempotencyKey, purchaseId, workspaceId } from './input.ts'
import { type Answer, type ProblemExtras, problem } from './problem.ts'

/** A request after everything about it has been checked. */
export interface Request<Body, Query> {
  requestId: string
  /** When the gateway received it: the one clock of the request. */
  now: Date
  caller: Caller
  workspaceId: string
  /** Empty on routes without one, as are `holdId`, `key`, `body` and `query`. */
  purchaseId: string
  holdId: string
  key: string
  body: Body
  query: Query
}

export interface EndpointSpec<Body, Query> {
  who: Who
  body?: z.ZodMiniType<Body>
  query?: z.ZodMiniType<Query>
  /** Whether the call moves tokens, and so must carry an Idempotency-Key. */
  keyed?: boolean
}

type Event = APIGatewayProxyEventV2

const bodyBytesMax = 16 * 1024

/**
 * A handler for a signed-in route. It answers bad input, and callers who may not, before `handle` is called,
 * and turns whatever `handle` throws into a problem document: an outage is 503, anything else 500.
 */
export function endpoint<Body = undefined, Query = undefined>(
  spec: EndpointSpec<Body, Query>,
  handle: (request: Request<Body, Query>) => Promise<Answer>,
) {
  const claims = claimsConfig()
  const requests = new WeakMap<Event, Request<Body, Query>>()
  const checked: MiddlewareObj<Event, Answer> = {
    before: ({ event }) => {
      const request = parse(event as APIGatewayProxyEventV2WithJWTAuthorizer, spec, claims)
      if ('statusCode' in request) return request
      requests.set(event, request)
    },
  }
  return middy<Event, Answer>()
    .use(problems())
    .use(checked)
    .handler((event: Event) => handle(requests.get(event)!))
}

/** A handler for a route without an authorizer; it reads the event itself. */
export function publicEndpoint(handle: (event: Event, now: Date) => Promise<Answer>) {
  return middy<Event, Answer>()
    .use(problems())
    .handler((event: Event) => handle(event, new Date(event.requestContext.timeEpoch)))
}

/** The body's own bytes, which the gateway sends as base64 where they are not text. */
export function rawBodyOf({ body = '', isBase64Encoded }: Event): Buffer {
  return Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8')
}

function problems(): MiddlewareObj<Event, Answer> {
  return {
    onError: (request) => {
      const { error, event } = request
      const { requestId } = event.requestContext
      if (error instanceof Unavailable) {
        signal('unavailable', { requestId, service: error.service, cause: String(error.cause) })
        request.response = problem('unavailable', requestId)
        return
      }
      signal('internal_error', { requestId, cause: error?.stack })
      request.response = problem('internal_error', requestId)
    },
  }
}

function parse<Body, Query>(
  event: APIGatewayProxyEventV2WithJWTAuthorizer,
  spec: EndpointSpec<Body, Query>,
  config: ReturnType<typeof claimsConfig>,
): Request<Body, Query> | Answer {
  const { requestId, timeEpoch, authorizer } = event.requestContext
  const claims = authorizer.jwt.claims as Claims
  if (isIdToken(claims)) return problem('access_token_required', requestId)
  const caller = callerOf(claims, config)

  const errors: NonNullable<ProblemExtras['errors']> = []
  const check = <Value>(schema: z.ZodMiniType<Value>, place: string, input: unknown): Value => {
    const result = schema.safeParse(input)
    if (result.success) return result.data
    errors.push(...result.error.issues.flatMap((issue) => errorsOf(issue, place)))
    return undefined as Value
  }
  const refused = () => problem('invalid_request', requestId, { errors })

  const { pathParameters = {}, queryStringParameters, headers } = event
  const workspace = check(workspaceId, 'path/workspaceId', pathParameters.workspaceId)
  if (errors.length > 0) return refused()
  const bar = barFor(caller, workspace, spec.who)
  if (bar) return problem(bar, requestId)

  const rawBody = rawBodyOf(event)
  if (rawBody.length > bodyBytesMax) return problem('body_too_large', requestId)
  const checkBody = (schema: z.ZodMiniType<Body>): Body => {
    const body = jsonObject(rawBody.toString())
    if (body) return check(schema, '#', body)
    errors.push({ pointer: '#', detail: 'must be a JSON object' })
    return undefined as Body
  }
  const id = (name: string, schema: z.ZodMiniType<string>): string =>
    name in pathParameters ? check(schema, `path/${name}`, pathParameters[name]) : ''
  const request: Request<Body, Query> = {
    requestId,
    now: new Date(timeEpoch),
    caller,
    workspaceId: workspace,
    purchaseId: id('purchaseId', purchaseId),
    holdId: id('holdId', holdId),
    key: spec.keyed
      ? check(idempotencyKey, 'header/Idempotency-Key', headers['idempotency-key'])
      : '',
    query: spec.query
      ? check(spec.query, 'query', queryStringParameters ?? {})
      : (undefined as Query),
    body: spec.body ? checkBody(spec.body) : (undefined as Body),
  }
  return errors.length > 0 ? refused() : request
}

/** The JSON object in the text, or undefined where it is anything else. */
function jsonObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** One error per unknown field, so that each names its own place. */
function errorsOf(issue: z.core.$ZodIssue, place: string): { pointer: string; detail: string }[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: pointerTo([...issue.path, key], place),
      detail: 'is not a field of this request',
    }))
  }
  return [{ pointer: pointerTo(issue.path, place), detail: issue.message }]
}

/** A JSON pointer (RFC 6901) below the place. */
function pointerTo(path: PropertyKey[], place: string): string {
  return [place, ...path.map((key) => String(key).replace(/~/g, '~0').replace(/\//g, '~1'))].join(
    '/',
  )
}
