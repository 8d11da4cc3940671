import * as z from 'zod/mini'
import {
  activityQuery,
  consumeBody,
  extendBody,
  grantBody,
  holdBody,
  holdId,
  idempotencyKey,
  purchaseBody,
  purchaseId,
  settleBody,
  workspaceBody,
  workspaceId,
} from './input.ts'
import * as output from './output.ts'
import { type ProblemCode, problems } from './problem.ts'
import { type Route, type RoutedFunction, routes } from './routes.ts'

/** The API as an OpenAPI 3.1 document, made from the routes, the input schemas and the table of problems. */
export function openApiDocument() {
  return {
    openapi: '3.1.0',
    info: {
      title: 'Token Top-up',
      version: '1.0.0',
      summary: 'Meters the AI tokens of workspaces and sells top-ups.',
      description:
        'Every call that moves tokens carries an `Idempotency-Key`: the same key and request give the first outcome again with `Idempotent-Replayed: true`, so any call may be repeated. Errors are problem documents (RFC 9457); `code` is what a program should look at.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    // The document is served by the API that it describes.
    servers: [{ url: '/', description: 'Where this document came from.' }],
    tags: [
      { name: 'meter', description: 'What is used and left.' },
      { name: 'use', description: 'Taking tokens, at once or after setting them aside.' },
      { name: 'buy', description: 'Plans and purchases.' },
      { name: 'manage', description: 'Workspaces and what they are given.' },
      { name: 'machinery', description: 'For tools and for Stripe.' },
    ],
    paths: pathsOf(routes),
    components: {
      securitySchemes: {
        accessToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            "An access token of the deployment's own issuer. Requirements name a scope of the token, with the prefix the deployment gives its scopes, or the role of a person in the workspace; any one of an operation's requirements will do.",
        },
      },
      schemas: componentSchemas(),
    },
  }
}

interface Operation {
  tag: 'meter' | 'use' | 'buy' | 'manage' | 'machinery'
  summary: string
  description?: string
  /** Roles that may besides the route's scope: of a signed-in route, all who may. */
  who?: readonly string[]
  keyed?: true
  body?: z.ZodMiniType
  query?: z.ZodMiniType
  answer: z.ZodMiniType
  /** 200 where nothing is said. */
  status?: 201
  /** What it may be refused with besides what any call of its kind may be. */
  problems?: readonly ProblemCode[]
}

