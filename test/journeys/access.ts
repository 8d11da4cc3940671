import { generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { audience } from '../../local/identity/issuer.ts'
import { type PlanId, planIds, planOf, quotaOf } from '../../shared/domain/plan.ts'
import {
  ask,
  assistant,
  atCheckout,
  type Caller,
  type Customer,
  damage,
  fresh,
  hostApp,
  inShort,
  meterOf,
  newCustomer,
  type Order,
  order,
  person,
  problemIn,
  rep,
  stack,
  stored,
  tokenOf,
  within5s,
} from './world.ts'

/** The customer a row's calls are about, on one plan; one they are not about; and an order and a hold of the first. */
interface House {
  plan: PlanId
  /** What `PUT` must say to keep the plan. */
  same: { plan: PlanId; quota?: number }
  home: Customer
  elsewhere: Customer
  bought: Order
  /** Stays open: only those who may settle, release or extend one are given one of their own. */
  hold: string
}

async function newHouse(plan: PlanId): Promise<House> {
  const home = await newCustomer('pro')
  const bought = await order(home)
  await atCheckout(bought, 'expire')
  await stack.stripe!.idle()
  // Not every plan may order, but every one may have an order from before.
  const quota = quotaOf(plan, 5_000_000)
  await damage(home.id, { plan, quota, balance: quota })
  const same = planOf(plan).monthlyQuota === 'per_workspace' ? { plan, quota } : { plan }
  const elsewhere = await newCustomer('pro')
  return { plan, same, home, elsewhere, bought, hold: await openHold(home) }
}

async function openHold(home: Customer): Promise<string> {
  const sent = { key: fresh('hold'), body: { tokens: 10, ttlSeconds: 900 } }
  return (await ask(`POST ${home.path}/holds`, assistant, sent)).body.holdId
}

const houses = await Promise.all(planIds.map(newHouse))
const { home, elsewhere, bought } = houses.find(({ plan }) => plan === 'pro')!

const everyScope = 'tokens:read tokens:consume tokens:grant tokens:manage'
const withClaims = (whose: Customer, claims: Record<string, unknown>): Caller => ({
  persona: 'acme-admin',
  changes: { claims: { workspace_id: whose.id, role: 'admin', scope: everyScope, ...claims } },
})
/** A service with these scopes and, unless its claims say otherwise, the usual mark of one. */
const withScope = (scope: string | null, claims: Record<string, unknown> = {}): Caller => ({
  persona: 'assistant',
  changes: { claims: { scope, ...claims } },
})
/** A service as another issuer marks it. */
const marked = (claims: Record<string, unknown>): Caller =>
  withScope(everyScope, { client_id: null, ...claims })

const callersOf = async ({ home, elsewhere }: House) =>
  ({
    'nobody in particular': undefined,
    'someone whose token has expired': {
      persona: 'acme-admin',
      changes: { claims: { workspace_id: home.id, scope: everyScope }, expiresInSeconds: -1 },
    },
    'someone with a token for another audience': withClaims(home, { aud: 'another-product' }),
    'someone with a token of another issuer': withClaims(home, { iss: 'https://id.example.com' }),
    'someone with a token signed by another key': { token: await signedByAnotherKey(home) },
    'someone with an unsigned token (alg none)': { token: unsigned(home) },
    'someone with an ID token': withClaims(home, { token_use: 'id' }),
    'someone with an ID token known by its nonce': withClaims(home, { nonce: 'n-1', scope: null }),
    'someone with an ID token known by its hash': withClaims(home, { at_hash: 'h' }),
    'a member': home.member,
    'an admin': home.admin,
    'someone without a role': person(home.id, null),
    'someone of an unknown role': person(home.id, 'owner'),
    'another workspace’s admin': elsewhere.admin,
    'a member with every scope': person(home.id, 'member', { scope: everyScope }),
    'an admin with every scope': person(home.id, 'admin', { scope: everyScope }),
    'an admin with every scope as a list': person(home.id, 'admin', { scp: everyScope.split(' ') }),
    'an admin whose token has a nonce': person(home.id, 'admin', { nonce: 'n', typ: 'Bearer' }),
    'an admin by a list of roles': person(home.id, ['org', 'admin']),
    'an admin without a subject': person(home.id, 'admin', { sub: null }),
    'someone with every scope and no workspace': withClaims(home, { workspace_id: null }),
    'someone with every scope and an empty workspace': withClaims(home, { workspace_id: '' }),
    'someone with every scope and a list of workspaces': withClaims(home, {
      workspace_id: [home.id],
    }),
    'someone with a name like a client’s': withClaims(home, { sub: 'page@clients', role: null }),
    assistant: assistant,
    rep: rep,
    'host-app': hostApp,
    'a service that may only read': withScope('tokens:read'),
    'a service that may only consume': withScope('tokens:consume'),
    'a service bound to this workspace': withScope(everyScope, { workspace_id: home.id }),
    'a service bound to another workspace': withScope(everyScope, { workspace_id: elsewhere.id }),
    'a service whose scopes were removed': withScope(null),
    'a service with a role': withScope(null, { workspace_id: home.id, role: 'admin' }),
    'a service known by its grant': marked({ gty: 'client-credentials' }),
    'a service known by its azp': marked({ sub: 'abc', azp: 'abc' }),
    'a service known by @clients': marked({ sub: 'abc@clients', azp: 'abc' }),
    'a service that is a machine of Clerk’s': marked({ sub: 'mch_2xhFjEI5X2qWRvtV13BzSj8H6Dk' }),
    'a service without a subject': marked({ gty: ['client_credentials'], sub: null, azp: 'abc' }),
    'a service with nothing that marks it': marked({ sub: 'somebody' }),
    'a service bound to an empty workspace': withScope(everyScope, { workspace_id: '' }),
    'a service bound to a list of workspaces': withScope(everyScope, { workspace_id: [home.id] }),
  }) satisfies Record<string, Caller | undefined>

type CallerName = keyof Awaited<ReturnType<typeof callersOf>>

/** What each caller is answered; `others` stands for all that are not named. */
type Answers = { others: string } & Partial<Record<CallerName, string>>

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
  'someone with an ID token known by its hash': '401 access_token_required',
  'a service bound to another workspace': '404 workspace_not_found',
}

