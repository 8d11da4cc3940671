import { PutCommand } from '@aws-sdk/lib-dynamodb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { purchaseView } from '../../shared/domain/purchase.ts'
import { Unavailable } from '../../shared/domain/refusal.ts'
import { openOrdersMax } from '../../shared/domain/workspace.ts'
import { changeWorkspace } from '../../shared/operations/change-workspace.ts'
import { closeHold } from '../../shared/operations/close-hold.ts'
import { consumeTokens } from '../../shared/operations/consume-tokens.ts'
import { followEvent } from '../../shared/operations/follow-event.ts'
import { getPurchase } from '../../shared/operations/get-purchase.ts'
import { openHold } from '../../shared/operations/open-hold.ts'
import { reconcile } from '../../shared/operations/reconcile.ts'
import { settlePurchase } from '../../shared/operations/settle-purchase.ts'
import { type Order, startPurchase } from '../../shared/operations/start-purchase.ts'
import { deploymentId } from '../../shared/store/deployment.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { oldestOpenOrders } from '../../shared/store/orders.ts'
import { readPurchase } from '../../shared/store/purchases.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { everythingIn, expectBooksToBalance } from '../support/books.ts'
import { openWorkspace } from '../support/shop.ts'
import { listenForSignals } from '../support/signals.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import { answering, throughStripeWire } from '../support/stripe-wire.ts'

const start = Date.parse('2026-07-14T09:00:00Z')
const hour = 3_600_000
const signals = listenForSignals()

let now: Date
let store: Store
let stripe: TestStripe
beforeAll(async () => {
  now = new Date(start)
  store = await openTestStore()
  stripe = await openTestStripe(() => now)
})
beforeEach(async () => {
  now = new Date(start)
  signals.forget()
  await stripe.outage('none')
})
afterAll(() => stripe.stop())

const returnUrl = 'https://app.example.com/usage'
const ordering = (workspaceId: string, key: string, over: Partial<Order> = {}, at = store) =>
  startPurchase(
    at,
    stripe.account,
    { workspaceId, key, role: 'admin', by: 'a', tokens: 1_000_000, returnUrl, ...over },
    now,
  )
async function ordered(workspaceId: string, key: string, at = store) {
  const outcome = await ordering(workspaceId, key, {}, at)
  if ('refused' in outcome) throw new Error(outcome.refused)
  return outcome.purchase
}
const statusAtStripe = async (sessionId: string) =>
  (await stripe.account.client.checkout.sessions.retrieve(sessionId)).status
const stored = async (workspaceId: string) => (await readWorkspace(store, workspaceId))!
/** A minute each, so that it is known which is the oldest. */
const pass = (ms = 60_000) => {
  now = new Date(now.getTime() + ms)
}

