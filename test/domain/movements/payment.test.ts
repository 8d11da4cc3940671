import { describe, expect, it } from 'vitest'
import type { PaymentEntry } from '../../../shared/domain/entry.ts'
import { type Movement, momentOf, type PurchaseChange } from '../../../shared/domain/movement.ts'
import { payment } from '../../../shared/domain/movements/payment.ts'
import { use } from '../../../shared/domain/movements/use.ts'
import type { Purchase } from '../../../shared/domain/purchase.ts'
import { isRefusal } from '../../../shared/domain/refusal.ts'
import { type PaymentFacts, standingOf } from '../../../shared/domain/standing.ts'
import {
  topUpsLeftOf,
  topUpsMax,
  usedOf,
  type Workspace,
} from '../../../shared/domain/workspace.ts'
import { allowed, apply } from '../../support/apply.ts'
import { factsWith, purchaseWith } from '../../support/purchase.ts'
import { workspaceWith } from '../../support/store.ts'

const moment = momentOf(new Date('2026-07-14T09:00:00.000Z'))
const recorded = { workspaceId: 'acme', at: '2026-07-14T09:00:00.000Z', period: '2026-07' }

describe('a payment as a movement', () => {
  it('of what was paid only asks that the workspace can count it', () => {
    const purchase = purchaseWith()
    const standing = standingOf(purchase, factsWith())
    const movement = allowed(payment(purchase, standing, moment, workspaceWith()))
    expect(movement.entry).toEqual({
      type: 'payment',
      ...recorded,
      entryId: 'payment#pur_1#3',
      purchaseId: 'pur_1',
      status: 'paid',
      tokens: 1_000_000,
      shortfall: 0,
    })
    expect(movement.when).toEqual({})
    // It was open until now, and counted as such.
    expect(movement.add).toEqual({ topUps: 1_000_000, balance: 1_000_000, openOrders: -1 })
  })

  it('of what is taken back asks that nothing has moved since it was computed', () => {
    const purchase = purchaseWith({ status: 'paid', version: 3 })
    const standing = standingOf(purchase, factsWith({ amountRefunded: 100 }))
    const seen = workspaceWith({ topUps: 1_000_000, balance: 2_900_000, held: 50_000 })
    const movement = allowed(payment(purchase, standing, moment, seen))
    expect(movement.when).toEqual({ asRead: { version: seen.version } })
    expect(movement.add).toEqual({ topUps: -400_000, balance: -400_000 })
  })

  it('of what comes back asks nothing of the workspace', () => {
    const purchase = purchaseWith({ status: 'refunded', reversed: 400_000, taken: 400_000 })
    const standing = standingOf(purchase, factsWith())
    const movement = allowed(payment(purchase, standing, moment, workspaceWith()))
    expect(movement.when).toEqual({})
    expect(movement.add).toEqual({ topUps: 400_000, balance: 400_000 })
    expect(movement.entry).toMatchObject({ tokens: 400_000, shortfall: 0 })
  })

  it('that moves nothing changes no amount', () => {
    const purchase = purchaseWith({ status: 'paid', version: 3 })
    const standing = standingOf(purchase, factsWith({ amountRefunded: 250 }))
    const spent = workspaceWith({ topUps: 1_000_000, balance: 0 })
    const movement = allowed(payment(purchase, standing, moment, spent))
    expect(movement.entry).toMatchObject({ tokens: 0, shortfall: 1_000_000 })
    expect(movement.add).toEqual({})
  })

  it('at the same reversal as before takes nothing and gives nothing back', () => {
    // A dispute beside a refund: its status changes, and what the purchase should lose does not.
    const purchase = purchaseWith({ status: 'refunded', reversed: 400_000, taken: 400_000 })
    const standing = { status: 'disputed', reversed: 400_000, lost: false } as const
    const movement = allowed(payment(purchase, standing, moment, workspaceWith()))
    expect(movement.entry).toMatchObject({ tokens: 0, shortfall: 0 })
    expect(movement.add).toEqual({})
  })
})

