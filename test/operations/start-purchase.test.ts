import Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Purchase } from '../../shared/domain/purchase.ts'
import { Unavailable } from '../../shared/domain/refusal.ts'
import type { Workspace } from '../../shared/domain/workspace.ts'
import { type Order, startPurchase } from '../../shared/operations/start-purchase.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { replacePurchase } from '../../shared/store/purchases.ts'
import { entriesOf, everythingIn } from '../support/books.ts'
import { addWorkspace, openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import { failing, throughWire, type Wire } from '../support/wire.ts'

const now = new Date('2026-07-14T09:00:00Z')
const returnUrl = 'https://app.example.com/usage?tab=tokens'

let wire: Wire
let store: Store
let stripe: TestStripe
beforeAll(async () => {
  ;({ wire, store } = await throughWire(await openTestStore()))
  stripe = await openTestStripe(() => now)
})
beforeEach(async () => {
  wire.clear()
  await stripe.outage('none')
})
afterAll(async () => {
  await stripe.stop()
  await wire.stop()
})

let made = 0
const workspace = async (over: Partial<Workspace> = {}) => {
  const workspaceId = `w${++made}`
  await addWorkspace(store, { workspaceId, ...over })
  return workspaceId
}

const ordering = (workspaceId: string, over: Partial<Order> = {}) =>
  startPurchase(
    store,
    stripe.account,
    {
      workspaceId,
      key: 'order-1',
      role: 'admin',
      by: 'acme-admin',
      tokens: 2_000_000,
      returnUrl,
      ...over,
    },
    now,
  )

/** As a caller does who hears that another request is at it: the same again. */
async function unlessBusy(workspaceId: string) {
  const outcome = await ordering(workspaceId)
  if (!('refused' in outcome)) return outcome
  expect(outcome).toEqual({ refused: 'busy' })
  return ordered(workspaceId)
}

async function ordered(workspaceId: string, over: Partial<Order> = {}) {
  const outcome = await ordering(workspaceId, over)
  if ('refused' in outcome) throw new Error(outcome.refused)
  return outcome
}

async function sessionsOf(workspaceId: string) {
  const all = await stripe.account.client.checkout.sessions.list({ limit: 100 })
  return all.data.filter((session) => session.client_reference_id === workspaceId)
}

async function storedPurchases(workspaceId: string) {
  const items = await everythingIn(store)
  return items.filter((item) => item.workspaceId === workspaceId && item.type === 'purchase')
}

describe('ordering tokens', () => {
  it('opens a checkout that asks for exactly what the purchase says', async () => {
    const workspaceId = await workspace()
    const { purchase, replayed } = await ordered(workspaceId)
    expect(replayed).toBe(false)
    expect(purchase).toMatchObject({
      status: 'open',
      tokens: 2_000_000,
      amount: 500,
      currency: 'usd',
      livemode: false,
      attempt: 1,
      version: 2,
    })
    expect(purchase.purchaseId).toMatch(/^pur_[\w-]{22}$/)
    const session = await stripe.account.client.checkout.sessions.retrieve(purchase.sessionId!, {
      expand: ['line_items'],
    })
    const { purchaseId } = purchase
    expect(session).toMatchObject({
      mode: 'payment',
      amount_subtotal: 500,
      currency: 'usd',
      client_reference_id: workspaceId,
      metadata: { workspaceId, purchaseId },
      billing_address_collection: 'required',
      invoice_creation: { enabled: true },
      customer_creation: 'always',
      url: purchase.checkoutUrl,
      success_url: `${returnUrl}&purchase=${purchaseId}&checkout=success`,
      cancel_url: `${returnUrl}&purchase=${purchaseId}&checkout=cancelled`,
    })
    expect(session.line_items?.data).toMatchObject([{ description: '2,000,000 AI tokens' }])
  })

  it('leads refunds and disputes back: the payment carries the purchase too', async () => {
    const workspaceId = await workspace()
    const { purchase } = await ordered(workspaceId)
    const { paymentIntent } = await stripe.buyer(purchase.sessionId!, 'pay')
    const intent = await stripe.account.client.paymentIntents.retrieve(paymentIntent)
    const { deploymentId, purchaseId } = purchase
    expect(intent.metadata).toEqual({ deploymentId, workspaceId, purchaseId })
  })

  it('charges and credits nothing yet', async () => {
    const workspaceId = await workspace()
    await ordered(workspaceId)
    expect(await entriesOf(store, workspaceId)).toEqual([])
  })

  it('repeats the same purchase and session for the same key', async () => {
    const workspaceId = await workspace()
    const first = await ordered(workspaceId)
    const again = await ordered(workspaceId)
    expect(again).toEqual({ purchase: first.purchase, replayed: true })
    expect(await sessionsOf(workspaceId)).toHaveLength(1)
  })

  it('opens one session for 12 racers with one key', async () => {
    const workspaceId = await workspace()
    const outcomes = await Promise.all(Array.from({ length: 12 }, () => ordered(workspaceId)))
    expect(new Set(outcomes.map(({ purchase }) => purchase.sessionId)).size).toBe(1)
    expect(outcomes.filter(({ replayed }) => !replayed)).toHaveLength(1)
    expect(await sessionsOf(workspaceId)).toHaveLength(1)
    expect(await storedPurchases(workspaceId)).toHaveLength(1)
  })

  it('makes another purchase for another key, and for the same key in another workspace', async () => {
    const [one, other] = [await workspace(), await workspace()]
    const purchases = [
      await ordered(one),
      await ordered(one, { key: 'order-2' }),
      await ordered(other),
    ]
    expect(new Set(purchases.map(({ purchase }) => purchase.purchaseId)).size).toBe(3)
    expect(new Set(purchases.map(({ purchase }) => purchase.sessionId)).size).toBe(3)
  })

  it.each([
    ['number of tokens', { tokens: 3_000_000 }],
    ['return URL', { returnUrl: 'https://app.example.com/elsewhere' }],
  ])(
    'refuses a key that was used with another %s, and leaves the first order be',
    async (_, over) => {
      const workspaceId = await workspace()
      const first = await ordered(workspaceId)
      expect(await ordering(workspaceId, over)).toEqual({ refused: 'idempotency_key_reused' })
      expect((await ordered(workspaceId)).purchase).toEqual(first.purchase)
      expect(await sessionsOf(workspaceId)).toHaveLength(1)
    },
  )
})

describe('who may not order', () => {
  it.each([
    ['starter', 'admin', 'upgrade_required'],
    ['enterprise', 'admin', 'contact_account_representative'],
    ['pro', 'member', 'admin_required'],
    ['teams', undefined, 'admin_required'],
  ] as const)(
    'on %s as %s hears %s; nothing is stored or asked of Stripe',
    async (plan, role, refused) => {
      const workspaceId = await workspace({ plan })
      expect(await ordering(workspaceId, { role })).toMatchObject({
        refused,
        workspace: { workspaceId },
      })
      expect(await storedPurchases(workspaceId)).toEqual([])
      expect(await sessionsOf(workspaceId)).toEqual([])
    },
  )

  it('may not find what somebody else ordered under the key either; who ordered it finds it', async () => {
    const workspaceId = await workspace()
    const { purchase } = await ordered(workspaceId)
    expect(await ordering(workspaceId, { role: 'member' })).toMatchObject({
      refused: 'admin_required',
    })
    // Its plan has changed since.
    await addWorkspace(store, { workspaceId, plan: 'enterprise' })
    expect(await ordering(workspaceId)).toEqual({ purchase, replayed: true })
    expect(await ordering(workspaceId, { key: 'order-2' })).toMatchObject({
      refused: 'contact_account_representative',
    })
  })

  it('is told of a workspace that does not exist, or is full', async () => {
    expect(await ordering('nobody')).toEqual({ refused: 'workspace_not_found' })
    const full = await workspace({ topUps: 10 ** 15 - 1_999_999 })
    expect(await ordering(full)).toMatchObject({ refused: 'top_ups_limit' })
    expect(await sessionsOf(full)).toEqual([])
    const room = await workspace({ topUps: 10 ** 15 - 2_000_000 })
    expect(await ordering(room)).toMatchObject({ replayed: false })
  })
})

describe('the buyer’s Stripe customer', () => {
  it('is the workspace’s, once there is one', async () => {
    const client = stripe.account.client
    const first = await ordered(await workspace())
    await stripe.buyer(first.purchase.sessionId!, 'pay')
    const paid = await client.checkout.sessions.retrieve(first.purchase.sessionId!)
    const stripeCustomerId = String(paid.customer)
    const { purchase } = await ordered(await workspace({ checkoutCustomerId: stripeCustomerId }))
    const session = await client.checkout.sessions.retrieve(purchase.sessionId!)
    expect(session).toMatchObject({ customer: stripeCustomerId, customer_creation: null })
  })

  it('is the one that was given, whatever checkout was paid by another', async () => {
    const { sessions } = stripe.account.client.checkout
    const first = await ordered(await workspace())
    await stripe.buyer(first.purchase.sessionId!, 'pay')
    const stripeCustomerId = String((await sessions.retrieve(first.purchase.sessionId!)).customer)
    const given = { stripeCustomerId, checkoutCustomerId: 'cus_other' }
    const { purchase } = await ordered(await workspace(given))
    expect((await sessions.retrieve(purchase.sessionId!)).customer).toBe(stripeCustomerId)
  })

  it('is dropped when Stripe no longer knows it, and the order goes on without', async () => {
    const workspaceId = await workspace({ checkoutCustomerId: 'cus_deleted' })
    const { purchase } = await ordered(workspaceId)
    expect(purchase).toMatchObject({ status: 'open', attempt: 2 })
    expect(purchase.customerId).toBeUndefined()
    expect(await sessionsOf(workspaceId)).toMatchObject([
      { customer: null, customer_creation: 'always' },
    ])
  })
})

describe('while Stripe is out', () => {
  it('the purchase is stored before Stripe is asked, and the same key finishes it with one session', async () => {
    const workspaceId = await workspace()
    await stripe.outage('down')
    await expect(ordering(workspaceId)).rejects.toBeInstanceOf(Unavailable)
    const [stored] = await storedPurchases(workspaceId)
    expect(stored).toMatchObject({ status: 'open', tokens: 2_000_000, amount: 500, attempt: 1 })
    expect(stored).not.toHaveProperty('sessionId')

    await stripe.outage('none')
    const { purchase, replayed } = await ordered(workspaceId)
    expect(purchase).toMatchObject({ purchaseId: stored?.purchaseId, attempt: 1 })
    expect(replayed).toBe(true)
    expect(await sessionsOf(workspaceId)).toHaveLength(1)
  })

  it('a session whose answer was lost is found again, not made again', async () => {
    const workspaceId = await workspace()
    await stripe.outage('lost-response')
    await expect(ordering(workspaceId)).rejects.toBeInstanceOf(Unavailable)
    await stripe.outage('none')
    const [made] = await sessionsOf(workspaceId)
    const { purchase } = await ordered(workspaceId)
    expect(purchase).toMatchObject({ sessionId: made?.id, checkoutUrl: made?.url })
    expect(await sessionsOf(workspaceId)).toHaveLength(1)
  })

  it('an answer of 5xx, which Stripe would repeat for the key, raises the attempt', async () => {
    const workspaceId = await workspace()
    await stripe.outage('error')
    await expect(ordering(workspaceId)).rejects.toMatchObject({
      name: 'Unavailable',
      service: 'stripe',
    })
    await expect(ordering(workspaceId)).rejects.toBeInstanceOf(Unavailable)
    await stripe.outage('none')
    const { purchase } = await ordered(workspaceId)
    expect(purchase).toMatchObject({ attempt: 3, status: 'open' })
    expect(await sessionsOf(workspaceId)).toHaveLength(1)
  })

  it('an order keeps the price it was made at: Stripe is asked for what was stored', async () => {
    const workspaceId = await workspace()
    await stripe.outage('down')
    await expect(ordering(workspaceId)).rejects.toBeInstanceOf(Unavailable)
    await stripe.outage('none')
    const [stored] = (await storedPurchases(workspaceId)) as unknown as [Purchase]
    // As if the catalog had asked for $4.00 when the order was made.
    const purchase = { ...stored, amount: 400, version: 2 }
    await replacePurchase(store, { purchase, replacesVersion: 1 })
    await ordered(workspaceId)
    expect(await sessionsOf(workspaceId)).toMatchObject([{ amount_subtotal: 400 }])
  })
})

describe('an order that Stripe does not take as it is asked', () => {
  /** What was stored, changed as if it had been ordered, or configured, in another way. */
  async function change(workspaceId: string, over: Partial<Purchase>): Promise<void> {
    const [stored] = (await storedPurchases(workspaceId)) as unknown as [Purchase]
    const purchase = { ...stored, ...over, version: stored.version + 1 }
    await replacePurchase(store, { purchase, replacesVersion: stored.version })
  }

  it('under a key that a release changed the parameters of is asked for under the next', async () => {
    const workspaceId = await workspace()
    await stripe.outage('lost-response')
    await expect(ordering(workspaceId)).rejects.toBeInstanceOf(Unavailable)
    await stripe.outage('none')
    await change(workspaceId, { checkout: { locale: 'de' } })
    const { purchase } = await ordered(workspaceId)
    expect(purchase).toMatchObject({ attempt: 2, status: 'open' })
    // The session before it was told to nobody, and expires.
    const [told] = await sessionsOf(workspaceId).then((all) => all.filter(({ locale }) => locale))
    expect(told).toMatchObject({ id: purchase.sessionId, locale: 'de' })
  })

  it('is an outage that says what was wrong, and does not stay open', async () => {
    const workspaceId = await workspace()
    await stripe.outage('down')
    await expect(ordering(workspaceId)).rejects.toBeInstanceOf(Unavailable)
    await stripe.outage('none')
    await change(workspaceId, { checkout: { submit_type: 'gift' } })
    const error = await ordering(workspaceId).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(Unavailable)
    expect(String((error as Error).cause)).toMatch(/Stripe answered 400 .* submit_type/)
    expect(await storedPurchases(workspaceId)).toMatchObject([{ status: 'failed', attempt: 2 }])
    await expect(ordering(workspaceId)).rejects.toBeInstanceOf(Unavailable)
    expect(await sessionsOf(workspaceId)).toEqual([])
  })

  it('is taken under the same key once what was wrong has been mended', async () => {
    const workspaceId = await workspace()
    await stripe.outage('down')
    await expect(ordering(workspaceId)).rejects.toBeInstanceOf(Unavailable)
    await stripe.outage('none')
    await change(workspaceId, { amount: 1 })
    await expect(ordering(workspaceId)).rejects.toBeInstanceOf(Unavailable)
    await change(workspaceId, { amount: 500 })
    const { purchase } = await ordered(workspaceId)
    expect(purchase).toMatchObject({ status: 'open', attempt: 2, sessionId: expect.any(String) })
    expect(await sessionsOf(workspaceId)).toMatchObject([{ id: purchase.sessionId }])
  })

  it('because another request has its key just now is found where that one opened it', async () => {
    const workspaceId = await workspace()
    await stripe.control('latency', { ms: 50 })
    const [one, other] = await Promise.all([unlessBusy(workspaceId), unlessBusy(workspaceId)])
    expect(one.purchase).toMatchObject({ attempt: 1, status: 'open' })
    expect(other.purchase).toEqual(one.purchase)
    expect([one.replayed, other.replayed].sort()).toEqual([false, true])
    expect(await sessionsOf(workspaceId)).toHaveLength(1)
    // Where that one takes too long, it is busy, and the next call finds it.
    await stripe.control('latency', { ms: 3_000 })
    const outcomes = await Promise.all([
      ordering(workspaceId, { key: 'order-2' }),
      ordering(workspaceId, { key: 'order-2' }),
    ])
    await stripe.control('latency', { ms: 0 })
    // Either may be the one that Stripe heard first.
    const [slow] = outcomes.flatMap((outcome) => ('refused' in outcome ? [] : [outcome]))
    expect(slow!.purchase).toMatchObject({ attempt: 1, status: 'open' })
    expect(outcomes).toContainEqual({ refused: 'busy' })
    expect((await ordered(workspaceId, { key: 'order-2' })).purchase).toEqual(slow!.purchase)
  }, 20_000)

  it('because our key is not good there says so, and stays as it was', async () => {
    const workspaceId = await workspace()
    const client = new Stripe('sk_test_other', {
      protocol: 'http',
      host: '127.0.0.1',
      port: stripe.account.client.getApiField('port'),
      maxNetworkRetries: 0,
    })
    const order = {
      workspaceId,
      key: 'order-1',
      role: 'admin' as const,
      by: 'a',
      tokens: 1_000_000,
    }
    const refused = startPurchase(
      store,
      { ...stripe.account, client },
      { ...order, returnUrl },
      now,
    )
    await expect(refused).rejects.toMatchObject({ name: 'Unavailable', cause: { statusCode: 401 } })
    expect(await storedPurchases(workspaceId)).toMatchObject([{ status: 'open', attempt: 1 }])
  })
})

describe('an order that others keep changing', () => {
  it('is given up after five looks, and finished by the next call with one session', async () => {
    const workspaceId = await workspace()
    // So that the deployment has its id, and asks for it no more.
    await ordered(await workspace())
    wire.clear()
    wire.always('PutItem', failing('ConditionalCheckFailedException'))
    expect(await ordering(workspaceId)).toEqual({ refused: 'busy' })
    // The workspace, and five times the purchase.
    expect(wire.sent.filter(({ operation }) => operation === 'GetItem')).toHaveLength(6)
    wire.clear()
    const { purchase } = await ordered(workspaceId)
    expect(await sessionsOf(workspaceId)).toMatchObject([{ id: purchase.sessionId }])
  })
})