/** One for each function that answers a route: the compiler misses one that is left out. */
const operations: Record<RoutedFunction, Operation> = {
  openapi: {
    tag: 'machinery',
    summary: 'This document',
    answer: z.looseObject({ openapi: z.string() }),
  },
  plans: {
    tag: 'buy',
    summary: 'Plans, quotas and prices',
    answer: output.plans,
  },
  meter: {
    tag: 'meter',
    summary: 'The meter of a workspace, and what this viewer may do about it',
    who: ['member', 'admin', 'tokens:read'],
    answer: output.meter,
  },
  consume: {
    tag: 'use',
    summary: 'Take tokens that were used',
    description:
      'Takes all or nothing. With `onShortfall: drain` it takes what is left where that is less.',
    keyed: true,
    body: consumeBody,
    answer: output.consumed,
    problems: ['insufficient_tokens'],
  },
  'open-hold': {
    tag: 'use',
    summary: 'Set tokens aside for work that is about to begin',
    keyed: true,
    body: holdBody,
    answer: output.held,
    status: 201,
    problems: ['insufficient_tokens', 'holds_limit'],
  },
  'settle-hold': {
    tag: 'use',
    summary: 'Pay for what was used, and get the rest back',
    description:
      'Never refused for lack of tokens, since they are already spent: more than was held is taken from the balance as far as it goes, and `uncovered` says what was not.',
    keyed: true,
    body: settleBody,
    answer: output.settled,
    problems: ['hold_not_found', 'hold_closed'],
  },
  'release-hold': {
    tag: 'use',
    summary: 'Get all that was held back',
    keyed: true,
    answer: output.released,
    problems: ['hold_not_found', 'hold_closed'],
  },
  'extend-hold': {
    tag: 'use',
    summary: 'Keep a hold for longer, counted from now',
    description: 'Never makes it shorter.',
    keyed: true,
    body: extendBody,
    answer: output.extended,
    problems: ['hold_not_found', 'hold_closed'],
  },
  'start-purchase': {
    tag: 'buy',
    summary: 'Order tokens, and get a page to pay for them',
    who: ['admin'],
    keyed: true,
    body: purchaseBody([]),
    answer: output.purchase,
    status: 201,
    problems: ['upgrade_required', 'contact_account_representative', 'top_ups_limit'],
  },
  'get-purchase': {
    tag: 'buy',
    summary: 'Where an order stands',
    who: ['admin'],
    answer: output.purchase,
    problems: ['purchase_not_found'],
  },
  activity: {
    tag: 'meter',
    summary: 'Usage per day, and for admins what moved tokens and money',
    who: ['member', 'admin'],
    query: activityQuery,
    answer: output.activity,
  },
  grant: {
    tag: 'manage',
    summary: 'Give a workspace tokens',
    keyed: true,
    body: grantBody,
    answer: output.granted,
    status: 201,
    problems: ['top_ups_limit'],
  },
  'put-workspace': {
    tag: 'manage',
    summary: 'Create a workspace, or change its plan',
    description:
      '`quota` is for the plans whose quota is set per workspace. A smaller quota than the current one waits for the reset.',
    keyed: true,
    body: workspaceBody,
    answer: output.planned,
  },
  'stripe-webhook': {
    tag: 'machinery',
    summary: 'For Stripe, which signs what it sends',
    body: z.looseObject({}),
    answer: output.webhookAnswer,
    problems: ['invalid_signature'],
  },
}

/** Schemas that have a name of their own, which is also the name of their type in the client. */
const named: Record<string, z.ZodMiniType> = {
  Meter: output.meter,
  Plans: output.plans,
  TopUpOffer: output.topUpOffer,
  Purchase: output.purchase,
  Activity: output.activity,
  Consumed: output.consumed,
  Held: output.held,
  Settled: output.settled,
  Released: output.released,
  Extended: output.extended,
  Granted: output.granted,
  Planned: output.planned,
  ConsumeRequest: consumeBody,
  HoldRequest: holdBody,
  SettleRequest: settleBody,
  ExtendRequest: extendBody,
  PurchaseRequest: operations['start-purchase'].body!,
  GrantRequest: grantBody,
  WorkspaceRequest: workspaceBody,
  InvalidRequest: output.invalidRequest,
  InsufficientTokens: output.insufficientTokens,
  OtherProblem: output.otherProblem,
  GatewayMessage: output.gatewayMessage,
}

type JsonSchema = Record<string, unknown>

function componentSchemas(): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, { io: 'input', uri: refTo })
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema, $id, ...schema }]) => [name, schema]),
  )
}

const refTo = (name: string) => `#/components/schemas/${name}`

/** The schema where it is used: by its name if it has one. */
function schemaOf(schema: z.ZodMiniType): JsonSchema {
  const name = Object.keys(named).find((name) => named[name] === schema)
  if (name) return { $ref: refTo(name) }
  const { $schema, ...written } = z.toJSONSchema(schema, { io: 'input' })
  return written
}

function pathsOf(described: readonly Route[]): Record<string, JsonSchema> {
  const paths: Record<string, JsonSchema> = {}
  for (const route of described) {
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: operationOf(
        route,
        operations[route.function as RoutedFunction],
      ),
    }
  }
  return paths
}

function operationOf(route: Route, operation: Operation): JsonSchema {
  const { tag, summary, description, body, status = 200, answer } = operation
  return {
    operationId: route.function.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()),
    tags: [tag],
    summary,
    description,
    security: securityOf(route, operation),
    parameters: parametersOf(route, operation),
    requestBody: body && { required: true, content: json(schemaOf(body)) },
    responses: {
      [status]: {
        description: summary,
        headers: operation.keyed && { 'Idempotent-Replayed': replayedHeader },
        content: json(schemaOf(answer)),
      },
      ...problemResponses(route, operation),
    },
  }
}

