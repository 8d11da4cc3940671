import { DeleteCommand } from '@aws-sdk/lib-dynamodb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Purchase } from '../../shared/domain/purchase.ts'
import { Unavailable } from '../../shared/domain/refusal.ts'
import { topUpsMax } from '../../shared/domain/workspace.ts'
import { consumeTokens } from '../../shared/operations/consume-tokens.ts'
import { settlePurchase } from '../../shared/operations/settle-purchase.ts'
import { openCheckout } from '../../shared/payments/checkout.ts'
import type { CheckoutOptions } from '../../shared/payments/checkout-options.ts'
import { readDocuments } from '../../shared/payments/documents.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readPurchase, replacePurchase } from '../../shared/store/purchases.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { entriesOf, everythingIn, expectBooksToBalance } from '../support/books.ts'
import { openOrder, openWorkspace, type Sale, useUp } from '../support/shop.ts'
import { listenForSignals } from '../support/signals.ts'
import { addWorkspace, openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import { behind, cancelled, lostResponse, throughWire, type Wire } from '../support/wire.ts'

const now = new Date('2026-07-14T09:00:00Z')
const signals = listenForSignals()

let wire: Wire
let store: Store
let stripe: TestStripe
beforeAll(async () => {
  ;({ wire, store } = await throughWire(await openTestStore()))
  stripe = await openTestStripe(() => now)
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

const order = (over?: { workspaceId?: string; tokens?: number }) =>
  openOrder(store, stripe, now, over)

const settling = (sale: Sale, at = now) => settlePurchase(store, stripe.account, sale, at)

/** Settles, and answers with the purchase as it is stored and the tokens the workspace has topped up. */
async function settled(sale: Sale, at = now) {
  const outcome = await settling(sale, at)
  if (!('purchase' in outcome) || 'mismatch' in outcome) {
    throw new Error(`not settled: ${JSON.stringify(outcome)}`)
  }
  const stored = await readPurchase(store, sale.workspaceId, sale.purchaseId)
  expect(outcome.purchase).toEqual(stored)
  await expectBooksToBalance(store, sale.workspaceId)
  const { topUps, balance } = (await readWorkspace(store, sale.workspaceId))!
  const { status, taken, reversed } = outcome.purchase
  return { status, taken, reversed, topUps, balance }
}

async function paidOrder(over?: { workspaceId?: string; tokens?: number }) {
  const sale = await order(over)
  const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
  await settled(sale)
  return { ...sale, paymentIntent }
}

const paymentsOf = async ({ workspaceId }: Sale) =>
  (await entriesOf(store, workspaceId)).filter((entry) => entry.type === 'payment')

async function edit({ workspaceId, purchaseId }: Sale, over: Partial<Purchase>) {
  const stored = (await readPurchase(store, workspaceId, purchaseId))!
  const purchase = { ...stored, ...over, version: stored.version + 1 }
  await replacePurchase(store, { purchase, replacesVersion: stored.version })
}

describe('a checkout', () => {
  it('that is still open changes nothing', async () => {
    const sale = await order()
    const before = await everythingIn(store)
    expect(await settled(sale)).toMatchObject({ status: 'open', topUps: 0 })
    expect(await everythingIn(store)).toEqual(before)
  })

  it('that was paid gives its tokens and the customer', async () => {
    const sale = await order({ tokens: 3_000_000 })
    await stripe.buyer(sale.session, 'pay')
    expect(await settled(sale)).toMatchObject({
      status: 'paid',
      topUps: 3_000_000,
      balance: 5_000_000,
    })
    const workspace = await readWorkspace(store, sale.workspaceId)
    expect(workspace?.checkoutCustomerId).toMatch(/^cus_/)
  })

  it('that was declined stays open, and can still be paid', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'decline')
    expect(await settled(sale)).toMatchObject({ status: 'open', topUps: 0 })
    await stripe.buyer(sale.session, 'pay')
    expect(await settled(sale)).toMatchObject({ status: 'paid', topUps: 1_000_000 })
  })

  it('that was completed without being paid waits, and gives its tokens when the money is there', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay-later')
    expect(await settled(sale)).toMatchObject({ status: 'processing', topUps: 0 })
    await stripe.buyer(sale.session, 'settle')
    expect(await settled(sale)).toMatchObject({ status: 'paid', topUps: 1_000_000 })
  })

  it('whose delayed payment failed gives nothing', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay-later')
    await settled(sale)
    await stripe.buyer(sale.session, 'fail')
    expect(await settled(sale)).toMatchObject({ status: 'failed', topUps: 0 })
    expect(await paymentsOf(sale)).toEqual([])
  })

  it('that expired gives nothing', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'expire')
    expect(await settled(sale)).toMatchObject({ status: 'expired', topUps: 0 })
    expect(await paymentsOf(sale)).toEqual([])
  })
})

