import { DeleteCommand, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Unavailable } from '../../shared/domain/refusal.ts'
import { isWorkspaceId } from '../../shared/domain/workspace-id.ts'
import { closeHold } from '../../shared/operations/close-hold.ts'
import { extendHold } from '../../shared/operations/extend-hold.ts'
import { followEvent } from '../../shared/operations/follow-event.ts'
import { openHold } from '../../shared/operations/open-hold.ts'
import { reconcile } from '../../shared/operations/reconcile.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { moveCursor, readEventsCursor, takeTurn } from '../../shared/store/events-cursor.ts'
import { readPurchase } from '../../shared/store/purchases.ts'
import { pageOfDue, retryPut } from '../../shared/store/retries.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { everythingIn, expectBooksToBalance } from '../support/books.ts'
import { openOrder, type Sale } from '../support/shop.ts'
import { listenForSignals } from '../support/signals.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import {
  answering,
  broken,
  listingNothing,
  preceded,
  type StripeWire,
  throughStripeWire,
} from '../support/stripe-wire.ts'
import { failing, throughWire, type Wire } from '../support/wire.ts'

const noon = Date.parse('2026-07-14T12:00:00Z')
const minutes = 60_000
const hours = 60 * minutes
const days = 24 * hours
const signals = listenForSignals()

let now: Date
let wire: Wire
let store: Store
let stripe: TestStripe
let line: StripeWire
beforeEach(async () => {
  now = new Date(noon)
  signals.forget()
  ;({ wire, store } = await throughWire(await openTestStore()))
  stripe = await openTestStripe(() => now)
  line = throughStripeWire(stripe)
})
afterEach(async () => {
  await stripe.stop()
  await wire.stop()
})

const order = (workspaceId?: string) => openOrder(store, stripe, now, { workspaceId })
const paid = async () => {
  const sale = await order()
  return { ...sale, ...(await stripe.buyer(sale.session, 'pay')) }
}
const reconciling = (options?: Parameters<typeof reconcile>[3]) =>
  reconcile(store, line.account, now, options)
const pass = (ms: number) => {
  now = new Date(now.getTime() + ms)
}
const seconds = (at: number) => Math.floor(at / 1000)
const topUpsOf = async ({ workspaceId }: Sale) => (await readWorkspace(store, workspaceId))!.topUps
const statusOf = async ({ workspaceId, purchaseId }: Sale) =>
  (await readPurchase(store, workspaceId, purchaseId))!.status
/** The whole list, whenever it is due. */
const list = async () => (await pageOfDue(store, false, '9999', 100)).retries