/** Whoever has a scope and is no service. Where people may call too, their role decides first. */
const withScopesButNoService: CallerName[] = [
  'a member with every scope',
  'an admin with every scope',
  'an admin with every scope as a list',
  'someone with every scope and no workspace',
  'someone with every scope and an empty workspace',
  'someone with every scope and a list of workspaces',
  'someone with a name like a client’s',
  'a service with nothing that marks it',
]
/** Services with every scope, however their issuer marks them. */
const services: CallerName[] = [
  'a service bound to this workspace',
  'a service known by its grant',
  'a service known by its azp',
  'a service known by @clients',
  'a service that is a machine of Clerk’s',
  'a service without a subject',
]
const members: CallerName[] = ['a member', 'a member with every scope']
const admins: CallerName[] = [
  'an admin',
  'an admin with every scope',
  'an admin with every scope as a list',
  'an admin whose token has a nonce',
]
const each = (names: CallerName[], answer: string) =>
  Object.fromEntries(names.map((name) => [name, answer]))

/** Routes for people: whoever else has a good token is refused by the service itself. */
const forPeople: Answers = {
  ...onGuardedRoutes,
  'another workspace’s admin': '404 workspace_not_found',
  others: '403 forbidden',
}

/** Routes for services: without the scope, API Gateway refuses before any function runs. */
const forServices = (status: 200 | 201, ...may: CallerName[]): Answers => ({
  ...onGuardedRoutes,
  ...each([...may, ...services], `${status}`),
  ...each(withScopesButNoService, '403 service_required'),
  'a service bound to an empty workspace': '403 forbidden',
  'a service bound to a list of workspaces': '403 forbidden',
  // It has no scope, or it would be taken for an access token with a nonce.
  'someone with an ID token known by its nonce': '403 Forbidden',
  others: '403 Forbidden',
})
const consumers = ['assistant', 'a service that may only consume'] as const

/** Who may order on a plan, and why the others may not. */
const bars = {
  starter: { admin: 'upgrade_required', member: 'upgrade_required' },
  pro: { admin: undefined, member: 'admin_required' },
  teams: { admin: undefined, member: 'admin_required' },
  enterprise: {
    admin: 'contact_account_representative',
    member: 'contact_account_representative',
  },
} as const

interface Row {
  send: (house: House) => { to: string; key?: string; body?: unknown }
  answers: Answers | ((plan: PlanId) => Answers)
}

