import { describe, expect, it } from 'vitest'
import type { HoldEntry } from '../../../shared/domain/entry.ts'
import { holdSecondsMax, openHoldsMax, wasAskedFor } from '../../../shared/domain/hold.ts'
import { holdClosing } from '../../../shared/domain/movements/hold-closing.ts'
import { holdExpiry } from '../../../shared/domain/movements/hold-expiry.ts'
import { holdOpening } from '../../../shared/domain/movements/hold-opening.ts'
import { usedOf } from '../../../shared/domain/workspace.ts'
import { allowed, apply } from '../../support/apply.ts'
import {
  holding,
  holdRequest,
  holdWith,
  inElevenMinutes,
  inTenMinutes,
  moment,
} from '../../support/hold.ts'
import { workspaceWith } from '../../support/store.ts'

describe('opening a hold', () => {
  it('moves tokens from the balance into what is held, and uses none', () => {
    const before = workspaceWith()
    const movement = allowed(holdOpening(holdRequest, moment, before))
    expect(movement.entry).toEqual(holdWith())
    const after = apply(before, movement)
    expect(after).toMatchObject({ balance: 1_994_000, held: 6_000, holds: 1 })
    expect(usedOf(after)).toBe(0)
  })

  it('lowers the time from which holds may have expired, and never raises it', () => {
    const first = allowed(holdOpening(holdRequest, moment, workspaceWith()))
    expect(first.set).toEqual({ holdsExpireFrom: inTenMinutes })
    expect(first.when.asRead).toEqual({ holdsExpireFrom: undefined })
    expect(first.when).not.toHaveProperty('holdsExpireBy')

    const other = { ...holdRequest, holdId: 'hold_2' }
    const sooner = holding({ holdsExpireFrom: inElevenMinutes })
    const lowered = allowed(holdOpening(other, moment, sooner))
    expect(apply(sooner, lowered).holdsExpireFrom).toBe(inTenMinutes)
    expect(lowered.when.asRead).toEqual({ holdsExpireFrom: inElevenMinutes })

    const before = holding({ holdsExpireFrom: '2026-07-14T09:09:59.999Z' })
    const kept = allowed(holdOpening(other, moment, before))
    expect(apply(before, kept).holdsExpireFrom).toBe('2026-07-14T09:09:59.999Z')
    expect(kept.when).toMatchObject({ holdsExpireBy: inTenMinutes })
    expect(kept.when).not.toHaveProperty('asRead')
  })

  it('that ends when the first hold ends leaves the time as it is', () => {
    const together = allowed(holdOpening({ ...holdRequest, holdId: 'hold_2' }, moment, holding()))
    expect(apply(holding(), together).holdsExpireFrom).toBe(inTenMinutes)
  })

  it('built blind, counts on a hold that expires first', () => {
    const blind = allowed(holdOpening(holdRequest, moment))
    expect(blind.when).toEqual({
      balanceAtLeast: 6_000,
      holdsBelow: openHoldsMax,
      holdsExpireBy: inTenMinutes,
    })
    expect(blind.set).toEqual({})
  })

  it('takes the last token and no more', () => {
    const enough = workspaceWith({ balance: 6_000 })
    expect(apply(enough, allowed(holdOpening(holdRequest, moment, enough))).balance).toBe(0)
    const short = workspaceWith({ balance: 5_999 })
    expect(holdOpening(holdRequest, moment, short)).toEqual({
      refused: 'insufficient_tokens',
      workspace: short,
    })
  })

  it('is refused above the most holds a workspace may have open', () => {
    expect(openHoldsMax).toBe(1_000)
    expect(holdSecondsMax).toBe(900)
    const full = holding({ holds: openHoldsMax })
    expect(holdOpening(holdRequest, moment, full)).toEqual({
      refused: 'holds_limit',
      workspace: full,
    })
    const last = holding({ holds: openHoldsMax - 1 })
    expect(allowed(holdOpening(holdRequest, moment, last)).when.holdsBelow).toBe(openHoldsMax)
  })

  it('does not open again what was closed under the same key', () => {
    expect(allowed(holdOpening(holdRequest, moment)).also).toEqual([{ absent: 'hold#hold_1' }])
  })
})

describe('opening a hold that may be smaller', () => {
  const modest = { ...holdRequest, atLeast: 2_000 }

  it('takes all that was asked for where it is there, under the same conditions as any other', () => {
    const enough = workspaceWith({ balance: 6_000 })
    const movement = allowed(holdOpening(modest, moment, enough))
    expect(movement.entry).toEqual(holdWith({ atLeast: 2_000 }))
    expect(movement.when).toEqual(allowed(holdOpening(holdRequest, moment, enough)).when)
    expect(allowed(holdOpening(modest, moment)).when).toEqual(
      allowed(holdOpening(holdRequest, moment)).when,
    )
  })

  it.each([5_999, 2_000])('takes all %d that are left, if nobody has touched them', (balance) => {
    const short = workspaceWith({ balance })
    const movement = allowed(holdOpening(modest, moment, short))
    expect(movement.entry).toMatchObject({ tokens: balance, requested: 6_000, atLeast: 2_000 })
    expect(movement.when).toEqual({
      holdsBelow: openHoldsMax,
      asRead: { balance, holdsExpireFrom: undefined },
    })
    expect(apply(short, movement)).toMatchObject({ balance: 0, held: balance, holds: 1 })
    for (const other of [balance - 1, balance + 1]) {
      expect(() => apply(workspaceWith({ balance: other }), movement)).toThrow('balance as read')
    }
  })

  it('beside a hold that ends first leaves the time as it is', () => {
    const short = holding({ balance: 3_000, holdsExpireFrom: '2026-07-14T09:09:59.999Z' })
    expect(allowed(holdOpening(modest, moment, short)).when).toEqual({
      holdsBelow: openHoldsMax,
      holdsExpireBy: inTenMinutes,
      asRead: { balance: 3_000 },
    })
  })

  it('is refused for less than would do, and above the most holds', () => {
    const short = workspaceWith({ balance: 1_999 })
    const refused = { refused: 'insufficient_tokens', workspace: short }
    expect(holdOpening(modest, moment, short)).toEqual(refused)
    const full = holding({ balance: 3_000, holds: openHoldsMax })
    expect(holdOpening(modest, moment, full)).toEqual({ refused: 'holds_limit', workspace: full })
  })

  it('closes for what it set aside, and remembers what was asked', () => {
    const hold = holdWith({ tokens: 2_500, atLeast: 2_000 })
    const settled = holdClosing(hold, { outcome: 'settled', tokens: 1_000 }, moment).entry
    expect(settled).toMatchObject({ held: 2_500, returned: 1_500 })
    const expired = holdExpiry(holding(), [hold], new Date(inTenMinutes))!
    const returned = (expired.also ?? []).find((also) => 'entry' in also)!.entry as HoldEntry
    expect(returned).toMatchObject({ held: 2_500, returned: 2_500 })
    for (const entry of [settled, returned]) {
      expect(wasAskedFor(entry, modest)).toBe(true)
      expect(wasAskedFor(entry, { ...modest, tokens: 2_500 })).toBe(false)
      expect(wasAskedFor(entry, { ...modest, atLeast: 2_001 })).toBe(false)
      expect(wasAskedFor(entry, holdRequest)).toBe(false)
    }
  })
})
