import middy, { type MiddlewareObj } from '@middy/core'
import type { APIGatewayProxyEventV2, APIGatewayProxyEventV2WithJWTAuthorizer } from 'aws-lambda'
import type * as z from 'zod/mini'
import { type ClaimsConfig, claimsConfig } from '../config.ts'
import { type Refusal, Unavailable } from '../domain/refusal.ts'
import { signal } from '../signals.ts'
import type { Answer } from './answer.ts'
import { barFor, type Caller, type Claims, callerOf, isIdToken } from './caller.ts'
import { idempotencyKey, pathParameters } from './input.ts'
import { type ProblemExtras, problem, refusal } from './problem.ts'
import {
  keyOf,
  type ParametersOf,
  parametersIn,
  type Route,
  type RouteOf,
  routesOf,
  type SignedInFunction,
} from './routes.ts'

/**
 * A request to a function's route, after everything about it has been checked. It has what the route has: the
 * parameters of its path, and a key, a body and a query only where the route takes them.
 */
export type RequestTo<Name extends SignedInFunction> = {
  requestId: string
  /** When the gateway received it: the one clock of the request. */
  now: Date
  caller: Admitted
} & { [Parameter in ParametersOf<RouteOf<Name>['path']>]: string } & (RouteOf<Name> extends {
    keyed: true
  }
    ? { key: string }
    : unknown) &
  Parsed<RouteOf<Name>, 'body'> &
  Parsed<RouteOf<Name>, 'query'>

/** Whoever is let in has a name to be recorded under. */
export type Admitted = Caller & { subject: string }

type Parsed<Taken, Part extends string> =
  Taken extends Record<Part, infer Schema extends z.ZodMiniType>
    ? { [Each in Part]: z.output<Schema> }
    : unknown

type GatewayEvent = APIGatewayProxyEventV2

const bodyBytesMax = 16 * 1024

/**
 * A handler for the routes of a signed-in function. It answers bad input, and callers who may not, before
 * `handle` is called. What `handle` returns as a refusal it turns into its problem document, and so whatever
 * is thrown: an outage is 503, anything else 500.
 */
export function endpoint<Name extends SignedInFunction>(
  name: Name,
  handle: (request: RequestTo<Name>) => Promise<Answer | Refusal>,
) {
  const claims = claimsConfig()
  const routes = routesOf(claims).filter((route) => route.function === name)
  const requests = new WeakMap<GatewayEvent, Checked>()
  const checked: MiddlewareObj<GatewayEvent, Answer> = {
    before: ({ event }) => {
      const request = parse(
        event as APIGatewayProxyEventV2WithJWTAuthorizer,
        routeOf(event, routes),
        claims,
      )
      if ('statusCode' in request) return request
      requests.set(event, request)
    },
  }
  return middy<GatewayEvent, Answer>()
    .use(problems())
    .use(checked)
    .handler(async (event: GatewayEvent) => {
      const request = requests.get(event)!
      // The route says what it has, and `parse` has put there just that.
      return answerOf(await handle(request as unknown as RequestTo<Name>), request)
    })
}

/** A handler for a route without an authorizer; it reads the event itself. */
export function publicEndpoint(handle: (event: GatewayEvent, now: Date) => Promise<Answer>) {
  return middy<GatewayEvent, Answer>()
    .use(problems())
    .handler((event: GatewayEvent) => handle(event, new Date(event.requestContext.timeEpoch)))
}

/** The body's own bytes, which the gateway sends as base64 where they are not text. */
export function rawBodyOf({ body = '', isBase64Encoded }: GatewayEvent): Buffer {
  return Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8')
}

/** A function that answers two routes is told by the gateway which one it is. */
function routeOf({ routeKey }: GatewayEvent, routes: readonly Route[]): Route {
  const route = routes.length === 1 ? routes[0] : routes.find((each) => keyOf(each) === routeKey)
  if (!route) throw new Error(`the gateway sent ${routeKey}, which is no route of this function`)
  return route
}

function answerOf(outcome: Answer | Refusal, { requestId, now, caller, body }: Checked): Answer {
  if (!('refused' in outcome)) return outcome
  const requested =
    outcome.refused === 'insufficient_tokens' ? (body as { tokens: number }).tokens : undefined
  return refusal(outcome, { requestId, now, role: caller.role, requested })
}

function problems(): MiddlewareObj<GatewayEvent, Answer> {
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

/** A request as the door knows it, for whichever route. */
interface Checked {
  requestId: string
  now: Date
  caller: Caller
  key?: string
  body?: unknown
  query?: unknown
  [parameter: string]: unknown
}

function parse(
  event: APIGatewayProxyEventV2WithJWTAuthorizer,
  { path, who, keyed, body: bodySchema, query: querySchema }: Route,
  config: ClaimsConfig,
): Checked | Answer {
  const { requestId, timeEpoch, authorizer } = event.requestContext
  const claims: Claims = authorizer.jwt.claims
  if (isIdToken(claims)) return problem('access_token_required', requestId)
  const caller = callerOf(claims, config)

  const errors: NonNullable<ProblemExtras['errors']> = []
  const check = (schema: z.ZodMiniType, place: string, input: unknown): unknown => {
    const result = schema.safeParse(input)
    if (result.success) return result.data
    errors.push(...result.error.issues.flatMap((issue) => errorsOf(issue, place)))
    return undefined
  }
  const refused = () => problem('invalid_request', requestId, { errors })

  const { pathParameters: given = {}, queryStringParameters, headers } = event
  const parameters = parametersIn(path).map((name) => [
    name,
    check(pathParameters[name], `path/${name}`, given[name]),
  ])
  if (errors.some(({ pointer }) => pointer === 'path/workspaceId')) return refused()
  const { workspaceId } = Object.fromEntries(parameters)
  const bar = barFor(caller, workspaceId, who === 'anyone' ? {} : who)
  if (bar) return problem(bar, requestId)

  const rawBody = rawBodyOf(event)
  if (rawBody.length > bodyBytesMax) return problem('body_too_large', requestId)
  const checkBody = (schema: z.ZodMiniType): unknown => {
    const body = jsonObject(rawBody.toString())
    if (body) return check(schema, '#', body)
    errors.push({ pointer: '#', detail: 'must be a JSON object' })
    return undefined
  }
  const request: Checked = {
    ...Object.fromEntries(parameters),
    requestId,
    now: new Date(timeEpoch),
    caller,
    ...(keyed && {
      key: check(idempotencyKey, 'header/Idempotency-Key', headers['idempotency-key']) as string,
    }),
    ...(querySchema && { query: check(querySchema, 'query', queryStringParameters ?? {}) }),
    ...(bodySchema && { body: checkBody(bodySchema) }),
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
