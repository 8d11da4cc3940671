import { text as textOf } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { decodeJwt, type JSONWebKeySet, type JWTPayload } from 'jose'
import { type ClaimsConfig, claimsDefaults } from '../../../shared/config.ts'
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

/**
 * `npm run check-issuer -- --issuer https://… [--token -]`: whether API Gateway could use the issuer, and what the
 * service would make of one of its tokens. Prints no token, and takes one from standard input only: what stands on
 * a command line is kept in the shell's history.
 */

const usage = `Usage: npm run check-issuer -- --issuer URL [options] [--token - < file]

  --issuer URL            the iss claim of people's tokens, to the letter
  --audience A,B          accepted audiences; needed with --token
  --token -               reads an access token from standard input and says what it may do

The rest as in the deployment:
  --workspace-claim, --role-claim, --admin-roles A,B, --member-roles A,B, --role-claim-is-list,
  --scope-prefix, --service-mark CLAIM=VALUE, --services-issuer URL, --services-audience A,B,
  --staff-issuer URL, --staff-audience A,B, --staff-rights-claim CLAIM`

/** As long as API Gateway waits for an issuer's discovery document when an authorizer is made. */
const discoveryMsMax = 1_500

interface Options {
  people: Authorizer
  services?: Authorizer
  staff?: Authorizer & { rightsClaim: string }
  claims: ClaimsConfig
  readsToken: boolean
}

/** Lines as they will be read: what is well, what is not and what to do about it. */
class Report {
  failed = false

  ok(line: string): void {
    console.log(`  ok    ${line}`)
  }

  wrong(line: string, next: string): void {
    this.failed = true
    console.log(`  WRONG ${line}\n        ${next}`)
  }
}

const options = parsed(process.argv.slice(2))
const report = new Report()
const keys = new Map<string, JSONWebKeySet>()
for (const issuer of issuersOf(options)) {
  console.log(`Issuer ${issuer}`)
  const found = await checkIssuer(issuer, report)
  if (found) keys.set(issuer, found)
}
if (options.readsToken) {
  console.log('Token')
  // As it stands in a header, or alone.
  const token = (await textOf(process.stdin)).trim().replace(/^bearer\s+/i, '')
  await checkToken(token, options, report)
}
console.log(report.failed ? '\nIt will not work like this.' : '\nThis will work.')
process.exit(report.failed ? 1 : 0)

function issuersOf({ people, services, staff }: Options): string[] {
  const all = [people, services, staff].flatMap((each) => (each ? [each.issuer] : []))
  return [...new Set(all)]
}

async function checkIssuer(issuer: string, report: Report): Promise<JSONWebKeySet | undefined> {
  const { protocol, hostname } = new URL(issuer)
  if (protocol !== 'https:' && hostname !== 'localhost') {
    report.wrong('it is not an https address', 'API Gateway takes no other.')
  }
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const discovery = await fetched(address)
  if ('problem' in discovery) {
    report.wrong(
      `${address} ${discovery.problem}`,
      'See that the issuer is written as your provider documents it.',
    )
    return undefined
  }
  const took = `answered in ${Math.round(discovery.ms)} ms`
  if (discovery.ms > discoveryMsMax) {
    report.wrong(
      `its discovery document ${took}`,
      `API Gateway waits ${discoveryMsMax} ms when the authorizer is made: deploy again, or use a nearer issuer.`,
    )
  } else report.ok(`its discovery document ${took}`)
  const { issuer: named, jwks_uri } = discovery.body as Record<string, unknown>
  if (named === issuer) report.ok('it names itself just so')
  else {
    report.wrong(
      `it names itself ${named}`,
      'Use that name, to the letter: tokens carry it as iss.',
    )
  }
  if (typeof jwks_uri !== 'string' || !URL.canParse(jwks_uri)) {
    report.wrong('its discovery document names no jwks_uri', 'API Gateway finds the keys there.')
    return undefined
  }
  const answer = await fetched(jwks_uri)
  const keySet = 'body' in answer ? (answer.body as Partial<JSONWebKeySet>).keys : undefined
  if (!Array.isArray(keySet)) {
    report.wrong(
      `its keys at ${jwks_uri} ${'problem' in answer ? answer.problem : 'are no key set'}`,
      'API Gateway reads them to check signatures.',
    )
    return undefined
  }
  const rsa = keySet.filter(({ kty, use }) => kty === 'RSA' && use !== 'enc')
  if (rsa.length > 0) report.ok(`keys: ${keySet.length}, of RSA for signing: ${rsa.length}`)
  else {
    report.wrong(
      `keys: ${keySet.length}, none of them RSA`,
      'API Gateway takes RSA signatures only: choose RS256 at your provider.',
    )
  }
  return { keys: keySet }
}