describe('reconciliation', () => {
  it('credits, takes back and closes what no webhook told of', async () => {
    const [credited, refunded, expired] = [await paid(), await paid(), await order()]
    await stripe.bank(refunded.paymentIntent, 'refund', 100)
    await stripe.buyer(expired.session, 'expire')
    expect(await reconciling()).toEqual({
      events: 5,
      looked: 3,
      failed: 0,
      retried: 0,
      ended: 'caught_up',
    })
    expect(await topUpsOf(credited)).toBe(1_000_000)
    expect(await topUpsOf(refunded)).toBe(600_000)
    expect(await statusOf(expired)).toBe('expired')
    await expectBooksToBalance(store, refunded.workspaceId)
  })

  it('changes nothing when it sees the same events again', async () => {
    await paid()
    await reconciling()
    const before = await everythingIn(store)
    expect(await reconciling()).toMatchObject({ events: 1, looked: 0 })
    expect(await everythingIn(store)).toEqual(before)
  })

  it('finds an event of this very second', async () => {
    const sale = await paid()
    pass(999)
    expect(await reconciling()).toMatchObject({ events: 1 })
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })

  it('looks at a purchase once, however many events it has', async () => {
    const sale = await paid()
    for (let cents = 1; cents <= 5; cents++) await stripe.bank(sale.paymentIntent, 'refund', cents)
    line.clear()
    expect(await reconciling()).toMatchObject({ events: 11, looked: 1 })
    // One look to settle, and one to see it done.
    expect(line.askedFor(`/v1/checkout/sessions/${sale.session}`)).toBe(2)
    expect(line.askedFor('/v1/payment_intents/')).toBe(1)
  })

  it('does not look again at what a webhook brought', async () => {
    await reconciling()
    const sale = await paid()
    const [event] = await stripe.events()
    await followEvent(store, stripe.account, event!, now)
    pass(15 * minutes)
    line.clear()
    expect(await reconciling()).toMatchObject({ events: 1, looked: 0 })
    expect(line.asked).toHaveLength(1)
    await stripe.bank(sale.paymentIntent, 'refund')
    expect(await reconciling()).toMatchObject({ events: 3, looked: 1 })
    expect(await topUpsOf(sale)).toBe(0)
  })

  it('does look again where something happened within the minutes that clocks may differ', async () => {
    const sale = await paid()
    pass(2 * minutes)
    await reconciling()
    await stripe.bank(sale.paymentIntent, 'refund')
    pass(15 * minutes)
    expect(await reconciling()).toMatchObject({ looked: 1 })
    expect(await statusOf(sale)).toBe('refunded')
    pass(15 * minutes)
    expect(await reconciling()).toMatchObject({ events: 3, looked: 0 })
  })

  it('finds an event that Stripe lists up to an hour later than it dates it', async () => {
    await reconciling()
    pass(2 * hours)
    const sale = await paid()
    line.on('/v1/events', listingNothing)
    pass(10 * minutes)
    await reconciling()
    pass(45 * minutes)
    line.clear()
    await reconciling()
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })

  it('says which events it can never see, where it is further behind than Stripe lists them', async () => {
    await reconciling()
    pass(days)
    const lost = await paid()
    pass(31 * days)
    const sale = await paid()
    await reconciling()
    expect(await topUpsOf(sale)).toBe(1_000_000)
    expect(await topUpsOf(lost)).toBe(0)
    expect(signals.heard()).toEqual([
      { signal: 'events_missed', from: '2026-07-14T12:00:00.000Z', to: '2026-07-16T12:00:00.000Z' },
    ])
    await reconciling()
    expect(signals.names()).toHaveLength(1)
  })

  it('keeps its place out of sight: no workspace can have its key', async () => {
    await reconciling()
    const items = await everythingIn(store)
    const item = items.find(({ workspaceId }) => workspaceId === '#stripe#test')
    expect(item).toEqual({
      workspaceId: '#stripe#test',
      entryId: 'cursor',
      reconciledUntil: seconds(noon),
    })
    // Nor that of the deployment's own id.
    for (const { workspaceId } of items) expect(isWorkspaceId(workspaceId)).toBe(false)
  })
})

