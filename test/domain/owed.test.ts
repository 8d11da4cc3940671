import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Books, differencesIn } from '../../shared/domain/books.ts'
import type { LedgerEntry, OpenHold, Recordable } from '../../shared/domain/entry.ts'
import { meterOf } from '../../shared/domain/meter.ts'
import {
  type Moment,
  type Movement,
  momentOf,
  type PurchaseChange,
} from '../../shared/domain/movement.ts'
import { grant } from '../../shared/domain/movements/grant.ts'
import { holdClosing } from '../../shared/domain/movements/hold-closing.ts'
import { holdExpiry, withExpiredReturned } from '../../shared/domain/movements/hold-expiry.ts'
import { holdOpening } from '../../shared/domain/movements/hold-opening.ts'
import { lateCharge } from '../../shared/domain/movements/late-charge.ts'
import { payment } from '../../shared/domain/movements/payment.ts'
import { reset } from '../../shared/domain/movements/reset.ts'
import { use } from '../../shared/domain/movements/use.ts'
import { workspaceChange } from '../../shared/domain/movements/workspace-change.ts'
import type { Period } from '../../shared/domain/period.ts'
import type { Purchase } from '../../shared/domain/purchase.ts'
import { isRefusal, type Refusal } from '../../shared/domain/refusal.ts'
import { asOf, topUpsLeftOf, type Workspace } from '../../shared/domain/workspace.ts'
import { allowed, apply } from '../support/apply.ts'
import { purchaseWith } from '../support/purchase.ts'

