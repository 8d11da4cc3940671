import { randomBytes } from 'node:crypto'
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2 } from 'aws-lambda'
import type { JSONWebKeySet } from 'jose'
import { message } from '../http.ts'
import { accountId } from './account.ts'
import { type Admitted, flattened, openAuthorizer, type Refused } from './authorizer.ts'
import type { LambdaHost } from './lambda-host.ts'
import type { Cors, Deployment, Route } from './template.ts'

export interface GatewayOptions {
  deployment: Pick<Deployment, 'routes' | 'cors'>
  functions: Pick<LambdaHost, 'invoke'>
  /** The key set of an issuer that one of the deployment's authorizers names. */
  keysOf: (issuer: string) => JSONWebKeySet
  now: () => Date
}

/** An HTTP API's longest wait for a function. */
const integrationMsMax = 30_000

/**
 * Stands in for an API Gateway HTTP API: routes, JWT authorizers, CORS, payload format 2.0, and the bare
 * `{"message"}` of its own answers. Left out: throttling, and routes with `ANY`, `$default` or `{proxy+}`.
 */
export function openGateway(options: GatewayOptions) {
  const { deployment, functions, keysOf, now } = options
  const routes = deployment.routes.map((route) => ({
    route,
    pattern: patternOf(route),
    authorize:
      route.authorizer && openAuthorizer(route.authorizer, keysOf(route.authorizer.issuer)),
  }))

  return async function handle(request: Request, sourceIp: string): Promise<Response> {
    const { cors } = deployment
    const headers = new Headers({ 'apigw-requestid': newRequestId() })
    if (cors && isPreflight(request)) {
      return new Response(null, { status: 204, headers: preflightHeaders(cors, request) })
    }
    const response = await answer(request, sourceIp, headers.get('apigw-requestid')!)
    for (const [name, value] of response.headers) {
      // Where the API has a CORS configuration, what a function says about it is dropped.
      if (!cors || !name.startsWith('access-control-')) headers.append(name, value)
    }
    for (const [name, value] of cors ? corsHeaders(cors, request) : []) headers.set(name, value)
    return new Response(response.body, { status: response.status, headers })
  }

  async function answer(request: Request, sourceIp: string, requestId: string): Promise<Response> {
    const { pathname } = new URL(request.url)
    const found = routes
      .filter(({ route }) => route.method === request.method)
      .map(({ pattern, ...route }) => ({ ...route, match: pattern.exec({ pathname }) }))
      .find(({ match }) => match !== null)
    if (!found) return message(404, 'Not Found')
    const pathParameters = decoded(found.match!.pathname.groups)
    if (!pathParameters) return message(400, 'Bad Request')

    const token = request.headers.get('authorization')?.replace(/^bearer\s+/i, '')
    const caller = await found.authorize?.(token, found.route.scopes, now())
    if (caller && 'refused' in caller) return challenge(caller)
    const event = await toEvent(request, {
      route: found.route,
      pathParameters,
      sourceIp,
      requestId,
      now: now(),
      ...(caller && { caller }),
    })
    const outcome = await within(integrationMsMax, functions.invoke(found.route.function, event))
    if (outcome === 'late') return message(503, 'Service Unavailable')
    return outcome.error ? message(500, 'Internal Server Error') : toResponse(outcome.payload)
  }
}

/** What API Gateway answers to a token that it refuses. */
function challenge({ status, details = '' }: Refused): Response {
  const text = status === 401 ? 'Unauthorized' : 'Forbidden'
  return message(status, text, { 'www-authenticate': `Bearer ${details}`.trim() })
}

function patternOf({ path }: Route): URLPattern {
  return new URLPattern({ pathname: path.replace(/\{(\w+)\}/g, ':$1') })
}

function decoded(groups: Record<string, string | undefined>): Record<string, string> | undefined {
  try {
    return Object.fromEntries(
      Object.entries(groups).map(([name, value]) => [name, decodeURIComponent(value ?? '')]),
    )
  } catch {
    return undefined
  }
}

async function within<T>(ms: number, result: Promise<T>): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late')
  })
  try {
    return await Promise.race([result, late])
  } finally {
    clearTimeout(timer)
  }
}

interface Routed {
  route: Route
  pathParameters: Record<string, string>
  sourceIp: string
  requestId: string
  now: Date
  caller?: Admitted
}

type Event = APIGatewayProxyEventV2 & {
  requestContext: {
    authorizer?: { jwt: { claims: Record<string, string>; scopes: string[] | null } }
  }
}

