import { describe, expect, it } from 'vitest'
import { momentOf } from '../../shared/domain/movement.ts'

describe('the moment of a movement', () => {
  it('is the clock’s, to the millisecond', () => {
    const at = '2026-07-14T09:00:00.000Z'
    const now = new Date(at)
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

  it('counts in the later month of a workspace that another clock has moved on', () => {
    const late = new Date('2026-07-31T23:59:59Z')
    expect(momentOf(late, '2026-08')).toEqual({
      at: '2026-07-31T23:59:59.000Z',
      period: '2026-08',
      day: '1',
    })
  })
})