describe('a checkout with tax or codes', () => {
  /** An order whose deployment chose something, at the checkout that came of it. */
  async function orderWith(checkout: CheckoutOptions): Promise<Sale> {
    const sale = await order()
    const stored = (await readPurchase(store, sale.workspaceId, sale.purchaseId))!
    const purchase = { ...stored, checkout: { ...checkout }, attempt: stored.attempt + 1 }
    const outcome = await openCheckout(stripe.account, purchase)
    if ('failed' in outcome) throw new Error(outcome.failed)
    await edit(sale, { ...purchase, ...outcome })
    return { ...sale, session: outcome.sessionId }
  }

  it.each(['exclusive', 'inclusive'])(
    'settles with %s tax, and loses its share of a refund',
    async (behavior) => {
      await stripe.control('tax', { percent: 19, behavior })
      const sale = await orderWith({ automatic_tax: { enabled: true } })
      const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
      expect(await settled(sale)).toMatchObject({ status: 'paid', topUps: 1_000_000 })
      await stripe.bank(paymentIntent, 'refund')
      expect(await settled(sale)).toMatchObject({ status: 'refunded', topUps: 0 })
    },
  )

  it('settles where a code left nothing to pay, and only where codes were allowed', async () => {
    await stripe.control('promotion-codes/GIFT', { percentOff: 100 })
    const sale = await orderWith({ allow_promotion_codes: true })
    await stripe.buyer(sale.session, 'pay', 'GIFT')
    const { checkout } = (await readPurchase(store, sale.workspaceId, sale.purchaseId))!
    await edit(sale, { checkout: undefined })
    const before = await everythingIn(store)
    expect(await settling(sale)).toMatchObject({ mismatch: 'amountDiscounted' })
    expect(await everythingIn(store)).toEqual(before)
    await edit(sale, { checkout })
    expect(await settled(sale)).toMatchObject({ status: 'paid', reversed: 0, topUps: 1_000_000 })
    expect(await paymentsOf(sale)).toHaveLength(1)
  })
})

