import { dateOf, endOf, type Period } from '../../shared/domain/period.ts'
import type { ActivityPage } from '../service.ts'

export type Month = ActivityPage['months'][number]

/** What one day used, and of what: within a month the quota goes first. */
export interface DayUse {
  date: string
  used: number
  fromQuota: number
  fromPurchased: number
}

/** Every day of the month in order, those without use too. */
export function daysIn({ period, quota, days }: Month): DayUse[] {
  const tokensOf = new Map(days.map(({ date, tokens }) => [date, tokens]))
  let usedBefore = 0
  return Array.from({ length: lengthOf(period) }, (_, index) => {
    const date = dateOf(period, String(index + 1))
    const used = tokensOf.get(date) ?? 0
    const fromQuota = Math.min(used, Math.max(0, quota - usedBefore))
    usedBefore += used
    return { date, used, fromQuota, fromPurchased: used - fromQuota }
  })
}

export function totalOf({ quota, used }: Month): Omit<DayUse, 'date'> {
  const fromQuota = Math.min(used, quota)
  return { used, fromQuota, fromPurchased: used - fromQuota }
}

/**
 * All days on which tokens were used, oldest first, as RFC 4180 has it. Dates and whole numbers only, so
 * no field needs quoting, and no spreadsheet takes one for a formula.
 */
export function csvOf(months: readonly Month[]): string {
  const days = months
    .flatMap(daysIn)
    .filter(({ used }) => used > 0)
    .sort((one, other) => one.date.localeCompare(other.date))
  const rows = days.map(({ date, used, fromQuota, fromPurchased }) =>
    [date, used, fromQuota, fromPurchased].join(','),
  )
  return ['date,used,from_quota,from_purchased', ...rows, ''].join('\r\n')
}

/** A round number at or above the highest, for the top of a scale. */
export function scaleTop(highest: number): number {
  const unit = 10 ** Math.floor(Math.log10(Math.max(1, highest)))
  return [1, 2, 2.5, 5, 10].map((times) => times * unit).find((top) => top >= highest)!
}

function lengthOf(period: Period): number {
  return new Date(endOf(period).getTime() - 1).getUTCDate()
}