describe('a refund while tokens are held', () => {
  it('takes what is free, and the rest when the holds return it', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    const hold = shop.holds(2_600)
    expect(shop.reverses(purchase, 1_000)).toMatchObject({ tokens: -400, shortfall: 0 })
    expect(purchase()).toMatchObject({ reversed: 1_000, taken: 400, pending: 600, shortfall: 0 })

    expect(shop.closes(hold, 2_000)).toMatchObject({ returned: 0, impounded: 600 })
    expect(shop.workspace).toMatchObject({ balance: 0, held: 0, impounded: 600 })
    expect(shop.workspace).not.toHaveProperty('owed')

    expect(shop.reverses(purchase, 1_000)).toMatchObject({ tokens: -600, impounded: 600 })
    expect(purchase()).toMatchObject({ taken: 1_000, pending: 0, shortfall: 0 })
    expect(purchase().pendingSince).toBeUndefined()
    expect(shop.workspace).toMatchObject({ topUps: 0, balance: 0 })
    expect(shop.workspace).not.toHaveProperty('impounded')
    shop.addsUp()
  })

  it('knows as its shortfall what the holds have spent, at the settle after', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    const hold = shop.holds(3_000)
    shop.reverses(purchase, 1_000)
    shop.closes(hold, 2_700)
    expect(shop.reverses(purchase, 1_000)).toMatchObject({ tokens: -300, shortfall: 700 })
    expect(purchase()).toMatchObject({ reversed: 1_000, taken: 300, pending: 0, shortfall: 700 })
    shop.addsUp()
  })

  it('waits while the holds are open, and says so where it is settled again', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    shop.holds(3_000)
    shop.reverses(purchase, 1_000)
    const before = shop.workspace
    expect(shop.reverses(purchase, 1_000)).toMatchObject({
      tokens: 0,
      shortfall: 0,
      pending: 1_000,
    })
    expect(shop.workspace).toEqual({ ...before, version: before.version + 1 })
  })

  it('is put on the list of those to settle again, fifteen minutes later', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    shop.holds(3_000)
    shop.reverses(purchase, 1_000)
    expect(shop.retries).toEqual([
      {
        retry: { workspaceId: 'acme', purchaseId: 'pur_1', livemode: false },
        nextAt: minutesLater(shop.moment, 15),
      },
    ])
  })

  it('is not paid by holds that open later, nor by later top-ups', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    const early = shop.holds(3_000)
    shop.reverses(purchase, 1_000)
    shop.passes(1)
    shop.grants(500)
    const later = shop.holds(500)
    expect(shop.closes(later, 0)).toMatchObject({ returned: 500 })
    expect(shop.workspace).toMatchObject({ balance: 500, owed: { tokens: 1_000, held: 3_000 } })
    expect(shop.closes(early, 3_000)).toMatchObject({ returned: 0 })
    expect(shop.reverses(purchase, 1_000)).toMatchObject({ tokens: 0, shortfall: 1_000 })
    expect(shop.workspace).toMatchObject({ balance: 500, topUps: 1_500 })
    shop.addsUp()
  })

  it('is paid by a hold whose clock was ahead, where it must have been there', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    const ahead = shop.holds(3_000, { minutesAhead: 60 })
    shop.grants(200)
    shop.reverses(purchase, 1_000)
    expect(shop.workspace.owed).toMatchObject({ tokens: 800 })
    expect(shop.closes(ahead, 0)).toMatchObject({ impounded: 800 })
    shop.addsUp()
  })

  it('is paid by a hold that opened while Stripe was asked, though later ones hold as much', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    const meanwhile = shop.holds(3_000, { minutesAhead: 1 })
    shop.reverses(purchase, 1_000)
    shop.passes(2)
    shop.grants(4_000)
    shop.holds(4_000)
    expect(shop.closes(meanwhile, 0)).toMatchObject({ returned: 2_000, impounded: 1_000 })
    shop.addsUp()
  })

  it('is guarded by no more than what it was computed from', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    const before = shop.holds(3_000)
    shop.reverses(purchase, 1_000)
    const { workspace, moment } = shop
    const { owed } = workspace
    const release = { outcome: 'released' as const }
    expect(holdClosing(before, release, moment, workspace).when).toEqual({
      balanceAtLeast: 0,
      asRead: { owed },
    })
    // One dated later pays only where too little stays held, and so depends on what is.
    const later = { ...before, at: minutesLater(moment, 5), tokens: 500 }
    const more = { ...workspace, held: 3_500 }
    expect(holdClosing(later, release, moment, more)).toMatchObject({
      when: { balanceAtLeast: 0, asRead: { owed }, heldAtLeast: 3_500 },
      entry: { returned: 500 },
    })
    const less = { ...workspace, held: 3_499 }
    expect(holdClosing(later, release, moment, less)).toMatchObject({
      when: { asRead: { owed, held: 3_499 } },
      entry: { returned: 499, impounded: 1 },
    })
  })

  it('has as its shortfall at once what was spent before, and waits only for what is held', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    shop.uses(2_700)
    shop.turnsTo('2026-08')
    shop.holds(2_300)
    expect(shop.reverses(purchase, 1_000)).toMatchObject({
      tokens: 0,
      pending: 300,
      shortfall: 700,
    })
    shop.addsUp()
  })

  it('does not wait for what holds owe already', () => {
    const shop = opened()
    const [one, other] = [shop.buys(1_000), shop.buys(1_000)]
    shop.uses(3_000)
    shop.holds(1_000)
    expect(shop.reverses(one, 1_000)).toMatchObject({ pending: 1_000, shortfall: 0 })
    expect(shop.reverses(other, 1_000)).toMatchObject({ shortfall: 1_000 })
    expect(other().pending).toBe(0)
    shop.addsUp()
  })

  it('is owed no more once another refund has taken those top-ups from the balance', () => {
    const shop = opened()
    const [one, other] = [shop.buys(1_000), shop.buys(1_000)]
    shop.uses(2_500)
    shop.turnsTo('2026-08')
    shop.holds(3_500)
    shop.reverses(one, 1_000)
    shop.raises(800)
    expect(shop.reverses(other, 1_000)).toMatchObject({ tokens: -800, shortfall: 200 })
    expect(shop.workspace.owed).toMatchObject({ tokens: 700 })
    shop.addsUp()
    expect(shop.reverses(one, 1_000)).toMatchObject({ pending: 700, shortfall: 300 })
    shop.addsUp()
  })

  it('is given back when the money comes back: what was taken, and no more', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    const hold = shop.holds(2_600)
    shop.reverses(purchase, 1_000)
    expect(shop.reverses(purchase, 700)).toMatchObject({ tokens: 0, shortfall: 0 })
    expect(purchase()).toMatchObject({ taken: 400, pending: 300, shortfall: 0 })
    expect(shop.workspace.owed).toMatchObject({ tokens: 300 })
    expect(shop.reverses(purchase, 0)).toMatchObject({ tokens: 400 })
    expect(shop.workspace).not.toHaveProperty('owed')
    shop.closes(hold, 0)
    expect(shop.workspace).toMatchObject({ balance: 3_000, topUps: 1_000 })
    shop.addsUp()
  })

  it('gives back what is impounded for it, and was never taken', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    const hold = shop.holds(3_000)
    shop.reverses(purchase, 1_000)
    shop.closes(hold, 0)
    expect(shop.workspace).toMatchObject({ balance: 2_000, impounded: 1_000 })
    expect(shop.reverses(purchase, 250)).toMatchObject({ tokens: -250, impounded: 1_000 })
    expect(shop.workspace).toMatchObject({ balance: 2_750, topUps: 750 })
    expect(purchase()).toMatchObject({ taken: 250, pending: 0, shortfall: 0 })
    shop.addsUp()
  })

  it('serves the purchase first that was reversed first', () => {
    const shop = opened()
    const [one, other] = [shop.buys(1_000), shop.buys(1_000)]
    const hold = shop.holds(4_000)
    shop.reverses(one, 1_000)
    shop.passes(1)
    shop.reverses(other, 1_000)
    shop.closes(hold, 2_600)
    expect(shop.workspace).toMatchObject({ impounded: 1_400 })
    expect(shop.reverses(other, 1_000)).toMatchObject({ tokens: -400, shortfall: 600 })
    expect(shop.reverses(one, 1_000)).toMatchObject({ tokens: -1_000, shortfall: 0 })
    shop.addsUp()
  })

  it('leaves to the first what is owed still, and the rest to the next', () => {
    const shop = opened()
    const [one, other] = [shop.buys(1_000), shop.buys(1_000)]
    const spent = shop.holds(2_800)
    const rest = shop.holds(1_200)
    shop.reverses(one, 500)
    shop.passes(1)
    shop.reverses(other, 1_000)
    shop.passes(1)
    // What is added later has the place of what was there first.
    shop.reverses(one, 1_000)
    shop.closes(spent, 2_800)
    expect(shop.reverses(other, 1_000)).toMatchObject({ tokens: 0, pending: 200, shortfall: 800 })
    shop.closes(rest, 0)
    expect(shop.reverses(one, 1_000)).toMatchObject({ tokens: -1_000, shortfall: 0 })
    expect(shop.reverses(other, 1_000)).toMatchObject({ tokens: -200, shortfall: 0 })
    shop.addsUp()
  })

  it('is impounded by the reset, and carried into the new month outside the balance', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    shop.holds(3_000)
    shop.reverses(purchase, 1_000)
    expect(asOf(shop.workspace, '2026-08')).toMatchObject({ balance: 2_000, impounded: 1_000 })
    shop.turnsTo('2026-08')
    expect(shop.workspace).toMatchObject({ topUps: 1_000, balance: 2_000, held: 0, holds: 0 })
    expect(shop.workspace.impounded).toBe(1_000)
    expect(shop.workspace).not.toHaveProperty('owed')
    shop.turnsTo('2026-09')
    expect(shop.workspace).toMatchObject({ topUps: 1_000, balance: 2_000, impounded: 1_000 })
    expect(shop.reverses(purchase, 1_000)).toMatchObject({ tokens: -1_000, shortfall: 0 })
    expect(shop.workspace).toMatchObject({ topUps: 0, balance: 2_000 })
    shop.addsUp()
  })

  it('is paid once, however many of its holds expire together', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    for (let count = 1; count <= 3; count++) shop.holds(1_000)
    shop.reverses(purchase, 1_000)
    shop.passes(20)
    const shown = withExpiredReturned(shop.workspace, shop.open, shop.now)
    expect(shop.expires()).toMatchObject({ tokens: 3_000, holds: 3 })
    expect(shop.workspace).toMatchObject({ balance: 2_000, held: 0, impounded: 1_000 })
    expect(shown).toMatchObject({ balance: 2_000, held: 0, impounded: 1_000 })
    shop.addsUp()
  })

  it('leaves a settle that comes after its hold expired to the balance', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    shop.holds(3_000)
    shop.reverses(purchase, 1_000)
    shop.passes(20)
    shop.expires()
    const expired = shop.entries.find(({ type }) => type === 'hold')!
    expect(shop.chargesLate(expired, 2_500)).toMatchObject({ charged: 2_000, uncovered: 500 })
    expect(shop.workspace).toMatchObject({ balance: 0, impounded: 1_000 })
    shop.addsUp()
  })

  it('is shown by the meter as gone once it is impounded, and by the purchase as pending before', () => {
    const shop = opened()
    const purchase = shop.buys(1_000)
    const hold = shop.holds(3_000)
    shop.reverses(purchase, 1_000)
    shop.closes(hold, 500)
    expect(meterOf(shop.workspace, shop.now)).toMatchObject({
      used: 500,
      limit: 2_000,
      remaining: 1_500,
      held: 0,
      quota: { limit: 2_000, used: 500, remaining: 1_500 },
      topUps: { limit: 0, used: 0, remaining: 0 },
    })
  })
})