async function toEvent(request: Request, routed: Routed): Promise<Event> {
  const { route, pathParameters, sourceIp, requestId, now, caller } = routed
  const url = new URL(request.url)
  const query = queryOf(url.searchParams)
  const body = Buffer.from(await request.arrayBuffer())
  const asText = isText(request.headers.get('content-type'))
  return {
    version: '2.0',
    routeKey: route.key,
    rawPath: url.pathname,
    rawQueryString: url.search.slice(1),
    headers: Object.fromEntries(request.headers),
    ...(query && { queryStringParameters: query }),
    ...(Object.keys(pathParameters).length > 0 && { pathParameters }),
    requestContext: {
      accountId,
      apiId: 'local',
      ...(caller && {
        authorizer: { jwt: { claims: flattened(caller.claims), scopes: caller.scopes } },
      }),
      domainName: url.hostname,
      domainPrefix: url.hostname.split('.')[0]!,
      http: {
        method: request.method,
        path: url.pathname,
        protocol: 'HTTP/1.1',
        sourceIp,
        userAgent: request.headers.get('user-agent') ?? '',
      },
      requestId,
      routeKey: route.key,
      stage: '$default',
      time: commonLogTime(now),
      timeEpoch: now.getTime(),
    },
    ...(body.length > 0 && { body: body.toString(asText ? 'utf8' : 'base64') }),
    isBase64Encoded: body.length > 0 && !asText,
  }
}

/** Repeated parameters arrive joined by commas. */
function queryOf(parameters: URLSearchParams): Record<string, string> | undefined {
  if (parameters.size === 0) return undefined
  return Object.fromEntries(
    [...new Set(parameters.keys())].map((name) => [name, parameters.getAll(name).join(',')]),
  )
}

function isText(contentType: string | null): boolean {
  const mediaType = contentType?.split(';')[0]?.trim().toLowerCase() ?? ''
  return (
    mediaType.startsWith('text/') ||
    /^application\/((.+\+)?json|(.+\+)?xml|javascript)$/.test(mediaType)
  )
}

function toResponse(payload: unknown): Response {
  if (typeof payload !== 'object' || payload === null || !('statusCode' in payload)) {
    // Format 2.0 lets a function return only a body.
    const body = typeof payload === 'string' ? payload : JSON.stringify(payload)
    return new Response(body, { headers: { 'content-type': 'application/json' } })
  }
  const { statusCode, headers = {}, body, isBase64Encoded } = payload as StructuredResult
  if (!Number.isInteger(statusCode) || statusCode! < 200 || statusCode! > 599) {
    return message(500, 'Internal Server Error')
  }
  const bytes = Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8')
  return new Response(bytes.length > 0 ? new Uint8Array(bytes) : null, {
    status: statusCode!,
    headers: Object.entries(headers).map(([name, value]) => [name, String(value)]),
  })
}

type StructuredResult = APIGatewayProxyStructuredResultV2

function isPreflight(request: Request): boolean {
  return request.method === 'OPTIONS' && request.headers.has('access-control-request-method')
}

function preflightHeaders(cors: Cors, request: Request): Headers {
  const headers = new Headers(corsHeaders(cors, request))
  if (!headers.has('access-control-allow-origin')) return headers
  headers.delete('access-control-expose-headers')
  headers.set('access-control-allow-methods', cors.allowMethods.join(','))
  headers.set('access-control-allow-headers', cors.allowHeaders.join(','))
  if (cors.maxAgeSeconds !== undefined) {
    headers.set('access-control-max-age', String(cors.maxAgeSeconds))
  }
  return headers
}

function corsHeaders(cors: Cors, request: Request): [string, string][] {
  const origin = request.headers.get('origin')
  const anyOrigin = cors.allowOrigins.includes('*')
  if (!origin || !(anyOrigin || cors.allowOrigins.includes(origin))) return []
  return [
    ['access-control-allow-origin', anyOrigin ? '*' : origin],
    ['vary', 'Origin'],
    ...(cors.exposeHeaders.length > 0
      ? [['access-control-expose-headers', cors.exposeHeaders.join(',')] as [string, string]]
      : []),
  ]
}

/** `01/Aug/2026:00:00:00 +0000` */
function commonLogTime(date: Date): string {
  const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) ([\d:]+)/.exec(date.toUTCString())!
  return `${day}/${month}/${year}:${time} +0000`
}

function newRequestId(): string {
  return randomBytes(11).toString('base64')
}