function securityOf({ access }: Route, { who = [] }: Operation): JsonSchema[] {
  if (access === 'public') return []
  const any = typeof access === 'object' ? [access.scope] : who
  return any.map((each) => ({ accessToken: [each] }))
}

const pathParameters = { workspaceId, purchaseId, holdId }

function parametersOf({ path }: Route, { keyed, query }: Operation): JsonSchema[] | undefined {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: schemaOf(pathParameters[name as keyof typeof pathParameters]),
  }))
  const key = {
    name: 'Idempotency-Key',
    in: 'header',
    required: true,
    description: 'A new one for each new action; the same one for each retry of it.',
    schema: schemaOf(idempotencyKey),
  }
  const asked = query ? (schemaOf(query).properties as Record<string, JsonSchema>) : {}
  const inQuery = Object.entries(asked).map(([name, schema]) => ({ name, in: 'query', schema }))
  const all = [...inPath, ...(keyed ? [key] : []), ...inQuery]
  return all.length > 0 ? all : undefined
}

/** What any call may be answered with, by what it is. */
function problemCodesOf({ access, path }: Route, operation: Operation): ProblemCode[] {
  const signedIn: ProblemCode[] = [
    'invalid_request',
    'access_token_required',
    'forbidden',
    'workspace_not_found',
  ]
  const keyed: ProblemCode[] = ['idempotency_key_reused', 'busy']
  const forAdmins = operation.who?.includes('admin') && !operation.who.includes('member')
  return [
    ...(access === 'public' ? [] : signedIn),
    ...(forAdmins ? (['admin_required'] as const) : []),
    ...(operation.keyed ? keyed : []),
    ...(operation.body && path.includes('{workspaceId}') ? (['body_too_large'] as const) : []),
    ...(operation.problems ?? []),
    'internal_error',
    'unavailable',
  ]
}

/** Statuses that the gateway in front gives by itself, before the service is reached. */
const gatewayStatuses: Record<string, string> = {
  401: 'No valid access token',
  403: 'The scope is missing',
  429: 'Over the rate limit',
  503: 'No function was free',
}

function problemResponses(route: Route, operation: Operation): Record<string, JsonSchema> {
  const byStatus = Map.groupBy(
    problemCodesOf(route, operation),
    (code): number => problems[code][0],
  )
  const gateway = Object.keys(gatewayStatuses)
    .map(Number)
    .filter((status) => route.access !== 'public' || status > 403)
  const statuses = new Set([...byStatus.keys(), ...gateway])
  return Object.fromEntries(
    [...statuses].map((status) => {
      const codes = byStatus.get(status) ?? []
      const fromGateway = gateway.includes(status) && gatewayStatuses[status]
      const description = [
        ...codes.map((code) => `\`${code}\`: ${problems[code][1]}.`),
        ...(fromGateway ? [`${fromGateway}, says the gateway.`] : []),
      ].join(' ')
      const content = {
        ...(codes.length > 0 && { 'application/problem+json': { schema: problemSchema(codes) } }),
        ...(fromGateway && json(schemaOf(output.gatewayMessage))),
      }
      const headers = status === 503 ? { 'Retry-After': retryAfterHeader } : undefined
      return [status, { description, headers, content }]
    }),
  )
}

function problemSchema(codes: readonly ProblemCode[]): JsonSchema {
  const [first] = codes
  if (first === 'invalid_request' && codes.length === 1) return schemaOf(output.invalidRequest)
  if (first === 'insufficient_tokens') return schemaOf(output.insufficientTokens)
  return {
    allOf: [
      schemaOf(output.otherProblem),
      { type: 'object', properties: { code: { type: 'string', enum: codes } } },
    ],
  }
}

const replayedHeader = {
  description: '`true` where this request had been carried out before, and nothing happened now.',
  schema: { type: 'string', enum: ['true'] },
}

const retryAfterHeader = { description: 'Seconds to wait.', schema: { type: 'integer' } }

function json(schema: JsonSchema) {
  return { 'application/json': { schema } }
}
