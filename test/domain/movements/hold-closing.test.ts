import { describe, expect, it } from 'vitest'
import { holdClosing } from '../../../shared/domain/movements/hold-closing.ts'
import { usedOf } from '../../../shared/domain/workspace.ts'
import { apply } from '../../support/apply.ts'
import { holding, holdWith, labels, moment } from '../../support/hold.ts'
import { workspaceWith } from '../../support/store.ts'

describe('closing a hold', () => {
  const settle = (tokens: number) => ({ outcome: 'settled', tokens }) as const

  it('pays for what was used and returns the rest', () => {
    const movement = holdClosing(holdWith(), settle(4_000), moment)
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
    const movement = holdClosing(holdWith(), { outcome: 'released' }, moment)
    expect(movement.entry).toMatchObject({ outcome: 'released', used: 0, returned: 6_000 })
    expect(movement.add.day).toBeUndefined()
    const after = apply(holding(), movement)
    expect(after).toMatchObject({ balance: 2_000_000, held: 0, holds: 0 })
  })

  it('for more than it held takes the excess from the balance', () => {
    const movement = holdClosing(holdWith(), settle(10_000), moment)
    expect(movement.when).toEqual({ balanceAtLeast: 4_000, asRead: { owed: undefined } })
    expect(movement.entry).toMatchObject({ charged: 10_000, uncovered: 0, returned: 0 })
    expect(apply(holding(), movement)).toMatchObject({ balance: 1_990_000, held: 0 })
  })

  it('for more than there is takes what is left, and records what it could not', () => {
    const seen = holding({ balance: 1_000 })
    const movement = holdClosing(holdWith(), settle(10_000), moment, seen)
    expect(movement.when).toEqual({ asRead: { balance: 1_000 } })
    expect(movement.entry).toMatchObject({ used: 10_000, charged: 7_000, uncovered: 3_000 })
    expect(apply(seen, movement)).toMatchObject({ balance: 0, held: 0, days: { 14: 7_000 } })
  })

  it('that takes exactly what is left is not short', () => {
    const seen = holding({ balance: 4_000 })
    const movement = holdClosing(holdWith(), settle(10_000), moment, seen)
    expect(movement.when).toEqual({ balanceAtLeast: 4_000, asRead: { owed: undefined } })
    expect(movement.entry).toMatchObject({ charged: 10_000, uncovered: 0 })
  })

  it('of an earlier month returns nothing, and charges its use to the new month', () => {
    const ended = holdWith({ period: '2026-06' })
    const seen = workspaceWith()
    const movement = holdClosing(ended, settle(4_000), moment, seen)
    expect(movement.entry).toMatchObject({ held: 6_000, charged: 4_000, returned: 0 })
    const after = apply(seen, movement)
    expect(after).toMatchObject({ balance: 1_996_000, held: 0, holds: 0, days: { 14: 4_000 } })
  })
})
