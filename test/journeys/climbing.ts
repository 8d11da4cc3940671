import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { pageClient } from '../../local/identity/issuer.ts'
import {
  ask,
  type Caller,
  type Customer,
  fresh,
  inShort,
  newCustomer,
  person,
  stack,
  stored,
} from './world.ts'

/*
 * Each way that somebody could try to get more rights than their issuer gave them. What is asked for is what
 * pays: tokens for nothing, a larger quota, and a look into somebody else's workspace.
 */

const everyScope = 'tokens:read tokens:consume tokens:grant tokens:manage'

interface Climber {
  by: string
  caller: (own: Customer) => Caller | Promise<Caller>
}

const as = (own: Customer, claims: Record<string, unknown>): Caller =>
  person(own.id, 'member', claims)

const climbers: Climber[] = [
  {
    by: 'asking the issuer for scopes at sign-in, by editing the page’s URL',
    caller: async () => ({ token: await signedInWith('acme-member', `openid ${everyScope}`) }),
  },
  { by: 'every scope in a member’s token', caller: (own) => as(own, { scope: everyScope }) },
  { by: 'the same in scp, as a list', caller: (own) => as(own, { scp: everyScope.split(' ') }) },
  {
    by: 'every scope, and leaving the workspace without a choice',
    caller: (own) => as(own, { scope: everyScope, workspace_id: null }),
  },
  {
    by: 'every scope, and an empty workspace',
    caller: (own) => as(own, { scope: everyScope, workspace_id: '' }),
  },
  {
    by: 'every scope, and several workspaces',
    caller: (own) => as(own, { scope: everyScope, workspace_id: [own.id, 'acme'] }),
  },
  {
    by: 'a user name with @clients behind it',
    caller: (own) => as(own, { scope: everyScope, sub: 'mallory@clients', workspace_id: null }),
  },
  {
    by: 'the name of the page’s own client before @clients, under another client',
    caller: (own) => as(own, { scope: everyScope, sub: `${pageClient}@clients`, azp: 'other' }),
  },
  {
    by: 'a user name like a machine’s',
    caller: (own) => as(own, { scope: everyScope, sub: 'mch_1', workspace_id: null }),
  },
  {
    by: 'a list of grants, one of which is a service’s',
    caller: (own) => as(own, { scope: everyScope, gty: ['password', 'client_credentials'] }),
  },
  { by: 'a role that holds the admin’s name', caller: (own) => as(own, { role: 'not admin' }) },
  { by: 'a list of roles', caller: (own) => as(own, { role: ['org', 'admin'] }) },
  { by: 'the admin’s role in capitals', caller: (own) => as(own, { role: 'ADMIN' }) },
  {
    by: 'an ID token with scopes',
    caller: (own) => as(own, { scope: everyScope, token_use: 'id', role: 'admin' }),
  },
]

/** A token as the page gets one, with whatever scope it asks for. */
async function signedInWith(persona: string, scope: string): Promise<string> {
  const verifier = randomBytes(32).toString('base64url')
  const asked = {
    response_type: 'code',
    client_id: pageClient,
    redirect_uri: `${stack.url}/usage`,
    state: 's',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
    scope,
    persona,
  }
  const { issuer } = stack.identity
  const sent = await fetch(`${issuer}/authorize?${new URLSearchParams(asked)}`, {
    redirect: 'manual',
  })
  const code = new URL(sent.headers.get('location')!).searchParams.get('code')!
  const { client_id, redirect_uri } = asked
  const grant = { grant_type: 'authorization_code', code, client_id, redirect_uri }
  const answer = await fetch(`${issuer}/token`, {
    method: 'POST',
    body: new URLSearchParams({ ...grant, code_verifier: verifier }),
  })
  return ((await answer.json()) as { access_token: string }).access_token
}

describe('nobody climbs by', () => {
  it.each(climbers)('$by', async ({ caller }) => {
    const [own, other] = [await newCustomer('pro'), await newCustomer('teams')]
    const by = await caller(own)
    const before = await Promise.all([own, other].map(({ id }) => stored(id)))
    const grant = { tokens: 1_000_000_000_000, reason: 'because I can' }
    for (const { id, path } of [own, other]) {
      for (const [to, body] of [
        [`POST ${path}/grants`, grant],
        [`PUT ${path}`, { plan: 'enterprise', quota: 1_000_000_000_000 }],
        [`POST ${path}/consume`, { tokens: 1 }],
        [`POST ${path}/holds`, { tokens: 1, ttlSeconds: 60 }],
        [`POST ${path}/purchases`, { tokens: 1_000_000 }],
      ] as const) {
        const answer = await ask(to, by, { key: fresh('climb'), body })
        expect(answer.status, `${to}: ${inShort(answer)}`).toBeGreaterThanOrEqual(401)
        expect(answer.status, `${to}: ${inShort(answer)}`).toBeLessThan(500)
      }
      if (id === other.id) {
        const looked = [await ask(`GET ${path}/meter`, by), await ask(`GET ${path}/activity`, by)]
        for (const answer of looked) {
          expect(answer.status, inShort(answer)).toBeGreaterThanOrEqual(401)
          expect(JSON.stringify(answer.body)).not.toContain('quota')
        }
      }
    }
    expect(await Promise.all([own, other].map(({ id }) => stored(id)))).toEqual(before)
  })
})