/** The whole table of who may do what: one row a route. */
const rows: Record<string, Row> = {
  'GET /v1/openapi.json': {
    send: () => ({ to: 'GET /v1/openapi.json' }),
    answers: { others: '200' },
  },
  'GET /v1/plans': { send: () => ({ to: 'GET /v1/plans' }), answers: { others: '200' } },
  'GET /v1/workspaces/{workspaceId}/meter': {
    send: ({ home }) => ({ to: `GET ${home.path}/meter` }),
    answers: {
      ...forPeople,
      ...each(withScopesButNoService, '403 service_required'),
      ...each([...members, ...admins, ...services], '200'),
      assistant: '200',
      'a service that may only read': '200',
    },
  },
  'POST /v1/workspaces/{workspaceId}/consume': {
    send: ({ home }) => ({ to: `POST ${home.path}/consume`, key: fresh('k'), body: { tokens: 1 } }),
    answers: forServices(200, ...consumers),
  },
  'POST /v1/workspaces/{workspaceId}/holds': {
    send: ({ home }) => ({
      to: `POST ${home.path}/holds`,
      key: fresh('k'),
      body: { tokens: 1, ttlSeconds: 900 },
    }),
    answers: forServices(201, ...consumers),
  },
  'POST /v1/workspaces/{workspaceId}/holds/{holdId}/settle': {
    send: ({ home, hold }) => ({
      to: `POST ${home.path}/holds/${hold}/settle`,
      key: fresh('k'),
      body: { tokens: 5 },
    }),
    answers: forServices(200, ...consumers),
  },
  'DELETE /v1/workspaces/{workspaceId}/holds/{holdId}': {
    send: ({ home, hold }) => ({ to: `DELETE ${home.path}/holds/${hold}`, key: fresh('k') }),
    answers: forServices(200, ...consumers),
  },
  'POST /v1/workspaces/{workspaceId}/holds/{holdId}/extend': {
    send: ({ home, hold }) => ({
      to: `POST ${home.path}/holds/${hold}/extend`,
      key: fresh('k'),
      body: { ttlSeconds: 900 },
    }),
    answers: forServices(200, ...consumers),
  },
  'POST /v1/workspaces/{workspaceId}/purchases': {
    send: ({ home }) => ({
      to: `POST ${home.path}/purchases`,
      key: fresh('k'),
      body: { tokens: 1_000_000 },
    }),
    answers: (plan) => ({
      ...forPeople,
      ...each(admins, bars[plan].admin ? `403 ${bars[plan].admin}` : '201'),
      ...each(members, `403 ${bars[plan].member}`),
    }),
  },
  'GET /v1/workspaces/{workspaceId}/purchases/{purchaseId}': {
    send: ({ bought }) => ({ to: `GET ${bought.path}` }),
    answers: { ...forPeople, ...each(admins, '200'), ...each(members, '403 admin_required') },
  },
  'GET /v1/workspaces/{workspaceId}/purchases/{purchaseId}/documents': {
    // There are four admins, and five looks at Stripe in ten seconds.
    send: ({ bought }) => ({ to: `GET ${bought.path}/documents` }),
    answers: { ...forPeople, ...each(admins, '200'), ...each(members, '403 admin_required') },
  },
  'GET /v1/workspaces/{workspaceId}/activity': {
    send: ({ home }) => ({ to: `GET ${home.path}/activity` }),
    answers: { ...forPeople, ...each([...admins, ...members], '200') },
  },
  'POST /v1/workspaces/{workspaceId}/grants': {
    send: ({ home }) => ({
      to: `POST ${home.path}/grants`,
      key: fresh('k'),
      body: { tokens: 1, reason: 'for the table' },
    }),
    answers: forServices(201, 'rep'),
  },
  'PUT /v1/workspaces/{workspaceId}': {
    send: ({ home, same }) => ({ to: `PUT ${home.path}`, key: fresh('k'), body: same }),
    answers: forServices(200, 'host-app'),
  },
  'POST /v1/stripe/webhook': {
    send: () => ({ to: 'POST /v1/stripe/webhook', body: { type: 'checkout.session.completed' } }),
    // No token helps: only Stripe's signature does.
    answers: { others: '400 invalid_signature' },
  },
}

it('every route of the stack has a row', () => {
  expect(Object.keys(rows).sort()).toEqual(stack.deployment.routes.map(({ key }) => key).sort())
})

