import { describe, expect, it } from 'vitest'
import type { Purchase } from '../../shared/domain/purchase.ts'
import {
  mismatchOf,
  movesTokens,
  type PaymentFacts,
  standingOf,
  stands,
} from '../../shared/domain/standing.ts'
import { factsWith, purchaseWith } from '../support/purchase.ts'

describe('where a purchase should stand', () => {
  it.each(['open', 'processing', 'failed', 'expired'] as const)('%s gives no tokens', (status) => {
    const standing = standingOf(purchaseWith(), factsWith({ status }))
    expect(standing).toMatchObject({ status, reversed: 0 })
    expect(movesTokens(purchaseWith(), standing)).toBe(false)
  })

  it.each([
    ['paid', {}, 'paid', 0],
    ['refunded by a cent', { amountRefunded: 1 }, 'refunded', 4_000],
    ['refunded by a third', { amountRefunded: 84 }, 'refunded', 336_000],
    ['refunded whole', { amountRefunded: 250 }, 'refunded', 1_000_000],
    ['disputed in part', { amountDisputed: 100 }, 'disputed', 400_000],
    ['disputed whole', { amountDisputed: 250 }, 'disputed', 1_000_000],
    ['refunded and disputed', { amountRefunded: 100, amountDisputed: 100 }, 'disputed', 800_000],
    [
      'refunded and disputed beyond the amount',
      { amountRefunded: 250, amountDisputed: 250 },
      'disputed',
      1_000_000,
    ],
  ] as const)('%s loses what the money no longer buys', (_, over, status, reversed) => {
    expect(standingOf(purchaseWith(), factsWith(over))).toMatchObject({ status, reversed })
  })

  it('keeps whole tokens, rounded down, so a part refund never leaves more than was paid for', () => {
    const purchase = purchaseWith({ tokens: 1_000_000, amount: 300 })
    const facts = factsWith({ amountTotal: 300, amountSubtotal: 300, amountRefunded: 100 })
    // 200 of 300 cents buy 666,666.67 tokens.
    expect(standingOf(purchase, facts).reversed).toBe(1_000_000 - 666_666)
  })

  it('measures refunds against what was paid: with tax, and less what a code took off', () => {
    const taxed = factsWith({ amountTotal: 300, amountRefunded: 150 })
    expect(standingOf(purchaseWith(), taxed).reversed).toBe(500_000)
    const halved = factsWith({ amountDiscounted: 125, amountTotal: 125, amountRefunded: 25 })
    expect(standingOf(purchaseWith(), halved).reversed).toBe(200_000)
  })

  it('gives all of an order that a code left nothing to pay of, whatever is said of refunds', () => {
    const free = factsWith({ amountDiscounted: 250, amountTotal: 0 })
    expect(standingOf(purchaseWith(), free)).toMatchObject({ status: 'paid', reversed: 0 })
    const odd = { ...free, amountRefunded: 1, amountDisputed: 1 }
    expect(standingOf(purchaseWith(), odd)).toMatchObject({ status: 'paid', reversed: 0 })
  })

  it('is exact for the largest order', () => {
    const purchase = purchaseWith({ tokens: 1_000_000_000, amount: 250_000 })
    const facts = factsWith({ amountTotal: 299_999, amountSubtotal: 250_000, amountRefunded: 1 })
    const kept = (1_000_000_000n * 299_998n) / 299_999n
    expect(standingOf(purchase, facts).reversed).toBe(1_000_000_000 - Number(kept))
  })
})

describe('facts that contradict the purchase', () => {
  it.each<[keyof PaymentFacts, Partial<PaymentFacts>]>([
    ['livemode', { livemode: true }],
    ['workspaceId', { workspaceId: 'crew' }],
    ['workspaceId', { workspaceId: undefined }],
    ['purchaseId', { purchaseId: 'pur_2' }],
    ['purchaseId', { purchaseId: undefined }],
    ['currency', { currency: 'eur' }],
    ['amountSubtotal', { amountSubtotal: 249 }],
    ['amountSubtotal', { amountSubtotal: 251 }],
    ['amountSubtotal', { amountSubtotal: 0 }],
    ['amountDiscounted', { amountDiscounted: 1, amountTotal: 249 }],
    ['amountDiscounted', { amountDiscounted: 250, amountTotal: 0 }],
    ['amountTotal', { amountTotal: 249 }],
    ['amountTotal', { amountTotal: 0 }],
  ])('are named: %s, from %o', (fact, over) => {
    expect(mismatchOf(purchaseWith(), factsWith(over))).toBe(fact)
  })

  it('are none when all is as stored, tax or no tax', () => {
    expect(mismatchOf(purchaseWith(), factsWith())).toBeUndefined()
    expect(mismatchOf(purchaseWith(), factsWith({ amountTotal: 300 }))).toBeUndefined()
    expect(mismatchOf(purchaseWith({ status: 'paid' }), factsWith())).toBeUndefined()
  })

  it('are none in what a code took off, where the order allowed codes, and some in what no code did', () => {
    const purchase = purchaseWith({ checkout: { allow_promotion_codes: true } })
    for (const amountDiscounted of [0, 1, 250]) {
      const facts = factsWith({ amountDiscounted, amountTotal: 250 - amountDiscounted })
      expect(mismatchOf(purchase, facts)).toBeUndefined()
    }
    const short = factsWith({ amountDiscounted: 50, amountTotal: 199 })
    expect(mismatchOf(purchase, short)).toBe('amountTotal')
    const asked = purchaseWith({ checkout: { allow_promotion_codes: false } })
    const halved = factsWith({ amountDiscounted: 125, amountTotal: 125 })
    expect(mismatchOf(asked, halved)).toBe('amountDiscounted')
  })

  it('include a paid purchase that Stripe no longer calls paid', () => {
    for (const status of ['paid', 'refunded', 'disputed'] as const) {
      const facts = factsWith({ status: 'open' })
      expect(mismatchOf(purchaseWith({ status }), facts)).toBe('status')
    }
  })

  it('do not include the amount before any money has moved', () => {
    const facts = factsWith({ status: 'open', amountSubtotal: 0, amountTotal: 0 })
    expect(mismatchOf(purchaseWith(), facts)).toBeUndefined()
  })
})

describe('what is left to write', () => {
  const standing = (purchase: Purchase, over: Partial<PaymentFacts> = {}) => {
    const where = standingOf(purchase, factsWith(over))
    return { stands: stands(purchase, where), moves: movesTokens(purchase, where) }
  }

  it('is the credit, once', () => {
    expect(standing(purchaseWith())).toEqual({ stands: false, moves: true })
    expect(standing(purchaseWith({ status: 'paid' }))).toEqual({ stands: true, moves: false })
  })

  it('is the credit too for a payment that had failed or expired before', () => {
    for (const status of ['failed', 'expired', 'processing'] as const) {
      expect(standing(purchaseWith({ status }))).toEqual({ stands: false, moves: true })
    }
  })

  it('is what a further refund should lose, with the status as it was', () => {
    const refunded = purchaseWith({ status: 'refunded', reversed: 400_000, taken: 400_000 })
    expect(standing(refunded, { amountRefunded: 100 })).toEqual({ stands: true, moves: false })
    expect(standing(refunded, { amountRefunded: 200 })).toEqual({ stands: false, moves: true })
  })

  it('is nothing but state when the money that is missing stays the same', () => {
    const refunded = purchaseWith({ status: 'refunded', reversed: 1_000_000, taken: 1_000_000 })
    const both = { amountRefunded: 250, amountDisputed: 250 }
    expect(standing(refunded, both)).toEqual({ stands: false, moves: false })
  })
})
