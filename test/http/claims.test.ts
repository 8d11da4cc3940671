import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { flattened } from '../../local/aws/authorizer.ts'
import { type ClaimsConfig, claimsDefaults } from '../../shared/config.ts'
import { barFor, type Caller, type Claims, callerOf, isIdToken } from '../../shared/http/caller.ts'

/*
 * Whoever is let in, by whatever token an issuer could write: lists, numbers, nothing, other alphabets, marks that
 * almost fit. What must hold is written here a second time, without the code that decides it.
 */

const seed = 20_261_125
const runs = 4_000

const config: ClaimsConfig = {
  ...claimsDefaults,
  serviceMark: { claim: 'client_kind', value: 'backend' },
  servicesApart: false,
}

/** What decides, so that a mistake can be put in its place. */
interface Door {
  isIdToken: (claims: Claims) => boolean
  callerOf: (claims: Claims) => Caller
}
const real: Door = { isIdToken, callerOf: (claims) => callerOf(claims, config) }

const routes = {
  people: { roles: ['member', 'admin'] },
  admins: { roles: ['admin'] },
  both: { roles: ['member', 'admin'], scope: 'tokens:read' },
  consumers: { scope: 'tokens:consume' },
  granters: { scope: 'tokens:grant' },
} as const
type RouteName = keyof typeof routes
const routeNames = Object.keys(routes) as RouteName[]

/** The rules, each with what breaks it: undefined where it holds. */
const rules: Record<string, (claims: Claims, door: Door) => string | undefined> = {
  'a service is let in by a scope and a mark that its issuer wrote, and by nothing less': (
    claims,
    door,
  ) =>
    letIn(claims, door, ['consumers', 'granters'], (route) => {
      const scope = routes[route as 'consumers'].scope
      return isVouchedFor(claims) && [claims.scope, claims.scp].some((each) => holds(each, scope))
    }),
  'a person is let in by a role that is in the claim, to the letter': (claims, door) =>
    letIn(claims, door, ['people', 'admins'], (route) =>
      (routes[route as 'people'].roles as readonly unknown[]).includes(claims.role),
    ),
  'nobody is let in elsewhere than where the token says': (claims, door) =>
    letIn(
      claims,
      door,
      routeNames,
      (_, workspace) => claims.workspace_id === undefined || claims.workspace_id === workspace,
    ),
  'only a service is let in without a workspace': (claims, door) =>
    letIn(
      claims,
      door,
      routeNames,
      () => claims.workspace_id !== undefined || isVouchedFor(claims),
    ),
  'whoever is let in has a name that is not empty': (claims, door) =>
    letIn(claims, door, routeNames, (_route, _workspace, { subject }) => Boolean(subject?.trim())),
  'a scope changes nothing for a person': (claims, door) => {
    if (isVouchedFor(claims)) return undefined
    const more = { ...claims, scope: 'tokens:read tokens:consume tokens:grant', nonce: undefined }
    const less = { ...claims, scope: undefined, scp: undefined, nonce: undefined }
    const same = routeNames.every(
      (route) => admits(more, door, route) === admits(less, door, route),
    )
    return same ? undefined : 'scopes let a person in'
  },
  'a role changes nothing for a service': (claims, door) => {
    if (!isVouchedFor(claims)) return undefined
    const same = routeNames.every(
      (route) =>
        admits({ ...claims, role: 'admin' }, door, route) ===
        admits({ ...claims, role: undefined }, door, route),
    )
    return same ? undefined : 'a role let a service in'
  },
  'an ID token is let in nowhere, and a nonce alone does not make one': (claims, door) => {
    const gives = claims.token_use === 'access' || claims.typ === 'Bearer' || hasText(claims.scope)
    const tells = 'at_hash' in claims || claims.token_use === 'id' || claims.typ === 'ID'
    const other = hasText(claims.scp) || hasText(claims.client_id) || 'c_hash' in claims
    if (other) return undefined
    const expected = tells || ('nonce' in claims && !gives)
    return door.isIdToken(claims) === expected ? undefined : `an ID token: ${!expected}`
  },
  'a good token is let in': (claims, door) => {
    const { workspace_id, sub } = claims
    if (workspace_id !== 'acme' || !hasText(sub) || door.isIdToken(claims)) return undefined
    const due: [RouteName, boolean][] = [
      ['people', !isVouchedFor(claims) && ['admin', 'member'].includes(String(claims.role))],
      ['consumers', isVouchedFor(claims) && holds(claims.scope, 'tokens:consume')],
    ]
    const missed = due.find(([route, is]) => is && !admits(claims, door, route))
    return missed && `not let in: ${missed[0]}`
  },
}

