import type Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { Unavailable } from '../../shared/domain/refusal.ts'
import { followEvent } from '../../shared/operations/follow-event.ts'
import { eventTypes } from '../../shared/payments/events.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readPurchase, replacePurchase } from '../../shared/store/purchases.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { everythingIn, expectBooksToBalance } from '../support/books.ts'
import { openOrder, type Sale, useUp } from '../support/shop.ts'
import { listenForSignals } from '../support/signals.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import { cancelled, throughWire, type Wire } from '../support/wire.ts'

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

const order = () => openOrder(store, stripe, now)
const following = (event: Stripe.Event) => followEvent(store, stripe.account, event, now)
const newest = async () => (await stripe.events()).at(-1)!

/** The events of one order, oldest first, whatever they are about. */
async function eventsOf(sale: Sale, paymentIntent: string): Promise<Stripe.Event[]> {
  return (await stripe.events()).filter(({ data }) => {
    const object = data.object as { id: string; payment_intent?: string }
    return object.id === sale.session || object.payment_intent === paymentIntent
  })
}

const topUpsOf = async ({ workspaceId }: Sale) => (await readWorkspace(store, workspaceId))!.topUps

describe('an event of ours', () => {
  it('leads to the purchase, from a session, a refund, a charge or a dispute', async () => {
    const sale = await order()
    const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
    expect(await following(await newest())).toBe('settled')
    expect(await topUpsOf(sale)).toBe(1_000_000)

    await stripe.bank(paymentIntent, 'refund', 100)
    const [created, refunded] = (await eventsOf(sale, paymentIntent)).slice(-2)
    expect([created?.type, refunded?.type]).toEqual(['refund.created', 'charge.refunded'])
    expect(await following(refunded!)).toBe('settled')
    expect(await topUpsOf(sale)).toBe(600_000)
    await stripe.bank(paymentIntent, 'refund-fail')
    expect(await following(created!)).toBe('settled')
    expect(await topUpsOf(sale)).toBe(1_000_000)

    await stripe.bank(paymentIntent, 'dispute')
    expect(await following(await newest())).toBe('settled')
    expect(await topUpsOf(sale)).toBe(0)
    await stripe.bank(paymentIntent, 'win')
    expect(await following(await newest())).toBe('settled')
    expect(await topUpsOf(sale)).toBe(1_000_000)
    expect(signals.heard()).toEqual([])
    await expectBooksToBalance(store, sale.workspaceId)
  })

  it('is followed whatever of our types it is', async () => {
    const sale = await order()
    const { paymentIntent } = await stripe.buyer(sale.session, 'pay-later')
    await stripe.buyer(sale.session, 'settle')
    await stripe.bank(paymentIntent, 'refund', 10)
    await stripe.bank(paymentIntent, 'refund-fail')
    await stripe.bank(paymentIntent, 'dispute')
    await stripe.bank(paymentIntent, 'lose')
    const events = await eventsOf(sale, paymentIntent)
    expect(new Set(events.map(({ type }) => type)).size).toBe(10)
    for (const event of events) {
      expect(eventTypes).toContain(event.type)
      expect(await following(event)).toBe('settled')
    }
  })

  it('of an older API version tells of a refund that failed by `charge.refund.updated` alone', async () => {
    const sale = await order()
    const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
    await stripe.bank(paymentIntent, 'refund')
    await following(await newest())
    expect(await topUpsOf(sale)).toBe(0)
    await stripe.bank(paymentIntent, 'refund-fail')
    const events = await eventsOf(sale, paymentIntent)
    await following(events.find(({ type }) => type === 'charge.refund.updated')!)
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })

  it('may come doubled, late and in any order: where the money ended up is all that counts', async () => {
    const sale = await order()
    const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
    await stripe.bank(paymentIntent, 'refund', 50)
    await stripe.bank(paymentIntent, 'refund', 75)
    await stripe.bank(paymentIntent, 'refund-fail')
    const events = await eventsOf(sale, paymentIntent)
    for (const event of [...events.toReversed(), ...events, ...events.toReversed()]) {
      await following(event)
      // Only what stands at Stripe now is looked at, so already the first event brings it all.
      expect(await topUpsOf(sale)).toBe(800_000)
    }
    await expectBooksToBalance(store, sale.workspaceId)
  })

  it('comes to the same under a storm of events as it would in peace', async () => {
    const sale = await order()
    const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
    await following(await newest())
    await useUp(store, sale, 2_250_000, now)
    await stripe.bank(paymentIntent, 'refund', 100)
    await stripe.bank(paymentIntent, 'dispute', 150)
    const events = await eventsOf(sale, paymentIntent)
    await Promise.all([...events, ...events, ...events].map(following))
    expect(await readPurchase(store, sale.workspaceId, sale.purchaseId)).toMatchObject({
      status: 'disputed',
      reversed: 1_000_000,
      taken: 750_000,
    })
    expect(signals.names()).toEqual(['reversal_shortfall'])
    await expectBooksToBalance(store, sale.workspaceId)
  })

  it('waits while Stripe is out: it must be sent again', async () => {
    const sale = await order()
    const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
    await stripe.bank(paymentIntent, 'refund')
    const events = await eventsOf(sale, paymentIntent)
    await stripe.outage('down')
    for (const event of events) await expect(following(event)).rejects.toBeInstanceOf(Unavailable)
    await stripe.outage('none')
    expect(await following(events[0]!)).toBe('settled')
    expect(await topUpsOf(sale)).toBe(0)
  })

  it('waits while its workspace is too busy: that is an outage to whoever sent it', async () => {
    const sale = await order()
    await stripe.buyer(sale.session, 'pay')
    wire.always('TransactWriteItems', cancelled('TransactionConflict', 'None', 'None'))
    await expect(following(await newest())).rejects.toMatchObject({
      name: 'Unavailable',
      service: 'dynamodb',
      cause: 'the purchase is too busy',
    })
    wire.clear()
    expect(await following(await newest())).toBe('settled')
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })
})

