import type { Meter } from '../../shared/domain/meter.ts'
import { startOf } from '../../shared/domain/period.ts'

export type Forecast = { outcome: 'lasts' } | { outcome: 'runs_out'; at: Date }

const dayMs = 86_400_000
const windowDays = 7
/** Fewer say more about yesterday than about the week. */
const daysMin = 3

/**
 * Whether the tokens last until the reset at the pace of the last seven days, or else about when they run
 * out. Undefined until there are three days to judge by, counted from the first use of the month.
 */
export function forecastOf(
  { period, resetsAt, remaining }: Pick<Meter, 'period' | 'resetsAt' | 'remaining'>,
  days: readonly { date: string; tokens: number }[],
  now: Date,
): Forecast | undefined {
  const first = days[0]
  if (!first || remaining <= 0) return undefined
  const today = Math.floor(now.getTime() / dayMs) * dayMs
  const weekStart = Math.max(startOf(period).getTime(), today - (windowDays - 1) * dayMs)
  const from = Math.max(weekStart, Date.parse(first.date))
  const elapsedDays = (now.getTime() - from) / dayMs
  if (elapsedDays < daysMin) return undefined

  const used = days
    .filter(({ date }) => Date.parse(date) >= from)
    .reduce((total, { tokens }) => total + tokens, 0)
  if (used === 0) return { outcome: 'lasts' }
  const at = new Date(now.getTime() + (remaining / (used / elapsedDays)) * dayMs)
  return at < new Date(resetsAt) ? { outcome: 'runs_out', at } : { outcome: 'lasts' }
}
