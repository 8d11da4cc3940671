import { describe, expect, it } from 'vitest'
import { priceOf, purchaseBarFor, quotaOf, topUpOffer } from '../../shared/domain/plan.ts'

describe('the plans', () => {
  it('give the quotas of the product document', () => {
    expect(quotaOf('starter', 1)).toBe(100_000)
    expect(quotaOf('pro', 1)).toBe(2_000_000)
    expect(quotaOf('teams', 1)).toBe(10_000_000)
  })

  it('leave the quota of an Enterprise workspace to the workspace', () => {
    expect(quotaOf('enterprise', 50_000_000)).toBe(50_000_000)
  })
})

describe('buying', () => {
  it('costs $5.00 per 2,000,000 tokens, and half of that for one step', () => {
    const offer = topUpOffer()
    expect(offer).toMatchObject({ unitAmount: 250, currency: 'usd' })
    expect(priceOf(2_000_000)).toBe(500)
    expect(priceOf(offer.step)).toBe(offer.unitAmount)
  })

  it('is sold in steps of 1,000,000, from 1 to 1,000 of them, always for whole cents', () => {
    const { step, min, max } = topUpOffer()
    expect({ step, min, max }).toEqual({ step: 1_000_000, min: 1_000_000, max: 1_000_000_000 })
    expect(priceOf(max)).toBe(250_000)
    for (let tokens = min; tokens <= 50 * step; tokens += step) {
      expect(Number.isSafeInteger(priceOf(tokens))).toBe(true)
    }
  })

  it.each([
    ['starter', 'admin', 'upgrade_required'],
    ['starter', 'member', 'upgrade_required'],
    ['enterprise', 'admin', 'contact_account_representative'],
    ['enterprise', undefined, 'contact_account_representative'],
    ['pro', 'member', 'admin_required'],
    ['teams', undefined, 'admin_required'],
    ['pro', 'admin', undefined],
    ['teams', 'admin', undefined],
  ] as const)('on %s as %s is barred by %s', (plan, role, bar) => {
    expect(purchaseBarFor({ plan }, role)).toBe(bar)
  })

  it('is barred for admins of a workspace that is blocked, after the plan and the role have spoken', () => {
    const blockedBy = { pur_1: '2026-07-14T09:00:00.000Z' }
    expect(purchaseBarFor({ plan: 'pro', blockedBy }, 'admin')).toBe('purchases_blocked')
    expect(purchaseBarFor({ plan: 'pro', blockedBy }, 'member')).toBe('admin_required')
    expect(purchaseBarFor({ plan: 'starter', blockedBy }, 'admin')).toBe('upgrade_required')
  })
})