describe('its place', () => {
  it('follows the clock an hour behind, and never goes back', async () => {
    await reconciling()
    expect(await readEventsCursor(store, false)).toBe(seconds(noon))
    pass(30 * minutes)
    await reconciling()
    expect(await readEventsCursor(store, false)).toBe(seconds(noon))
    pass(3 * hours)
    await reconciling()
    expect(await readEventsCursor(store, false)).toBe(seconds(noon + 2.5 * hours))
    // A schedule that comes late says an earlier time.
    now = new Date(noon + hours)
    await reconciling()
    expect(await readEventsCursor(store, false)).toBe(seconds(noon + 2.5 * hours))
  })

  it('is moved as the run goes on, so that one that dies half-way has done its half', async () => {
    await reconciling()
    await manyEvents(1_050)
    pass(20 * hours)
    await manyEvents(1_050)
    const sale = await paid()
    pass(10 * hours)
    let listings = 0
    const dies = new Promise<never>(() => undefined)
    line.on(
      '/v1/events',
      preceded(async () => {
        // The first finds too many; then come its first half, page by page, and the second.
        if ((await readEventsCursor(store, false))! > seconds(noon + hours)) {
          listings++
          await dies
        }
      }),
    )
    void reconciling()
    await expect.poll(() => listings, { timeout: 30_000 }).toBe(1)
    const reached = (await readEventsCursor(store, false))!
    expect(reached).toBeLessThanOrEqual(seconds(noon + 20 * hours))
    line.clear()

    // Its turn ends when nothing has been heard of it for a while.
    expect(await reconciling()).toMatchObject({ ended: 'elsewhere', events: 0 })
    pass(15 * minutes)
    expect(await reconciling()).toMatchObject({ ended: 'caught_up' })
    expect(await topUpsOf(sale)).toBe(1_000_000)
  }, 60_000)

  it('stays while Stripe is out, and nothing is missed then', async () => {
    await reconciling()
    const sale = await paid()
    for (const mode of ['down', 'error'] as const) {
      await stripe.outage(mode)
      pass(2 * hours)
      await expect(reconciling()).rejects.toBeInstanceOf(Unavailable)
      expect(await readEventsCursor(store, false)).toBe(seconds(noon))
    }
    await stripe.outage('none')
    await reconciling()
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })

  it('stays before what could neither be settled nor put on the list', async () => {
    await reconciling()
    const sale = await paid()
    pass(2 * hours)
    wire.always('TransactWriteItems', failing('InternalServerError', {}, 500))
    wire.always('PutItem', failing('InternalServerError', {}, 500))
    await expect(reconciling()).rejects.toBeInstanceOf(Unavailable)
    expect(await readEventsCursor(store, false)).toBe(seconds(noon))
    wire.clear()
    await reconciling()
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })

  it('is kept by one run at a time', async () => {
    const sales = [await paid(), await paid(), await paid()]
    const runs = await Promise.all(Array.from({ length: 4 }, () => reconciling()))
    expect(runs.filter(({ ended }) => ended === 'caught_up')).toHaveLength(1)
    expect(runs.filter(({ ended }) => ended === 'elsewhere')).toHaveLength(3)
    for (const sale of sales) expect(await topUpsOf(sale)).toBe(1_000_000)
  })

  it('is not moved by a run whose turn another one has taken', async () => {
    const slow = (await takeTurn(store, false, noon))!
    expect(await takeTurn(store, false, noon + 4 * minutes)).toBeUndefined()
    const other = (await takeTurn(store, false, noon + 6 * minutes))!
    expect(await moveCursor(store, slow, seconds(noon) + 60, noon + 7 * minutes)).toBe(false)
    expect(await moveCursor(store, other, seconds(noon) + 60, noon + 7 * minutes)).toBe(true)
    expect(await moveCursor(store, other, seconds(noon) + 59, noon + 7 * minutes)).toBe(false)
    // A clock that was set back must not shut everybody out until it has caught up.
    expect(await takeTurn(store, false, noon - days)).toBeDefined()
  })

  it('is given up by a run whose turn another one has taken, which goes on from there', async () => {
    const sale = await paid()
    line.on(
      '/v1/events',
      preceded(() => takeTurn(store, false, noon + 6 * minutes)),
    )
    expect(await reconciling()).toMatchObject({ ended: 'elsewhere' })
    line.clear()
    pass(15 * minutes)
    await reconciling()
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })
})

