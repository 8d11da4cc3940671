import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { audience } from '../../local/identity.ts'
import { planIds } from '../../shared/domain/plan.ts'
import { routes } from '../../shared/http/routes.ts'
import {
  ask,
  assistant,
  atCheckout,
  type Caller,
  fresh,
  hostApp,
  inShort,
  meterOf,
  newCustomer,
  order,
  person,
  problemIn,
  rep,
  stack,
  stored,
} from './world.ts'

/** The customer every call below is about, one it is not about, and an order of the first one. */
const home = await newCustomer('pro')
const elsewhere = await newCustomer('pro')
const bought = await order(home)
await atCheckout(bought, 'expire')
await stack.stripe!.idle()

/** Holds to be settled, released and extended by the one caller who may; the months before end older ones. */
let [toSettle, toRelease, toExtend] = ['', '', '']
async function openHold(): Promise<string> {
  const sent = { key: fresh('hold'), body: { tokens: 10, ttlSeconds: 600 } }
  return (await ask(`POST ${home.path}/holds`, assistant, sent)).body.holdId
}

const everyScope = 'tokens:read tokens:consume tokens:grant tokens:manage'
const withClaims = (claims: Record<string, unknown>): Caller => ({
  persona: 'acme-admin',
  changes: { claims: { workspace_id: home.id, role: 'admin', scope: everyScope, ...claims } },
})

const callers = {
  'nobody in particular': undefined,
  'someone whose token has expired': {
    persona: 'acme-admin',
    changes: { claims: { workspace_id: home.id, scope: everyScope }, expiresInSeconds: -1 },
  },
  'someone with a token for another audience': withClaims({ aud: 'another-product' }),
  'someone with a token of another issuer': withClaims({ iss: 'https://id.example.com' }),
  'someone with a token signed by another key': { token: await signedByAnotherKey() },
  'someone with an unsigned token (alg none)': { token: unsigned() },
  'someone with an ID token': withClaims({ token_use: 'id' }),
  'someone with an ID token known by its nonce': withClaims({ nonce: 'n-1' }),
  'a member': home.member,
  'an admin': home.admin,
  'someone without a role': person(home.id, null),
  'someone of an unknown role': person(home.id, 'owner'),
  'another workspace’s admin': elsewhere.admin,
  assistant: assistant,
  rep: rep,
  'host-app': hostApp,
  'a service bound to another workspace': withClaims({ workspace_id: elsewhere.id, role: null }),
  'a service whose scopes were removed': {
    persona: 'assistant',
    changes: { claims: { scope: null } },
  },
} satisfies Record<string, Caller | undefined>

type CallerName = keyof typeof callers

/** What every route but the public ones answers these. */
const onGuardedRoutes: Partial<Record<CallerName, string>> = {
  'nobody in particular': '401 Unauthorized',
  'someone whose token has expired': '401 Unauthorized',
  'someone with a token for another audience': '401 Unauthorized',
  'someone with a token of another issuer': '401 Unauthorized',
  'someone with a token signed by another key': '401 Unauthorized',
  'someone with an unsigned token (alg none)': '401 Unauthorized',
  'someone with an ID token': '401 access_token_required',
  'someone with an ID token known by its nonce': '401 access_token_required',
  'a service bound to another workspace': '404 workspace_not_found',
}

interface Row {
  send: () => { to: string; key?: string; body?: unknown }
  /** What each caller is answered; `others` stands for all that are not named. */
  answers: { others: string } & Partial<Record<CallerName, string>>
}

