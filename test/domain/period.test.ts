import { describe, expect, it } from 'vitest'
import { dateOf, dayOf, endOf, periodOf, startOf } from '../../shared/domain/period.ts'

describe('a period', () => {
  it('is a month in UTC, wherever the machine is', () => {
    expect(periodOf(new Date('2026-07-31T23:59:59.999Z'))).toBe('2026-07')
    expect(periodOf(new Date('2026-08-01T00:00:00.000Z'))).toBe('2026-08')
    expect(periodOf(new Date('2026-08-01T01:30:00+02:00'))).toBe('2026-07')
  })

  it('begins at the instant that its inverse names, and ends where the next begins', () => {
    for (const period of ['2026-01', '2026-12', '2028-02'] as const) {
      expect(periodOf(startOf(period))).toBe(period)
      expect(periodOf(new Date(startOf(period).getTime() - 1))).not.toBe(period)
      expect(periodOf(new Date(endOf(period).getTime() - 1))).toBe(period)
    }
    expect(endOf('2026-12')).toEqual(startOf('2027-01'))
    expect(endOf('2028-02')).toEqual(new Date('2028-03-01T00:00:00Z'))
  })

  it('sorts as text in the order of time', () => {
    expect(['2027-01', '2026-12', '2026-02'].sort()).toEqual(['2026-02', '2026-12', '2027-01'])
  })

  it('names its days by their number, and gives them their date back', () => {
    const moment = new Date('2026-07-04T23:59:59Z')
    expect(dayOf(moment)).toBe('4')
    expect(dateOf('2026-07', '4')).toBe('2026-07-04')
    expect(dateOf('2026-07', '31')).toBe('2026-07-31')
  })
})