describe('on any history', () => {
  const amount = fc.integer({ min: 1, max: 900 })
  const share = fc.integer({ min: 0, max: 10 })
  const beside = fc.oneof(
    fc.record({ do: fc.constant('grant' as const), tokens: amount }),
    fc.record({ do: fc.constant('use' as const), tokens: amount }),
    fc.record({ do: fc.constant('raise' as const), tokens: amount }),
    fc.record({ do: fc.constant('settle' as const) }),
    fc.record({ do: fc.constant('close' as const), at: fc.nat(), used: share }),
    fc.record({ do: fc.constant('close' as const), at: fc.nat(), used: share }),
  )
  type Beside = typeof beside extends fc.Arbitrary<infer One> ? One : never

  it('a reversal ends exactly where it would have ended after the holds had closed', () => {
    let pended = 0
    const property = fc.property(
      fc.record({
        bought: fc.array(fc.integer({ min: 1, max: 3_000 }), { minLength: 1, maxLength: 2 }),
        used: fc.nat({ max: 4_000 }),
        held: fc.array(amount, { maxLength: 4 }),
        raised: fc.option(amount),
        reversed: share,
        meanwhile: fc.array(beside, { maxLength: 8 }),
        next: fc.option(fc.record({ reversed: share, after: fc.nat({ max: 8 }) })),
        resets: fc.boolean(),
      }),
      (history) => {
        const begin = () => {
          const shop = opened()
          const [purchase] = history.bought.map((tokens) => shop.buys(tokens))
          shop.uses(Math.min(history.used, shop.workspace.balance))
          const holds = history.held.flatMap((tokens) =>
            tokens <= shop.workspace.balance ? [shop.holds(tokens)] : [],
          )
          // A quota that was raised stays free while top-ups are held.
          if (history.raised) shop.raises(history.raised)
          return { shop, purchase: purchase!, holds }
        }
        const part = (tenths: number) => Math.floor((history.bought[0]! * tenths) / 10)

        const during = begin()
        const after = begin()
        const left = [...during.holds]
        const closings: { place: number; used: number }[] = []
        const others: ((to: typeof during) => void)[] = []
        const close = (place: number, used: number) => {
          const hold = during.holds[place]!
          during.shop.closes(hold, Math.floor((hold.tokens * used) / 10))
          closings.push({ place, used })
        }
        const other = (act: (to: typeof during) => void) => {
          act(during)
          others.push(act)
        }
        during.shop.reverses(during.purchase, part(history.reversed))
        if (during.purchase().pending > 0) pended++
        const happens = (act: Beside) => {
          if (act.do === 'grant') other(({ shop }) => shop.grants(act.tokens))
          if (act.do === 'raise') other(({ shop }) => shop.raises(act.tokens))
          if (act.do === 'settle') {
            during.shop.reverses(during.purchase, during.purchase().reversed)
          }
          if (act.do === 'use') {
            const tokens = Math.min(act.tokens, during.shop.workspace.balance)
            other(({ shop }) => shop.uses(tokens))
          }
          if (act.do === 'close' && left.length > 0) {
            const [hold] = left.splice(act.at % left.length, 1)
            close(during.holds.indexOf(hold!), act.used)
          }
        }
        history.meanwhile.forEach((act, at) => {
          if (history.next?.after === at) {
            const reversed = part(history.next.reversed)
            other(({ shop, purchase }) => shop.reverses(purchase, reversed))
          }
          happens(act)
        })
        // The reset returns what is held then, as a release does.
        for (const hold of left) {
          const place = during.holds.indexOf(hold)
          if (history.resets) closings.push({ place, used: 0 })
          else close(place, 0)
        }
        for (const { place, used } of closings) {
          const hold = after.holds[place]!
          after.shop.closes(hold, Math.floor((hold.tokens * used) / 10))
        }
        after.shop.reverses(after.purchase, part(history.reversed))
        for (const act of others) act(after)
        for (const { shop, purchase } of [during, after]) {
          if (history.resets) shop.turnsTo('2026-08')
          shop.reverses(purchase, purchase().reversed)
          shop.addsUp()
        }

        const { version, updatedAt, days, ...ends } = during.shop.workspace
        expect(after.shop.workspace).toMatchObject(ends)
        const { reversed, taken, pending, shortfall } = during.purchase()
        expect(after.purchase()).toMatchObject({ reversed, taken, pending, shortfall })
        expect(pending).toBe(0)
      },
    )
    fc.assert(property, { numRuns: 3_000, seed: 2026 })
    expect(pended).toBeGreaterThan(200)
  }, 60_000)

  const step = fc.oneof(
    { weight: 6, arbitrary: beside },
    {
      weight: 3,
      arbitrary: fc.record({
        do: fc.constant('hold' as const),
        tenths: fc.constantFrom(1, 5, 10),
        minutesAhead: fc.constantFrom(0, 0, 0, -30, 30),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('buy' as const), tokens: amount }) },
    {
      weight: 4,
      arbitrary: fc.record({ do: fc.constant('reverse' as const), at: fc.nat(), tenths: share }),
    },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('wait' as const) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reset' as const) }) },
  )

  it('nothing is lost, doubled or below zero, and nothing stays pending once holds have closed', () => {
    let seen = { pending: 0, impounded: 0, shortfall: 0 }
    const property = fc.property(fc.array(step, { minLength: 10, maxLength: 40 }), (steps) => {
      const shop = opened()
      const purchases = [shop.buys(1_000)]
      shop.uses(1_800)
      let month = 7
      for (const act of steps) {
        const { balance } = shop.workspace
        if (act.do === 'grant') shop.grants(act.tokens)
        if (act.do === 'raise') shop.raises(act.tokens)
        if (act.do === 'use') shop.uses(Math.min(act.tokens, balance))
        if (act.do === 'buy') purchases.push(shop.buys(act.tokens))
        if (act.do === 'hold' && balance > 0) {
          shop.holds(Math.ceil((balance * act.tenths) / 10), act)
        }
        if (act.do === 'close' && shop.open.length > 0) {
          const hold = shop.open[act.at % shop.open.length]!
          // More than was held now and then.
          shop.closes(hold, Math.floor((hold.tokens * act.used) / 8))
        }
        if (act.do === 'reverse') {
          const purchase = purchases[act.at % purchases.length]!
          shop.reverses(purchase, Math.floor((purchase().tokens * act.tenths) / 10))
        }
        if (act.do === 'settle') {
          for (const one of purchases) shop.reverses(one, one().reversed)
        }
        if (act.do === 'wait') {
          shop.passes(20)
          shop.expires()
        }
        if (act.do === 'reset') shop.turnsTo(`2026-${String(++month).padStart(2, '0')}` as Period)
        shop.passes(1)
        shop.addsUp()
        const { owed, impounded = 0 } = shop.workspace
        seen = {
          pending: seen.pending + (owed ? 1 : 0),
          impounded: seen.impounded + (impounded > 0 ? 1 : 0),
          shortfall: seen.shortfall + (purchases.some((one) => one().shortfall > 0) ? 1 : 0),
        }
        expect(topUpsLeftOf(shop.workspace)).toBeGreaterThanOrEqual(owed?.tokens ?? 0)
        if (month === 12) break
      }
      for (const hold of shop.open) shop.closes(hold, 0)
      expect(shop.workspace).not.toHaveProperty('owed')
      for (const one of purchases) shop.reverses(one, one().reversed)
      expect(shop.workspace).not.toHaveProperty('impounded')
      expect(purchases.map((one) => one().pending)).toEqual(purchases.map(() => 0))
      shop.addsUp()
    })
    fc.assert(property, { numRuns: 1_500, seed: 2026 })
    for (const times of Object.values(seen)) expect(times).toBeGreaterThan(100)
  }, 60_000)
})

