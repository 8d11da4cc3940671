import { QueryCommand } from '@aws-sdk/lib-dynamodb'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { Release, Settlement } from '../../shared/domain/movements/hold-closing.ts'
import { purchaseView } from '../../shared/domain/purchase.ts'
import { closeHold } from '../../shared/operations/close-hold.ts'
import { getPurchase } from '../../shared/operations/get-purchase.ts'
import { openHold } from '../../shared/operations/open-hold.ts'
import { resetWorkspaces } from '../../shared/operations/reset-workspaces.ts'
import { settlePurchase } from '../../shared/operations/settle-purchase.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readPurchase } from '../../shared/store/purchases.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { everythingIn, expectBooksToBalance } from '../support/books.ts'
import { openOrder, openWorkspace, type Sale, useUp } from '../support/shop.ts'
import { listenForSignals } from '../support/signals.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import { behind, lostResponse, throughWire, type Wire } from '../support/wire.ts'

/*
 * A refund or dispute while tokens are held, on DynamoDB Local and the Stripe stand-in. What it comes to in
 * tokens is test/domain/owed.test.ts.
 */

const start = Date.parse('2026-07-14T09:00:00Z')
const minutes = (count: number) => new Date(start + count * 60_000)
const signals = listenForSignals()

let wire: Wire
let store: Store
/** Reaches DynamoDB Local directly, for what happens beside the tested call. */
let beside: Store
let stripe: TestStripe
beforeAll(async () => {
  beside = await openTestStore()
  ;({ wire, store } = await throughWire(beside))
  stripe = await openTestStripe(() => new Date(start))
})
beforeEach(() => {
  wire.clear()
  signals.forget()
})
afterAll(async () => {
  await stripe.stop()
  await wire.stop()
})

const sent = (name: string) => wire.sent.filter(({ operation }) => operation === name)

const settling = (sale: Sale, at = minutes(1), to = store) =>
  settlePurchase(to, stripe.account, sale, at)

async function settled(sale: Sale, at = minutes(1)) {
  const outcome = await settling(sale, at)
  if (!('purchase' in outcome)) throw new Error(JSON.stringify(outcome))
  const { taken, pending, shortfall } = (await readPurchase(
    store,
    sale.workspaceId,
    sale.purchaseId,
  ))!
  await expectBooksToBalance(store, sale.workspaceId)
  return { taken, pending, shortfall }
}

async function paidOrder(over?: { workspaceId?: string; tokens?: number }) {
  const sale = await openOrder(store, stripe, minutes(0), over)
  const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
  await settled(sale, minutes(0))
  return { ...sale, paymentIntent }
}

async function hold({ workspaceId }: Sale, tokens: number, at = minutes(0), key = 'k') {
  const outcome = await openHold(store, { workspaceId, key, tokens, ttlSeconds: 600 }, at)
  if ('refused' in outcome) throw new Error(outcome.refused)
  return outcome.hold.holdId
}

function close(
  { workspaceId }: Sale,
  holdId: string,
  closing: Settlement | Release = { outcome: 'released' },
  { at = minutes(2), to = store } = {},
) {
  return closeHold(to, { workspaceId, holdId, closing }, at)
}

/** A paid order of 1,000,000, all of it held with the 2,000,000 of the plan, and then refunded in full. */
async function refundedWhileHeld() {
  const sale = await paidOrder()
  const holdId = await hold(sale, 3_000_000)
  await stripe.bank(sale.paymentIntent, 'refund')
  expect(await settled(sale)).toEqual({ taken: 0, pending: 1_000_000, shortfall: 0 })
  wire.clear()
  return { sale, holdId }
}

async function retryOf({ workspaceId, purchaseId }: Sale) {
  const { Items = [] } = await beside.client.send(
    new QueryCommand({
      TableName: store.ledgerTable,
      KeyConditionExpression: 'workspaceId = :list AND entryId = :entryId',
      ExpressionAttributeValues: {
        ':list': '#stripe#test',
        ':entryId': `retry#${workspaceId}#${purchaseId}`,
      },
    }),
  )
  return Items[0]
}

