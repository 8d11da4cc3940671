/** A calendar month in UTC, written `2026-07`. Periods compare as strings. */
export type Period = `${number}-${number}`

export function periodOf(date: Date): Period {
  return date.toISOString().slice(0, 7) as Period
}

/** The inverse of `periodOf`: the first instant of the month. */
export function startOf(period: Period): Date {
  return new Date(`${period}-01T00:00:00.000Z`)
}

/** The first instant after the period: when its quota is reset. */
export function endOf(period: Period): Date {
  const start = startOf(period)
  return new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1))
}

/** Day of the month in UTC, `1` to `31`, as it keys the usage of a period. */
export function dayOf(date: Date): string {
  return String(date.getUTCDate())
}

/** The ISO date, `2026-07-04`, of one day of a period. */
export function dateOf(period: Period, day: string): string {
  return `${period}-${day.padStart(2, '0')}`
}
