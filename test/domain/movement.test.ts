import { describe, expect, it } from 'vitest'
import {
  changeWorkspace,
  grant,
  momentOf,
  reset,
  settle,
  use,
} from '../../shared/domain/movement.ts'
import { standingOf } from '../../shared/domain/purchase.ts'
import { isRefusal, Unavailable } from '../../shared/domain/refusal.ts'
import { topUpsMax } from '../../shared/domain/workspace.ts'
import { allowed, apply } from '../support/apply.ts'
import { factsWith, purchaseWith } from '../support/purchase.ts'
import { workspaceWith } from '../support/store.ts'

/*
 * Each movement as the data it is: the entry that records it, the conditions that make its amounts right, and
 * the change. Whether they are written that way is the store's to show.
 */
const now = new Date('2026-07-14T09:00:00.000Z')
const moment = momentOf(now)
const recorded = { workspaceId: 'acme', at: '2026-07-14T09:00:00.000Z', period: '2026-07' }

describe('the moment of a movement', () => {
  it('is the clock’s, to the millisecond', () => {
    const at = '2026-07-14T09:00:00.000Z'
    expect(momentOf(now)).toEqual({ at, period: '2026-07', day: '14' })
    expect(momentOf(now, '2026-07')).toEqual({ at, period: '2026-07', day: '14' })
    expect(momentOf(now, '2026-06')).toEqual({ at, period: '2026-07', day: '14' })
  })

  it('counts on the 1st of a later month that the workspace has reached already', () => {
    const behind = new Date('2026-07-31T23:59:59.999Z')
    expect(momentOf(behind, '2026-08')).toEqual({
      at: '2026-07-31T23:59:59.999Z',
      period: '2026-08',
      day: '1',
    })
  })
})

describe('a use', () => {
  const request = {
    workspaceId: 'acme',
    key: 'k',
    tokens: 1_200,
    onShortfall: 'refuse',
    member: 'u_1',
    feature: 'chat',
    model: 'm',
  } as const

  it('takes what was asked, if the balance is enough when it is written', () => {
    const movement = {
      entry: {
        type: 'use',
        ...recorded,
        entryId: 'use#k',
        requested: 1_200,
        taken: 1_200,
        onShortfall: 'refuse',
        member: 'u_1',
        feature: 'chat',
        model: 'm',
      },
      when: { balanceAtLeast: 1_200 },
      add: { balance: -1_200, day: { day: '14', tokens: 1_200 } },
      set: {},
    }
    expect(use(request, moment)).toEqual(movement)
    expect(use(request, moment, workspaceWith({ balance: 1_200 }))).toEqual(movement)
  })

  it('is refused where the balance is one token short, with the workspace as it stood', () => {
    const workspace = workspaceWith({ balance: 1_199 })
    expect(use(request, moment, workspace)).toEqual({ refused: 'insufficient_tokens', workspace })
  })

  it('that may drain takes what is left, and only if just that is left still', () => {
    const drain = { ...request, onShortfall: 'drain' } as const
    const seen = workspaceWith({ balance: 1_199 })
    const movement = allowed(use(drain, moment, seen))
    expect(movement.entry).toMatchObject({ requested: 1_200, taken: 1_199, onShortfall: 'drain' })
    expect(movement.when).toEqual({ asRead: { balance: 1_199 } })
    expect(movement.add).toEqual({ balance: -1_199, day: { day: '14', tokens: 1_199 } })

    const enough = allowed(use(drain, moment, workspaceWith({ balance: 1_200 })))
    expect(enough.when).toEqual({ balanceAtLeast: 1_200 })
    expect(enough.entry.taken).toBe(1_200)
  })

  it('of nothing that is left is recorded, and counts on no day', () => {
    const drain = { ...request, onShortfall: 'drain' } as const
    const movement = allowed(use(drain, moment, workspaceWith({ balance: 0 })))
    expect(movement.entry).toMatchObject({ requested: 1_200, taken: 0 })
    expect(movement.when).toEqual({ asRead: { balance: 0 } })
    expect(movement.add).toEqual({})
  })
})