describe('a purchase that cannot be settled', () => {
  it('holds nobody up, older or newer', async () => {
    const [before, poison, afterwards] = [await paid(), await paid(), await paid()]
    line.on(poison.session, answering(400, 'invalid_request_error'))
    expect(await reconciling()).toMatchObject({ looked: 3, failed: 1, ended: 'caught_up' })
    expect(await topUpsOf(before)).toBe(1_000_000)
    expect(await topUpsOf(afterwards)).toBe(1_000_000)
    expect(signals.heard()).toMatchObject([
      { signal: 'reconcile_failed', purchaseId: poison.purchaseId, type: expect.any(String) },
    ])
    const { workspaceId, purchaseId } = poison
    const nextAt = new Date(noon + 15 * minutes).toISOString()
    expect(await list()).toEqual([
      {
        workspaceId: '#stripe#test',
        entryId: `retry#${workspaceId}#${purchaseId}`,
        type: 'retry',
        purchase: { workspaceId, purchaseId },
        since: now.toISOString(),
        tries: 0,
        nextAt,
        listedAt: nextAt,
      },
    ])
  })

  it.each([
    ['a fault of its own object', () => answering(500)],
    ['no answer for it', () => broken],
    ['a refusal', () => answering(404, 'invalid_request_error', 'something_new')],
    ['a key that may not look', () => answering(403, 'permission_error')],
  ])('by %s is settled when it can be, long after its event is out of reach', async (_, step) => {
    await reconciling()
    const sale = await paid()
    line.on(sale.session, step())
    await reconciling()
    pass(40 * days)
    line.clear()
    expect(await reconciling()).toMatchObject({ retried: 1, failed: 0 })
    expect(await topUpsOf(sale)).toBe(1_000_000)
    expect(await list()).toEqual([])
  })

  it('by a bug of ours is on the list too', async () => {
    const sale = await paid()
    const Key = { workspaceId: sale.workspaceId }
    const { Item } = await store.client.send(
      new GetCommand({ TableName: store.workspacesTable, Key }),
    )
    await store.client.send(new DeleteCommand({ TableName: store.workspacesTable, Key }))
    expect(await reconciling()).toMatchObject({ failed: 1 })
    expect(signals.heard()).toMatchObject([
      { signal: 'reconcile_failed', cause: expect.stringContaining(sale.purchaseId) },
    ])
    await store.client.send(new PutCommand({ TableName: store.workspacesTable, Item }))
    pass(15 * minutes)
    await reconciling()
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })

  it('because DynamoDB will not move its tokens waits on the list', async () => {
    const sale = await paid()
    wire.always('TransactWriteItems', failing('InternalServerError', {}, 500))
    expect(await reconciling()).toMatchObject({ failed: 1 })
    wire.clear()
    pass(15 * minutes)
    expect(await reconciling()).toMatchObject({ retried: 1, failed: 0 })
    expect(await topUpsOf(sale)).toBe(1_000_000)
  })

  it('is tried after 15, 30, 60 minutes and so on up to six hours, and daily after 72 h', async () => {
    const poison = await paid()
    line.on(poison.session, answering(500))
    await reconciling()
    const waits: number[] = []
    while (now.getTime() < noon + 6 * days) {
      const [{ nextAt } = { nextAt: '' }] = await list()
      waits.push((Date.parse(nextAt) - now.getTime()) / minutes)
      now = new Date(Date.parse(nextAt) - 1)
      expect(await reconciling()).toMatchObject({ retried: 0 })
      pass(1)
      expect(await reconciling()).toMatchObject({ retried: 1, failed: 1 })
    }
    expect(waits.slice(0, 7)).toEqual([15, 30, 60, 120, 240, 360, 360])
    expect(waits.slice(-2)).toEqual([1_440, 1_440])
    const overdue = signals.heard().filter(({ signal }) => signal === 'purchase_overdue')
    expect(overdue[0]).toMatchObject({
      purchaseId: poison.purchaseId,
      since: new Date(noon).toISOString(),
    })
    expect(overdue.length).toBeGreaterThanOrEqual(2)
    line.clear()
    pass(days)
    await reconciling()
    expect(await topUpsOf(poison)).toBe(1_000_000)
    expect(await list()).toEqual([])
  })

  it('keeps its age on the list when something new happens to it', async () => {
    const poison = await paid()
    line.on(poison.session, answering(500))
    await reconciling()
    pass(15 * minutes)
    await reconciling()
    pass(5 * minutes)
    await stripe.bank(poison.paymentIntent, 'refund', 10)
    await reconciling()
    expect(await list()).toMatchObject([{ since: new Date(noon).toISOString(), tries: 1 }])
  })

  it('is on the list by its payment where nobody can say which purchase it is', async () => {
    await reconciling()
    const sale = await paid()
    await reconciling()
    pass(2 * hours)
    await stripe.bank(sale.paymentIntent, 'refund')
    const other = await paid()
    line.on(`/v1/payment_intents/${sale.paymentIntent}`, answering(500))
    expect(await reconciling()).toMatchObject({ failed: 1, ended: 'caught_up' })
    expect(await topUpsOf(other)).toBe(1_000_000)
    expect(await list()).toMatchObject([{ paymentIntent: sale.paymentIntent, tries: 0 }])
    pass(40 * days)
    line.clear()
    await reconciling()
    expect(await topUpsOf(sale)).toBe(0)
    expect(await list()).toEqual([])
  })

  it('stays on the list, and is looked at every 15 minutes, while tokens are yet to be taken back', async () => {
    const sale = await paid()
    const { workspaceId, purchaseId } = sale
    await reconciling()
    const hold = { workspaceId, holdId: 'all', key: 'h', tokens: 3_000_000, ttlSeconds: 900 }
    const held = await openHold(store, hold, now)
    if ('refused' in held) throw new Error(held.refused)
    const { holdId } = held.hold
    await stripe.bank(sale.paymentIntent!, 'refund')
    await reconciling()
    expect(await readPurchase(store, workspaceId, purchaseId)).toMatchObject({ pending: 1_000_000 })
    for (let tries = 1; tries <= 3; tries++) {
      pass(14 * minutes)
      const longer = { workspaceId, holdId, key: `longer-${tries}`, ttlSeconds: 900 }
      expect(await extendHold(store, longer, now)).not.toHaveProperty('refused')
      pass(minutes)
      expect(await reconciling()).toMatchObject({ retried: 1, failed: 0 })
      const nextAt = new Date(now.getTime() + 15 * minutes).toISOString()
      expect(await list()).toMatchObject([{ tries, nextAt }])
    }
    await closeHold(store, { workspaceId, holdId, closing: { outcome: 'released' } }, now)
    pass(15 * minutes)
    await reconciling()
    expect(await list()).toEqual([])
    expect(await topUpsOf(sale)).toBe(0)
    expect(signals.heard()).toEqual([])
  })

  it('stays on the list where it is put there anew while it is tried', async () => {
    const sale = await paid()
    const { workspaceId, purchaseId } = sale
    const put = (at: number) =>
      store.client.send(
        new PutCommand(
          retryPut(
            store,
            { workspaceId, purchaseId, livemode: false },
            new Date(at).toISOString(),
            new Date(at + 15 * minutes).toISOString(),
          ),
        ),
      )
    await reconciling()
    await put(noon - hours)
    line.on(
      sale.session,
      preceded(() => put(noon)),
    )
    expect(await reconciling()).toMatchObject({ retried: 1 })
    expect(await list()).toMatchObject([{ since: new Date(noon).toISOString(), tries: 0 }])
    line.clear()
    pass(15 * minutes)
    await reconciling()
    expect(await list()).toEqual([])
  })
})