describe('a payment', () => {
  it('gives all its tokens at once, and remembers the customer', () => {
    const buyer = open()
    expect(buyer.says({ customerId: 'cus_1' })).toMatchObject({ tokens: 1_000_000, shortfall: 0 })
    expect(buyer.workspace).toMatchObject({ topUps: 1_000_000, checkoutCustomerId: 'cus_1' })
    expect(buyer.purchase).toMatchObject({ status: 'paid', reversed: 0, taken: 0, version: 3 })
  })

  it('first seen after a part refund gives only what is left of it', () => {
    const buyer = open()
    expect(buyer.says({ amountRefunded: 100 })).toMatchObject({ tokens: 600_000, shortfall: 0 })
    expect(buyer.purchase).toMatchObject({ status: 'refunded', reversed: 400_000, taken: 400_000 })
  })

  it('first seen after a full refund gives nothing, and a refund that then fails gives all', () => {
    const buyer = open()
    expect(buyer.says({ amountRefunded: 250 })).toMatchObject({ tokens: 0, shortfall: 0 })
    expect(buyer.says({})).toMatchObject({ tokens: 1_000_000 })
    expect(buyer.workspace.topUps).toBe(1_000_000)
  })

  it('is credited whatever the workspace has: the ceiling is for orders and grants', () => {
    const full = workspaceWith({ topUps: topUpsMax })
    const movement = payment(purchaseWith(), standingOf(purchaseWith(), factsWith()), moment, full)
    expect(movement).toMatchObject({ when: {}, add: { topUps: 1_000_000, balance: 1_000_000 } })
    expect(apply(full, movement).topUps).toBe(topUpsMax + 1_000_000)
  })
})

