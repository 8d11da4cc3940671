import { statSync } from 'node:fs'
import { join } from 'node:path'
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataFolder } from '../../local/data-folder.ts'
import { openIdentity } from '../../local/identity/issuer.ts'
import { temporaryFolder } from './bundle.ts'

const issuer = 'http://localhost:4000/local/identity'
const now = new Date('2026-08-01T00:00:00Z')

describe('the identity provider', () => {
  let folder: ReturnType<typeof temporaryFolder>
  const open = () => openIdentity({ issuer, now: () => now, keep: openDataFolder(folder.path) })

  beforeEach(() => {
    folder = temporaryFolder()
  })
  afterEach(() => folder.remove())

  it('signs tokens that its published keys verify, dated by the local clock', async () => {
    const identity = await open()
    const get = async (path: string) => identity.handle(new Request(issuer + path))?.json()
    const discovery = (await get('/.well-known/openid-configuration')) as Record<string, string>
    expect(discovery).toMatchObject({ issuer, jwks_uri: `${issuer}/.well-known/jwks.json` })
    const keys = (await get('/.well-known/jwks.json')) as JSONWebKeySet
    expect(Object.keys(keys.keys[0]!).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use'])

    const token = (await identity.token('acme-admin'))!
    const { payload, protectedHeader } = await jwtVerify(token, createLocalJWKSet(keys), {
      issuer,
      audience: 'token-top-up',
      currentDate: now,
    })
    expect(protectedHeader.alg).toBe('RS256')
    expect(payload).toMatchObject({
      sub: 'acme-admin',
      workspace_id: 'acme',
      role: 'admin',
      iat: now.getTime() / 1000,
      exp: now.getTime() / 1000 + 3600,
    })
  })

  it('has an admin and a member of each workspace, and the services with their scopes', async () => {
    const identity = await open()
    const claims = async (persona: string) => decodeJwt((await identity.token(persona))!)
    for (const workspace of ['sprout', 'acme', 'crew', 'globex']) {
      for (const role of ['admin', 'member']) {
        const expected = { workspace_id: workspace, role }
        expect(await claims(`${workspace}-${role}`)).toMatchObject(expected)
      }
    }
    expect((await claims('assistant')).scope).toBe('tokens:consume tokens:read')
    expect((await claims('rep')).scope).toBe('tokens:grant')
    expect((await claims('host-app')).scope).toBe('tokens:manage')
    expect(await claims('host-app')).not.toHaveProperty('workspace_id')
    // The one mark by which a service is told from a person here.
    for (const service of ['assistant', 'rep', 'host-app']) {
      expect(await claims(service)).toMatchObject({ sub: service, client_id: service })
    }
    expect(await claims('acme-admin')).not.toHaveProperty('client_id')
    expect(identity.personas).toHaveLength(11)
  })

  it.each(['acme', 'nobody', '', 'constructor'])('has no persona %j', async (persona) => {
    expect(await (await open()).token(persona)).toBeUndefined()
  })

  it('changes claims and lifetime when asked, and leaves out what is null', async () => {
    const token = await (await open()).token('acme-admin', {
      claims: { role: 'owner', workspace_id: null },
      expiresInSeconds: 5,
    })
    const claims = decodeJwt(token!)
    expect(claims).toMatchObject({ role: 'owner', exp: now.getTime() / 1000 + 5 })
    expect(claims).not.toHaveProperty('workspace_id')
  })

  describe('gives a service a token for its credentials', () => {
    const asked = { grant_type: 'client_credentials' }
    const own = { client_id: 'assistant', client_secret: 'assistant-secret' }
    const basic = (id: string, secret: string) => ({
      authorization: `Basic ${btoa(`${id}:${secret}`)}`,
    })
    const ask = async (form: Record<string, string>, headers: Record<string, string> = {}) => {
      const response = await (await open()).grantClient(
        new Request(`${issuer}/token`, {
          method: 'POST',
          headers,
          body: new URLSearchParams({ ...asked, ...form }),
        }),
      )
      // biome-ignore lint/suspicious/noExplicitAny: what it has is checked.
      return { status: response?.status, body: (await response?.json()) as any, response }
    }

    it.each([
      ['in the form', own, {}],
      ['in the header', {}, basic('assistant', 'assistant-secret')],
    ])('%s', async (_, form, headers) => {
      const { status, body, response } = await ask(form, headers)
      expect(status).toBe(200)
      expect(response!.headers.get('cache-control')).toBe('no-store')
      expect(body).toMatchObject({
        token_type: 'Bearer',
        expires_in: 3600,
        scope: 'tokens:consume tokens:read',
      })
      expect(decodeJwt(body.access_token)).toMatchObject({
        sub: 'assistant',
        client_id: 'assistant',
        scope: 'tokens:consume tokens:read',
        exp: now.getTime() / 1000 + 3600,
      })
    })

    it('with no more scopes than it asks for', async () => {
      const { body } = await ask({ ...own, scope: 'tokens:read' })
      expect(decodeJwt(body.access_token).scope).toBe('tokens:read')
    })

    it.each<[string, Record<string, string>, Record<string, string>, number, string]>([
      ['a wrong secret', { ...own, client_secret: 'x' }, {}, 401, 'invalid_client'],
      ['a wrong secret in the header', {}, basic('assistant', 'x'), 401, 'invalid_client'],
      ['no secret', { client_id: 'assistant' }, {}, 401, 'invalid_client'],
      ['a header that is none', {}, { authorization: 'Basic %' }, 401, 'invalid_client'],
      [
        'a person',
        { client_id: 'acme-admin', client_secret: 'acme-admin-secret' },
        {},
        401,
        'invalid_client',
      ],
      ['a scope that is not its own', { ...own, scope: 'tokens:grant' }, {}, 400, 'invalid_scope'],
      ['another audience', { ...own, audience: 'other' }, {}, 400, 'invalid_target'],
    ])('but not for %s', async (_, form, headers, status, error) => {
      expect(await ask(form, headers)).toMatchObject({ status, body: { error } })
    })

    it('and leaves what is no such request to others', async () => {
      expect((await ask({ grant_type: 'authorization_code' })).status).toBeUndefined()
      const identity = await open()
      for (const request of [
        new Request(`${issuer}/token`),
        new Request(`${issuer}/other`, { method: 'POST', body: new URLSearchParams(asked) }),
      ]) {
        expect(await identity.grantClient(request)).toBeUndefined()
      }
      const left = new Request(`${issuer}/token`, { method: 'POST', body: 'code=c' })
      await identity.grantClient(left)
      expect(await left.text()).toBe('code=c')
    })
  })

  it('keeps its key over a restart, where only its owner can read it', async () => {
    const token = (await (await open()).token('rep'))!
    const { keys } = await open()
    await jwtVerify(token, createLocalJWKSet(keys), { currentDate: now })
    expect(statSync(join(folder.path, 'signing-key.json')).mode & 0o777).toBe(0o600)
  })
})
