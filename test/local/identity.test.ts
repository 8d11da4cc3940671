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

  it('keeps its key over a restart, where only its owner can read it', async () => {
    const token = (await (await open()).token('rep'))!
    const { keys } = await open()
    await jwtVerify(token, createLocalJWKSet(keys), { currentDate: now })
    expect(statSync(join(folder.path, 'signing-key.json')).mode & 0o777).toBe(0o600)
  })
})