describe('a reversal', () => {
  it('takes back what was not used, and leaves the quota alone', () => {
    const buyer = paid()
    buyer.uses(500_000)
    expect(buyer.says({ amountRefunded: 250 })).toMatchObject({ tokens: -1_000_000, shortfall: 0 })
    expect(buyer.workspace).toMatchObject({ quota: 2_000_000, topUps: 0, balance: 1_500_000 })
  })

  it('never reaches below zero: what was spent stays spent, and is recorded as a shortfall', () => {
    const buyer = paid()
    buyer.uses(2_700_000)
    expect(buyer.says({ amountRefunded: 250 })).toMatchObject({
      tokens: -300_000,
      shortfall: 700_000,
    })
    expect(buyer.workspace).toMatchObject({ topUps: 700_000, balance: 0 })
    expect(buyer.purchase).toMatchObject({ reversed: 1_000_000, taken: 300_000 })
  })

  it('takes nothing where nothing is left, and still records why', () => {
    const buyer = paid()
    buyer.uses(3_000_000)
    expect(buyer.says({ amountDisputed: 250 })).toMatchObject({ tokens: 0, shortfall: 1_000_000 })
    expect(buyer.purchase).toMatchObject({ status: 'disputed', taken: 0 })
  })

  it('does not reach into what open holds set aside', () => {
    const workspace = workspaceWith({
      quota: 2_000_000,
      topUps: 1_000_000,
      balance: 100_000,
      held: 900_000,
    })
    const buyer = open(workspace, purchaseWith({ status: 'paid' }))
    expect(buyer.says({ amountRefunded: 250 })).toMatchObject({
      tokens: -100_000,
      shortfall: 0,
      pending: 900_000,
    })
    expect(buyer.workspace).toMatchObject({ balance: 0, held: 900_000 })
  })

  it('gives back only what it took, when the money comes back', () => {
    const buyer = paid()
    buyer.uses(2_700_000)
    buyer.says({ amountDisputed: 250 })
    expect(buyer.says({})).toMatchObject({ status: 'paid', tokens: 300_000, shortfall: 0 })
    expect(buyer.purchase).toMatchObject({ reversed: 0, taken: 0 })
    expect(buyer.workspace).toMatchObject({ topUps: 1_000_000, balance: 300_000 })
  })

  it('gives back nothing while more is still owed than was taken', () => {
    const buyer = paid()
    buyer.uses(2_700_000)
    buyer.says({ amountRefunded: 125, amountDisputed: 125 })
    expect(buyer.purchase).toMatchObject({ reversed: 1_000_000, taken: 300_000 })
    // The dispute is won: half the money is still gone, and less than half the tokens were ever taken.
    expect(buyer.says({ amountRefunded: 125 })).toMatchObject({ tokens: 0, shortfall: 0 })
    expect(buyer.purchase).toMatchObject({ reversed: 500_000, taken: 300_000 })
  })

  it('takes each further refund once, and never more than the tokens of the order', () => {
    const buyer = paid()
    expect(buyer.says({ amountRefunded: 50 })).toMatchObject({ tokens: -200_000 })
    expect(buyer.says({ amountRefunded: 125 })).toMatchObject({ tokens: -300_000 })
    expect(buyer.says({ amountRefunded: 250 })).toMatchObject({ tokens: -500_000 })
    expect(buyer.workspace.topUps).toBe(0)
  })

  it('leaves other top-ups alone for all that it did not give', () => {
    const other = workspaceWith({ topUps: 5_000_000 })
    const buyer = paid(other)
    buyer.says({ amountRefunded: 250, amountDisputed: 250 })
    expect(buyer.workspace.topUps).toBe(5_000_000)
  })

  it('ends where it began after any number of rounds, and never mints or loses a token', () => {
    const rounds = [0, 250, 0, 100, 30, 250, 30, 200, 0, 250, 125, 0]
    for (const spent of [0, 1_999_999, 2_400_000, 3_000_000]) {
      const buyer = paid()
      if (spent) buyer.uses(spent)
      const before = buyer.workspace
      for (const amountRefunded of rounds) buyer.says({ amountRefunded })
      expect({ ...buyer.workspace, version: before.version }).toEqual(before)
      expect(buyer.purchase).toMatchObject({ status: 'paid', reversed: 0, taken: 0 })
    }
  })

  it('stays within what can be used, whatever happens between the rounds', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const next = randomFrom(seed)
      const buyer = paid()
      for (let step = 0; step < 30; step++) {
        if (next(2) === 0) {
          const tokens = next(400_000) + 1
          if (tokens <= buyer.workspace.balance) buyer.uses(tokens)
        } else buyer.says({ amountRefunded: next(251) })
        const { balance, topUps } = buyer.workspace
        expect(Math.min(balance, topUps, usedOf(buyer.workspace))).toBeGreaterThanOrEqual(0)
        expect(topUpsLeftOf(buyer.workspace)).toBeLessThanOrEqual(1_000_000)
        expect(topUps).toBe(1_000_000 - buyer.purchase.taken)
        expect(buyer.purchase.taken).toBeLessThanOrEqual(buyer.purchase.reversed)
      }
      const money = buyer.entries.reduce((sum, { tokens }) => sum + tokens, 0)
      expect(money).toBe(1_000_000 - buyer.purchase.taken)
    }
  })
})

/** A purchase and its workspace, moved along by what Stripe says of the payment. */
function open(start: Workspace = workspaceWith(), order: Purchase = purchaseWith()) {
  let uses = 0
  const buyer = {
    workspace: start,
    purchase: order,
    entries: [] as PaymentEntry[],
    says(over: Partial<PaymentFacts>): PaymentEntry {
      const standing = standingOf(buyer.purchase, factsWith(over))
      const movement = payment(buyer.purchase, standing, moment, buyer.workspace)
      if (isRefusal(movement)) throw new Error(movement.refused)
      return buyer.carryOut(movement)
    },
    uses(tokens: number) {
      const request = { workspaceId: 'acme', key: `${++uses}`, tokens }
      const movement = use({ ...request, onShortfall: 'refuse' }, moment)
      if (isRefusal(movement)) throw new Error(movement.refused)
      buyer.workspace = apply(buyer.workspace, movement)
    },
    carryOut({ entry, also, ...change }: Movement<PaymentEntry>): PaymentEntry {
      buyer.workspace = apply(buyer.workspace, { entry, ...change })
      const [beside] = also as [PurchaseChange]
      expect(beside.replacesVersion).toBe(buyer.purchase.version)
      buyer.purchase = beside.purchase
      buyer.entries.push(entry)
      return entry
    },
  }
  return buyer
}

function paid(start?: Workspace) {
  const buyer = open(start)
  buyer.says({})
  return buyer
}

/** A small generator (mulberry32), so that a failure can be run again. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}