describe('a refund while tokens are held', () => {
  it('stays pending, is taken once they come back, and nobody hears of a shortfall', async () => {
    const { sale, holdId } = await refundedWhileHeld()
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({
      topUps: 1_000_000,
      owed: { tokens: 1_000_000, held: 3_000_000 },
    })
    await close(sale, holdId, { outcome: 'settled', tokens: 1_500_000 })
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({
      balance: 500_000,
      held: 0,
      impounded: 1_000_000,
    })
    await expectBooksToBalance(store, sale.workspaceId)
    expect(await settled(sale, minutes(15))).toEqual({ taken: 1_000_000, pending: 0, shortfall: 0 })
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({
      topUps: 0,
      balance: 500_000,
    })
    expect(signals.heard()).toEqual([])
  })

  it('is a shortfall when they were spent, and the operator hears of it when it is known', async () => {
    const { sale, holdId } = await refundedWhileHeld()
    await close(sale, holdId, { outcome: 'settled', tokens: 2_600_000 })
    expect(signals.heard()).toEqual([])
    expect(await settled(sale)).toEqual({ taken: 400_000, pending: 0, shortfall: 600_000 })
    const { workspaceId, purchaseId } = sale
    expect(signals.heard()).toEqual([
      { signal: 'reversal_shortfall', workspaceId, purchaseId, tokens: 600_000 },
    ])
  })

  it('is on the list of those to settle again as soon as it is pending, and not before', async () => {
    const sale = await paidOrder()
    await hold(sale, 3_000_000)
    expect(await retryOf(sale)).toBeUndefined()
    await stripe.bank(sale.paymentIntent, 'refund')
    await settled(sale)
    const { workspaceId, purchaseId } = sale
    expect(await retryOf(sale)).toEqual({
      workspaceId: '#stripe#test',
      entryId: `retry#${workspaceId}#${purchaseId}`,
      type: 'retry',
      purchase: { workspaceId, purchaseId },
      since: minutes(1).toISOString(),
      tries: 0,
      nextAt: minutes(16).toISOString(),
      // The list is read by when something is due.
      listedAt: minutes(16).toISOString(),
    })
  })

  it('is settled again without writing anything, as long as the holds are open', async () => {
    const { sale } = await refundedWhileHeld()
    const before = await everythingIn(store)
    expect(await settled(sale, minutes(5))).toEqual({ taken: 0, pending: 1_000_000, shortfall: 0 })
    expect(await everythingIn(store)).toEqual(before)
  })

  it('is taken by whoever settles after the holds have expired, though nobody has looked since', async () => {
    const { sale } = await refundedWhileHeld()
    expect(await settled(sale, minutes(15))).toEqual({ taken: 1_000_000, pending: 0, shortfall: 0 })
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({
      topUps: 0,
      balance: 2_000_000,
      held: 0,
    })
  })

  it('is taken in the new month, whoever opens it', async () => {
    const { sale } = await refundedWhileHeld()
    const august = new Date('2026-08-01T00:00:05Z')
    await resetWorkspaces(store, {
      segment: 0,
      segments: 1,
      period: '2026-08',
      pacePerSecond: 1_000,
      timeLeftMs: () => 60_000,
    })
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({
      topUps: 1_000_000,
      balance: 2_000_000,
      impounded: 1_000_000,
    })
    expect(await settled(sale, august)).toEqual({ taken: 1_000_000, pending: 0, shortfall: 0 })

    const { sale: other } = await refundedWhileHeld()
    expect(await settled(other, august)).toEqual({ taken: 1_000_000, pending: 0, shortfall: 0 })
    expect(await readWorkspace(store, other.workspaceId)).toMatchObject({ balance: 2_000_000 })
  })

  it('is shown as pending to whoever looks, and taken for them where holds have returned it', async () => {
    const { sale, holdId } = await refundedWhileHeld()
    const looking = async (at: Date) => {
      const purchase = await getPurchase(store, async () => stripe.account, sale, at)
      if ('refused' in purchase) throw new Error(purchase.refused)
      return purchaseView(purchase, at)
    }
    expect(await looking(minutes(2))).toMatchObject({ credited: 1_000_000, pending: 1_000_000 })
    await close(sale, holdId)
    expect(await looking(minutes(3))).toMatchObject({ credited: 0, pending: undefined })
  })

  it('is forgiven when a dispute is won before the holds close', async () => {
    const sale = await paidOrder()
    const holdId = await hold(sale, 3_000_000)
    await stripe.bank(sale.paymentIntent, 'dispute')
    expect(await settled(sale)).toMatchObject({ pending: 1_000_000 })
    await stripe.bank(sale.paymentIntent, 'win')
    expect(await settled(sale)).toEqual({ taken: 0, pending: 0, shortfall: 0 })
    await close(sale, holdId)
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({
      balance: 3_000_000,
      topUps: 1_000_000,
    })
    await expectBooksToBalance(store, sale.workspaceId)
  })

  it('of two purchases is taken for the first to be reversed first, whichever is settled first', async () => {
    const workspaceId = await openWorkspace(store, minutes(0))
    const one = await paidOrder({ workspaceId })
    const other = await paidOrder({ workspaceId })
    const holdId = await hold(one, 4_000_000)
    await stripe.bank(one.paymentIntent, 'refund')
    await settled(one, minutes(1))
    await stripe.bank(other.paymentIntent, 'refund')
    await settled(other, minutes(2))
    await close(one, holdId, { outcome: 'settled', tokens: 2_700_000 }, { at: minutes(3) })
    expect(await settled(other, minutes(4))).toEqual({
      taken: 300_000,
      pending: 0,
      shortfall: 700_000,
    })
    expect(await settled(one, minutes(4))).toEqual({ taken: 1_000_000, pending: 0, shortfall: 0 })
  })
})

