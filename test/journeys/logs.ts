import { beforeAll, describe, expect, it } from 'vitest'
import {
  amend,
  ask,
  assistant,
  type Caller,
  type Customer,
  damage,
  dynamoDb,
  fresh,
  hostApp,
  inShort,
  logLines,
  newCustomer,
  person,
  rep,
  restoreWorld,
  setStripe,
  sign,
  stack,
  stored,
  stripeSecret,
  tokenOf,
} from './world.ts'

/** Each would be a leak wherever it turned up. None is part of anything else here. */
const canary = {
  secret: 'sk_live_51Kanarienvogel0123456789',
  email: 'kanarienvogel.private@mailbox.example',
  card: '4000 0566 5566 5556',
  cardDigits: '4000056655665556',
}
const all = Object.values(canary).join(' ')
const birds = new RegExp(
  `kanarienvogel|${canary.card}|${canary.cardDigits}|${Buffer.from(canary.email).toString('base64url').slice(0, 20)}`,
  'i',
)

let customer: Customer
/** Good tokens that say more of a person than they must, and what is sent in place of one by mistake. */
let callers: (Caller | undefined)[]
/** Bodies that name a canary in each of their fields, in a field there is none of, and outside of any. */
const bodies = [
  { tokens: 1, member: canary.email, feature: canary.secret, model: canary.card },
  { tokens: 1, ttlSeconds: 60, member: canary.email, feature: canary.secret, model: canary.card },
  { tokens: 1, reason: all, reference: canary.card },
  {
    tokens: canary.cardDigits,
    reason: canary.email,
    ttlSeconds: canary.secret,
    plan: canary.email,
  },
  { tokens: 1_000_000, returnUrl: `${stack.url}/?email=${canary.email}&key=${canary.secret}` },
  { tokens: 1_000_000, returnUrl: `https://${canary.email}/${canary.card}` },
  { plan: 'pro', [canary.email]: canary.secret },
  `{"tokens":1,"member":"${all}`,
  all,
]

/** Sends canaries in every part of a request, to every route of the stack, as everybody. */
async function sendEverywhere(): Promise<Set<number>> {
  const statuses = new Set<number>()
  for (const { method, path } of stack.deployment.routes) {
    const filled = path
      .replace('{workspaceId}', customer.id)
      .replace(/\{\w+\}/, encodeURIComponent(canary.secret))
    const misled = path.replace(/\{\w+\}/g, encodeURIComponent(canary.email))
    const query = `?${new URLSearchParams({ token: canary.secret, cursor: all, limit: canary.email })}`
    for (const by of callers) {
      for (const to of [filled, misled, filled + query]) {
        const some = method === 'GET' ? [undefined] : bodies
        const sent = some.map((body) =>
          ask(`${method} ${to}`, by, {
            body,
            headers: {
              'idempotency-key': `${fresh('k')}${canary.cardDigits}${canary.email}`,
              'stripe-signature': `t=1,v1=${canary.secret}`,
              'user-agent': all,
              cookie: `session=${canary.secret}`,
              'x-api-key': canary.secret,
            },
          }),
        )
        for (const { status } of await Promise.all(sent)) statuses.add(status)
      }
    }
  }
  return statuses
}

/** Events as Stripe would sign them, about purchases of whoever else uses the account. */
async function sendEvents(): Promise<void> {
  for (const [workspaceId, purchaseId] of [
    [canary.email, canary.secret],
    [customer.id, canary.secret],
    [canary.cardDigits, 'pur_unknown'],
  ]) {
    const body = JSON.stringify({
      id: fresh('evt'),
      object: 'event',
      type: 'checkout.session.completed',
      livemode: false,
      data: {
        object: {
          object: 'checkout.session',
          customer_details: { email: canary.email, name: canary.card },
          metadata: { workspaceId, purchaseId, note: all },
        },
      },
    })
    await ask('POST /v1/stripe/webhook', undefined, {
      body,
      headers: { 'stripe-signature': sign(body) },
    })
  }
}

/** What was logged while it ran. */
async function logsOf(act: () => Promise<unknown>): Promise<string[]> {
  const before = logLines.length
  await act()
  return logLines.slice(before)
}

function expectNoneIn(lines: string[]): void {
  expect(lines.filter((line) => birds.test(line))).toEqual([])
}