function letIn(
  claims: Claims,
  door: Door,
  names: RouteName[],
  mayBe: (route: RouteName, workspace: string, caller: Caller) => boolean,
): string | undefined {
  for (const route of names) {
    for (const workspace of ['acme', 'crew']) {
      if (admits(claims, door, route, workspace) && !mayBe(route, workspace, door.callerOf(claims)))
        return `let in: ${route} of ${workspace}`
    }
  }
  return undefined
}

function admits(given: Claims, door: Door, route: RouteName, workspace = 'acme'): boolean {
  const claims = Object.fromEntries(
    Object.entries(given).filter(([, value]) => value !== undefined),
  )
  return (
    !door.isIdToken(claims) && barFor(door.callerOf(claims), workspace, routes[route]) === undefined
  )
}

const hasText = (claim: unknown): claim is string => typeof claim === 'string' && /\S/.test(claim)

/** Whether the word stands in a claim as OAuth writes it, or as API Gateway writes a list. */
function holds(claim: unknown, word: string): boolean {
  if (typeof claim !== 'string') return false
  const escaped = word.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
  const isList = claim.startsWith('[') && claim.endsWith(']') && claim.length > 1
  return new RegExp(isList ? `[[ ]${escaped}[\\] ]` : `(^| )${escaped}( |$)`).test(claim)
}

function isVouchedFor({ gty, sub, client_id, azp, sid, client_kind }: Claims): boolean {
  const grants = ['client-credentials', 'client_credentials', '[client_credentials]']
  if (client_kind === 'backend' || [...grants, '[client-credentials]'].includes(gty as string))
    return true
  if (!hasText(sub)) return false
  const clients = [client_id, azp].filter(hasText)
  if (clients.length === 0) return /^mch_[a-z\d]+$/i.test(sub) && sid === undefined
  return clients.includes(sub) || clients.includes(sub.replace(/@clients$/, ''))
}

const oddities = fc.oneof(
  fc.constantFrom<unknown[]>(
    ...[
      '',
      ' ',
      '[]',
      '[',
      ']',
      '[acme]',
      '[acme crew]',
      '[admin]',
      'admin member',
      'ACME',
      'аcme',
    ],
    ...[null, true, 0, 7, [], ['acme'], ['admin', 'x'], {}, { a: 1 }, '\u0000', 'acme\n', '..'],
  ),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
)
/** Mostly what issuers write, so that much of it gets in, and something odd every now and then. */
const claim = (...usual: unknown[]) =>
  fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: oddities })
const scopes = claim(
  ...['tokens:read', 'tokens:consume tokens:grant', 'openid tokens:consume', '[tokens:consume]'],
  ...[
    'tokens:consume,tokens:grant',
    '[tokens:grant',
    'tokens:grant]',
    ['tokens:consume', 'openid'],
  ],
  ...['xtokens:grant', 'tokens:grant\ttokens:consume', 'TOKENS:GRANT', '[openid tokens:grant]'],
)
const written = fc.record(
  {
    sub: claim('u1', 'abc', 'abc@clients', 'mallory@clients', 'mch_2xh', 'mch_', '@clients'),
    client_id: claim('abc', 'page'),
    azp: claim('abc', 'page', 'https://app.example.com'),
    gty: claim(
      ...['client-credentials', 'client_credentials', 'password', ['client_credentials']],
      ...['[password client_credentials]', 'xclient-credentials', '[client-credentials'],
    ),
    client_kind: claim('backend', 'browser', ['backend']),
    scope: scopes,
    scp: scopes,
    workspace_id: claim('acme', 'acme', 'crew'),
    role: claim('admin', 'member', 'owner', ['org', 'admin'], '[org admin]'),
    nonce: claim('n'),
    token_use: claim('access', 'id'),
    typ: claim('Bearer', 'ID', 'JWT'),
    at_hash: claim('h'),
    sid: claim('s'),
  },
  { requiredKeys: [] },
)
/** A token of many claims is seldom a good one, so each keeps only a few of the others. */
const claimsets: fc.Arbitrary<Claims> = fc
  .tuple(
    written,
    fc.subarray(['nonce', 'token_use', 'typ', 'at_hash', 'gty', 'client_kind', 'azp', 'scp']),
    fc.boolean(),
    fc.nat(3),
  )
  .map(([all, kept, asWritten, few]) => {
    const rare = ['nonce', 'token_use', 'typ', 'at_hash', 'gty', 'client_kind', 'azp', 'scp', 'sid']
    const some: Claims = Object.fromEntries(
      Object.entries(all).filter(
        ([name]) => !rare.includes(name) || kept.slice(0, few).includes(name),
      ),
    )
    return asWritten ? some : flattened(some)
  })

function broken(rule: string, door: Door): string | undefined {
  const property = fc.property(claimsets, (claims) => {
    const wrong = rules[rule]!(claims, door)
    if (wrong !== undefined) throw new Error(wrong)
  })
  const { failed, counterexample, errorInstance } = fc.check(property, { seed, numRuns: runs })
  return failed ? `${errorInstance}: ${JSON.stringify(counterexample)}` : undefined
}

