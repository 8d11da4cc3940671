import { describe, expect, it } from 'vitest'
import type { ClaimsConfig } from '../../shared/config.ts'
import { barFor, type Claims, callerOf, isIdToken, type Who } from '../../shared/http/caller.ts'

const config: ClaimsConfig = {
  workspaceClaim: 'workspace_id',
  roleClaim: 'role',
  adminRoles: ['admin', 'org:admin'],
  memberRoles: ['member'],
  roleClaimIsList: false,
  scopePrefix: '',
  servicesApart: false,
}
const callerWith = (claims: Claims, over: Partial<ClaimsConfig> = {}) =>
  callerOf({ sub: 'u1', ...claims }, { ...config, ...over })
const serviceWith = (claims: Claims, over: Partial<ClaimsConfig> = {}) =>
  callerWith({ sub: 'backend', client_id: 'backend', ...claims }, over)
const admin = callerWith({ workspace_id: 'acme', role: 'admin' })
const member = callerWith({ workspace_id: 'acme', role: 'member' })
const service = serviceWith({ scope: '[tokens:consume tokens:read]' })
const everything = 'tokens:read tokens:consume tokens:grant tokens:manage'

describe('a person', () => {
  it('has the role that the configured values give the claim, and no other', () => {
    expect(callerWith({ workspace_id: 'acme', role: 'org:admin' }).role).toBe('admin')
    for (const role of ['Admin', 'owner', '', 'admin member', '[admin]', '[org admin]', 'admin ']) {
      expect(callerWith({ workspace_id: 'acme', role }).role, role).toBeUndefined()
    }
  })

  it('has no role without a workspace to have it in', () => {
    expect(callerWith({ role: 'admin' }).role).toBeUndefined()
    for (const workspace_id of ['', ' ', '[acme]', '[acme crew]', 'a b', '..', 7, null, ['acme']]) {
      const caller = callerWith({ role: 'admin', workspace_id })
      expect([caller.role, caller.workspaceId], String(workspace_id)).toEqual([
        undefined,
        undefined,
      ])
    }
  })

  it('has any role of a list where the claim is said to be one', () => {
    const roleOf = (role: unknown) =>
      callerWith({ workspace_id: 'acme', role }, { roleClaimIsList: true }).role
    expect(roleOf('[viewer org:admin]')).toBe('admin')
    expect(roleOf('[member viewer]')).toBe('member')
    expect(roleOf('[member admin]')).toBe('admin')
    expect(roleOf('admin')).toBe('admin')
    // A text is one value, and so is a list that has lost one of its brackets.
    for (const role of ['viewer admin', '[admin', 'admin]', '[]', '[viewer]', 'admin,member', '']) {
      expect(roleOf(role), role).toBeUndefined()
    }
  })
})

