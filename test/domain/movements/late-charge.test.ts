import { describe, expect, it } from 'vitest'
import type { HoldEntry } from '../../../shared/domain/entry.ts'
import { holdExpiry } from '../../../shared/domain/movements/hold-expiry.ts'
import { lateCharge } from '../../../shared/domain/movements/late-charge.ts'
import { apply } from '../../support/apply.ts'
import { holding, holdWith, inTenMinutes, labels, moment } from '../../support/hold.ts'

describe('a settle that comes after its hold expired', () => {
  it('charges the balance, under an entry of its own', () => {
    const expired = holdExpiry(holding(), [holdWith()], new Date(inTenMinutes))!
    const entry = (expired.also ?? []).find((also) => 'entry' in also)!.entry as HoldEntry
    const back = apply(holding(), expired)
    const movement = lateCharge(entry, 4_000, moment, back)
    expect(movement.entry).toEqual({
      type: 'hold',
      workspaceId: 'acme',
      entryId: 'late#hold_1',
      at: moment.at,
      period: '2026-07',
      holdId: 'hold_1',
      outcome: 'settled',
      requested: 6_000,
      held: 6_000,
      used: 4_000,
      charged: 4_000,
      uncovered: 0,
      returned: 0,
      ...labels,
    })
    expect(movement).not.toHaveProperty('also')
    expect(apply(back, movement)).toMatchObject({ balance: 1_996_000, held: 0, holds: 0 })
  })
})
