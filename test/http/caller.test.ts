import { describe, expect, it } from 'vitest'
import type { ClaimsConfig } from '../../shared/config.ts'
import { barFor, type Claims, callerOf, isIdToken } from '../../shared/http/caller.ts'

const config: ClaimsConfig = {
  workspaceClaim: 'workspace_id',
  roleClaim: 'role',
  adminRoles: ['admin', 'org:admin'],
  memberRoles: ['member'],
  scopePrefix: '',
}
const callerWith = (claims: Claims, over: Partial<ClaimsConfig> = {}) =>
  callerOf({ sub: 'u1', ...claims }, { ...config, ...over })
const admin = callerWith({ workspace_id: 'acme', role: 'admin' })
const member = callerWith({ workspace_id: 'acme', role: 'member' })
const service = callerWith({ scope: '[tokens:consume tokens:read]' })

describe('a caller', () => {
  it('has the role that the configured values give the claim, and no other', () => {
    expect(callerWith({ workspace_id: 'acme', role: 'org:admin' }).role).toBe('admin')
    for (const role of ['Admin', 'owner', '', 'admin member']) {
      expect(callerWith({ workspace_id: 'acme', role }).role).toBeUndefined()
    }
  })

  it('has no role without a workspace to have it in', () => {
    expect(callerWith({ role: 'admin' }).role).toBeUndefined()
  })

  it.each([
    [{ scope: 'tokens:read tokens:grant' }],
    [{ scope: '[tokens:read tokens:grant]' }],
    [{ scp: '[tokens:read, tokens:grant]' }],
    [{ scp: ['tokens:read', 'tokens:grant'] }],
  ] as [Claims][])('has the scopes of %o', (claims) => {
    const { scopes } = callerWith(claims)
    expect(scopes.has('tokens:read') && scopes.has('tokens:grant')).toBe(true)
    expect(scopes.has('tokens:manage')).toBe(false)
  })

  it('has the scopes that carry the configured prefix, and none without it', () => {
    const scope = 'https://api.example.com/tokens:read tokens:grant https://other/tokens:manage'
    const { scopes } = callerWith({ scope }, { scopePrefix: 'https://api.example.com/' })
    expect([...scopes]).toEqual(['tokens:read'])
  })
})

describe('who may', () => {
  const people = { roles: ['admin', 'member'], scope: 'tokens:read' } as const
  const admins = { roles: ['admin'] } as const
  const services = { scope: 'tokens:consume' } as const

  it('people in their own workspace, by their role', () => {
    expect(barFor(admin, 'acme', admins)).toBeUndefined()
    expect(barFor(member, 'acme', people)).toBeUndefined()
    expect(barFor(member, 'acme', admins)).toBe('admin_required')
    const stranger = callerWith({ workspace_id: 'acme', role: 'owner' })
    expect(barFor(stranger, 'acme', people)).toBe('forbidden')
  })

  it('services in any workspace, by their scope', () => {
    expect(barFor(service, 'acme', services)).toBeUndefined()
    expect(barFor(service, 'crew', people)).toBeUndefined()
    expect(barFor(service, 'acme', { scope: 'tokens:grant' })).toBe('forbidden')
    expect(barFor(service, 'acme', admins)).toBe('forbidden')
    expect(barFor(admin, 'acme', services)).toBe('forbidden')
  })

  it('nobody in another workspace than their own, whatever their role or scope: not even to learn of it', () => {
    const everything = 'tokens:read tokens:consume tokens:grant tokens:manage'
    for (const who of [people, admins, services, {}]) {
      expect(barFor(admin, 'crew', who)).toBe('workspace_not_found')
      const bound = callerWith({ workspace_id: 'acme', scope: everything })
      expect(barFor(bound, 'crew', who)).toBe('workspace_not_found')
    }
  })

  it('nobody where nobody is named', () => {
    for (const caller of [admin, member, service]) {
      expect(barFor(caller, 'acme', {})).toBe('forbidden')
    }
  })
})

describe('an ID token', () => {
  it('is known by its use, or by what only ID tokens carry', () => {
    for (const claim of ['nonce', 'at_hash', 'c_hash']) {
      expect(isIdToken({ [claim]: 'x' })).toBe(true)
    }
    expect(isIdToken({ token_use: 'id' })).toBe(true)
    expect(isIdToken({ token_use: 'access', scope: 'tokens:read' })).toBe(false)
  })
})
