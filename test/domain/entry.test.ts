import { describe, expect, it } from 'vitest'
import { entryId, isSameRequest, type Recordable } from '../../shared/domain/entry.ts'

/*
 * A retry is told from a reused key by what was asked, and by that alone: what the service decided, and when,
 * may be different by the time somebody asks again.
 */
const about = { workspaceId: 'acme', entryId: 'an-id', at: '2026-07-14T09:00:00.000Z' }
const recorded = { ...about, period: '2026-07' as const }
const labels = { member: 'u_1', feature: 'chat', model: 'm' }

/** Each kind of entry, what its caller asked for, and what the service made of it. */
const kinds: [entry: Recordable, asked: object, decided: object][] = [
  [
    { type: 'use', ...recorded, requested: 5, taken: 5, onShortfall: 'refuse', ...labels },
    { requested: 6, onShortfall: 'drain', member: 'u_2', feature: 'search', model: undefined },
    { taken: 3, at: '2026-08-01T00:00:00.000Z', period: '2026-08' },
  ],
  [
    {
      type: 'open',
      ...recorded,
      holdId: 'h',
      tokens: 5,
      requested: 5,
      ttlSeconds: 60,
      heldUntil: '2026-07-14T09:01:00.000Z',
      holder: 'one',
      ...labels,
    },
    {
      requested: 6,
      atLeast: 5,
      ttlSeconds: 61,
      member: 'u_2',
      feature: undefined,
      model: 'n',
    },
    {
      tokens: 4,
      heldUntil: '2026-07-14T09:09:00.000Z',
      at: '2026-07-14T09:08:00.000Z',
      // Which of several tries asks is no part of what is asked.
      holder: 'another',
    },
  ],
  [
    {
      type: 'hold',
      ...recorded,
      holdId: 'h',
      outcome: 'settled',
      requested: 9,
      held: 9,
      used: 5,
      charged: 5,
      uncovered: 0,
      returned: 4,
      ...labels,
    },
    { outcome: 'released', used: 6 },
    { charged: 4, uncovered: 1, returned: 5, held: 0 },
  ],
  [
    { type: 'extend', ...recorded, holdId: 'h', ttlSeconds: 60, heldUntil: 'then' },
    { holdId: 'i', ttlSeconds: 61 },
    { heldUntil: 'later' },
  ],
  [
    { type: 'grant', ...recorded, tokens: 5, reason: 'r', reference: 'po-1', by: 'rep' },
    { tokens: 6, reason: 's', reference: undefined },
    { by: 'another' },
  ],
  [
    {
      type: 'plan',
      ...recorded,
      plan: 'pro',
      quota: 5,
      effect: 'applied',
      tokens: 1,
      asked: { plan: 'pro' },
      by: 'ops',
    },
    {},
    { plan: 'teams', quota: 6, effect: 'kept', tokens: 0, by: 'another' },
  ],
]

describe('of two entries under one id', () => {
  it.each(kinds)('$type: what was asked tells a reused key from a retry', (entry, asked) => {
    expect(isSameRequest(entry, { ...entry })).toBe(true)
    for (const [name, other] of Object.entries(asked)) {
      expect(isSameRequest(entry, { ...entry, [name]: other }), name).toBe(false)
    }
  })

  it('plan: what was left open is not what was asked, nor is what was removed', () => {
    const asked = [
      { plan: 'pro' },
      { plan: 'teams' },
      { plan: 'pro', quota: 5 },
      { plan: 'pro', stripeCustomerId: 'cus_1' },
      { plan: 'pro', stripeCustomerId: null },
    ] as const
    const plan = kinds.find(([{ type }]) => type === 'plan')![0]
    for (const one of asked) {
      for (const other of asked) {
        const [before, after] = [one, other].map((asked) => ({ ...plan, asked }) as Recordable)
        expect(isSameRequest(before!, after!)).toBe(one === other)
      }
    }
  })

  it.each(kinds)('$type: what the service decided tells nothing', (entry, _asked, decided) => {
    expect(isSameRequest(entry, { ...entry, ...decided } as Recordable)).toBe(true)
  })

  it('those whose id says all there is to ask are always the same', () => {
    const payment = { type: 'payment', ...recorded, purchaseId: 'p', shortfall: 0 } as const
    const paid = { ...payment, status: 'paid', tokens: 5 } as const
    expect(isSameRequest(paid, { ...payment, status: 'refunded', tokens: -5 })).toBe(true)
    const expired = { type: 'expire', ...recorded, tokens: 5, holds: 1 } as const
    expect(isSameRequest(expired, { ...expired, tokens: 6, holds: 2 })).toBe(true)
    const closed = {
      period: '2026-06',
      quota: 1,
      topUps: 0,
      used: 0,
      expired: 1,
      days: {},
    } as const
    const reset = { type: 'reset', ...recorded, plan: 'pro', quota: 1, topUps: 0, closed } as const
    expect(isSameRequest(reset, { ...reset, plan: 'teams', quota: 2 })).toBe(true)
  })
})

describe('an id', () => {
  it('is one for each kind of thing a key may be used for, so that none is mistaken for another', () => {
    const ids = [
      entryId.use('k'),
      entryId.open('k'),
      entryId.hold('k'),
      entryId.late('k'),
      entryId.extend('k'),
      entryId.expire('k'),
      entryId.grant('k'),
      entryId.plan('k'),
      entryId.payment('k', 2),
      entryId.reset('2026-08'),
    ]
    expect(ids).toEqual([
      'use#k',
      'open#k',
      'hold#k',
      'late#k',
      'extend#k',
      'expire#k',
      'grant#k',
      'plan#k',
      'payment#k#2',
      'reset#2026-08',
    ])
  })
})
