import { describe, expect, it } from 'vitest'
import { holdExtension } from '../../../shared/domain/movements/hold-extension.ts'
import { allowed } from '../../support/apply.ts'
import { holdWith, inElevenMinutes, inTenMinutes, moment } from '../../support/hold.ts'

describe('extending a hold', () => {
  it('keeps it from now on for as long as asked, and moves no tokens', () => {
    const movement = allowed(holdExtension(holdWith(), { key: 'k', ttlSeconds: 660 }, moment))
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
    const movement = allowed(holdExtension(holdWith(), { key: 'k', ttlSeconds: 60 }, moment))
    expect(movement.entry.heldUntil).toBe(inTenMinutes)
  })

  it('is refused once the month it belongs to is over', () => {
    const ended = holdWith({ period: '2026-06' })
    expect(holdExtension(ended, { key: 'k', ttlSeconds: 60 }, moment)).toEqual({
      refused: 'hold_closed',
    })
  })
})
