import { decodeJwt, type JSONWebKeySet, type JWTPayload } from 'jose'
import type { ClaimsConfig } from '../../../shared/config.ts'
import {
  barFor,
  type Caller,
  type Claims,
  callerOf,
  isIdToken,
  staffRightsOf,
} from '../../../shared/http/caller.ts'
import { isForServices, keyOf, type Route, routesOf } from '../../../shared/http/routes.ts'
import { type Authorizer, flattened, openAuthorizer } from '../../aws/authorizer.ts'
import { issuersOf, type Options } from './options.ts'
import type { Report } from './report.ts'

/** What the service would make of a token; `keys` are those of the issuers that could be read. */
export async function checkToken(
  token: string,
  options: Options,
  keys: ReadonlyMap<string, JSONWebKeySet>,
  report: Report,
): Promise<void> {
  const claims = payloadOf(token, report)
  if (!claims) return
  const authorizer = authorizerOf(claims, options)
  if (!authorizer) {
    report.wrong(
      `its iss is ${claims.iss}, which is none of ${issuersOf(options).join(', ')}`,
      'Ask the right issuer, or write the issuer as the token does.',
    )
    return
  }
  const keySet = keys.get(authorizer.issuer)
  if (!keySet) return
  const admitted = await openAuthorizer(authorizer, keySet)(token, [], new Date())
  if ('refused' in admitted) {
    report.wrong(`API Gateway would refuse it: ${admitted.refused}`, nextAfter(claims, authorizer))
    return
  }
  report.ok(`signed by ${authorizer.issuer}, for ${[claims.aud ?? claims.client_id].flat()}`)
  const given = flattened(claims)
  if (isIdToken(given)) {
    report.wrong('it is an ID token, which says who someone is', 'Send the access token.')
  } else if (authorizer === options.staff) describeStaff(given, options.staff.rightsClaim, report)
  else describe(callerOf(given, options.claims), given, authorizer, options, report)
}

function payloadOf(token: string, report: Report): JWTPayload | undefined {
  if (token.split('.').length === 5) {
    report.wrong(
      'it is encrypted, so that only its issuer can read it',
      'Name your API as the audience when you ask for it.',
    )
    return undefined
  }
  try {
    return decodeJwt(token)
  } catch {
    report.wrong(
      token === ''
        ? 'there is none on standard input'
        : 'it is no JSON Web Token but an opaque one',
      'API Gateway reads JSON Web Tokens only: choose that format at your provider.',
    )
    return undefined
  }
}

/** The authorizer that is meant: by the issuer, and where several have that, by the audience. */
function authorizerOf(claims: JWTPayload, { people, services, staff }: Options) {
  const audience = [claims.aud ?? claims.client_id].flat().map(String)
  const all = [people, services, staff].filter((each) => each?.issuer === claims.iss)
  return all.find((each) => each!.audience.some((name) => audience.includes(name))) ?? all[0]
}

function nextAfter(claims: JWTPayload, { audience }: Authorizer): string {
  const meantFor = [claims.aud ?? claims.client_id].flat().join(', ')
  return `It is for ${meantFor || 'nobody'} until ${timeOf(claims.exp)}; here ${audience.join(', ')} counts.`
}

function timeOf(seconds: unknown): string {
  return typeof seconds === 'number' ? new Date(seconds * 1000).toISOString() : 'no given time'
}

function describeStaff(claims: Claims, rightsClaim: string, report: Report): void {
  const rights = staffRightsOf(claims[rightsClaim])
  if (rights.length === 0) {
    report.wrong(
      `it is a staff member's, and ${rightsClaim} is ${shown(claims[rightsClaim])}`,
      'It must hold read, grant or manage.',
    )
  } else report.ok(`it is a staff member's, with the rights ${rights.join(', ')}`)
  if (!claims.sub) report.wrong('it has no subject', 'What staff do is recorded with who did it.')
  console.log('        No route of this version is for staff.')
}

function describe(
  caller: Caller,
  claims: Claims,
  authorizer: Authorizer,
  { people, services, claims: config }: Options,
  report: Report,
): void {
  const { kind, subject, workspaceId, role, scopes } = caller
  report.ok(
    kind === 'service'
      ? `it is a service's: ${workspaceId ? `bound to the workspace ${workspaceId}` : 'it acts in any workspace'}`
      : `it is a person's: workspace ${workspaceId ?? 'none'}, role ${role ?? 'none'}`,
  )
  if (kind === 'service' || scopes.size > 0) {
    const counts = kind === 'service' ? '' : ', which count for nothing in a person’s token'
    console.log(`        scopes ${[...scopes].join(', ') || 'none'}${counts}`)
  }
  const may = routesOf({ servicesApart: services !== undefined }).filter((route) =>
    isAdmitted(route, caller, authorizer, people, services),
  )
  for (const route of may) console.log(`        may   ${keyOf(route)}`)
  if (may.length > 0) return
  const [why, next] = whyNot(caller, claims, config)
  report.wrong(`it may call nothing: ${why}`, next)
  if (subject === undefined) console.log('        It has no subject to record either.')
}

function isAdmitted(
  route: Route,
  caller: Caller,
  authorizer: Authorizer,
  people: Authorizer,
  services: Authorizer | undefined,
): boolean {
  if (route.who === 'anyone') return false
  const guardedBy = isForServices(route) ? (services ?? people) : people
  if (guardedBy !== authorizer) return false
  // Those who are only let in to be told why not may not.
  return !barFor(caller, caller.workspaceId ?? 'any', { ...route.who, toldWhy: [] })
}

/** The first thing that is missing, and what to do about it. */
function whyNot(caller: Caller, claims: Claims, config: ClaimsConfig): [why: string, next: string] {
  const { kind, workspaceId, boundToNone, scopes } = caller
  const { workspaceClaim, roleClaim, adminRoles, memberRoles, scopePrefix } = config
  const present = `The token has ${Object.keys(claims).join(', ')}.`
  if (boundToNone) {
    return [
      `${workspaceClaim} is ${shown(claims[workspaceClaim])}, which names no workspace`,
      kind === 'service'
        ? 'Leave the claim out for a service that acts in any workspace.'
        : 'It must be one id, flat, of at most 64 characters.',
    ]
  }
  if (kind === 'service') {
    return scopes.size === 0
      ? [
          `scope is ${shown(claims.scope ?? claims.scp)}${scopePrefix && `, and ${scopePrefix} is expected before each`}`,
          'Give the client tokens:consume, tokens:read, tokens:grant or tokens:manage.',
        ]
      : ['none of its scopes is one of this API’s', 'See the README for the four there are.']
  }
  if (scopes.size > 0 && workspaceId === undefined) {
    const seen = ['gty', 'sub', 'client_id', 'azp']
      .map((name) => `${name} ${shown(claims[name])}`)
      .join(', ')
    return [
      `it has scopes, but nothing marks it as a service's (${seen})`,
      'Use the client credentials grant, or name your issuer’s mark with --service-mark.',
    ]
  }
  if (workspaceId === undefined) return [`it has no claim ${workspaceClaim}`, present]
  const role = claims[roleClaim]
  if (role === undefined) return [`it has no claim ${roleClaim}`, present]
  return [
    `${roleClaim} is ${shown(role)}, which is none of ${[...adminRoles, ...memberRoles].join(', ')}`,
    /^\[.*\]$/s.test(String(role)) && !config.roleClaimIsList
      ? 'It is a list: say so with --role-claim-is-list.'
      : 'Name the values with --admin-roles and --member-roles.',
  ]
}

function shown(claim: unknown): string {
  return claim === undefined ? 'missing' : JSON.stringify(claim)
}
