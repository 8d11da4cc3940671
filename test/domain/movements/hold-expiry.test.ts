import { describe, expect, it } from 'vitest'
import { holdExpiry, withExpiredReturned } from '../../../shared/domain/movements/hold-expiry.ts'
import { holdsExpiredBy } from '../../../shared/domain/workspace.ts'
import { holding, holdWith, inElevenMinutes, inTenMinutes, labels } from '../../support/hold.ts'

describe('holds that have expired', () => {
  const atTheEnd = new Date(inTenMinutes)
  const justBefore = new Date(atTheEnd.getTime() - 1)

  it('are returned from the instant they end', () => {
    expect(holdExpiry(holding(), [holdWith()], justBefore)).toBeUndefined()
    const movement = holdExpiry(holding(), [holdWith()], atTheEnd)!
    expect(movement).toEqual({
      entry: {
        type: 'expire',
        workspaceId: 'acme',
        entryId: 'expire#hold_1',
        at: inTenMinutes,
        period: '2026-07',
        tokens: 6_000,
        holds: 1,
      },
      when: { asRead: { owed: undefined } },
      add: { balance: 6_000, held: -6_000, holds: -1 },
      set: {},
      also: [
        { closes: holdWith(), ifExpiredBy: inTenMinutes },
        {
          entry: {
            type: 'hold',
            workspaceId: 'acme',
            entryId: 'hold#hold_1',
            at: inTenMinutes,
            period: '2026-07',
            holdId: 'hold_1',
            outcome: 'expired',
            requested: 6_000,
            held: 6_000,
            used: 0,
            charged: 0,
            uncovered: 0,
            returned: 6_000,
            ...labels,
          },
        },
      ],
    })
  })

  it('are returned together, without those that have not expired or belong to another month', () => {
    const holds = [
      holdWith({ holdId: 'later', heldUntil: inElevenMinutes }),
      holdWith({ holdId: 'one', tokens: 1_000 }),
      holdWith({ holdId: 'ended', period: '2026-06' }),
      holdWith({ holdId: 'two', tokens: 2_000 }),
    ]
    const movement = holdExpiry(holding({ held: 9_000, holds: 3 }), holds, atTheEnd)!
    expect(movement.entry).toMatchObject({ entryId: 'expire#one', tokens: 3_000, holds: 2 })
    expect(movement.add).toEqual({ balance: 3_000, held: -3_000, holds: -2 })
  })

  it('are as many at once as one transaction has room for', () => {
    const holds = Array.from({ length: 60 }, (_, n) => holdWith({ holdId: `h${n}`, tokens: 10 }))
    const movement = holdExpiry(holding({ held: 600, holds: 60 }), holds, atTheEnd)!
    expect(movement.also).toHaveLength(90)
    expect(movement.entry).toMatchObject({ tokens: 450, holds: 45 })
  })

  it('are shown as returned to those who only look', () => {
    const holds = [holdWith({ tokens: 1_000 }), holdWith({ heldUntil: inElevenMinutes })]
    const before = holding({ held: 7_000, holds: 2 })
    expect(withExpiredReturned(before, holds, atTheEnd)).toEqual({
      ...before,
      balance: before.balance + 1_000,
      held: 6_000,
    })
    expect(withExpiredReturned(before, holds, justBefore)).toEqual(before)
  })

  it('are looked for only where something is held, from the time on that one may have expired', () => {
    expect(holdsExpiredBy(holding(), inTenMinutes)).toBe(true)
    expect(holdsExpiredBy(holding(), justBefore.toISOString())).toBe(false)
    expect(holdsExpiredBy(holding({ held: 0 }), inTenMinutes)).toBe(false)
    expect(holdsExpiredBy(holding({ holdsExpireFrom: undefined }), inTenMinutes)).toBe(false)
  })
})