/** The whole table of who may do what: one row a route. */
const rows: Record<string, Row> = {
  'GET /v1/openapi.json': {
    send: () => ({ to: 'GET /v1/openapi.json' }),
    answers: { others: '200' },
  },
  'GET /v1/plans': { send: () => ({ to: 'GET /v1/plans' }), answers: { others: '200' } },
  'GET /v1/workspaces/{workspaceId}/meter': {
    send: () => ({ to: `GET ${home.path}/meter` }),
    answers: {
      ...onGuardedRoutes,
      'a member': '200',
      'an admin': '200',
      assistant: '200',
      'another workspace’s admin': '404 workspace_not_found',
      others: '403 forbidden',
    },
  },
  'POST /v1/workspaces/{workspaceId}/consume': {
    send: () => ({ to: `POST ${home.path}/consume`, key: fresh('k'), body: { tokens: 1 } }),
    // Without the scope, API Gateway refuses before any function runs.
    answers: { ...onGuardedRoutes, assistant: '200', others: '403 Forbidden' },
  },
  'POST /v1/workspaces/{workspaceId}/holds': {
    send: () => ({
      to: `POST ${home.path}/holds`,
      key: fresh('k'),
      body: { tokens: 1, ttlSeconds: 600 },
    }),
    answers: { ...onGuardedRoutes, assistant: '201', others: '403 Forbidden' },
  },
  'POST /v1/workspaces/{workspaceId}/holds/{holdId}/settle': {
    send: () => ({
      to: `POST ${home.path}/holds/${toSettle}/settle`,
      key: fresh('k'),
      body: { tokens: 5 },
    }),
    answers: { ...onGuardedRoutes, assistant: '200', others: '403 Forbidden' },
  },
  'DELETE /v1/workspaces/{workspaceId}/holds/{holdId}': {
    send: () => ({ to: `DELETE ${home.path}/holds/${toRelease}`, key: fresh('k') }),
    answers: { ...onGuardedRoutes, assistant: '200', others: '403 Forbidden' },
  },
  'POST /v1/workspaces/{workspaceId}/holds/{holdId}/extend': {
    send: () => ({
      to: `POST ${home.path}/holds/${toExtend}/extend`,
      key: fresh('k'),
      body: { ttlSeconds: 900 },
    }),
    answers: { ...onGuardedRoutes, assistant: '200', others: '403 Forbidden' },
  },
  'POST /v1/workspaces/{workspaceId}/purchases': {
    send: () => ({
      to: `POST ${home.path}/purchases`,
      key: fresh('k'),
      body: { tokens: 1_000_000 },
    }),
    answers: {
      ...onGuardedRoutes,
      'an admin': '201',
      'a member': '403 admin_required',
      'another workspace’s admin': '404 workspace_not_found',
      others: '403 forbidden',
    },
  },
  'GET /v1/workspaces/{workspaceId}/purchases/{purchaseId}': {
    send: () => ({ to: `GET ${bought.path}` }),
    answers: {
      ...onGuardedRoutes,
      'an admin': '200',
      'a member': '403 admin_required',
      'another workspace’s admin': '404 workspace_not_found',
      others: '403 forbidden',
    },
  },
  'GET /v1/workspaces/{workspaceId}/activity': {
    send: () => ({ to: `GET ${home.path}/activity` }),
    answers: {
      ...onGuardedRoutes,
      'an admin': '200',
      'a member': '200',
      'another workspace’s admin': '404 workspace_not_found',
      others: '403 forbidden',
    },
  },
  'POST /v1/workspaces/{workspaceId}/grants': {
    send: () => ({
      to: `POST ${home.path}/grants`,
      key: fresh('k'),
      body: { tokens: 1, reason: 'for the table' },
    }),
    answers: { ...onGuardedRoutes, rep: '201', others: '403 Forbidden' },
  },
  'PUT /v1/workspaces/{workspaceId}': {
    send: () => ({ to: `PUT ${home.path}`, key: fresh('k'), body: { plan: 'pro' } }),
    answers: { ...onGuardedRoutes, 'host-app': '200', others: '403 Forbidden' },
  },
  'POST /v1/stripe/webhook': {
    send: () => ({ to: 'POST /v1/stripe/webhook', body: { type: 'checkout.session.completed' } }),
    // No token helps: only Stripe's signature does.
    answers: { others: '400 invalid_signature' },
  },
}

describe('every route', () => {
  /** As each row leaves it, so that the next one need not read it again. */
  let asLeft: Awaited<ReturnType<typeof stored>>
  beforeAll(async () => {
    toSettle = await openHold()
    toRelease = await openHold()
    toExtend = await openHold()
    asLeft = await stored(home.id)
  })

  it('has a row for every route', () => {
    const inTheStack = routes.map(({ method, path }) => `${method} ${path}`)
    expect(Object.keys(rows).sort()).toEqual(inTheStack.sort())
  })

  describe.each(Object.entries(rows))('%s', (route, { send, answers }) => {
    const table = Object.entries(callers).map(([name, caller]) => ({
      name,
      caller,
      answer: answers[name as CallerName] ?? answers.others,
    }))

    it.each(table)('answers $name: $answer', async ({ caller, answer: expected }) => {
      const { to, key, body } = send()
      const answer = await ask(to, caller, { key, body })
      const before = asLeft
      asLeft = await stored(home.id)
      expect(inShort(answer)).toBe(expected)
      if (answer.status < 300 && !route.startsWith('GET')) expect(asLeft).not.toEqual(before)
      else expect(asLeft).toEqual(before)
      if (answer.body.code) problemIn(answer, answer.body.code)
      if (answer.status === 401 && !answer.body.code) {
        expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/)
      }
    })
  })
})