/** An Enterprise workspace with a quota of 2,000, and all that happens to it, by the rules alone. */
function opened() {
  let count = 0
  const creation = { workspaceId: 'acme', key: 'create', plan: 'enterprise' as const, by: 'ops' }
  const start = new Date('2026-07-14T09:00:00Z')
  const created = allowed(workspaceChange({ ...creation, quota: 2_000 }, momentOf(start)))
  const purchases = new Map<string, Purchase>()
  const shop = {
    now: start,
    workspace: apply(undefined, created),
    entries: [created.entry] as LedgerEntry[],
    open: [] as OpenHold[],
    retries: [] as object[],

    get moment(): Moment {
      return momentOf(shop.now, shop.workspace.period)
    },
    passes(minutes: number) {
      shop.now = new Date(shop.now.getTime() + minutes * 60_000)
    },
    uses(tokens: number) {
      const request = { workspaceId: 'acme', key: `${++count}`, tokens }
      shop.does((seen) => use({ ...request, onShortfall: 'drain' }, shop.moment, seen))
    },
    grants(tokens: number) {
      const request = { workspaceId: 'acme', key: `${++count}`, tokens, reason: 'r', by: 'rep' }
      shop.does((seen) => grant(request, shop.moment, seen))
    },
    raises(tokens: number) {
      const key = `${++count}`
      const quota = shop.workspace.quota + tokens
      shop.does(() => workspaceChange({ ...creation, key, quota }, shop.moment, shop.workspace))
    },
    buys(tokens: number) {
      const purchaseId = `pur_${++count}`
      purchases.set(purchaseId, purchaseWith({ purchaseId, tokens, status: 'open' }))
      const get = () => purchases.get(purchaseId)!
      shop.settles(get(), { status: 'paid', reversed: 0 })
      return get
    },
    reverses(get: () => Purchase, reversed: number) {
      return shop.settles(get(), { status: reversed > 0 ? 'refunded' : 'paid', reversed })
    },
    settles(purchase: Purchase, stands: { status: Purchase['status']; reversed: number }) {
      const standing = { ...stands, lost: false }
      const key = ({ pendingSince, purchaseId }: Purchase) => `${pendingSince} ${purchaseId}`
      const ahead = [...purchases.values()]
        .filter((other) => other.pending > 0 && key(other) < key(purchase))
        .reduce((sum, { pending }) => sum + pending, 0)
      return shop.does((seen) =>
        payment(purchase, standing, shop.moment, seen ?? shop.workspace, ahead),
      )
    },
    holds(tokens: number, { minutesAhead = 0 } = {}): OpenHold {
      const request = { workspaceId: 'acme', holdId: `hold_${++count}`, tokens, ttlSeconds: 900 }
      const now = new Date(shop.now.getTime() + minutesAhead * 60_000)
      const moment = { ...shop.moment, at: now.toISOString() }
      return shop.does((seen) => holdOpening(request, moment, seen))
    },
    closes(hold: OpenHold, used: number) {
      const closing =
        used > 0 ? { outcome: 'settled' as const, tokens: used } : { outcome: 'released' as const }
      return shop.does((seen) => holdClosing(hold, closing, shop.moment, seen))
    },
    expires() {
      const build = () => holdExpiry(shop.workspace, shop.open, shop.now)
      return build() && shop.does(() => build()!)
    },
    chargesLate(expired: LedgerEntry, used: number) {
      if (expired.type !== 'hold') throw new Error('not a hold')
      return shop.does((seen) => lateCharge(expired, used, shop.moment, seen))
    },
    turnsTo(period: Period) {
      shop.does(() => reset(shop.workspace, period))
      shop.now = new Date(`${period}-01T00:00:00Z`)
    },
    /** First built blind, and again from the workspace where a condition did not hold. */
    does<Entry extends Recordable>(build: (seen?: Workspace) => Movement<Entry> | Refusal): Entry {
      const allowed = (seen?: Workspace) => {
        const movement = build(seen)
        if (isRefusal(movement)) throw new Error(movement.refused)
        return movement
      }
      let movement = allowed()
      let after: Workspace
      try {
        after = apply(shop.workspace, movement)
      } catch {
        movement = allowed(shop.workspace)
        after = apply(shop.workspace, movement)
      }
      shop.workspace = after
      const { entry, also = [] } = movement as Movement
      if (entry.type === 'open') shop.open.push(entry)
      else shop.entries.push(entry)
      for (const one of also) {
        if ('purchase' in one)
          purchases.set(one.purchase.purchaseId, (one as PurchaseChange).purchase)
        if ('closes' in one) {
          const { holdId } = one.closes
          shop.open = shop.open.filter((hold) => hold.holdId !== holdId)
        }
        if ('entry' in one) shop.entries.push(one.entry)
        if ('retry' in one) shop.retries.push(one)
      }
      if (entry.type === 'reset') shop.open = []
      return movement.entry
    },
    /** The audit's own sums, which know nothing of the rules above. */
    addsUp() {
      const books: Books = {
        workspace: shop.workspace,
        entries: shop.entries,
        holds: shop.open,
        purchases: [...purchases.values()],
      }
      expect(differencesIn(books)).toEqual([])
    },
  }
  return shop
}

function minutesLater({ at }: Moment, minutes: number): string {
  return new Date(Date.parse(at) + minutes * 60_000).toISOString()
}
