import { describe, expect, it } from 'vitest'
import { catalog, type PlanId } from '../../shared/catalog.ts'
import { meterOf, meterText } from '../../shared/domain/meter.ts'
import type { Workspace } from '../../shared/domain/workspace.ts'
import { workspaceWith } from '../support/store.ts'

const july = new Date('2026-07-14T09:00:00Z')

describe('the meter', () => {
  it('reads as the product document prints it', () => {
    expect(meterText(500_000, 2_000_000)).toBe('[500,000/2,000,000 used]')
    expect(meterText(0, 0)).toBe('[0/0 used]')
  })

  it('fills the quota before the top-ups', () => {
    const meter = meterOf(workspaceWith({ quota: 100, topUps: 50, balance: 30 }), july)
    expect(meter).toMatchObject({
      used: 120,
      limit: 150,
      remaining: 30,
      quota: { limit: 100, used: 100, remaining: 0 },
      topUps: { limit: 50, used: 20, remaining: 30 },
    })
  })

  it('shows what holds set aside as neither used nor free to use', () => {
    const meter = meterOf(workspaceWith({ quota: 100, topUps: 50, balance: 90, held: 20 }), july)
    expect(meter).toMatchObject({ used: 40, remaining: 90, held: 20, text: '[40/150 used]' })
    expect(meter.quota.remaining + meter.topUps.remaining).toBe(meter.remaining + meter.held)
  })

  it('shows a month that nobody has opened yet as if it had been', () => {
    const stored = workspaceWith({ topUps: 1_000_000, balance: 400_000, held: 50_000 })
    const before = structuredClone(stored)
    expect(meterOf(stored, new Date('2026-09-03T00:00:00Z'))).toMatchObject({
      period: '2026-09',
      resetsAt: '2026-10-01T00:00:00.000Z',
      text: '[0/2,450,000 used]',
      held: 0,
    })
    expect(stored).toEqual(before)
  })

  it('calls the plan what the catalog calls it', () => {
    for (const [plan, { name }] of Object.entries(catalog.plans)) {
      expect(meterOf(workspaceWith({ plan: plan as PlanId }), july).planName).toBe(name)
    }
  })

  it('never goes back to a month that is over', () => {
    const ahead = workspaceWith({ period: '2026-08' })
    expect(meterOf(ahead, july)).toMatchObject({ period: '2026-08' })
  })

  it('tells each viewer what they may do about it', () => {
    const purchase = (over: Partial<Workspace>, role?: 'admin' | 'member') =>
      meterOf(workspaceWith(over), july, role).purchase
    expect(purchase({}, 'admin')).toEqual({
      allowed: true,
      reason: undefined,
      step: 1_000_000,
      min: 1_000_000,
      max: 1_000_000_000,
      unitAmount: 250,
      currency: 'usd',
    })
    expect(purchase({}, 'member')).toMatchObject({ allowed: false, reason: 'admin_required' })
    expect(purchase({ plan: 'starter' }, 'admin')).toMatchObject({ reason: 'upgrade_required' })
  })

  it('adds up, with no part below zero, for any state a workspace can be in', () => {
    for (const quota of [0, 1, 70]) {
      for (const topUps of [0, 1, 30]) {
        for (let used = 0; used <= quota + topUps; used++) {
          for (const held of new Set([0, Math.min(3, quota + topUps - used)])) {
            const balance = quota + topUps - used - held
            const meter = meterOf(workspaceWith({ quota, topUps, balance, held }), july)
            expect(meter.used).toBe(used)
            expect(meter.quota.used + meter.topUps.used).toBe(used)
            expect(meter.quota.used + meter.quota.remaining).toBe(quota)
            expect(meter.topUps.used + meter.topUps.remaining).toBe(topUps)
            // Top-ups are touched only once the quota is gone.
            expect(meter.topUps.used === 0 || meter.quota.remaining === 0).toBe(true)
            const parts = [...Object.values(meter.quota), ...Object.values(meter.topUps)]
            expect(Math.min(...parts)).toBeGreaterThanOrEqual(0)
          }
        }
      }
    }
  })
})