describe('a payment', () => {
  it('stands, though Stripe words its receipt anew at each look', async () => {
    const sale = await paidOrder()
    const stored = await readPurchase(store, sale.workspaceId, sale.purchaseId)
    const links = new Set<string | undefined>()
    for (let time = 0; time < 3; time++) {
      links.add((await readDocuments(stripe.account, stored!)).receiptUrl)
      expect(await settling(sale)).toEqual({ purchase: stored })
    }
    expect(links.size).toBe(3)
    expect(JSON.stringify(await everythingIn(store))).not.toMatch(/receipt|invoice/i)
  })

  it('is credited once, however often it is settled', async () => {
    const sale = await paidOrder()
    const before = await everythingIn(store)
    for (let time = 0; time < 3; time++) await settling(sale)
    expect(await everythingIn(store)).toEqual(before)
  })

  it('is credited once when 64 settle it at the same time', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    const outcomes = await Promise.allSettled(Array.from({ length: 64 }, () => settling(sale)))
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ value: { purchase: { status: 'paid' } } })
    }
    expect(await settled(sale)).toMatchObject({ topUps: 1_000_000 })
    expect(await paymentsOf(sale)).toHaveLength(1)
  })

  it('is credited once when the answer of the write is lost, by whoever settles it next', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    wire.always('TransactWriteItems', lostResponse)
    await expect(settling(sale)).rejects.toBeInstanceOf(Unavailable)
    wire.clear()
    expect(await settled(sale)).toMatchObject({ status: 'paid', topUps: 1_000_000 })
    expect(await paymentsOf(sale)).toHaveLength(1)
  })

  it('is credited at the ceiling of what may be ordered: it has been paid for', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    await addWorkspace(store, { workspaceId: sale.workspaceId, topUps: topUpsMax })
    expect(await settling(sale)).toMatchObject({ purchase: { status: 'paid' } })
    const workspace = await readWorkspace(store, sale.workspaceId)
    expect(workspace?.topUps).toBe(topUpsMax + 1_000_000)
  })

  it('of a workspace that is too busy is given up after the tries of one movement, and credited later', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    wire.clear()
    wire.always('TransactWriteItems', cancelled('TransactionConflict', 'None', 'None'))
    expect(await settling(sale)).toEqual({ refused: 'busy' })
    const tries = wire.sent.filter(({ operation }) => operation === 'TransactWriteItems')
    expect(tries).toHaveLength(12)
    wire.clear()
    expect(await settled(sale)).toMatchObject({ topUps: 1_000_000 })
  })

  it('of two orders in one workspace is two credits, each its own', async () => {
    const workspaceId = await openWorkspace(store, now)
    const one = await paidOrder({ workspaceId, tokens: 1_000_000 })
    const other = await order({ workspaceId, tokens: 4_000_000 })
    expect(await settled(other)).toMatchObject({ topUps: 1_000_000 })
    await stripe.buyer(other.session, 'pay')
    expect(await settled(other)).toMatchObject({ topUps: 5_000_000 })
    await stripe.bank(one.paymentIntent, 'refund')
    expect(await settled(one)).toMatchObject({ status: 'refunded', topUps: 4_000_000 })
    expect(await settled(other)).toMatchObject({ status: 'paid', topUps: 4_000_000 })
  })

  it('is credited in the month it is settled in, on top of that month’s quota', async () => {
    const sale = await order()
    await useUp(store, sale, 1_500_000, now)
    await stripe.buyer(sale.session, 'pay')
    expect(await settled(sale, new Date('2026-08-01T00:00:01Z'))).toMatchObject({
      topUps: 1_000_000,
      balance: 3_000_000,
    })
  })

  it('waits for Stripe and is settled once Stripe answers', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    for (const mode of ['down', 'error'] as const) {
      await stripe.outage(mode)
      await expect(settling(sale)).rejects.toBeInstanceOf(Unavailable)
    }
    await stripe.outage('none')
    expect(await settled(sale)).toMatchObject({ topUps: 1_000_000 })
  })
})

describe('a purchase that cannot be settled', () => {
  it('because others keep changing it is given up after eight looks', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay-later')
    wire.clear()
    const changed = cancelled('ConditionalCheckFailed', 'None')
    wire.always('TransactWriteItems', changed)
    expect(await settling(sale)).toEqual({ refused: 'busy' })
    expect(wire.sent.filter(({ operation }) => operation === 'GetItem')).toHaveLength(8)
    wire.clear()
    wire.next('TransactWriteItems', ...Array.from({ length: 6 }, () => changed))
    expect(await settled(sale)).toMatchObject({ status: 'processing' })
  })

  it('because Stripe does not know its session contradicts it, and writes nothing', async () => {
    const sale = await order()
    await edit(sale, { sessionId: 'cs_unknown' })
    const before = await everythingIn(store)
    expect(await settling(sale)).toMatchObject({
      mismatch: 'session',
      purchase: { status: 'open' },
    })
    expect(await everythingIn(store)).toEqual(before)
  })

  it('because its workspace is gone says so', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    await store.client.send(
      new DeleteCommand({
        TableName: store.workspacesTable,
        Key: { workspaceId: sale.workspaceId },
      }),
    )
    await expect(settling(sale)).rejects.toThrow(
      new Error(`the workspace of purchase ${sale.purchaseId} is gone`),
    )
  })
})