describe('a hold that closes', () => {
  it('takes one transaction where nothing is owed, and a second where it is', async () => {
    const sale = await paidOrder()
    const calm = await hold(sale, 1_000)
    wire.clear()
    await close(sale, calm)
    expect(sent('TransactWriteItems')).toHaveLength(1)

    const { sale: refunded, holdId } = await refundedWhileHeld()
    await close(refunded, holdId)
    expect(sent('TransactWriteItems')).toHaveLength(2)
  })

  it('pays what came to be owed while it was closing', async () => {
    const sale = await paidOrder()
    const holdId = await hold(sale, 3_000_000)
    await stripe.bank(sale.paymentIntent, 'refund')
    wire.next(
      'TransactWriteItems',
      behind(() => settling(sale, minutes(1), beside)),
    )
    await close(sale, holdId)
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({
      balance: 2_000_000,
      impounded: 1_000_000,
    })
    await expectBooksToBalance(store, sale.workspaceId)
  })

  it('is counted by the reversal that it came before', async () => {
    const sale = await paidOrder()
    const holdId = await hold(sale, 3_000_000)
    await stripe.bank(sale.paymentIntent, 'refund')
    wire.next(
      'TransactWriteItems',
      behind(() => close(sale, holdId, undefined, { to: beside })),
    )
    expect(await settled(sale)).toEqual({ taken: 1_000_000, pending: 0, shortfall: 0 })
  })

  it('pays once, though its answer was lost and it is closed again', async () => {
    const { sale, holdId } = await refundedWhileHeld()
    wire.next('TransactWriteItems', (forward) => forward(), lostResponse)
    const outcomes = await Promise.all([1, 2, 3].map(() => close(sale, holdId)))
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ entry: { returned: 2_000_000, impounded: 1_000_000 } })
    }
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({ impounded: 1_000_000 })
    await expectBooksToBalance(store, sale.workspaceId)
  })

  it('pays with others at once exactly what is owed, and settles at once take it once', async () => {
    const sale = await paidOrder()
    const keys = Array.from({ length: 12 }, (_, n) => `k${n}`)
    const holds = await Promise.all(keys.map((key) => hold(sale, 250_000, minutes(0), key)))
    await stripe.bank(sale.paymentIntent, 'refund')
    await settled(sale)
    await Promise.all([
      ...holds.map((holdId) => close(sale, holdId)),
      ...[2, 3, 4].map((at) => settling(sale, minutes(at)).catch(() => undefined)),
    ])
    expect(await settled(sale, minutes(5))).toEqual({ taken: 1_000_000, pending: 0, shortfall: 0 })
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({
      topUps: 0,
      balance: 2_000_000,
      held: 0,
    })
  })
})

describe('what is used meanwhile', () => {
  it('is paid from what was bought later, and costs what it always does', async () => {
    const { sale, holdId } = await refundedWhileHeld()
    const later = await paidOrder({ workspaceId: sale.workspaceId })
    wire.clear()
    await useUp(store, later, 400_000, minutes(3))
    expect(sent('TransactWriteItems')).toHaveLength(1)
    await close(sale, holdId, { outcome: 'settled', tokens: 3_000_000 }, { at: minutes(4) })
    expect(await settled(sale, minutes(5))).toEqual({
      taken: 0,
      pending: 0,
      shortfall: 1_000_000,
    })
    expect(await readWorkspace(store, sale.workspaceId)).toMatchObject({ balance: 600_000 })
  })
})
