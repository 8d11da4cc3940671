import { describe, expect, it } from 'vitest'
import { momentOf } from '../../../shared/domain/movement.ts'
import { workspaceChange } from '../../../shared/domain/movements/workspace-change.ts'
import { allowed, apply } from '../../support/apply.ts'
import { workspaceWith } from '../../support/store.ts'

const moment = momentOf(new Date('2026-07-14T09:00:00.000Z'))
const recorded = { workspaceId: 'acme', at: '2026-07-14T09:00:00.000Z', period: '2026-07' }

describe('a plan', () => {
  const change = (plan: 'starter' | 'pro' | 'teams' | 'enterprise', quota: number) => ({
    workspaceId: 'acme',
    key: 'k',
    plan,
    quota,
    by: 'ops',
  })
  const entry = { type: 'plan', ...recorded, entryId: 'plan#k', by: 'ops' }
  const changed = (...given: Parameters<typeof workspaceChange>) =>
    allowed(workspaceChange(...given))
  const asked = (plan: string, quota: number) => ({ asked: { plan, quota } })

  it('creates a workspace that does not exist yet, full and unused', () => {
    expect(changed(change('pro', 2_000_000), moment)).toEqual({
      entry: {
        ...entry,
        ...asked('pro', 2_000_000),
        plan: 'pro',
        quota: 2_000_000,
        effect: 'created',
        tokens: 2_000_000,
      },
      when: { absent: true },
      add: {},
      set: {
        plan: 'pro',
        quota: 2_000_000,
        topUps: 0,
        balance: 2_000_000,
        held: 0,
        holds: 0,
        period: '2026-07',
        days: {},
        createdAt: '2026-07-14T09:00:00.000Z',
      },
    })
  })

  it('with more tokens applies at once, adds the difference and forgets one that waited', () => {
    const seen = workspaceWith({ balance: 500_000, next: { plan: 'starter', quota: 100_000 } })
    const movement = changed(change('teams', 10_000_000), moment, seen)
    expect(movement).toEqual({
      entry: {
        ...entry,
        ...asked('teams', 10_000_000),
        plan: 'teams',
        quota: 10_000_000,
        effect: 'applied',
        tokens: 8_000_000,
      },
      when: { asRead: { plan: 'pro', quota: 2_000_000 } },
      add: { quota: 8_000_000, balance: 8_000_000 },
      set: { plan: 'teams', next: undefined },
    })
    expect(apply(seen, movement)).not.toHaveProperty('next')
  })

  it('with as many tokens applies at once too, and adds none', () => {
    const seen = workspaceWith()
    const movement = changed(change('enterprise', 2_000_000), moment, seen)
    expect(movement.entry).toMatchObject({ effect: 'applied', tokens: 0 })
    expect(movement.set).toEqual({ plan: 'enterprise', next: undefined })
  })

  it('with fewer tokens waits for the reset', () => {
    const seen = workspaceWith()
    expect(changed(change('starter', 100_000), moment, seen)).toEqual({
      entry: {
        ...entry,
        ...asked('starter', 100_000),
        plan: 'starter',
        quota: 100_000,
        effect: 'waits_for_reset',
        tokens: 0,
      },
      when: { asRead: { plan: 'pro', quota: 2_000_000 } },
      add: {},
      set: { next: { plan: 'starter', quota: 100_000 } },
    })
  })

  it('that the workspace has is kept, whatever the catalog gives today, and one that waited is not', () => {
    const seen = workspaceWith({
      quota: 1_000_000,
      balance: 900_000,
      next: { plan: 'starter', quota: 100_000 },
    })
    const movement = changed(change('pro', 2_000_000), moment, seen)
    expect(movement).toEqual({
      entry: {
        ...entry,
        ...asked('pro', 2_000_000),
        plan: 'pro',
        quota: 2_000_000,
        effect: 'kept',
        tokens: 0,
      },
      when: { asRead: { plan: 'pro', quota: 1_000_000 } },
      add: {},
      set: { next: undefined },
    })
    expect(apply(seen, movement)).not.toHaveProperty('next')
  })

  it('of an Enterprise workspace is kept with its own quota alone', () => {
    const seen = workspaceWith({ plan: 'enterprise', quota: 5_000_000 })
    const effect = (quota: number) =>
      changed(change('enterprise', quota), moment, seen).entry.effect
    expect(effect(5_000_000)).toBe('kept')
    expect(effect(5_000_001)).toBe('applied')
    expect(effect(4_999_999)).toBe('waits_for_reset')
  })
})
