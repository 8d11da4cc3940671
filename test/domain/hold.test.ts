import { describe, expect, it } from 'vitest'
import type { HoldEntry } from '../../shared/domain/entry.ts'
import {
  chargeLate,
  closeHold,
  endOf,
  extendHold,
  type HoldRequest,
  holdSecondsMax,
  isHeldBy,
  type OpenHold,
  openHold,
  openHoldsMax,
  returnExpired,
  wasAskedFor,
  withExpiredReturned,
} from '../../shared/domain/hold.ts'
import { momentOf } from '../../shared/domain/movement.ts'
import { holdsExpiredBy, usedOf } from '../../shared/domain/workspace.ts'
import { allowed, apply } from '../support/apply.ts'
import { workspaceWith } from '../support/store.ts'

const now = new Date('2026-07-14T09:00:00.000Z')
const moment = momentOf(now)
const inTenMinutes = '2026-07-14T09:10:00.000Z'
const inElevenMinutes = '2026-07-14T09:11:00.000Z'

const labels = { member: 'u_1', feature: 'chat', model: 'm' }
const request: HoldRequest = {
  workspaceId: 'acme',
  holdId: 'hold_1',
  tokens: 6_000,
  ttlSeconds: 600,
  ...labels,
}

function holdWith(over: Partial<OpenHold> = {}): OpenHold {
  const { holdId = 'hold_1' } = over
  return {
    type: 'open',
    workspaceId: 'acme',
    entryId: `open#${holdId}`,
    holdId,
    at: moment.at,
    period: '2026-07',
    tokens: 6_000,
    requested: 6_000,
    ttlSeconds: 600,
    heldUntil: inTenMinutes,
    ...labels,
    ...over,
  }
}

/** A workspace in which that hold is open. */
const holding = (over: Parameters<typeof workspaceWith>[0] = {}) =>
  workspaceWith({
    balance: 1_994_000,
    held: 6_000,
    holds: 1,
    holdsExpireFrom: inTenMinutes,
    ...over,
  })

describe('opening a hold', () => {
  it('moves tokens from the balance into what is held, and uses none', () => {
    const before = workspaceWith()
    const movement = allowed(openHold(request, moment, before))
    expect(movement.entry).toEqual(holdWith())
    const after = apply(before, movement)
    expect(after).toMatchObject({ balance: 1_994_000, held: 6_000, holds: 1 })
    expect(usedOf(after)).toBe(0)
  })

  it('lowers the time from which holds may have expired, and never raises it', () => {
    const first = allowed(openHold(request, moment, workspaceWith()))
    expect(first.set).toEqual({ holdsExpireFrom: inTenMinutes })
    expect(first.when.asRead).toEqual({ holdsExpireFrom: undefined })
    expect(first.when).not.toHaveProperty('holdsExpireBy')

    const other = { ...request, holdId: 'hold_2' }
    const sooner = holding({ holdsExpireFrom: inElevenMinutes })
    const lowered = allowed(openHold(other, moment, sooner))
    expect(apply(sooner, lowered).holdsExpireFrom).toBe(inTenMinutes)
    expect(lowered.when.asRead).toEqual({ holdsExpireFrom: inElevenMinutes })

    const before = holding({ holdsExpireFrom: '2026-07-14T09:09:59.999Z' })
    const kept = allowed(openHold(other, moment, before))
    expect(apply(before, kept).holdsExpireFrom).toBe('2026-07-14T09:09:59.999Z')
    expect(kept.when).toMatchObject({ holdsExpireBy: inTenMinutes })
    expect(kept.when).not.toHaveProperty('asRead')
  })

  it('that ends when the first hold ends leaves the time as it is', () => {
    const together = allowed(openHold({ ...request, holdId: 'hold_2' }, moment, holding()))
    expect(apply(holding(), together).holdsExpireFrom).toBe(inTenMinutes)
  })

  it('built blind, counts on a hold that expires first', () => {
    const blind = allowed(openHold(request, moment))
    expect(blind.when).toEqual({
      balanceAtLeast: 6_000,
      holdsBelow: openHoldsMax,
      holdsExpireBy: inTenMinutes,
    })
    expect(blind.set).toEqual({})
  })

  it('takes the last token and no more', () => {
    const enough = workspaceWith({ balance: 6_000 })
    expect(apply(enough, allowed(openHold(request, moment, enough))).balance).toBe(0)
    const short = workspaceWith({ balance: 5_999 })
    expect(openHold(request, moment, short)).toEqual({
      refused: 'insufficient_tokens',
      workspace: short,
    })
  })

  it('is refused above the most holds a workspace may have open', () => {
    expect(openHoldsMax).toBe(1_000)
    expect(holdSecondsMax).toBe(900)
    const full = holding({ holds: openHoldsMax })
    expect(openHold(request, moment, full)).toEqual({ refused: 'holds_limit', workspace: full })
    const last = holding({ holds: openHoldsMax - 1 })
    expect(allowed(openHold(request, moment, last)).when.holdsBelow).toBe(openHoldsMax)
  })

  it('does not open again what was closed under the same key', () => {
    expect(allowed(openHold(request, moment)).also).toEqual([{ absent: 'hold#hold_1' }])
  })
})