describe(`of ${runs} tokens of any shape`, () => {
  it.each(Object.keys(rules))('%s', (rule) => {
    expect(broken(rule, real)).toBeUndefined()
  })

  it('many are let in, by every way there is', () => {
    const all = fc.sample(claimsets, { seed, numRuns: runs })
    for (const route of routeNames) {
      const count = all.filter((claims) => admits(claims, real, route)).length
      expect(count, route).toBeGreaterThan(20)
    }
    expect(all.filter((claims) => real.isIdToken(claims)).length).toBeGreaterThan(100)
  })
})

const asCaller = (change: (claims: Claims) => Claims): Door => ({
  ...real,
  callerOf: (claims) => real.callerOf(change(claims)),
})
const ifText = (claim: unknown, change: (text: string) => unknown) =>
  typeof claim === 'string' ? change(claim) : claim

/** Mistakes that somebody could make, one for each rule at the least. */
const planted: Record<string, Door> = {
  'a scope makes a service': asCaller((claims) =>
    hasText(claims.scope) ? { ...claims, gty: 'client-credentials' } : claims,
  ),
  'a token without a workspace is a service’s': asCaller((claims) =>
    claims.workspace_id === undefined ? { ...claims, gty: 'client-credentials' } : claims,
  ),
  'an empty workspace claim counts as none': asCaller(({ workspace_id, ...claims }) =>
    workspace_id === undefined || workspace_id === '' ? claims : { ...claims, workspace_id },
  ),
  'a list of workspaces counts as its first': asCaller((claims) => ({
    ...claims,
    workspace_id: ifText(claims.workspace_id, (text) => text.replace(/^\[(\S+).*\]$/, '$1')),
  })),
  'the workspace of a service is not looked at': asCaller((claims) =>
    real.callerOf(claims).kind === 'service' ? { ...claims, workspace_id: undefined } : claims,
  ),
  'scopes are split at commas': asCaller((claims) => ({
    ...claims,
    scope: ifText(claims.scope, (text) => text.replaceAll(',', ' ')),
  })),
  'scopes are split at any white space': asCaller((claims) => ({
    ...claims,
    scope: ifText(claims.scope, (text) => text.replace(/\s+/g, ' ')),
  })),
  'one bracket alone is taken off': asCaller((claims) => ({
    ...claims,
    scope: ifText(claims.scope, (text) => text.replace(/^\[|\]$/g, '')),
  })),
  'one of several grants will do': asCaller((claims) => ({
    ...claims,
    gty: ifText(claims.gty, (text) =>
      text.includes('client_credentials') ? 'client_credentials' : text,
    ),
  })),
  '@clients behind any name will do': asCaller((claims) => ({
    ...claims,
    ...(/.@clients$/.test(String(claims.sub)) && { gty: 'client-credentials' }),
  })),
  'a machine’s name in a person’s session will do': asCaller(({ sid, ...claims }) =>
    /^mch_\w+$/.test(String(claims.sub))
      ? { ...claims, azp: undefined, client_id: undefined }
      : { sid, ...claims },
  ),
  'a list of roles is taken apart unasked': {
    ...real,
    callerOf: (claims) => callerOf(claims, { ...config, roleClaimIsList: true }),
  },
  'a service acts by its role': {
    ...real,
    callerOf: (claims) => {
      const caller = real.callerOf(claims)
      const asPerson = claims.role === 'admin' && caller.workspaceId !== undefined
      return asPerson ? { ...caller, kind: 'person', role: 'admin' } : caller
    },
  },
  'a role counts without a workspace': {
    ...real,
    callerOf: (claims) => {
      const caller = real.callerOf(claims)
      return claims.role === 'admin' && caller.kind === 'person'
        ? { ...caller, role: 'admin' }
        : caller
    },
  },
  'who has no name is let in as nobody': {
    ...real,
    callerOf: (claims) => {
      const caller = real.callerOf(claims)
      return { ...caller, subject: caller.subject ?? '' }
    },
  },
  'a nonce makes an ID token': {
    ...real,
    isIdToken: (claims) => isIdToken(claims) || 'nonce' in claims,
  },
  'a nonce never makes one': {
    ...real,
    isIdToken: ({ nonce, ...claims }) => isIdToken(claims),
  },
  'the mark of the adopter’s own is not looked at': {
    ...real,
    callerOf: (claims) => callerOf(claims, { ...config, serviceMark: undefined }),
  },
}

describe('these rules notice that', () => {
  it.each(Object.entries(planted))('%s', (_, door) => {
    const noticed = Object.keys(rules).filter((rule) => broken(rule, door) !== undefined)
    expect(noticed).not.toEqual([])
  })
})