describe('a refund', () => {
  it('in full takes the tokens back', async () => {
    const sale = await paidOrder()
    await stripe.bank(sale.paymentIntent, 'refund')
    expect(await settled(sale)).toMatchObject({
      status: 'refunded',
      topUps: 0,
      balance: 2_000_000,
    })
    expect(signals.heard()).toEqual([])
  })

  it('in part takes the part, and the next part on top of it', async () => {
    const sale = await paidOrder()
    await stripe.bank(sale.paymentIntent, 'refund', 100)
    expect(await settled(sale)).toMatchObject({ status: 'refunded', topUps: 600_000 })
    await stripe.bank(sale.paymentIntent, 'refund', 1)
    expect(await settled(sale)).toMatchObject({ topUps: 596_000 })
    await stripe.bank(sale.paymentIntent, 'refund')
    expect(await settled(sale)).toMatchObject({ topUps: 0 })
  })

  it('that failed gives the tokens back', async () => {
    const sale = await paidOrder()
    await stripe.bank(sale.paymentIntent, 'refund', 100)
    await settled(sale)
    await stripe.bank(sale.paymentIntent, 'refund-fail')
    expect(await settled(sale)).toMatchObject({ status: 'paid', topUps: 1_000_000, taken: 0 })
  })

  it('seen before the payment was credited leaves only the rest', async () => {
    const sale = await order()
    const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
    await stripe.bank(paymentIntent, 'refund', 150)
    expect(await settled(sale)).toMatchObject({ status: 'refunded', topUps: 400_000 })
  })

  it('never takes more than is left, and the operator hears what was already spent', async () => {
    const sale = await paidOrder()
    await useUp(store, sale, 2_700_000, now)
    await stripe.bank(sale.paymentIntent, 'refund')
    expect(await settled(sale)).toMatchObject({ status: 'refunded', taken: 300_000, balance: 0 })
    expect(signals.heard()).toEqual([
      {
        signal: 'reversal_shortfall',
        workspaceId: sale.workspaceId,
        purchaseId: sale.purchaseId,
        tokens: 700_000,
      },
    ])
    expect((await paymentsOf(sale)).at(-1)).toMatchObject({ tokens: -300_000, shortfall: 700_000 })
  })

  it('never takes below zero while 24 racers use the tokens', async () => {
    const sale = await paidOrder()
    await useUp(store, sale, 1_900_000, now)
    await stripe.bank(sale.paymentIntent, 'refund')
    const racers = Array.from({ length: 24 }, (_, n) =>
      consumeTokens(
        store,
        { workspaceId: sale.workspaceId, key: `r${n}`, tokens: 50_000, onShortfall: 'drain' },
        now,
      ),
    )
    const [outcomes] = await Promise.all([Promise.allSettled([settling(sale)]), ...racers])
    expect(outcomes[0]).toMatchObject({ status: 'fulfilled' })
    const { taken, reversed } = await settled(sale)
    expect(reversed).toBe(1_000_000)
    expect(taken).toBeLessThanOrEqual(1_000_000)
    const shortfall = (await paymentsOf(sale)).at(-1)!.shortfall
    expect(taken + shortfall).toBe(1_000_000)
  })

  it('takes what is left at the moment of the write, though tokens were used since the look', async () => {
    const sale = await paidOrder()
    await useUp(store, sale, 2_000_000, now)
    await stripe.bank(sale.paymentIntent, 'refund')
    wire.next(
      'TransactWriteItems',
      behind(() => useUp(store, sale, 250_000, now)),
    )
    expect(await settled(sale)).toMatchObject({ taken: 750_000, balance: 0 })
    expect(signals.heard()).toMatchObject([{ tokens: 250_000 }])
  })

  it('in a later month takes what came over', async () => {
    const sale = await paidOrder()
    await useUp(store, sale, 2_400_000, now)
    await stripe.bank(sale.paymentIntent, 'refund')
    expect(await settled(sale, new Date('2026-08-03T00:00:00Z'))).toMatchObject({
      taken: 600_000,
      topUps: 0,
      balance: 2_000_000,
    })
  })
})

