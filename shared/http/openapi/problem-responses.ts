import { mayPass, type ProblemCode, problems } from '../problem.ts'
import type { Route } from '../routes.ts'
import type { Example } from './examples.ts'
import {
  gatewayMessage,
  insufficientTokens,
  invalidRequest,
  otherProblem,
} from './problem-schemas.ts'
import { type JsonSchema, json, schemaOf } from './schemas.ts'
import { answersOf, refsTo } from './shown-examples.ts'

/** The answers of a route that are problems, by their statuses: what any call of its kind may get, and `itsOwn`. */
export function problemResponses(
  route: Route,
  itsOwn: readonly ProblemCode[] = [],
  shown: readonly Example[] = [],
): Record<string, JsonSchema> {
  const byStatus = Map.groupBy(
    [...problemCodesOf(route), ...itsOwn, 'internal_error', 'unavailable'] as const,
    (code): number => problems[code][0],
  )
  const gateway = Object.keys(gatewayStatuses)
    .map(Number)
    .filter((status) => route.who !== 'anyone' || status > 403)
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
        ...(codes.length > 0 && {
          'application/problem+json': {
            schema: problemSchema(codes),
            examples: { ...refsTo(codes), ...answersOf(shown, { status, problems: true }) },
          },
        }),
        ...(fromGateway && json(schemaOf(gatewayMessage), answersOf(shown, { status }))),
      }
      // The gateway does not say when, and the service always does.
      const saysWhen = codes.length > 0 && mayPass(status)
      const headers = saysWhen ? { 'Retry-After': retryAfterHeader } : undefined
      return [status, { description, headers, content }]
    }),
  )
}

/** What any call may be answered with, by what it is. */
function problemCodesOf({ who, path, keyed, body }: Route): ProblemCode[] {
  const signedIn: ProblemCode[] = [
    'invalid_request',
    'access_token_required',
    'forbidden',
    'workspace_not_found',
  ]
  const { roles = [], scope } = who === 'anyone' ? {} : who
  const forAdmins = roles.includes('admin') && !roles.includes('member')
  return [
    ...(who === 'anyone' ? [] : signedIn),
    ...(scope ? (['service_required'] as const) : []),
    ...(forAdmins ? (['admin_required'] as const) : []),
    ...(keyed ? (['idempotency_key_reused', 'busy'] as const) : []),
    ...(body && path.includes('{workspaceId}') ? (['body_too_large'] as const) : []),
  ]
}

/** Statuses that the gateway in front gives by itself, before the service is reached. */
const gatewayStatuses: Record<string, string> = {
  401: 'No valid access token',
  403: 'The scope is missing',
  429: 'Over the rate limit',
  503: 'No function was free',
}

function problemSchema(codes: readonly ProblemCode[]): JsonSchema {
  const [first] = codes
  if (first === 'invalid_request' && codes.length === 1) return schemaOf(invalidRequest)
  if (first === 'insufficient_tokens') return schemaOf(insufficientTokens)
  return {
    allOf: [
      schemaOf(otherProblem),
      { type: 'object', properties: { code: { type: 'string', enum: codes } } },
    ],
  }
}

const retryAfterHeader = { description: 'Seconds to wait.', schema: { type: 'integer' } }