describe('open orders', () => {
  it(`are ${openOrdersMax} at most: one more closes the oldest, and nobody is told no`, async () => {
    const workspaceId = await openWorkspace(store, now)
    const orders = []
    for (let at = 0; at < openOrdersMax + 3; at++) {
      orders.push(await ordered(workspaceId, `order-${at}`))
      pass()
    }
    expect((await stored(workspaceId)).openOrders).toBe(openOrdersMax)
    for (const [at, { sessionId }] of orders.entries()) {
      expect(await statusAtStripe(sessionId!), `order-${at}`).toBe(at < 3 ? 'expired' : 'open')
    }
    await expectBooksToBalance(store, workspaceId)
  })

  it('are no more where one that Stripe had refused is tried again', async () => {
    const workspaceId = await openWorkspace(store, now)
    const line = throughStripeWire(stripe)
    line.on('/v1/checkout/sessions', answering(400, 'invalid_request_error'))
    const order = {
      workspaceId,
      key: 'refused',
      role: 'admin' as const,
      by: 'a',
      tokens: 1_000_000,
    }
    const refused = startPurchase(store, line.account, { ...order, returnUrl }, now)
    await expect(refused).rejects.toBeInstanceOf(Unavailable)
    for (let at = 0; at < openOrdersMax; at++) {
      pass()
      await ordered(workspaceId, `order-${at}`)
    }
    expect(await ordered(workspaceId, 'refused')).toMatchObject({ status: 'open' })
    expect((await stored(workspaceId)).openOrders).toBe(openOrdersMax)
    const oldest = await ordered(workspaceId, 'order-0')
    expect(oldest.status).toBe('expired')
  })

  it('that were just paid are credited when they should have made room', async () => {
    const workspaceId = await openWorkspace(store, now)
    const first = await ordered(workspaceId, 'first')
    for (let at = 1; at < openOrdersMax; at++) {
      pass()
      await ordered(workspaceId, `order-${at}`)
    }
    await stripe.buyer(first.sessionId!, 'pay')
    await ordered(workspaceId, 'one-more')
    expect((await stored(workspaceId)).topUps).toBe(1_000_000)
    expect(await readPurchase(store, workspaceId, first.purchaseId)).toMatchObject({
      status: 'paid',
    })
    expect(await oldestOpenOrders(store, workspaceId, 100)).toHaveLength(openOrdersMax)
    await expectBooksToBalance(store, workspaceId)
  })

  it('stay few however many are made at once', async () => {
    const workspaceId = await openWorkspace(store, now)
    const all = await Promise.allSettled(
      Array.from({ length: openOrdersMax + 10 }, (_, at) => ordered(workspaceId, `at-once-${at}`)),
    )
    // Whoever met too many others is told to try again, and finds room.
    for (const [at, one] of all.entries()) {
      if (one.status === 'rejected') await ordered(workspaceId, `at-once-${at}`)
    }
    expect((await stored(workspaceId)).openOrders).toBeLessThanOrEqual(openOrdersMax)
    await expectBooksToBalance(store, workspaceId)
  }, 60_000)

  it('are counted down by whatever ends them, and by each only once', async () => {
    const workspaceId = await openWorkspace(store, now)
    const orders = await Promise.all(['a', 'b', 'c'].map((key) => ordered(workspaceId, key)))
    await stripe.buyer(orders[0]!.sessionId!, 'pay')
    await stripe.buyer(orders[1]!.sessionId!, 'expire')
    await stripe.buyer(orders[2]!.sessionId!, 'pay-later')
    for (let times = 0; times < 2; times++) {
      await Promise.all(
        orders.map((purchase) => settlePurchase(store, stripe.account, purchase, now)),
      )
    }
    expect((await stored(workspaceId)).openOrders).toBe(0)
    await stripe.buyer(orders[2]!.sessionId!, 'settle')
    await settlePurchase(store, stripe.account, orders[2]!, now)
    expect(await stored(workspaceId)).toMatchObject({ openOrders: 0, topUps: 2_000_000 })
    await expectBooksToBalance(store, workspaceId)
  })

  it('make no room while Stripe is out, and then nothing is stored', async () => {
    const workspaceId = await openWorkspace(store, now)
    for (let at = 0; at < openOrdersMax; at++) await ordered(workspaceId, `order-${at}`)
    await stripe.outage('down')
    await expect(ordering(workspaceId, 'one-more')).rejects.toBeInstanceOf(Unavailable)
    expect((await stored(workspaceId)).openOrders).toBe(openOrdersMax)
    await stripe.outage('none')
    await ordered(workspaceId, 'one-more')
    await expectBooksToBalance(store, workspaceId)
  })
})

describe('an order that never got its checkout', () => {
  async function abandoned() {
    const workspaceId = await openWorkspace(store, now)
    await stripe.outage('down')
    await expect(ordering(workspaceId, 'k')).rejects.toBeInstanceOf(Unavailable)
    await stripe.outage('none')
    const [purchase] = await oldestOpenOrders(store, workspaceId, 1)
    return { workspaceId, purchase: purchase! }
  }

  it('waits for a day, for a retry of its caller', async () => {
    const { workspaceId, purchase } = await abandoned()
    pass(24 * hour - 1)
    expect(purchaseView(purchase, now).status).toBe('open')
    const found = await ordered(workspaceId, 'k')
    expect(found).toMatchObject({ purchaseId: purchase.purchaseId, status: 'open' })
    expect(found.checkoutUrl).toBeDefined()
  })

  it('has then expired wherever it is looked at, and no checkout is made for it any more', async () => {
    const { workspaceId, purchase } = await abandoned()
    pass(24 * hour)
    expect(purchaseView(purchase, now).status).toBe('expired')
    const { purchaseId } = purchase
    const looked = await getPurchase(
      store,
      async () => stripe.account,
      { workspaceId, purchaseId },
      now,
    )
    expect(looked).toMatchObject({ status: 'expired' })
    expect(await ordering(workspaceId, 'k')).toMatchObject({
      replayed: true,
      purchase: { status: 'expired' },
    })
    expect((await readPurchase(store, workspaceId, purchaseId))?.sessionId).toBeUndefined()
    expect((await stored(workspaceId)).openOrders).toBe(0)
  })

  it('has expired for whoever tries again first, too', async () => {
    const { workspaceId } = await abandoned()
    pass(25 * hour)
    expect(await ordering(workspaceId, 'k')).toMatchObject({ purchase: { status: 'expired' } })
  })
})