describe('a dispute', () => {
  it('that a bank only asks about takes nothing, until it is one', async () => {
    const sale = await paidOrder()
    await stripe.bank(sale.paymentIntent, 'dispute', { status: 'warning_needs_response' })
    expect(await settled(sale)).toMatchObject({ status: 'paid', topUps: 1_000_000 })
    await stripe.bank(sale.paymentIntent, 'escalate')
    expect(await settled(sale)).toMatchObject({ status: 'disputed', topUps: 0 })
  })

  it.each([
    ['in another currency', { amount: 90, currency: 'eur' }],
    ['of a little less than was paid', { amount: 240 }],
  ])('%s takes the whole order, and an appeal that is won gives it back', async (_, wanted) => {
    const sale = await paidOrder()
    await stripe.bank(sale.paymentIntent, 'dispute', wanted)
    expect(await settled(sale)).toMatchObject({ status: 'disputed', topUps: 0 })
    for (const action of ['lose', 'appeal', 'review'] as const) {
      await stripe.bank(sale.paymentIntent, action)
      expect(await settled(sale)).toMatchObject({ status: 'disputed', topUps: 0 })
    }
    await stripe.bank(sale.paymentIntent, 'win')
    expect(await settled(sale)).toMatchObject({ status: 'paid', topUps: 1_000_000 })
  })

  it('takes the tokens back when it opens, and gives them back when it is won', async () => {
    const sale = await paidOrder()
    await stripe.bank(sale.paymentIntent, 'dispute')
    expect(await settled(sale)).toMatchObject({ status: 'disputed', topUps: 0 })
    await stripe.bank(sale.paymentIntent, 'win')
    expect(await settled(sale)).toMatchObject({ status: 'paid', topUps: 1_000_000, taken: 0 })
  })

  it('that is lost stays as it was taken', async () => {
    const sale = await paidOrder()
    await stripe.bank(sale.paymentIntent, 'dispute')
    await settled(sale)
    await stripe.bank(sale.paymentIntent, 'lose')
    expect(await settled(sale)).toMatchObject({ status: 'disputed', topUps: 0 })
    expect(await paymentsOf(sale)).toHaveLength(2)
  })

  it('on top of a refund takes no more than the order gave', async () => {
    const sale = await paidOrder()
    await stripe.bank(sale.paymentIntent, 'refund', 150)
    expect(await settled(sale)).toMatchObject({ status: 'refunded', topUps: 400_000 })
    await stripe.bank(sale.paymentIntent, 'dispute', 250)
    expect(await settled(sale)).toMatchObject({ status: 'disputed', topUps: 0, taken: 1_000_000 })
    await stripe.bank(sale.paymentIntent, 'win')
    expect(await settled(sale)).toMatchObject({ status: 'refunded', topUps: 400_000 })
  })

  it('that is won after the tokens were spent gives back only what it took', async () => {
    const sale = await paidOrder()
    await useUp(store, sale, 2_900_000, now)
    await stripe.bank(sale.paymentIntent, 'dispute')
    expect(await settled(sale)).toMatchObject({ taken: 100_000, balance: 0 })
    await stripe.bank(sale.paymentIntent, 'win')
    expect(await settled(sale)).toMatchObject({ status: 'paid', taken: 0, balance: 100_000 })
  })
})

describe('a payment that is not what was ordered', () => {
  it.each([
    ['amountSubtotal', { amount: 251 }],
    ['currency', { currency: 'eur' }],
    ['livemode', { livemode: true }],
    ['session', { sessionId: 'cs_unknown' }],
  ] as const)('writes nothing where the %s differs', async (mismatch, over) => {
    const sale = await order()
    await edit(sale, over)
    await stripe.buyer(sale.session, 'pay')
    const before = await everythingIn(store)
    expect(await settling(sale)).toMatchObject({ mismatch })
    expect(await everythingIn(store)).toEqual(before)
  })

  it('writes nothing where the session belongs to another workspace or purchase', async () => {
    const [sale, other] = [await order(), await order()]
    const sibling = await order({ workspaceId: sale.workspaceId })
    await edit(sale, { sessionId: other.session })
    await edit(sibling, { sessionId: sale.session })
    await stripe.buyer(other.session, 'pay')
    await stripe.buyer(sale.session, 'pay')
    const before = await everythingIn(store)
    expect(await settling(sale)).toMatchObject({ mismatch: 'workspaceId' })
    expect(await settling(sibling)).toMatchObject({ mismatch: 'purchaseId' })
    expect(await everythingIn(store)).toEqual(before)
  })

  it('is refused where there is no such purchase', async () => {
    const sale = await order()
    const before = await everythingIn(store)
    const unknown = { ...sale, purchaseId: 'pur_unknown' }
    expect(await settling(unknown)).toEqual({ refused: 'purchase_not_found' })
    expect(await everythingIn(store)).toEqual(before)
  })

  it('is left alone while the purchase has no session yet', async () => {
    const sale = await order()
    await edit(sale, { sessionId: undefined })
    const before = await everythingIn(store)
    expect(await settling(sale)).toEqual({
      purchase: await readPurchase(store, sale.workspaceId, sale.purchaseId),
    })
    expect(await everythingIn(store)).toEqual(before)
  })
})
