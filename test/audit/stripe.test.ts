import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PutCommand } from '@aws-sdk/lib-dynamodb'
import Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { auditStripe } from '../../audit/stripe.ts'
import { handleSecretsApi } from '../../local/aws/secrets.ts'
import { openControl } from '../../local/control.ts'
import { type HttpServer, message, serve } from '../../local/http.ts'
import type { Purchase } from '../../shared/domain/purchase.ts'
import { openHold } from '../../shared/operations/open-hold.ts'
import { settlePurchase } from '../../shared/operations/settle-purchase.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readPurchase } from '../../shared/store/purchases.ts'
import { everythingIn } from '../support/books.ts'
import { openOrder, openWorkspace, type Sale, useUp } from '../support/shop.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import { answering, broken, type StripeWire, throughStripeWire } from '../support/stripe-wire.ts'

const now = new Date('2026-07-14T09:00:00Z')

/** What went to Stripe, as its methods alone. */
const methods: string[] = []
const direct = Stripe.createNodeHttpClient()
const watched = {
  getClientName: () => direct.getClientName(),
  makeRequest(...request: Parameters<typeof direct.makeRequest>) {
    methods.push(request[3])
    return direct.makeRequest(...request)
  },
}

let store: Store
let stripe: TestStripe
let wire: StripeWire
beforeAll(async () => {
  stripe = await openTestStripe(() => now)
  wire = throughStripeWire(stripe, watched as typeof direct)
})
afterAll(() => stripe.stop())

let workspaceId: string
beforeEach(async () => {
  wire.clear()
  methods.length = 0
  store = await openTestStore()
  workspaceId = await openWorkspace(store, now)
})

const order = () => openOrder(store, stripe, now, { workspaceId })

/** An order that was paid, and credited unless its webhook is lost. */
async function paid(webhook: 'arrives' | 'lost' = 'arrives') {
  const sale = await order()
  const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
  if (webhook === 'arrives') await settlePurchase(store, stripe.account, sale, now)
  return { sale, paymentIntent }
}

async function amend({ purchaseId }: Pick<Sale, 'purchaseId'>, fields: Partial<Purchase>) {
  const purchase = await readPurchase(store, workspaceId, purchaseId)
  const Item = { ...purchase, ...fields }
  await store.client.send(new PutCommand({ TableName: store.ledgerTable, Item }))
}

/** Audits, and answers with what was printed. */
async function auditing(options: Partial<Parameters<typeof auditStripe>[2]> = {}) {
  const lines: string[] = []
  const print = (line: string) => void lines.push(line)
  const given = { now, print, againAfterMs: 0, ...options }
  return { ...(await auditStripe(store, wire.account, given)), text: lines.join('\n') }
}

const all = (counts: object) => ({
  stands: 0,
  pending: 0,
  differs: 0,
  contradicts: 0,
  unknown: 0,
  notAsked: 0,
  passedOver: 0,
  stopped: false,
  ...counts,
})