describe('another workspace', () => {
  it.each(Object.entries(rows).filter(([route]) => route.includes('{workspaceId}')))(
    'cannot be told from a missing one by %s',
    async (_route, { send }) => {
      const { to, key, body } = send()
      const missing = to.replace(home.id, fresh('missing'))
      const stranger = withClaims({ workspace_id: elsewhere.id })
      const [one, other] = [
        await ask(to, stranger, { key, body }),
        await ask(missing, stranger, { key, body }),
      ]
      expect(inShort(one)).toBe('404 workspace_not_found')
      const words = ({ requestId, ...same }: Record<string, unknown>) => same
      expect(words(other.body)).toEqual(words(one.body))
      expect(other.status).toBe(one.status)
    },
  )

  it('is missing for its own people and for services alike', async () => {
    const id = fresh('missing')
    const path = `/v1/workspaces/${id}`
    const use = { key: 'k', body: { tokens: 1 } }
    const buy = { key: 'k', body: { tokens: 1_000_000 } }
    const grant = { key: 'k', body: { tokens: 1, reason: 'r' } }
    for (const answer of [
      await ask(`GET ${path}/meter`, person(id, 'admin')),
      await ask(`GET ${path}/activity`, person(id, 'member')),
      await ask(`POST ${path}/purchases`, person(id, 'admin'), buy),
      await ask(`POST ${path}/consume`, assistant, use),
      await ask(`POST ${path}/grants`, rep, grant),
    ]) {
      problemIn(answer, 'workspace_not_found')
    }
    expect(await stored(id)).toEqual({ workspace: undefined, ledger: [] })
  })

  it('has orders nobody else finds', async () => {
    const path = bought.path.replace(home.id, elsewhere.id)
    problemIn(await ask(`GET ${path}`, elsewhere.admin), 'purchase_not_found')
  })
})

describe('what a member and an admin see', () => {
  it('of the activity: the usage both, the money only the admin', async () => {
    const { body: forMember } = await ask(`GET ${home.path}/activity`, home.member)
    const { body: forAdmin } = await ask(`GET ${home.path}/activity`, home.admin)
    expect(forMember).not.toHaveProperty('entries')
    expect(forMember.months).toEqual(forAdmin.months)
    expect(forAdmin.entries.map(({ type }: { type: string }) => type)).toContain('purchase')
  })
})

describe('who may buy', () => {
  const bars = {
    starter: { admin: 'upgrade_required', member: 'upgrade_required' },
    pro: { admin: undefined, member: 'admin_required' },
    teams: { admin: undefined, member: 'admin_required' },
    enterprise: {
      admin: 'contact_account_representative',
      member: 'contact_account_representative',
    },
  } as const

  const cases = planIds.flatMap((plan) =>
    (['admin', 'member'] as const).map((role) => ({ plan, role, bar: bars[plan][role] })),
  )
  it.each(cases)('on $plan, $role: $bar', async ({ plan, role, bar }) => {
    const customer = await newCustomer(plan, plan === 'enterprise' ? 5_000_000 : undefined)
    const before = await stored(customer.id)
    const { body: meter } = await ask(`GET ${customer.path}/meter`, customer[role])
    const key = fresh('k')
    const answer = await ask(`POST ${customer.path}/purchases`, customer[role], {
      key,
      body: { tokens: 1_000_000 },
    })
    // The meter says beforehand what the order would be answered, so that a page offers only what works.
    expect(meter.purchase.allowed).toBe(bar === undefined)
    expect(meter.purchase.reason).toBe(bar)
    if (!bar) {
      expect(inShort(answer)).toBe('201')
      return
    }
    expect(answer.status).toBe(403)
    problemIn(answer, bar)
    expect(await stored(customer.id)).toEqual(before)
  })

  it.each(planIds)('on %s, the account representative may grant', async (plan) => {
    const customer = await newCustomer(plan, plan === 'enterprise' ? 5_000_000 : undefined)
    const before = await meterOf(customer)
    const answer = await ask(`POST ${customer.path}/grants`, rep, {
      key: 'g',
      body: { tokens: 7, reason: 'goodwill' },
    })
    expect(answer.body).toMatchObject({ granted: 7, meter: { limit: before.limit + 7 } })
    const { ledger } = await stored(customer.id)
    expect(ledger).toContainEqual(
      expect.objectContaining({ type: 'grant', by: 'rep', reason: 'goodwill' }),
    )
  })
})

async function signedByAnotherKey(): Promise<string> {
  const { privateKey } = await generateKeyPair('RS256')
  return new SignJWT(claimsNow())
    .setProtectedHeader({ alg: 'RS256', kid: stack.identity.keys.keys[0]!.kid! })
    .sign(privateKey)
}

function unsigned(): string {
  return new UnsecuredJWT(claimsNow()).encode()
}

function claimsNow() {
  const issuedAt = Math.floor(stack.clock.now().getTime() / 1000)
  return {
    iss: stack.identity.issuer,
    aud: audience,
    sub: 'mallory',
    iat: issuedAt,
    exp: issuedAt + 3600,
    workspace_id: home.id,
    role: 'admin',
    scope: everyScope,
  }
}