describe.each(houses)('on $plan,', (house) => {
  const { home, plan } = house
  let callers: [CallerName, Caller | undefined][]
  /** As each call leaves it, so that the next one need not read it again. */
  let asLeft: Awaited<ReturnType<typeof stored>>
  beforeAll(async () => {
    const signedIn = Object.entries(await callersOf(house)).map(async ([name, caller]) => {
      // Signed once for all routes: a signature takes longer than most calls.
      const token = caller && (await tokenOf(caller))
      return [name, token === undefined ? undefined : { token }] as [CallerName, Caller | undefined]
    })
    callers = await Promise.all(signedIn)
    asLeft = await stored(home.id)
  })

  it.each(Object.entries(rows))('%s does for each caller what they may', async (route, row) => {
    const answers = typeof row.answers === 'function' ? row.answers(plan) : row.answers
    for (const [name, caller] of callers) {
      const expected = answers[name] ?? answers.others
      const may = expected.startsWith('20')
      const isAboutHold = may && route.includes('{holdId}')
      const { to, key, body } = row.send(
        isAboutHold ? { ...house, hold: await openHold(home) } : house,
      )
      if (isAboutHold) asLeft = await stored(home.id)

      const answer = await ask(to, caller, { key, body })
      const before = asLeft
      asLeft = await stored(home.id)
      expect(inShort(answer), name).toBe(expected)
      if (may && !route.startsWith('GET')) expect(asLeft, name).not.toEqual(before)
      else expect(asLeft, name).toEqual(before)
      if (answer.body.code) problemIn(answer, answer.body.code)
      if (answer.status === 401 && !answer.body.code) {
        expect(answer.headers.get('www-authenticate'), name).toMatch(/^Bearer/)
      }
    }
  })
})

describe('another workspace', () => {
  it.each(Object.entries(rows).filter(([route]) => route.includes('{workspaceId}')))(
    'cannot be told from a missing one by %s',
    async (_route, { send }) => {
      const { to, key, body } = send(houses.find((house) => house.home === home)!)
      const missing = to.replace(home.id, fresh('missing'))
      const stranger = withClaims(elsewhere, {})
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

  it('nobody of a workspace that a lost dispute keeps from it, until that is lifted', async () => {
    const customer = await newCustomer('pro')
    await damage(customer.id, { blockedBy: { pur_lost: '2026-07-14T09:00:00.000Z' } })
    const { purchase } = (await ask(`GET ${customer.path}/meter`, customer.admin)).body
    expect(purchase).toMatchObject({ allowed: false, reason: 'purchases_blocked' })
    const buy = () =>
      ask(`POST ${customer.path}/purchases`, customer.admin, {
        key: 'k',
        body: { tokens: 1_000_000 },
      })
    problemIn(await buy(), 'purchases_blocked')
    const put = (key: string, body: object) => ask(`PUT ${customer.path}`, hostApp, { key, body })
    expect((await put('look', {})).body).toMatchObject({
      purchasing: 'blocked',
      blockedBy: ['pur_lost'],
    })
    expect((await put('lift', { purchasing: 'allowed' })).body).toMatchObject({
      effect: 'kept',
      purchasing: 'allowed',
    })
    expect((await buy()).status).toBe(201)
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

async function signedByAnotherKey(home: Customer): Promise<string> {
  const { privateKey } = await generateKeyPair('RS256')
  return new SignJWT(claimsNow(home))
    .setProtectedHeader({ alg: 'RS256', kid: stack.identity.keys.keys[0]!.kid! })
    .sign(privateKey)
}

function unsigned(home: Customer): string {
  return new UnsecuredJWT(claimsNow(home)).encode()
}

function claimsNow(home: Customer) {
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

describe('a workspace whose id is as hosts write them', () => {
  it.each(['auth0|5f1c', 'acme.example.com', 'org:7@eu', '...', '_-.:@|'])(
    'lives like any other: %s',
    async (id) => {
      // The ids are the same in each run, and the data is not kept.
      const path = `/v1/workspaces/${encodeURIComponent(id)}`
      const [admin, member] = [person(id, 'admin'), person(id, 'member')]
      const bound = withScope(everyScope, { workspace_id: id })
      const customer: Customer = { id, path, admin, member }
      const plan = { key: 'create', body: { plan: 'pro' } }
      expect((await ask(`PUT ${path}`, hostApp, plan)).status).toBe(200)
      const used = { key: 'use', body: { tokens: 500_000 } }
      expect((await ask(`POST ${path}/consume`, bound, used)).status).toBe(200)
      const bought = await order(customer)
      await atCheckout(bought, 'pay')
      await within5s(async () => {
        expect((await meterOf(customer)).text).toBe('[500,000/3,000,000 used]')
      })
      const granted = { key: 'grant', body: { tokens: 1, reason: 'r' } }
      expect((await ask(`POST ${path}/grants`, rep, granted)).status).toBe(201)
      const first = await ask(`GET ${path}/activity?limit=1`, admin)
      const next = `${path}/activity?limit=1&cursor=${first.body.nextCursor}`
      expect((await ask(`GET ${next}`, admin)).body.entries).toHaveLength(1)
    },
  )
})
