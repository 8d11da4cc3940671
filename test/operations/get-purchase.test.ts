import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Unavailable } from '../../shared/domain/refusal.ts'
import { getPurchase } from '../../shared/operations/get-purchase.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { openOrder, type Sale } from '../support/shop.ts'
import { listenForSignals } from '../support/signals.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import { throughStripeWire } from '../support/stripe-wire.ts'
import { failing, throughWire, type Wire } from '../support/wire.ts'

const start = Date.parse('2026-07-14T09:00:00Z')
const signals = listenForSignals()

let wire: Wire
let store: Store
let stripe: TestStripe
beforeAll(async () => {
  ;({ wire, store } = await throughWire(await openTestStore()))
  stripe = await openTestStripe(() => new Date(start))
})
beforeEach(async () => {
  wire.clear()
  signals.forget()
  await stripe.outage('none')
})
afterAll(async () => {
  await stripe.stop()
  await wire.stop()
})

const order = () => openOrder(store, stripe, new Date(start))
const looking = (sale: Sale, afterMs = 0) =>
  getPurchase(store, async () => stripe.account, sale, new Date(start + afterMs))

describe('looking at a purchase', () => {
  it('credits what was paid, though no webhook came', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    expect(await looking(sale)).toMatchObject({ status: 'paid' })
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({ topUps: 1_000_000 })
  })

  it('asks Stripe at most every two seconds, however many pages are open', async () => {
    const sale = await order()
    await Promise.all(Array.from({ length: 8 }, () => looking(sale)))
    await stripe.buyer(sale.session, 'pay')
    expect(await looking(sale, 1_999)).toMatchObject({ status: 'open' })
    expect(await looking(sale, 2_000)).toMatchObject({ status: 'paid' })
  })

  it('costs Stripe at most five looks in ten seconds, however many of a workspace’s orders are looked at', async () => {
    const first = await order()
    const sales = [first]
    while (sales.length < 15) {
      sales.push(
        await openOrder(store, stripe, new Date(start), { workspaceId: first.workspaceId }),
      )
    }
    const through = throughStripeWire(stripe)
    const asking = async () => through.account
    const looks = await Promise.all(
      [sales, sales, sales, sales]
        .flat()
        .map((sale) => getPurchase(store, asking, sale, new Date(start))),
    )
    for (const look of looks) expect(look).toMatchObject({ status: 'open' })
    expect(through.asked).toHaveLength(5)
    // What nobody asked about is told as it is stored, and asked about as soon as there are looks again.
    await stripe.buyer(first.session, 'pay')
    await getPurchase(store, asking, first, new Date(start + 9_000))
    expect(through.asked).toHaveLength(5)
    const later = await getPurchase(store, asking, first, new Date(start + 11_000))
    expect(later).toMatchObject({ status: 'paid' })
  })

  it('needs no keys once it is settled, and tells what it knows while there are none', async () => {
    const sale = await order()
    const without = async () => {
      throw new Unavailable('secrets', new Error('away'))
    }
    expect(await getPurchase(store, without, sale, new Date(start))).toMatchObject({
      status: 'open',
    })
    expect(signals.heard()).toEqual([{ signal: 'unavailable', service: 'secrets' }])
    await stripe.buyer(sale.session, 'expire')
    expect(await looking(sale, 2_000)).toMatchObject({ status: 'expired' })
    signals.forget()
    expect(await getPurchase(store, without, sale, new Date(start + 9_000))).toMatchObject({
      status: 'expired',
    })
    expect(signals.heard()).toEqual([])
  })

  it('asks nobody once it is settled', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'expire')
    expect(await looking(sale)).toMatchObject({ status: 'expired' })
    await stripe.outage('down')
    wire.clear()
    expect(await looking(sale, 60_000)).toMatchObject({ status: 'expired' })
    expect(wire.sent.map(({ operation }) => operation)).toEqual(['GetItem'])
    expect(signals.heard()).toEqual([])
  })

  it('shows what we know while Stripe is out, and the operator hears of it', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    await stripe.outage('down')
    expect(await looking(sale)).toMatchObject({ status: 'open' })
    expect(signals.heard()).toEqual([{ signal: 'unavailable', service: 'stripe' }])
    await stripe.outage('none')
    expect(await looking(sale, 2_000)).toMatchObject({ status: 'paid' })
  })

  it('hides no bug: only an outage is answered with what we know', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    wire.next('TransactWriteItems', failing('ValidationException'))
    await expect(looking(sale)).rejects.toMatchObject({ name: 'ValidationException' })
    expect(signals.heard()).toEqual([])
  })

  it('waits its turn where a settlement is writing the purchase at this moment', async () => {
    const sale = await order()
    wire.next('UpdateItem', failing('TransactionConflictException'))
    expect(await looking(sale)).toMatchObject({ status: 'open' })
    expect(await looking(sale, 2_000)).toMatchObject({ status: 'open' })
  })

  it('tells of no purchase of another workspace', async () => {
    const [sale, other] = [await order(), await order()]
    const refused = { refused: 'purchase_not_found' }
    expect(await looking({ ...sale, purchaseId: 'pur_unknown' })).toEqual(refused)
    expect(await looking({ ...sale, purchaseId: other.purchaseId })).toEqual(refused)
  })
})