describe('an order made under a test key', () => {
  it('is another one under a live key, and is never opened there', async () => {
    const workspaceId = await openWorkspace(store, now)
    await ordered(workspaceId, 'k')
    const live = { ...stripe.account, livemode: true }
    const order = { workspaceId, key: 'k', role: 'admin' as const, by: 'a', tokens: 1_000_000 }
    const before = await everythingIn(store)
    const outcome = await startPurchase(store, live, { ...order, returnUrl }, now)
    expect(outcome).toEqual({ refused: 'idempotency_key_reused' })
    expect(await everythingIn(store)).toEqual(before)
  })

  it('makes room for live ones, which cannot ask about it, and is credited where it was paid all the same', async () => {
    const live = await openTestStripe(() => now, { livemode: true })
    try {
      const workspaceId = await openWorkspace(store, now)
      const first = await ordered(workspaceId, 'test-0')
      for (let at = 1; at < openOrdersMax; at++) {
        pass()
        await ordered(workspaceId, `test-${at}`)
      }
      await stripe.buyer(first.sessionId!, 'pay')
      const order = { workspaceId, key: 'live', role: 'admin' as const, by: 'a', tokens: 1_000_000 }
      const outcome = await startPurchase(store, live.account, { ...order, returnUrl }, now)
      expect(outcome).toMatchObject({ purchase: { livemode: true, status: 'open' } })
      expect((await stored(workspaceId)).openOrders).toBe(openOrdersMax)
      expect((await stored(workspaceId)).topUps).toBe(0)
      const under = (account: TestStripe['account']) => settlePurchase(store, account, first, now)
      expect(await under(live.account)).toMatchObject({ mismatch: 'livemode' })
      expect(await under(stripe.account)).toMatchObject({ purchase: { status: 'paid' } })
      expect((await stored(workspaceId)).topUps).toBe(1_000_000)
      await expectBooksToBalance(store, workspaceId)
    } finally {
      await live.stop()
    }
  })
})

describe('two deployments at one Stripe account', () => {
  it('with equal workspaces and keys have a checkout each, and one payment credits one', async () => {
    const other = await openTestStore()
    const creation = { workspaceId: 'acme', key: 'create', plan: 'pro' as const, by: 'ops' }
    for (const side of [store, other]) await changeWorkspace(side, creation, now)
    const ours = await ordered('acme', 'order-1')
    const theirs = await ordered('acme', 'order-1', other)
    expect(theirs.purchaseId).toBe(ours.purchaseId)
    expect(theirs.sessionId).not.toBe(ours.sessionId)
    expect(theirs.deploymentId).not.toBe(ours.deploymentId)

    await stripe.buyer(theirs.sessionId!, 'pay')
    const paid = (await stripe.events()).filter(({ data }) =>
      JSON.stringify(data.object).includes(theirs.sessionId!),
    )
    for (const event of paid) {
      expect(await followEvent(store, stripe.account, event, now)).toBe('ignored')
    }
    pass(hour)
    await reconcile(store, stripe.account, now)
    expect((await stored('acme')).topUps).toBe(0)
    // It is none of our business, so nobody is called.
    expect(signals.heard()).toEqual([])
    await reconcile(other, stripe.account, now)
    expect((await readWorkspace(other, 'acme'))?.topUps).toBe(1_000_000)
  })

  it('never take the other’s checkout for their own', async () => {
    const other = await openTestStore()
    await changeWorkspace(
      other,
      { workspaceId: 'crew', key: 'create', plan: 'pro', by: 'ops' },
      now,
    )
    await changeWorkspace(
      store,
      { workspaceId: 'crew', key: 'create', plan: 'pro', by: 'ops' },
      now,
    )
    const theirs = await ordered('crew', 'k', other)
    const ours = await ordered('crew', 'k')
    await stripe.buyer(theirs.sessionId!, 'pay')
    const swapped = {
      ...ours,
      sessionId: theirs.sessionId,
      deploymentId: await deploymentId(store),
    }
    const Item = { ...swapped, type: 'purchase', entryId: `purchase#${ours.purchaseId}` }
    await store.client.send(new PutCommand({ TableName: store.ledgerTable, Item }))
    const settled = await settlePurchase(store, stripe.account, ours, now)
    expect(settled).toMatchObject({ mismatch: 'deploymentId' })
    expect((await stored('crew')).topUps).toBe(0)
  })
})