describe('opening a hold that may be smaller', () => {
  const modest = { ...request, atLeast: 2_000 }

  it('takes all that was asked for where it is there, under the same conditions as any other', () => {
    const enough = workspaceWith({ balance: 6_000 })
    const movement = allowed(openHold(modest, moment, enough))
    expect(movement.entry).toEqual(holdWith({ atLeast: 2_000 }))
    expect(movement.when).toEqual(allowed(openHold(request, moment, enough)).when)
    expect(allowed(openHold(modest, moment)).when).toEqual(allowed(openHold(request, moment)).when)
  })

  it.each([5_999, 2_000])('takes all %d that are left, if nobody has touched them', (balance) => {
    const short = workspaceWith({ balance })
    const movement = allowed(openHold(modest, moment, short))
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
    expect(allowed(openHold(modest, moment, short)).when).toEqual({
      holdsBelow: openHoldsMax,
      holdsExpireBy: inTenMinutes,
      asRead: { balance: 3_000 },
    })
  })

  it('is refused for less than would do, and above the most holds', () => {
    const short = workspaceWith({ balance: 1_999 })
    const refused = { refused: 'insufficient_tokens', workspace: short }
    expect(openHold(modest, moment, short)).toEqual(refused)
    const full = holding({ balance: 3_000, holds: openHoldsMax })
    expect(openHold(modest, moment, full)).toEqual({ refused: 'holds_limit', workspace: full })
  })

  it('closes for what it set aside, and remembers what was asked', () => {
    const hold = holdWith({ tokens: 2_500, atLeast: 2_000 })
    const settled = closeHold(hold, { outcome: 'settled', tokens: 1_000 }, moment).entry
    expect(settled).toMatchObject({ held: 2_500, returned: 1_500 })
    const expired = returnExpired(holding(), [hold], new Date(inTenMinutes))!
    const returned = (expired.also ?? []).find((also) => 'entry' in also)!.entry as HoldEntry
    expect(returned).toMatchObject({ held: 2_500, returned: 2_500 })
    for (const entry of [settled, returned]) {
      expect(wasAskedFor(entry, modest)).toBe(true)
      expect(wasAskedFor(entry, { ...modest, tokens: 2_500 })).toBe(false)
      expect(wasAskedFor(entry, { ...modest, atLeast: 2_001 })).toBe(false)
      expect(wasAskedFor(entry, request)).toBe(false)
    }
  })
})

