import { describe, expect, it } from 'vitest'
import { reset } from '../../../shared/domain/movements/reset.ts'
import { asOf } from '../../../shared/domain/workspace.ts'
import { apply } from '../../support/apply.ts'
import { workspaceWith } from '../../support/store.ts'

describe('the reset', () => {
  it('may only be written over exactly what it was computed from', () => {
    const seen = workspaceWith({
      topUps: 700_000,
      balance: 900_000,
      held: 100_000,
      holds: 1,
      holdsExpireFrom: '2026-07-31T23:59:00.000Z',
      days: { 3: 1_700_000 },
      next: { plan: 'starter', quota: 100_000 },
    })
    const { plan, quota, topUps, balance, held, period, days, next } = seen
    const movement = reset(seen, '2026-08')
    expect(movement).toEqual({
      entry: {
        type: 'reset',
        workspaceId: 'acme',
        entryId: 'reset#2026-08',
        at: '2026-08-01T00:00:00.000Z',
        period: '2026-08',
        plan: 'starter',
        quota: 100_000,
        topUps: 700_000,
        closed: { period, quota, topUps, used: 1_700_000, expired: 300_000, days },
      },
      when: { asRead: { plan, quota, topUps, balance, held, period, days, next } },
      add: {},
      set: {
        plan: 'starter',
        quota: 100_000,
        topUps: 700_000,
        balance: 800_000,
        held: 0,
        holds: 0,
        holdsExpireFrom: undefined,
        period: '2026-08',
        days: {},
        next: undefined,
      },
    })
  })

  it('ends the unused quota and keeps the unused top-ups', () => {
    const used = workspaceWith({ topUps: 1_000_000, balance: 1_800_000, days: { 3: 1_200_000 } })
    const movement = reset(used, '2026-08')
    expect(apply(used, movement)).toMatchObject({
      period: '2026-08',
      quota: 2_000_000,
      topUps: 1_000_000,
      balance: 3_000_000,
      days: {},
    })
    expect(movement.entry.closed).toEqual({
      period: '2026-07',
      quota: 2_000_000,
      topUps: 1_000_000,
      used: 1_200_000,
      expired: 800_000,
      days: { 3: 1_200_000 },
    })
  })

  it('carries over only the top-ups that are left once the quota is used up', () => {
    const used = workspaceWith({ topUps: 1_000_000, balance: 250_000 })
    const movement = reset(used, '2026-08')
    expect(apply(used, movement)).toMatchObject({ topUps: 250_000, balance: 2_250_000 })
    expect(movement.entry.closed.expired).toBe(0)
  })

  it('ends every open hold, and gives its top-ups back', () => {
    const holding = workspaceWith({ topUps: 600_000, balance: 200_000, held: 300_000 })
    expect(apply(holding, reset(holding, '2026-08'))).toMatchObject({
      held: 0,
      topUps: 500_000,
      balance: 2_500_000,
    })
  })

  it('opens with the quota of the plan in today’s catalog, whatever it was', () => {
    const older = workspaceWith({ quota: 1_000_000 })
    expect(apply(older, reset(older, '2026-08'))).toMatchObject({ quota: 2_000_000 })
  })

  it('keeps an Enterprise quota, which is the workspace’s own', () => {
    const own = workspaceWith({ plan: 'enterprise', quota: 50_000_000 })
    expect(apply(own, reset(own, '2026-08'))).toMatchObject({ quota: 50_000_000 })
  })

  it('moves to the plan that was waiting', () => {
    const leaving = workspaceWith({ next: { plan: 'starter', quota: 100_000 } })
    const after = apply(leaving, reset(leaving, '2026-08'))
    expect(after).toMatchObject({ plan: 'starter', quota: 100_000, balance: 100_000 })
    expect(after).not.toHaveProperty('next')
  })

  it('skips the months nobody used', () => {
    const asleep = workspaceWith({ topUps: 300, balance: 2_000_300 })
    expect(apply(asleep, reset(asleep, '2027-02'))).toMatchObject({
      period: '2027-02',
      balance: 2_000_300,
    })
  })

  it('is what the meter shows before it is written', () => {
    const used = workspaceWith({ topUps: 1_000_000, balance: 1_800_000, held: 5 })
    const { updatedAt, version, ...written } = apply(used, reset(used, '2026-08'))
    expect(asOf(used, '2026-08')).toMatchObject(written)
  })

  it('applies only to exactly the state it was computed from', () => {
    const read = workspaceWith({ days: { 3: 10 }, balance: 1_999_990 })
    const movement = reset(read, '2026-08')
    const changed = [
      { balance: 1_999_989 },
      { topUps: 1 },
      { held: 1 },
      { quota: 1 },
      { plan: 'teams' as const },
      { period: '2026-08' as const },
      { days: { 3: 11 } },
      { next: { plan: 'starter' as const, quota: 100_000 } },
    ]
    for (const change of changed) {
      expect(() => apply({ ...read, ...change }, movement)).toThrow('as read')
    }
  })
})