describe('a lost dispute', () => {
  /** A paid order of which this much has been used, and what its bank does. */
  async function disputed(used: number) {
    const workspaceId = await openWorkspace(store, now)
    const purchase = await ordered(workspaceId, 'order-1')
    const { paymentIntent } = await stripe.buyer(purchase.sessionId!, 'pay')
    const look = async () => {
      pass()
      await settlePurchase(store, stripe.account, purchase, now)
      await expectBooksToBalance(store, workspaceId)
      return stored(workspaceId)
    }
    await look()
    const use = { workspaceId, key: 'use', tokens: 2_000_000 + used, onShortfall: 'drain' as const }
    await consumeTokens(store, use, now)
    const bank = (action: Parameters<TestStripe['bank']>[1]) => stripe.bank(paymentIntent, action)
    await bank('dispute')
    await look()
    return { workspaceId, purchase, look, bank }
  }
  const lift = (workspaceId: string, key = 'lift') =>
    changeWorkspace(store, { workspaceId, key, purchasing: 'allowed', by: 'ops' }, now)
  const next = (workspaceId: string) => ordering(workspaceId, `next-${now.getTime()}`)

  it('blocks further purchases where its tokens had been used', async () => {
    const { workspaceId, purchase, look, bank } = await disputed(400_000)
    // While nothing is decided, it may buy.
    expect(await stored(workspaceId)).not.toHaveProperty('blockedBy')
    await bank('lose')
    expect(Object.keys((await look()).blockedBy ?? {})).toEqual([purchase.purchaseId])
    expect(await next(workspaceId)).toMatchObject({ refused: 'purchases_blocked' })
  })

  it('blocks nothing where they could all be taken back', async () => {
    const { workspaceId, look, bank } = await disputed(0)
    await bank('lose')
    expect(await look()).not.toHaveProperty('blockedBy')
    expect(await next(workspaceId)).not.toHaveProperty('refused')
  })

  it('that is won by an appeal blocks no longer, and if it is lost again it does', async () => {
    const { workspaceId, look, bank } = await disputed(400_000)
    await bank('lose')
    await look()
    await bank('appeal')
    // Lost until won.
    expect(await look()).toHaveProperty('blockedBy')
    await bank('win')
    expect(await look()).not.toHaveProperty('blockedBy')
    expect(await next(workspaceId)).not.toHaveProperty('refused')
  })

  it('is lifted by whoever manages the workspace, and the same purchase never blocks again', async () => {
    const { workspaceId, look, bank } = await disputed(400_000)
    await bank('lose')
    await look()
    expect(await lift(workspaceId)).toMatchObject({ entry: { effect: 'kept' } })
    expect(await next(workspaceId)).not.toHaveProperty('refused')
    expect(await look()).not.toHaveProperty('blockedBy')
    expect(await lift(workspaceId)).toMatchObject({ replayed: true })
  })

  it('blocks as soon as it is known that its tokens were used, which may be when a hold ends', async () => {
    const workspaceId = await openWorkspace(store, now)
    const purchase = await ordered(workspaceId, 'order-1')
    const { paymentIntent } = await stripe.buyer(purchase.sessionId!, 'pay')
    await settlePurchase(store, stripe.account, purchase, now)
    const hold = { workspaceId, holdId: 'all', tokens: 3_000_000, ttlSeconds: 900, key: 'h' }
    const held = await openHold(store, hold, now)
    if ('refused' in held) throw new Error(held.refused)
    await stripe.bank(paymentIntent, 'dispute')
    await stripe.bank(paymentIntent, 'lose')
    pass()
    await settlePurchase(store, stripe.account, purchase, now)
    expect(await stored(workspaceId)).not.toHaveProperty('blockedBy')
    const { holdId } = held.hold
    const closing = { outcome: 'settled' as const, tokens: 3_000_000 }
    await closeHold(store, { workspaceId, holdId, closing }, now)
    await settlePurchase(store, stripe.account, purchase, now)
    expect(await readPurchase(store, workspaceId, purchase.purchaseId)).toMatchObject({
      shortfall: 1_000_000,
    })
    expect(await stored(workspaceId)).toHaveProperty('blockedBy')
    await expectBooksToBalance(store, workspaceId)
  })

  it('of one purchase does not hide that of another', async () => {
    const { workspaceId, purchase, look, bank } = await disputed(400_000)
    const second = await ordered(workspaceId, 'order-2')
    const { paymentIntent } = await stripe.buyer(second.sessionId!, 'pay')
    const both = async () => {
      await look()
      await settlePurchase(store, stripe.account, second, now)
      return Object.keys((await stored(workspaceId)).blockedBy ?? {}).sort()
    }
    await both()
    const use = { workspaceId, key: 'all', tokens: 9_000_000, onShortfall: 'drain' as const }
    await consumeTokens(store, use, now)
    await bank('lose')
    await stripe.bank(paymentIntent, 'dispute')
    await stripe.bank(paymentIntent, 'lose')
    expect(await both()).toEqual([purchase.purchaseId, second.purchaseId].sort())
    await bank('appeal')
    await bank('win')
    expect(await both()).toEqual([second.purchaseId])
  })
})