describe('who has a hold', () => {
  it('is the try that opened it: by its word, or by none where there was none', () => {
    const opened = allowed(openHold({ ...request, holder: 'one' }, moment)).entry
    expect(isHeldBy(opened, { holder: 'one' })).toBe(true)
    expect(isHeldBy(opened, { holder: 'another' })).toBe(false)
    expect(isHeldBy(opened, {})).toBe(false)
    expect(isHeldBy(holdWith(), {})).toBe(true)
    expect(isHeldBy(holdWith(), { holder: 'one' })).toBe(false)
  })
})

describe('how a hold ended', () => {
  const closedAs = (over: Partial<HoldEntry>): HoldEntry => ({
    ...closeHold(holdWith(), { outcome: 'released' }, moment).entry,
    ...over,
  })

  it('is what closed it, with what was used where it was settled', () => {
    expect(endOf(closedAs({ outcome: 'settled', used: 4_000 }), moment)).toEqual({
      outcome: 'settled',
      used: 4_000,
    })
    expect(endOf(closedAs({ outcome: 'settled', used: 0 }), moment)).toEqual({
      outcome: 'settled',
      used: 0,
    })
    expect(endOf(closedAs({}), moment)).toEqual({ outcome: 'released' })
    expect(endOf(closedAs({ outcome: 'expired' }), moment)).toEqual({ outcome: 'expired' })
  })

  it('is that its time is over, from that instant on and whoever has noticed', () => {
    const justBefore = new Date(Date.parse(inTenMinutes) - 1)
    expect(endOf(holdWith(), momentOf(justBefore))).toBeUndefined()
    expect(endOf(holdWith(), momentOf(new Date(inTenMinutes)))).toEqual({ outcome: 'expired' })
  })

  it('is that its month is over, by our clock or by that of whoever opened the next', () => {
    const last = holdWith({ heldUntil: '2026-08-01T00:05:00.000Z' })
    const august = new Date('2026-08-01T00:00:00Z')
    expect(endOf(last, momentOf(august))).toEqual({ outcome: 'ended' })
    expect(endOf(last, momentOf(now, '2026-08'))).toEqual({ outcome: 'ended' })
    expect(endOf(last, momentOf(now))).toBeUndefined()
    // Of another clock, which had begun the month that is to come.
    expect(endOf(holdWith({ period: '2026-08' }), momentOf(now))).toBeUndefined()
  })
})

describe('closing a hold', () => {
  const settle = (tokens: number) => ({ outcome: 'settled', tokens }) as const

  it('pays for what was used and returns the rest', () => {
    const movement = closeHold(holdWith(), settle(4_000), moment)
    expect(movement.entry).toEqual({
      type: 'hold',
      workspaceId: 'acme',
      entryId: 'hold#hold_1',
      at: moment.at,
      period: '2026-07',
      holdId: 'hold_1',
      outcome: 'settled',
      requested: 6_000,
      held: 6_000,
      used: 4_000,
      charged: 4_000,
      uncovered: 0,
      returned: 2_000,
      ...labels,
    })
    expect(movement.also).toEqual([{ closes: holdWith() }])
    const after = apply(holding(), movement)
    expect(after).toMatchObject({ balance: 1_996_000, held: 0, holds: 0, days: { 14: 4_000 } })
    expect(usedOf(after)).toBe(4_000)
  })

  it('as released returns all of it, and counts no use on any day', () => {
    const movement = closeHold(holdWith(), { outcome: 'released' }, moment)
    expect(movement.entry).toMatchObject({ outcome: 'released', used: 0, returned: 6_000 })
    expect(movement.add.day).toBeUndefined()
    const after = apply(holding(), movement)
    expect(after).toMatchObject({ balance: 2_000_000, held: 0, holds: 0 })
  })

  it('for more than it held takes the excess from the balance', () => {
    const movement = closeHold(holdWith(), settle(10_000), moment)
    expect(movement.when).toEqual({ balanceAtLeast: 4_000, asRead: { owed: undefined } })
    expect(movement.entry).toMatchObject({ charged: 10_000, uncovered: 0, returned: 0 })
    expect(apply(holding(), movement)).toMatchObject({ balance: 1_990_000, held: 0 })
  })

  it('for more than there is takes what is left, and records what it could not', () => {
    const seen = holding({ balance: 1_000 })
    const movement = closeHold(holdWith(), settle(10_000), moment, seen)
    expect(movement.when).toEqual({ asRead: { balance: 1_000 } })
    expect(movement.entry).toMatchObject({ used: 10_000, charged: 7_000, uncovered: 3_000 })
    expect(apply(seen, movement)).toMatchObject({ balance: 0, held: 0, days: { 14: 7_000 } })
  })

  it('that takes exactly what is left is not short', () => {
    const seen = holding({ balance: 4_000 })
    const movement = closeHold(holdWith(), settle(10_000), moment, seen)
    expect(movement.when).toEqual({ balanceAtLeast: 4_000, asRead: { owed: undefined } })
    expect(movement.entry).toMatchObject({ charged: 10_000, uncovered: 0 })
  })

  it('of an earlier month returns nothing, and charges its use to the new month', () => {
    const ended = holdWith({ period: '2026-06' })
    const seen = workspaceWith()
    const movement = closeHold(ended, settle(4_000), moment, seen)
    expect(movement.entry).toMatchObject({ held: 6_000, charged: 4_000, returned: 0 })
    const after = apply(seen, movement)
    expect(after).toMatchObject({ balance: 1_996_000, held: 0, holds: 0, days: { 14: 4_000 } })
  })
})