async function fetched(url: string): Promise<{ body: unknown; ms: number } | { problem: string }> {
  const startedAt = performance.now()
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
    if (!response.ok) return { problem: `answered ${response.status}` }
    const body: unknown = await response.json()
    const ms = performance.now() - startedAt
    return typeof body === 'object' && body !== null ? { body, ms } : { problem: 'is no object' }
  } catch (cause) {
    if ((cause as Error).name === 'TimeoutError') return { problem: 'did not answer within 10 s' }
    if (cause instanceof SyntaxError) return { problem: 'is not JSON' }
    const why = (cause as { cause?: { code?: string } }).cause?.code ?? 'no connection'
    return { problem: `cannot be reached (${why})` }
  }
}

async function checkToken(token: string, options: Options, report: Report): Promise<void> {
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

function parsed(args: string[]): Options {
  const text = { type: 'string' } as const
  try {
    const { values } = parseArgs({
      args,
      options: {
        issuer: text,
        audience: text,
        token: text,
        'workspace-claim': text,
        'role-claim': text,
        'admin-roles': text,
        'member-roles': text,
        'role-claim-is-list': { type: 'boolean' },
        'scope-prefix': text,
        'service-mark': text,
        'services-issuer': text,
        'services-audience': text,
        'staff-issuer': text,
        'staff-audience': text,
        'staff-rights-claim': text,
        help: { type: 'boolean', short: 'h' },
      },
    })
    if (values.help) leave(usage, 0)
    const issuer = url('issuer', values.issuer) ?? leave(usage)
    const token = values.token
    if (token !== undefined && token !== '-') {
      leave('Send the token on standard input, with --token -: a command line is kept and seen.')
    }
    const audience = list(values.audience)
    if (token && !audience) leave('--token needs the --audience that the deployment accepts.')
    const servicesIssuer = url('services-issuer', values['services-issuer'])
    const servicesAudience = list(values['services-audience'])
    if (Boolean(servicesIssuer) !== Boolean(servicesAudience)) {
      leave('--services-issuer and --services-audience come together.')
    }
    const staffAudience = list(values['staff-audience'])
    const [claim, ...value] = values['service-mark']?.split('=') ?? []
    if (claim !== undefined && value.join('=') === '') leave('--service-mark is CLAIM=VALUE.')
    return {
      people: { issuer, audience: audience ?? [] },
      ...(servicesIssuer && {
        services: { issuer: servicesIssuer, audience: servicesAudience! },
      }),
      ...(staffAudience && {
        staff: {
          issuer: url('staff-issuer', values['staff-issuer']) ?? issuer,
          audience: staffAudience,
          rightsClaim: values['staff-rights-claim'] ?? 'rights',
        },
      }),
      claims: {
        workspaceClaim: values['workspace-claim'] ?? claimsDefaults.workspaceClaim,
        roleClaim: values['role-claim'] ?? claimsDefaults.roleClaim,
        adminRoles: list(values['admin-roles']) ?? claimsDefaults.adminRoles,
        memberRoles: list(values['member-roles']) ?? claimsDefaults.memberRoles,
        roleClaimIsList: values['role-claim-is-list'] ?? claimsDefaults.roleClaimIsList,
        scopePrefix: values['scope-prefix'] ?? claimsDefaults.scopePrefix,
        ...(claim && { serviceMark: { claim, value: value.join('=') } }),
        servicesApart: servicesIssuer !== undefined,
      },
      readsToken: token === '-',
    }
  } catch (cause) {
    return leave(`${(cause as Error).message}\n\n${usage}`)
  }
}

function url(option: string, text: string | undefined): string | undefined {
  if (text !== undefined && !URL.canParse(text)) leave(`--${option} ${text} is not a URL.`)
  return text
}

function list(text: string | undefined): string[] | undefined {
  return text
    ?.split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function leave(text: string, code = 2): never {
  console[code === 0 ? 'log' : 'error'](text)
  process.exit(code)
}