describe('a key of the other mode', () => {
  it('passes nothing over: what is not its own waits until the right key is back', async () => {
    const live = await openTestStripe(() => now, { livemode: true })
    try {
      await reconciling()
      const failing = await paid()
      line.on(failing.session, answering(500))
      await reconciling()
      const lost = await paid()
      for (let n = 0; n < 8; n++) {
        pass(hours)
        expect(await reconcile(store, live.account, now)).toMatchObject({ looked: 0, retried: 0 })
      }
      line.clear()
      expect(await reconciling()).toMatchObject({ failed: 0, retried: 1 })
      for (const sale of [failing, lost]) expect(await topUpsOf(sale)).toBe(1_000_000)
      expect(await list()).toEqual([])
    } finally {
      await live.stop()
    }
  })
})

describe('an outage that begins in the middle', () => {
  it('ends the run early and keeps the place: what was tried waits on the list, the rest where it was', async () => {
    await reconciling()
    const sales: Sale[] = []
    for (let n = 0; n < 60; n++) {
      sales.push(await paid())
      pass(minutes)
    }
    pass(2 * hours)
    line.on('/v1/checkout/sessions/', broken)
    await expect(reconciling()).rejects.toBeInstanceOf(Unavailable)
    const tried = await list()
    expect(tried.length).toBeGreaterThanOrEqual(10)
    expect(tried.length).toBeLessThan(40)
    const cursor = (await readEventsCursor(store, false))!
    expect(cursor).toBeGreaterThan(seconds(noon))
    expect(cursor).toBeLessThanOrEqual(seconds(noon) + tried.length * 60)

    line.clear()
    pass(15 * minutes)
    expect(await reconciling()).toMatchObject({ failed: 0, retried: tried.length })
    for (const sale of sales) expect(await topUpsOf(sale)).toBe(1_000_000)
    expect(await list()).toEqual([])
  }, 60_000)
})

describe('many purchases in a row that Stripe refuses one by one', () => {
  it('are no outage: all go on the list, and the run goes on', async () => {
    const poisons: Sale[] = []
    for (let n = 0; n < 15; n++) poisons.push(await paid())
    pass(minutes)
    const sale = await paid()
    for (const { session } of poisons) line.on(session, answering(400, 'invalid_request_error'))
    expect(await reconciling()).toMatchObject({ failed: 15, ended: 'caught_up' })
    expect(await topUpsOf(sale)).toBe(1_000_000)
    expect(await list()).toHaveLength(15)
  })
})