describe('a service', () => {
  it.each<[string, Claims]>([
    ['client credentials in gty', { gty: 'client-credentials' }],
    ['the same as a list of one', { gty: '[client_credentials]' }],
    ['a subject that is the client_id', { sub: 'abc', client_id: 'abc' }],
    ['a subject that is the azp', { sub: 'abc', azp: 'abc' }],
    ['the client with @clients behind it', { sub: 'abc@clients', azp: 'abc' }],
    ['a machine of Clerk’s', { sub: 'mch_2xhFjEI5X2qWRvtV13BzSj8H6Dk' }],
  ])('is known by %s', (_, claims) => {
    expect(callerWith(claims).kind).toBe('service')
  })

  it.each<[string, Claims]>([
    ['scopes', { scope: everything }],
    ['scopes and no workspace', { scp: everything, workspace_id: '' }],
    ['the client that a person signed in with', { azp: 'page', client_id: 'page' }],
    ['another grant', { gty: 'password' }],
    ['one grant of several', { gty: '[authorization_code client_credentials]' }],
    ['a grant that sounds like it', { gty: 'no-client-credentials' }],
    ['@clients behind somebody else', { sub: 'mallory@clients', azp: 'page' }],
    ['@clients and no client', { sub: 'mallory@clients' }],
    ['a name like a machine’s in a session', { sub: 'mch_1', sid: 'sess_1' }],
    [
      'a name like a machine’s, signed in with a client',
      { sub: 'mch_1', azp: 'https://a.example' },
    ],
    ['an empty subject beside an empty client', { sub: '', client_id: '', azp: '' }],
    ['a list that holds the client', { sub: '[abc]', client_id: 'abc' }],
    ['numbers', { sub: 7, client_id: 7 }],
  ])('is not known by %s', (_, claims) => {
    expect(callerWith(claims).kind).toBe('person')
  })

  it('is known by the mark its issuer writes, to the letter', () => {
    const marked = { serviceMark: { claim: 'client_kind', value: 'backend' } }
    expect(callerWith({ client_kind: 'backend' }, marked).kind).toBe('service')
    expect(callerWith({ client_kind: 'backend' }).kind).toBe('person')
    for (const client_kind of ['Backend', '[backend]', 'backend ', '', true, ['backend']]) {
      expect(callerWith({ client_kind }, marked).kind).toBe('person')
    }
  })

  it.each<[Claims]>([
    [{ scope: 'tokens:read tokens:grant' }],
    [{ scope: '[tokens:read tokens:grant]' }],
    [{ scp: '[tokens:read  tokens:grant]' }],
    [{ scope: 'tokens:read', scp: 'tokens:grant' }],
  ])('has the scopes of %o', (claims) => {
    expect([...serviceWith(claims).scopes]).toEqual(['tokens:read', 'tokens:grant'])
  })

  // A gateway that splits less than we do would let a scope through that nobody gave.
  it.each([
    'tokens:read,tokens:grant',
    'tokens:read\ttokens:grant',
    '[tokens:grant',
    'tokens:grant]',
  ])('has no right by %j, which API Gateway does not take apart', (scope) => {
    expect(serviceWith({ scope }).scopes.has('tokens:grant')).toBe(false)
  })

  it('has the scopes that carry the configured prefix, and none without it', () => {
    const scope = 'https://api.example.com/tokens:read tokens:grant https://other/tokens:manage'
    const { scopes } = serviceWith({ scope }, { scopePrefix: 'https://api.example.com/' })
    expect([...scopes]).toEqual(['tokens:read'])
  })

  it('has no role, whatever its token says', () => {
    expect(serviceWith({ workspace_id: 'acme', role: 'admin' }).role).toBeUndefined()
  })

  it('is recorded by its subject, or by its client where the token has none', () => {
    expect(callerWith({ sub: 'abc@clients', azp: 'abc' }).subject).toBe('abc@clients')
    const gty = '[client_credentials]'
    expect(callerOf({ gty, azp: 'd4d3' }, config).subject).toBe('d4d3')
    expect(callerOf({ gty }, config).subject).toBeUndefined()
  })
})

