import { DeleteCommand } from '@aws-sdk/lib-dynamodb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Unavailable } from '../../shared/domain/refusal.ts'
import { reconcile } from '../../shared/operations/reconcile.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readEventsCursor, readPurchase, writeEventsCursor } from '../../shared/store/ledger.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { everythingIn, expectBooksToBalance } from '../support/books.ts'
import { openOrder, type Sale } from '../support/shop.ts'
import { listenForSignals } from '../support/signals.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import { failing, throughWire, type Wire } from '../support/wire.ts'

const noon = Date.parse('2026-07-14T12:00:00Z')
const minutes = 60_000
const hours = 60 * minutes
const signals = listenForSignals()

let now: Date
let wire: Wire
let store: Store
let stripe: TestStripe
beforeEach(async () => {
  now = new Date(noon)
  signals.forget()
  ;({ wire, store } = await throughWire(await openTestStore()))
  stripe = await openTestStripe(() => now)
})
afterEach(async () => {
  await stripe.stop()
  await wire.stop()
})

const order = () => openOrder(store, stripe, now)
const reconciling = () => reconcile(store, stripe.account, now)
const seconds = (at: number) => Math.floor(at / 1000)
const topUpsOf = async ({ workspaceId }: Sale) => (await readWorkspace(store, workspaceId))!.topUps

describe('reconciliation', () => {
  it('credits, takes back and closes what no webhook told of', async () => {
    const [paid, refunded, expired] = [await order(), await order(), await order()]
    await stripe.buyer(paid.session, 'pay')
    const { paymentIntent } = await stripe.buyer(refunded.session, 'pay')
    await stripe.bank(paymentIntent, 'refund', 100)
    await stripe.buyer(expired.session, 'expire')
    expect(await reconciling()).toEqual({ events: 5, failed: 0 })
    expect(await topUpsOf(paid)).toBe(1_000_000)
    expect(await topUpsOf(refunded)).toBe(600_000)
    expect(await readPurchase(store, expired.workspaceId, expired.purchaseId)).toMatchObject({
      status: 'expired',
    })
    await expectBooksToBalance(store, refunded.workspaceId)
  })

  it('changes nothing when it looks at the same events again', async () => {
    await stripe.buyer((await order()).session, 'pay')
    await reconciling()
    const before = await everythingIn(store)
    expect(await reconciling()).toMatchObject({ events: 1 })
    expect(await everythingIn(store)).toEqual(before)
  })

  it('goes on from where it got to, with an hour of overlap', async () => {
    await reconciling()
    expect(await readEventsCursor(store)).toBe(seconds(noon))
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    now = new Date(noon + 15 * minutes)
    expect(await reconciling()).toEqual({ events: 1, failed: 0 })
    expect(await readEventsCursor(store)).toBe(seconds(noon + 15 * minutes))
    now = new Date(noon + 60 * minutes)
    expect(await reconciling()).toMatchObject({ events: 1 })
    now = new Date(noon + 75 * minutes)
    expect(await reconciling()).toMatchObject({ events: 1 })
    now = new Date(noon + 150 * minutes)
    expect(await reconciling()).toMatchObject({ events: 0 })
  })

  it('finds an event of this very second', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    now = new Date(noon + 999)
    expect(await reconciling()).toMatchObject({ events: 1 })
  })

  it('keeps its place while Stripe is out, and misses nothing then', async () => {
    await reconciling()
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    for (const mode of ['down', 'error'] as const) {
      await stripe.outage(mode)
      now = new Date(now.getTime() + 2 * hours)
      await expect(reconciling()).rejects.toBeInstanceOf(Unavailable)
      expect(await readEventsCursor(store)).toBe(seconds(noon))
    }
    await stripe.outage('none')
    await reconciling()
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })

  it('keeps its place too where Stripe lists events but DynamoDB cannot settle them', async () => {
    await reconciling()
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    now = new Date(noon + 2 * hours)
    wire.always('TransactWriteItems', failing('InternalServerError', {}, 500))
    await expect(reconciling()).rejects.toBeInstanceOf(Unavailable)
    expect(await readEventsCursor(store)).toBe(seconds(noon))
    wire.clear()
    await reconciling()
    expect(await topUpsOf(sale)).toBe(1_000_000)
    expect(await readEventsCursor(store)).toBe(seconds(noon + 2 * hours))
  })

  it('catches up after two days in stretches that always get somewhere', async () => {
    await reconciling()
    const early = await order()
    await stripe.buyer(early.session, 'pay')
    now = new Date(noon + 40 * hours)
    const late = await order()
    await stripe.buyer(late.session, 'pay')
    now = new Date(noon + 48 * hours)
    let runs = 0
    while ((await readEventsCursor(store))! < seconds(now.getTime())) {
      expect(++runs).toBeLessThanOrEqual(8)
      await reconciling()
    }
    expect(runs).toBe(8)
    expect(await topUpsOf(early)).toBe(1_000_000)
    expect(await topUpsOf(late)).toBe(1_000_000)
  })

  it('goes on past a purchase that cannot be settled, and says which', async () => {
    const [broken, sound] = [await order(), await order()]
    await stripe.buyer(sound.session, 'pay')
    await stripe.buyer(broken.session, 'pay')
    const Key = { workspaceId: broken.workspaceId }
    await store.client.send(new DeleteCommand({ TableName: store.workspacesTable, Key }))
    expect(await reconciling()).toEqual({ events: 2, failed: 1 })
    expect(await topUpsOf(sound)).toBe(1_000_000)
    expect(signals.heard()).toMatchObject([
      { signal: 'reconcile_failed', cause: expect.stringContaining(broken.purchaseId) },
    ])
  })

  it('reads every page of a busy stretch', async () => {
    const { client } = stripe.account
    for (let n = 0; n < 105; n++) {
      const { id } = await client.checkout.sessions.create({
        mode: 'payment',
        line_items: [
          {
            quantity: 1,
            price_data: { currency: 'usd', unit_amount: 900, product_data: { name: 'A mug' } },
          },
        ],
        success_url: 'https://app.example.com/',
      })
      await stripe.buyer(id, 'expire')
    }
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    expect(await reconciling()).toEqual({ events: 106, failed: 0 })
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })

  it('keeps its place out of sight: no workspace can have its key', async () => {
    await writeEventsCursor(store, 7)
    const [item] = await everythingIn(store)
    expect(item?.workspaceId).not.toMatch(/^[A-Za-z0-9_-]{1,64}$/)
    expect(item).not.toHaveProperty('listedAt')
    expect(item).not.toHaveProperty('expiresAt')
  })
})