describe('an audit against Stripe', () => {
  it('has nothing to say where all stand, whatever state they are in', async () => {
    await order()
    await paid()
    const refunded = await paid()
    await stripe.bank(refunded.paymentIntent, 'refund', 100)
    await settlePurchase(store, stripe.account, refunded.sale, now)
    const expired = await order()
    await stripe.buyer(expired.session, 'expire')
    await settlePurchase(store, stripe.account, expired, now)
    expect(await auditing()).toEqual({ ...all({ stands: 4 }), text: '' })
  })

  it('writes nothing here, and only reads at Stripe', async () => {
    await paid()
    const { sale, paymentIntent } = await paid()
    await paid('lost')
    await stripe.bank(paymentIntent, 'refund', 100)
    await stripe.bank(paymentIntent, 'dispute', 50)
    await amend(await order(), { amount: 999, sessionId: 'cs_test_unknown' })
    const before = await everythingIn(store)
    const eventIds = async () => (await stripe.events()).map(({ id }) => id)
    const events = await eventIds()
    methods.length = 0

    const { differs, text } = await auditing()
    expect(differs).toBe(2)
    expect(text).toContain(sale.purchaseId)
    expect(await everythingIn(store)).toEqual(before)
    expect(new Set(methods)).toEqual(new Set(['GET']))
    expect(await eventIds()).toEqual(events)
  })

  it('names a purchase that was paid and not credited', async () => {
    await paid()
    const { sale } = await paid('lost')
    const { text, ...counts } = await auditing()
    expect(counts).toEqual(all({ stands: 1, differs: 1 }))
    expect(text.split('\n')).toEqual([
      `${workspaceId} ${sale.purchaseId}: DIFFERS`,
      '  status: open is stored, Stripe says paid',
      '  credited: nothing of its 1,000,000 tokens, and Stripe says it is paid',
    ])
  })

  it('names a purchase that was refunded at Stripe and not here, with tokens and money', async () => {
    const { sale, paymentIntent } = await paid()
    await stripe.bank(paymentIntent, 'refund', 100)
    const { text, ...counts } = await auditing()
    expect(counts).toEqual(all({ differs: 1 }))
    expect(text.split('\n')).toEqual([
      `${workspaceId} ${sale.purchaseId}: DIFFERS`,
      '  status: paid is stored, Stripe says refunded',
      '  tokens to lose: 0 is stored, Stripe makes it 400,000 (2.50 USD paid, 1.00 USD refunded, 0.00 USD disputed)',
    ])
  })

  it('names a purchase of which more was refunded than is known here', async () => {
    const { sale, paymentIntent } = await paid()
    await stripe.bank(paymentIntent, 'refund', 100)
    await settlePurchase(store, stripe.account, sale, now)
    await stripe.bank(paymentIntent, 'refund', 50)
    const { text, ...counts } = await auditing()
    expect(counts).toEqual(all({ differs: 1 }))
    expect(text.split('\n')).toEqual([
      `${workspaceId} ${sale.purchaseId}: DIFFERS`,
      '  tokens to lose: 400,000 is stored, Stripe makes it 600,000 (2.50 USD paid, 1.50 USD refunded, 0.00 USD disputed)',
    ])
  })

  it('names a workspace that a lost dispute should keep from buying, and one it should not any more', async () => {
    const { sale, paymentIntent } = await paid()
    await useUp(store, sale, 2_500_000, now)
    await stripe.bank(paymentIntent, 'dispute')
    await settlePurchase(store, stripe.account, sale, now)
    await stripe.bank(paymentIntent, 'lose')
    const lost = await auditing()
    expect(lost).toMatchObject(all({ differs: 1 }))
    expect(lost.text).toContain('purchasing: allowed, and a lost dispute left 500,000 tokens')
    await settlePurchase(store, stripe.account, sale, now)
    expect(await auditing()).toMatchObject(all({ stands: 1 }))

    await stripe.bank(paymentIntent, 'appeal')
    await stripe.bank(paymentIntent, 'win')
    const won = await auditing()
    expect(won).toMatchObject(all({ differs: 1 }))
    expect(won.text).toContain('purchasing: blocked by this purchase, and no dispute of it is lost')
  })

  it('is content with tokens that are pending, and lists them', async () => {
    const { sale, paymentIntent } = await paid()
    const hold = { workspaceId, key: 'all', tokens: 3_000_000, ttlSeconds: 600 }
    expect(await openHold(store, hold, now)).not.toHaveProperty('refused')
    await stripe.bank(paymentIntent, 'refund')
    await settlePurchase(store, stripe.account, sale, now)
    const { text, ...counts } = await auditing()
    expect(counts).toEqual(all({ pending: 1 }))
    expect(text.split('\n')).toEqual([
      `${workspaceId} ${sale.purchaseId}: stands, with tokens pending`,
      '  1,000,000 tokens will be taken from what open holds return',
    ])
  })

  it.each<[string, Partial<Purchase>, string]>([
    ['another price', { amount: 500 }, 'price: 5.00 USD is stored, Stripe says 2.50 USD'],
    [
      'another deployment',
      { deploymentId: 'dep_x' },
      'deployment: dep_x is stored, Stripe says dep_',
    ],
    ['another currency', { currency: 'eur' }, 'currency: eur is stored, Stripe says usd'],
    ['a payment that was none', { status: 'paid', sessionId: undefined }, 'and no checkout that'],
  ])('tells %s from what a look would settle', async (_what, fields, said) => {
    await amend((await paid()).sale, fields)
    const { text, ...counts } = await auditing()
    expect(counts).toEqual(all({ contradicts: 1 }))
    expect(text).toContain(said)
    expect(text).toContain('CONTRADICTS STRIPE')
  })

  it('tells a checkout of another order', async () => {
    const [one, other] = [(await paid()).sale, (await paid()).sale]
    await amend(one, { sessionId: other.session })
    const { text, ...counts } = await auditing()
    expect(counts).toEqual(all({ stands: 1, contradicts: 1 }))
    expect(text).toContain(`${one.purchaseId} is stored, Stripe says ${other.purchaseId}`)
  })

  it('tells a checkout that Stripe does not know', async () => {
    await amend(await order(), { sessionId: 'cs_test_unknown' })
    const { text, ...counts } = await auditing()
    expect(counts).toEqual(all({ unknown: 1 }))
    expect(text).toContain('UNKNOWN TO STRIPE')
  })

  it.each([
    ['open for less than a day', 'open', 24 * 3_600_000 - 1, 'stands'],
    ['open for a day', 'open', 24 * 3_600_000, 'differs'],
    ['expired since', 'expired', 48 * 3_600_000, 'stands'],
    ['that Stripe did not take', 'failed', 48 * 3_600_000, 'stands'],
  ] as const)('judges an order without a checkout, %s', async (_what, status, ageMs, verdict) => {
    const createdAt = new Date(now.getTime() - ageMs).toISOString()
    await amend(await order(), { status, createdAt, sessionId: undefined })
    const { text, ...counts } = await auditing()
    expect(counts).toEqual(all({ [verdict]: 1 }))
    expect(text.includes('it should be expired')).toBe(verdict === 'differs')
    expect(methods).toEqual([])
  })

  it('passes over what was ordered in test mode, and cannot ask a test key about money', async () => {
    await amend((await paid()).sale, { livemode: true })
    expect(await auditing()).toMatchObject(all({ notAsked: 1 }))
    await amend((await paid()).sale, {})
    const live = { ...wire.account, livemode: true }
    const print = () => undefined
    const counts = await auditStripe(store, live, { now, print, againAfterMs: 0 })
    expect(counts).toMatchObject({ passedOver: 1, differs: 0, notAsked: 0 })
  })

  it('looks twice before it says that something differs: a webhook may be on its way', async () => {
    const { sale } = await paid('lost')
    const arriving = auditing({ againAfterMs: 500 })
    await expect.poll(() => wire.askedFor(sale.session)).toBe(1)
    await settlePurchase(store, stripe.account, sale, now)
    expect(await arriving).toEqual({ ...all({ stands: 1 }), text: '' })
  })

  it('does not take an order for wrong that Stripe does not answer about', async () => {
    const { sale } = await paid()
    await paid('lost')
    wire.on(sale.session, answering(500))
    const { text, ...counts } = await auditing()
    expect(counts).toEqual(all({ notAsked: 1, differs: 1 }))
    expect(text).toContain(`${sale.purchaseId}: could not be asked\n  Stripe answered 500`)
    wire.clear()
    expect(await auditing()).toMatchObject({ stands: 1, differs: 1 })
  })

  it('keeps what it saw the first time where nobody answers the second', async () => {
    const { sale } = await paid('lost')
    const arriving = auditing({ againAfterMs: 500 })
    await expect.poll(() => wire.askedFor(sale.session)).toBe(1)
    wire.on('/v1/', broken)
    expect(await arriving).toMatchObject(all({ differs: 1 }))
  })

  it('gives up on a Stripe that answers nobody', async () => {
    for (let n = 0; n < 60; n++) await order()
    methods.length = 0
    wire.on('/v1/', broken)
    const { stopped, notAsked, stands, differs } = await auditing()
    expect({ stopped, stands, differs }).toEqual({ stopped: true, stands: 0, differs: 0 })
    expect(notAsked).toBeLessThan(60)
  })

  it('goes over all workspaces, or looks at one', async () => {
    await paid()
    await openOrder(store, stripe, now)
    expect(await auditing()).toMatchObject({ stands: 2 })
    expect(await auditing({ workspaceId })).toMatchObject({ stands: 1 })
    await expect(auditing({ workspaceId: 'nobody' })).rejects.toThrow('no workspace nobody')
  })
})

