import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Unavailable } from '../../shared/domain/refusal.ts'
import { getDocuments } from '../../shared/operations/get-documents.ts'
import { settlePurchase } from '../../shared/operations/settle-purchase.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { openOrder, type Sale } from '../support/shop.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import { throughStripeWire } from '../support/stripe-wire.ts'

const start = Date.parse('2026-07-14T09:00:00Z')

let store: Store
let stripe: TestStripe
beforeAll(async () => {
  store = await openTestStore()
  stripe = await openTestStripe(() => new Date(start))
})
afterAll(() => stripe.stop())

async function paidOrder(): Promise<Sale> {
  const sale = await openOrder(store, stripe, new Date(start))
  await stripe.buyer(sale.session, 'pay')
  await settlePurchase(store, stripe.account, sale, new Date(start))
  return sale
}
const asking = (sale: Sale, afterMs = 0, account = stripe.account) =>
  getDocuments(store, async () => account, sale, new Date(start + afterMs))

describe('the documents of a purchase', () => {
  it('are where Stripe says they are now', async () => {
    const sale = await paidOrder()
    const link = expect.stringMatching(/^http:/)
    const documents = { receiptUrl: link, invoiceUrl: link, invoicePdf: link }
    const first = await asking(sale)
    expect(first).toEqual(documents)
    expect(await asking(sale)).not.toEqual(first)
  })

  it('are none before anything is paid', async () => {
    expect(await asking(await openOrder(store, stripe, new Date(start)))).toEqual({})
  })

  it('cost Stripe at most five looks in ten seconds, and the others are told when to come back', async () => {
    const sale = await paidOrder()
    const through = throughStripeWire(stripe)
    const at = 3_000
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => asking(sale, at, through.account)),
    )
    expect(through.asked).toHaveLength(5)
    const refused = answers.filter((answer) => 'refused' in answer)
    expect(refused).toHaveLength(45)
    for (const answer of refused) {
      expect(answer).toEqual({ refused: 'too_many_looks', retryAfterSeconds: 7 })
    }
    expect(await asking(sale, at + 7_000)).toHaveProperty('receiptUrl')
  })

  it('cannot be had while Stripe is away, or its keys', async () => {
    const sale = await paidOrder()
    await stripe.outage('down')
    await expect(asking(sale)).rejects.toMatchObject({ name: 'Unavailable', service: 'stripe' })
    await stripe.outage('none')
    const noKeys = async () => {
      throw new Unavailable('secrets', new Error('away'))
    }
    await expect(getDocuments(store, noKeys, sale, new Date(start))).rejects.toMatchObject({
      service: 'secrets',
    })
    expect(await asking(sale)).toHaveProperty('receiptUrl')
  })

  it('are told of no purchase of another workspace, and ask Stripe nothing', async () => {
    const [sale, other] = [await paidOrder(), await paidOrder()]
    const through = throughStripeWire(stripe)
    for (const purchaseId of [other.purchaseId, 'pur_unknown']) {
      const answer = await asking({ ...sale, purchaseId }, 0, through.account)
      expect(answer).toEqual({ refused: 'purchase_not_found' })
    }
    expect(through.asked).toEqual([])
  })
})