describe('a grant', () => {
  const request = {
    workspaceId: 'acme',
    key: 'k',
    tokens: 5_000,
    reason: 'goodwill',
    reference: 'po-1',
    by: 'rep',
  }

  it('adds tokens to the top-ups and the balance, and says who gave them and why', () => {
    const { entry, when, add, set } = allowed(grant(request, moment))
    expect(entry).toEqual({
      type: 'grant',
      ...recorded,
      entryId: 'grant#k',
      tokens: 5_000,
      reason: 'goodwill',
      reference: 'po-1',
      by: 'rep',
    })
    expect(when).toEqual({ topUpsAtMost: topUpsMax - 5_000 })
    expect(add).toEqual({ topUps: 5_000, balance: 5_000 })
    expect(set).toEqual({})
  })

  it('fills a workspace up to the most it can count, and not beyond', () => {
    const room = workspaceWith({ topUps: topUpsMax - 5_000 })
    expect(apply(room, allowed(grant(request, moment, room))).topUps).toBe(topUpsMax)
    const workspace = workspaceWith({ topUps: topUpsMax - 4_999 })
    expect(grant(request, moment, workspace)).toEqual({ refused: 'top_ups_limit', workspace })
  })
})

describe('a plan', () => {
  const change = (plan: 'starter' | 'pro' | 'teams' | 'enterprise', quota: number) => ({
    workspaceId: 'acme',
    key: 'k',
    plan,
    quota,
    by: 'ops',
  })
  const entry = { type: 'plan', ...recorded, entryId: 'plan#k', by: 'ops' }
  const changed = (...given: Parameters<typeof changeWorkspace>) =>
    allowed(changeWorkspace(...given))
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

describe('a reset', () => {
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
})

describe('a settlement', () => {
  it('of what was paid only asks that the workspace can count it', () => {
    const purchase = purchaseWith()
    const standing = standingOf(purchase, factsWith())
    const movement = allowed(settle(purchase, standing, moment, workspaceWith()))
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
    expect(movement.add).toEqual({ topUps: 1_000_000, balance: 1_000_000 })
  })

  it('of what is taken back asks that nothing has moved since it was computed', () => {
    const purchase = purchaseWith({ status: 'paid', version: 3 })
    const standing = standingOf(purchase, factsWith({ amountRefunded: 100 }))
    const seen = workspaceWith({ topUps: 1_000_000, balance: 2_900_000, held: 50_000 })
    const movement = allowed(settle(purchase, standing, moment, seen))
    expect(movement.when).toEqual({ asRead: { version: seen.version } })
    expect(movement.add).toEqual({ topUps: -400_000, balance: -400_000 })
  })

  it('of what comes back asks nothing of the workspace', () => {
    const purchase = purchaseWith({ status: 'refunded', reversed: 400_000, taken: 400_000 })
    const standing = standingOf(purchase, factsWith())
    const movement = allowed(settle(purchase, standing, moment, workspaceWith()))
    expect(movement.when).toEqual({})
    expect(movement.add).toEqual({ topUps: 400_000, balance: 400_000 })
    expect(movement.entry).toMatchObject({ tokens: 400_000, shortfall: 0 })
  })

  it('that moves nothing changes no amount', () => {
    const purchase = purchaseWith({ status: 'paid', version: 3 })
    const standing = standingOf(purchase, factsWith({ amountRefunded: 250 }))
    const spent = workspaceWith({ topUps: 1_000_000, balance: 0 })
    const movement = allowed(settle(purchase, standing, moment, spent))
    expect(movement.entry).toMatchObject({ tokens: 0, shortfall: 1_000_000 })
    expect(movement.add).toEqual({})
  })

  it('at the same reversal as before takes nothing and gives nothing back', () => {
    // A dispute beside a refund: its status changes, and what the purchase should lose does not.
    const purchase = purchaseWith({ status: 'refunded', reversed: 400_000, taken: 400_000 })
    const standing = { status: 'disputed', reversed: 400_000, lost: false } as const
    const movement = allowed(settle(purchase, standing, moment, workspaceWith()))
    expect(movement.entry).toMatchObject({ tokens: 0, shortfall: 0 })
    expect(movement.add).toEqual({})
  })
})

describe('what stood in the way', () => {
  it('is a refusal, where the rules said no', () => {
    expect(isRefusal({ refused: 'busy' })).toBe(true)
    expect(isRefusal({ entry: {}, replayed: false })).toBe(false)
  })

  it('or an outage, which says of whom, and keeps its cause for the log', () => {
    const cause = new Error('socket hang up')
    const outage = new Unavailable('dynamodb', cause)
    expect(outage).toMatchObject({ name: 'Unavailable', service: 'dynamodb', cause })
    expect(outage.message).toBe('dynamodb did not answer')
  })
})