describe('an event that is not ours', () => {
  it('of another type is ignored in silence', async () => {
    await stripe.buyer((await order()).session, 'pay')
    const event = { ...(await newest()), type: 'customer.created' } as Stripe.Event
    await changesNothing(event, 'ignored')
    expect(signals.heard()).toEqual([])
  })

  it('about something sold without us is counted, and changes nothing', async () => {
    const session = await stripe.account.client.checkout.sessions.create({
      mode: 'payment',
      line_items: [
        {
          quantity: 1,
          price_data: { currency: 'usd', unit_amount: 900, product_data: { name: 'A mug' } },
        },
      ],
      success_url: 'https://app.example.com/',
    })
    const { paymentIntent } = await stripe.buyer(session.id, 'pay')
    const event = await newest()
    await changesNothing(event, 'unknown')
    const { id: eventId, type } = event
    expect(signals.heard()).toEqual([{ signal: 'webhook_unknown', eventId, type }])
    await stripe.bank(paymentIntent, 'refund')
    await changesNothing(await newest(), 'unknown')
    expect(signals.names()).toEqual(['webhook_unknown', 'webhook_unknown'])
  })

  it('about a purchase we do not have is counted, and changes nothing', async () => {
    await stripe.buyer((await order()).session, 'pay')
    const event = await newest()
    const stranger = structuredClone(event)
    const session = stranger.data.object as Stripe.Checkout.Session
    session.metadata = { workspaceId: 'nobody', purchaseId: 'pur_unknown' }
    await changesNothing(stranger, 'unknown')
    // Its id finds it at Stripe; what it names may be anything, and is kept out of the log.
    const { id: eventId, type } = stranger
    expect(signals.heard()).toEqual([{ signal: 'webhook_unknown', eventId, type }])
  })

  it('about a payment Stripe does not know is counted, and changes nothing', async () => {
    const sale = await order()
    const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
    await stripe.bank(paymentIntent, 'refund')
    const event = structuredClone(await newest())
    Object.assign(event.data.object, { payment_intent: 'pi_unknown' })
    await changesNothing(event, 'unknown')
    Object.assign(event.data.object, { payment_intent: null })
    await changesNothing(event, 'unknown')
  })

  it('from the other mode than our key’s is alarmed, and changes nothing', async () => {
    await stripe.buyer((await order()).session, 'pay')
    const event = await newest()
    await changesNothing({ ...event, livemode: true } as Stripe.Event, 'mismatch')
    expect(signals.heard()).toMatchObject([{ signal: 'webhook_mismatch', fact: 'livemode' }])
  })

  it('made in test mode is alarmed where our key is live, and changes nothing', async () => {
    await stripe.buyer((await order()).session, 'pay')
    const event = await newest()
    const before = await everythingIn(store)
    const live = { ...stripe.account, livemode: true }
    expect(await followEvent(store, live, event, now)).toBe('mismatch')
    expect(await everythingIn(store)).toEqual(before)
    expect(signals.heard()).toMatchObject([{ signal: 'webhook_mismatch', fact: 'livemode' }])
  })

  it('that contradicts the purchase it names is alarmed, and changes nothing', async () => {
    const sale = await order()
    const stored = (await readPurchase(store, sale.workspaceId, sale.purchaseId))!
    const purchase = { ...stored, amount: 25_000, version: stored.version + 1 }
    await replacePurchase(store, { purchase, replacesVersion: stored.version })
    await stripe.buyer(sale.session, 'pay')
    const event = await newest()
    await changesNothing(event, 'mismatch')
    expect(signals.heard()).toEqual([
      {
        signal: 'webhook_mismatch',
        eventId: event.id,
        type: 'checkout.session.completed',
        fact: 'amountSubtotal',
        workspaceId: sale.workspaceId,
        purchaseId: sale.purchaseId,
      },
    ])
  })

  async function changesNothing(event: Stripe.Event, outcome: string): Promise<void> {
    const before = await everythingIn(store)
    expect(await following(event)).toBe(outcome)
    expect(await everythingIn(store)).toEqual(before)
  }
})