describe('a backlog', () => {
  it('is worked off oldest first, in as many runs as it takes', async () => {
    await reconciling()
    const sales: Sale[] = []
    for (let n = 0; n < 40; n++) {
      sales.push(await paid())
      pass(30 * minutes)
    }
    pass(2 * hours)
    const credited = async () => {
      const topUps = await Promise.all(sales.map(topUpsOf))
      return topUps.filter((tokens) => tokens > 0).length
    }
    let looks = 12
    const timeLeftMs = () => (looks-- > 0 ? 600_000 : 0)
    expect(await reconciling({ timeLeftMs })).toMatchObject({ ended: 'out_of_time' })
    const first = await credited()
    expect(first).toBeGreaterThan(0)
    expect(first).toBeLessThan(20)
    for (const sale of sales.slice(0, first)) expect(await topUpsOf(sale)).toBe(1_000_000)
    expect(await readEventsCursor(store, false)).toBeGreaterThan(seconds(noon))

    let runs = 1
    for (let ended = ''; ended !== 'caught_up'; runs++) {
      looks = 12
      ;({ ended } = await reconciling({ timeLeftMs }))
    }
    expect(runs).toBeLessThanOrEqual(6)
    expect(await credited()).toBe(40)
  }, 60_000)

  it('of a busy stretch is read in every page, and cut to what fits', async () => {
    await reconciling()
    const early = await paid()
    await manyEvents(600)
    pass(3 * hours)
    const middle = await paid()
    await manyEvents(600)
    pass(3 * hours)
    const late = await paid()
    expect(await reconciling()).toMatchObject({ events: 1_203, failed: 0 })
    for (const sale of [early, middle, late]) expect(await topUpsOf(sale)).toBe(1_000_000)
  }, 60_000)

  it('of more events in one second than fit is read all the same', async () => {
    const sale = await paid()
    await manyEvents(1_100)
    expect(await reconciling()).toMatchObject({ events: 1_101, failed: 0 })
    expect(await topUpsOf(sale)).toBe(1_000_000)
  }, 60_000)

  it('does not keep the list waiting', async () => {
    await reconciling()
    const poison = await paid()
    line.on(poison.session, answering(500))
    await reconciling()
    line.clear()
    pass(2 * hours)
    await paid()
    // Nothing is left for events, and what is kept for the list still is.
    expect(await reconciling({ timeLeftMs: () => 60_000 })).toMatchObject({
      looked: 0,
      retried: 1,
      ended: 'out_of_time',
    })
    expect(await topUpsOf(poison)).toBe(1_000_000)
  })
})

describe('where Stripe says that it is asked too much', () => {
  it('waits and asks again, and nothing fails', async () => {
    const sale = await paid()
    let refusals = 3
    line.on('/v1/', (forward) =>
      refusals-- > 0 ? answering(429, 'rate_limit_error')(forward) : forward(),
    )
    expect(await reconciling()).toMatchObject({ failed: 0, looked: 1 })
    expect(await topUpsOf(sale)).toBe(1_000_000)
  }, 30_000)

  it('puts a purchase on the list where that does not help', async () => {
    const [poison, sale] = [await paid(), await paid()]
    line.on(poison.session, answering(429, 'rate_limit_error'))
    expect(await reconciling()).toMatchObject({ failed: 1 })
    expect(await topUpsOf(sale)).toBe(1_000_000)
    expect(await list()).toMatchObject([{ purchase: { purchaseId: poison.purchaseId } }])
  }, 30_000)
})

/** Events about what somebody else sells in the same account. */
async function manyEvents(count: number): Promise<void> {
  const { client } = stripe.account
  const mug = { currency: 'usd', unit_amount: 900, product_data: { name: 'A mug' } }
  for (let n = 0; n < count; n++) {
    const { id } = await client.checkout.sessions.create({
      mode: 'payment',
      line_items: [{ quantity: 1, price_data: mug }],
      success_url: 'https://app.example.com/',
    })
    await stripe.buyer(id, 'expire')
  }
}
