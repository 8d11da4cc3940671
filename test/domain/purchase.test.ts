import { describe, expect, it } from 'vitest'
import { isUnsettled, purchaseView } from '../../shared/domain/purchase.ts'
import { purchaseWith } from '../support/purchase.ts'

describe('a purchase is unsettled', () => {
  it.each([
    ['open', true],
    ['processing', true],
    ['paid', false],
    ['failed', false],
    ['expired', false],
    ['refunded', false],
    ['disputed', false],
  ] as const)('while the buyer’s part is to come: %s, %s', (status, unsettled) => {
    expect(isUnsettled(status)).toBe(unsettled)
  })
})

const noon = new Date('2026-07-14T12:00:00Z')

describe('what a buyer sees', () => {
  it('is a way to pay while it is open, and what was credited once it is paid', () => {
    expect(purchaseView(purchaseWith(), noon)).toMatchObject({
      status: 'open',
      credited: 0,
      checkoutUrl: 'https://checkout.example.com/cs_1',
    })
    const refunded = purchaseView(purchaseWith({ status: 'refunded', taken: 400_000 }), noon)
    expect(refunded).toMatchObject({ credited: 600_000, checkoutUrl: undefined })
  })

  it('tells nothing of how we keep it', () => {
    const hidden = ['sessionId', 'customerId', 'attempt', 'version', 'by', 'livemode']
    for (const field of hidden) expect(purchaseView(purchaseWith(), noon)).not.toHaveProperty(field)
  })
})