describe('a settle that comes after its hold expired', () => {
  it('charges the balance, under an entry of its own', () => {
    const expired = returnExpired(holding(), [holdWith()], new Date(inTenMinutes))!
    const entry = (expired.also ?? []).find((also) => 'entry' in also)!.entry as HoldEntry
    const back = apply(holding(), expired)
    const movement = chargeLate(entry, 4_000, moment, back)
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

describe('extending a hold', () => {
  it('keeps it from now on for as long as asked, and moves no tokens', () => {
    const movement = allowed(extendHold(holdWith(), { key: 'k', ttlSeconds: 660 }, moment))
    expect(movement).toEqual({
      entry: {
        type: 'extend',
        workspaceId: 'acme',
        entryId: 'extend#k',
        at: moment.at,
        period: '2026-07',
        holdId: 'hold_1',
        ttlSeconds: 660,
        heldUntil: inElevenMinutes,
      },
      when: {},
      add: {},
      set: {},
      also: [{ extends: holdWith(), to: inElevenMinutes }],
    })
  })

  it('never makes it shorter', () => {
    const movement = allowed(extendHold(holdWith(), { key: 'k', ttlSeconds: 60 }, moment))
    expect(movement.entry.heldUntil).toBe(inTenMinutes)
  })

  it('is refused once the month it belongs to is over', () => {
    const ended = holdWith({ period: '2026-06' })
    expect(extendHold(ended, { key: 'k', ttlSeconds: 60 }, moment)).toEqual({
      refused: 'hold_closed',
    })
  })
})

describe('holds that have expired', () => {
  const atTheEnd = new Date(inTenMinutes)
  const justBefore = new Date(atTheEnd.getTime() - 1)

  it('are returned from the instant they end', () => {
    expect(returnExpired(holding(), [holdWith()], justBefore)).toBeUndefined()
    const movement = returnExpired(holding(), [holdWith()], atTheEnd)!
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
    const movement = returnExpired(holding({ held: 9_000, holds: 3 }), holds, atTheEnd)!
    expect(movement.entry).toMatchObject({ entryId: 'expire#one', tokens: 3_000, holds: 2 })
    expect(movement.add).toEqual({ balance: 3_000, held: -3_000, holds: -2 })
  })

  it('are as many at once as one transaction has room for', () => {
    const holds = Array.from({ length: 60 }, (_, n) => holdWith({ holdId: `h${n}`, tokens: 10 }))
    const movement = returnExpired(holding({ held: 600, holds: 60 }), holds, atTheEnd)!
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