describe('npm run audit -- --stripe', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const servers: HttpServer[] = []
  afterAll(() => Promise.all(servers.map((server) => server.stop())))
  async function serving(handler: Parameters<typeof serve>[0]) {
    const server = await serve(handler)
    servers.push(server)
    return server
  }

  /** The local system, as far as an audit asks it. */
  async function localSystem(own: { standIn: boolean } = { standIn: true }) {
    const { workspacesTable, ledgerTable } = store
    const endpoint = inject('dynamoDbEndpoint')
    const stand = { standIn: true, apiBase: stripe.apiBase, apiKey: 'sk_test_local' } as const
    const control = openControl({
      clock: { now: () => now, isReal: () => false, set: () => undefined },
      identityOf: () => {
        throw new Error('nobody signs in')
      },
      schedules: { runMonthly: async () => [], runRecurring: async () => [] },
      tables: { endpoint, region: 'eu-west-1', workspacesTable, ledgerTable },
      stripe: own.standIn ? stand : { standIn: false },
      clockMoved: async () => undefined,
    })
    const { port } = await serving(async (request) => (await control(request)) ?? message(404, ''))
    return { PORT: String(port) }
  }

  async function command(set: Record<string, string>, ...args: string[]) {
    const env = { ...process.env, AWS_ENDPOINT_URL_DYNAMODB: inject('dynamoDbEndpoint'), ...set }
    const all = ['audit/main.ts', '--stripe', ...args]
    return promisify(execFile)(process.execPath, all, { cwd: root, env }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    )
  }

  it('asks the stand-in of the local system, and exits with 0 where all stand', async () => {
    await paid()
    const { code, stdout } = await command(await localSystem())
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout:
        '\n1 stand (0 with tokens pending), 0 differ, 0 contradict Stripe, 0 unknown to Stripe, 0 could not be asked.\n',
    })
  })

  it('exits with 1 where a webhook was lost, and names the purchase', async () => {
    const { sale } = await paid('lost')
    const { code, stdout } = await command(await localSystem())
    expect(code).toBe(1)
    expect(stdout).toContain(`${sale.purchaseId}: DIFFERS`)
  })

  it('exits with 2 where Stripe does not answer', async () => {
    await paid()
    await stripe.outage('error')
    try {
      const { code, stdout } = await command(await localSystem())
      expect({ code, stdout }).toEqual({
        code: 2,
        stdout: expect.stringContaining(
          '0 differ, 0 contradict Stripe, 0 unknown to Stripe, 1 could',
        ),
      })
    } finally {
      await stripe.outage('none')
    }
  })

  it('reads the key of a deployment from its secret, and never prints it', async () => {
    await paid()
    const secrets = new Map([
      ['till', { apiKey: 'sk_test_local', webhookSecrets: ['whsec_local'] }],
      ['wrong', { apiKey: 'sk_test_wrong', webhookSecrets: ['whsec_local'] }],
    ])
    const manager = await serving(
      async (request) => (await handleSecretsApi(request, secrets)) ?? message(404, ''),
    )
    const tables = [
      '--workspaces-table',
      store.workspacesTable,
      '--ledger-table',
      store.ledgerTable,
      '--stripe-api',
      stripe.apiBase,
    ]
    const env = { AWS_ENDPOINT_URL_SECRETS_MANAGER: manager.url, PORT: '1' }
    const good = await command(env, ...tables, '--stripe-secret', 'till')
    expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining('1 stand') })
    const bad = await command(env, ...tables, '--stripe-secret', 'wrong')
    expect(bad).toMatchObject({ code: 2, stdout: expect.stringContaining('Stripe answered 401') })
    const none = await command(env, ...tables, '--stripe-secret', 'none')
    expect(none.code).toBe(2)
    for (const { stdout, stderr } of [good, bad, none]) {
      expect(stdout + stderr).not.toMatch(/sk_test_|whsec_/)
    }
  })

  it('exits with 2 and one line where it is told too little', async () => {
    const tables = ['--workspaces-table', 'W', '--ledger-table', 'L']
    const own = await localSystem({ standIn: false })
    for (const [set, args, line] of [
      [{ PORT: '1' }, tables, 'give --stripe-secret with its tables'],
      [{ PORT: '1' }, ['--stripe-secret', 'till'], 'give --stripe-secret with its tables'],
      [{ PORT: '1' }, [], 'No Token Top-up answers at http://127.0.0.1:1'],
      [own, [], "uses Stripe's test mode: set STRIPE_SECRET_KEY"],
      [{ ...own, STRIPE_SECRET_KEY: 'sk_live_x' }, [], "uses Stripe's test mode"],
    ] as const) {
      const { code, stderr } = await command(set, ...args)
      expect(code).toBe(2)
      expect(stderr.trim().split('\n')).toEqual([expect.stringContaining(line)])
    }
  })
})