describe('who may', () => {
  const people = { roles: ['member', 'admin'], scope: 'tokens:read' } as const
  const admins = { roles: ['admin'] } as const
  const services = { scope: 'tokens:consume' } as const

  it('people in their own workspace, by their role', () => {
    expect(barFor(admin, 'acme', admins)).toBeUndefined()
    expect(barFor(member, 'acme', people)).toBeUndefined()
    expect(barFor(member, 'acme', admins)).toBe('admin_required')
    expect(barFor(member, 'acme', { ...admins, toldWhy: ['member'] })).toBeUndefined()
    const stranger = callerWith({ workspace_id: 'acme', role: 'owner' })
    expect(barFor(stranger, 'acme', people)).toBe('forbidden')
  })

  it('people by nothing else: the scopes in their tokens count for nothing', () => {
    for (const claims of [
      { workspace_id: 'acme', role: 'member', scope: everything },
      { workspace_id: 'acme', role: 'admin', scope: everything },
      { workspace_id: '', role: 'admin', scope: everything },
      { scope: everything },
    ]) {
      const caller = callerWith(claims)
      for (const scope of ['tokens:consume', 'tokens:grant', 'tokens:manage'] as const) {
        expect(barFor(caller, 'acme', { scope })).toBe('service_required')
      }
    }
    expect(barFor(callerWith({ scope: everything }), 'acme', people)).toBe('service_required')
    const memberWithScopes = callerWith({ workspace_id: 'acme', role: 'member', scope: everything })
    expect(barFor(memberWithScopes, 'acme', people)).toBeUndefined()
    expect(barFor(memberWithScopes, 'acme', admins)).toBe('admin_required')
  })

  it('services in any workspace, by their scope', () => {
    expect(barFor(service, 'acme', services)).toBeUndefined()
    expect(barFor(service, 'crew', people)).toBeUndefined()
    expect(barFor(service, 'acme', { scope: 'tokens:grant' })).toBe('forbidden')
    expect(barFor(service, 'acme', admins)).toBe('forbidden')
    expect(barFor(admin, 'acme', services)).toBe('forbidden')
  })

  it('services that are bound to a workspace, in that one', () => {
    const bound = serviceWith({ workspace_id: 'acme', scope: everything })
    expect(barFor(bound, 'acme', services)).toBeUndefined()
    expect(barFor(bound, 'crew', services)).toBe('workspace_not_found')
  })

  it.each(['', ' ', '[acme]', '[]', '[acme crew]', 'a b', '..', 7, true, null, ['acme'], {}])(
    'nobody where a workspace claim of %j would bind a service',
    (workspace_id) => {
      const bound = serviceWith({ workspace_id, scope: everything })
      expect(barFor(bound, 'acme', services)).toBe('forbidden')
      expect(barFor(bound, 'acme', people)).toBe('forbidden')
    },
  )

  it('nobody in another workspace than their own, whatever their role or scope: not even to learn of it', () => {
    for (const who of [people, admins, services, {}] as Who[]) {
      expect(barFor(admin, 'crew', who)).toBe('workspace_not_found')
      const bound = callerWith({ workspace_id: 'acme', scope: everything })
      expect(barFor(bound, 'crew', who)).toBe('workspace_not_found')
    }
  })

  it('nobody without a name to be recorded under', () => {
    for (const sub of [undefined, '', ' ', 7]) {
      const nameless = callerOf({ sub, workspace_id: 'acme', role: 'admin' }, config)
      expect(barFor(nameless, 'acme', admins)).toBe('forbidden')
    }
    const service = callerOf({ gty: 'client-credentials', scope: everything }, config)
    expect(barFor(service, 'acme', services)).toBe('forbidden')
  })

  it('nobody where nobody is named', () => {
    for (const caller of [admin, member, service]) {
      expect(barFor(caller, 'acme', {})).toBe('forbidden')
    }
  })
})

describe('an ID token', () => {
  it('is known by its use, or by what only ID tokens carry', () => {
    for (const claim of ['at_hash', 'c_hash', 'nonce']) {
      expect(isIdToken({ [claim]: 'x' })).toBe(true)
    }
    expect(isIdToken({ token_use: 'id', scope: 'openid' })).toBe(true)
    expect(isIdToken({ typ: 'ID', nonce: 'n', client_id: 'page' })).toBe(true)
    expect(isIdToken({ at_hash: 'x', scope: 'openid' })).toBe(true)
    expect(isIdToken({ token_use: 'access', scope: 'tokens:read' })).toBe(false)
  })

  it('is none for a nonce beside what shows that it gives access, as in older Keycloak', () => {
    const nonce = 'n'
    expect(isIdToken({ nonce, typ: 'Bearer' })).toBe(false)
    expect(isIdToken({ nonce, scope: 'openid profile' })).toBe(false)
    expect(isIdToken({ nonce, client_id: 'page' })).toBe(false)
    expect(isIdToken({ nonce, token_use: 'access' })).toBe(false)
    expect(isIdToken({ nonce, scope: '' })).toBe(true)
    expect(isIdToken({ nonce, azp: 'page' })).toBe(true)
  })
})
