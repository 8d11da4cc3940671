import { describe, expect, it } from 'vitest'
import type { HoldEntry } from '../../shared/domain/entry.ts'
import { holdEndOf, isHeldBy } from '../../shared/domain/hold.ts'
import { momentOf } from '../../shared/domain/movement.ts'
import { holdClosing } from '../../shared/domain/movements/hold-closing.ts'
import { holdOpening } from '../../shared/domain/movements/hold-opening.ts'
import { allowed } from '../support/apply.ts'
import { holdRequest, holdWith, inTenMinutes, moment } from '../support/hold.ts'

const now = new Date(moment.at)

describe('who has a hold', () => {
  it('is the try that opened it: by its word, or by none where there was none', () => {
    const opened = allowed(holdOpening({ ...holdRequest, holder: 'one' }, moment)).entry
    expect(isHeldBy(opened, { holder: 'one' })).toBe(true)
    expect(isHeldBy(opened, { holder: 'another' })).toBe(false)
    expect(isHeldBy(opened, {})).toBe(false)
    expect(isHeldBy(holdWith(), {})).toBe(true)
    expect(isHeldBy(holdWith(), { holder: 'one' })).toBe(false)
  })
})

describe('how a hold ended', () => {
  const closedAs = (over: Partial<HoldEntry>): HoldEntry => ({
    ...holdClosing(holdWith(), { outcome: 'released' }, moment).entry,
    ...over,
  })

  it('is what closed it, with what was used where it was settled', () => {
    expect(holdEndOf(closedAs({ outcome: 'settled', used: 4_000 }), moment)).toEqual({
      outcome: 'settled',
      used: 4_000,
    })
    expect(holdEndOf(closedAs({ outcome: 'settled', used: 0 }), moment)).toEqual({
      outcome: 'settled',
      used: 0,
    })
    expect(holdEndOf(closedAs({}), moment)).toEqual({ outcome: 'released' })
    expect(holdEndOf(closedAs({ outcome: 'expired' }), moment)).toEqual({ outcome: 'expired' })
  })

  it('is that its time is over, from that instant on and whoever has noticed', () => {
    const justBefore = new Date(Date.parse(inTenMinutes) - 1)
    expect(holdEndOf(holdWith(), momentOf(justBefore))).toBeUndefined()
    expect(holdEndOf(holdWith(), momentOf(new Date(inTenMinutes)))).toEqual({ outcome: 'expired' })
  })

  it('is that its month is over, by our clock or by that of whoever opened the next', () => {
    const last = holdWith({ heldUntil: '2026-08-01T00:05:00.000Z' })
    const august = new Date('2026-08-01T00:00:00Z')
    expect(holdEndOf(last, momentOf(august))).toEqual({ outcome: 'ended' })
    expect(holdEndOf(last, momentOf(now, '2026-08'))).toEqual({ outcome: 'ended' })
    expect(holdEndOf(last, momentOf(now))).toBeUndefined()
    // Of another clock, which had begun the month that is to come.
    expect(holdEndOf(holdWith({ period: '2026-08' }), momentOf(now))).toBeUndefined()
  })
})