describe('no log line', () => {
  beforeAll(async () => {
    customer = await newCustomer('pro')
    const telling = { email: canary.email, name: canary.secret, card: canary.card }
    const everything = 'tokens:read tokens:consume tokens:grant tokens:manage'
    const claims = { workspace_id: customer.id, role: 'admin', scope: everything, ...telling }
    callers = await Promise.all(
      [
        undefined,
        { persona: 'acme-admin', changes: { claims } },
        { persona: 'acme-admin', changes: { claims: { ...claims, nonce: canary.secret } } },
        { persona: 'acme-admin', changes: { claims: { ...claims, role: canary.email } } },
        { persona: 'acme-admin', changes: { claims, expiresInSeconds: -10 } },
        { token: canary.secret },
      ].map(async (caller) => caller && { token: await tokenOf(caller) }),
    )
  })

  it('repeats what a caller sent, through any route', { timeout: 120_000 }, async () => {
    expectNoneIn(
      await logsOf(async () => {
        const statuses = await sendEverywhere()
        for (const status of [200, 201, 400, 401, 404]) expect(statuses).toContain(status)
      }),
    )
  })

  it.each(['refused', 'answer lost', 'conflict'] as const)(
    'does so while DynamoDB is away (%s)',
    async (fault) => {
      const [body] = bodies
      const lines = await logsOf(() =>
        dynamoDb.during(fault, async () => {
          const key = `${fresh('k')}${canary.email}`
          const path = `/v1/workspaces/${customer.id}`
          const grant = { tokens: 1, reason: all, reference: canary.card }
          const buy = { tokens: 1_000_000, returnUrl: `${stack.url}/?key=${canary.secret}` }
          await Promise.all([
            ask(`POST ${path}/consume`, assistant, { key, body }),
            ask(`POST ${path}/grants`, rep, { key, body: grant }),
            ask(`POST ${path}/purchases`, customer.admin, { key, body: buy }),
            ask(`PUT ${path}`, hostApp, { key, body: { plan: 'pro' } }),
            ask(`GET ${path}/activity`, callers[1]),
            sendEvents(),
          ])
        }),
      )
      expect(lines.length).toBeGreaterThan(0)
      expectNoneIn(lines)
    },
  )

  it.each(['down', 'error', 'lost-response'] as const)(
    'does so while Stripe is away (%s)',
    async (mode) => {
      await setStripe('outage', mode)
      const body = { tokens: 1_000_000, returnUrl: `${stack.url}/?key=${canary.secret}` }
      const buy = () =>
        ask(`POST ${customer.path}/purchases`, customer.admin, { key: fresh('k'), body })
      const lines = await logsOf(async () => expect((await buy()).status).toBe(503))
      expect(lines.length).toBeGreaterThan(0)
      expectNoneIn(lines)
    },
  )

  it('repeats what Stripe says of what it was sent', async () => {
    const customer = await newCustomer('pro')
    const key = fresh('k')
    const body = { tokens: 1_000_000 }
    const buy = () => ask(`POST ${customer.path}/purchases`, customer.admin, { key, body })
    await setStripe('outage', 'down')
    expect(inShort(await buy())).toBe('503 unavailable')
    await restoreWorld()
    // Stored past the service, so that Stripe refuses the session and says what it was sent.
    const { ledger } = await stored(customer.id)
    const [unfinished] = ledger.filter(({ type, sessionId }) => type === 'purchase' && !sessionId)
    await amend(customer, { purchaseId: unfinished!.purchaseId }, { amount: all })
    const lines = await logsOf(async () => expect(inShort(await buy())).toBe('503 unavailable'))
    expect(lines.join('\n')).toMatch(/400 invalid_request_error/)
    expectNoneIn(lines)
  })

  it('repeats what is signed by Stripe', async () => {
    const lines = await logsOf(sendEvents)
    expect(lines.join('\n')).toMatch(/webhook_unknown/)
    expectNoneIn(lines)
  })

  it('repeats what is stored, where that is what broke', async () => {
    const broken = await newCustomer('pro')
    await damage(broken.id, { plan: all, balance: canary.secret, stripeCustomerId: canary.email })
    const member = person(broken.id, 'admin')
    const lines = await logsOf(async () => {
      expect((await ask(`GET ${broken.path}/meter`, member)).status).toBe(500)
      await ask(`POST ${broken.path}/consume`, assistant, { key: 'k', body: { tokens: 1 } })
    })
    expect(lines.length).toBeGreaterThan(0)
    expectNoneIn(lines)
  })

  it('of any journey so far holds a token, a key, or the address of a buyer', () => {
    const { apiKey, webhookSecrets } = stripeSecret
    expect(logLines.length).toBeGreaterThan(0)
    const leak = /eyJ[\w-]{10,}|sk_(test|live)_\w|rk_(test|live)_\w|whsec_\w|[\w.+-]+@[\w-]+\.\w/
    for (const line of logLines) {
      expect(line).not.toMatch(leak)
      for (const secret of [apiKey, ...webhookSecrets]) expect(line).not.toContain(secret)
    }
  })
})
