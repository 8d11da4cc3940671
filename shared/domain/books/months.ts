import type { LedgerEntry, PlanEntry, ResetEntry } from '../entry.ts'
import { dayOf, type Period, periodOf } from '../period.ts'
import { usedOf, type Workspace } from '../workspace.ts'
import {
  type Books,
  type Difference,
  equal,
  ids,
  sum,
  tokensOf,
  tokensUsed,
  usedBy,
  within,
} from './difference.ts'

/**
 * Each month is checked by itself, from the entry that opened it to the reset that closed it or to the item.
 * Usage and hold entries expire: months from `usageFrom` on must have them all. In earlier ones they may add
 * up to less than the reset kept of them, never to more, and the sums kept carry the proof across.
 */
export function inMonths(books: Books, usageFrom: Period): Difference[] {
  return monthsOf(books).flatMap((month) => inMonth(month, month.period >= usageFrom))
}

/** A month from how it opened to how it stands, or stood when it was closed. */
interface Month {
  period: Period
  opened: Pick<ResetEntry, 'quota' | 'topUps' | 'impounded'> & { entryId?: string; period: Period }
  stands: Pick<Workspace, 'quota' | 'topUps' | 'impounded' | 'days'> & { used: number }
  /** What the reset that closed it made of it; absent for the current month. */
  closedBy?: ResetEntry
  workspace: Workspace
  entries: LedgerEntry[]
}

export function monthsOf({ workspace, entries }: Books): Month[] {
  const resets = resetsOf(entries)
  const began = entries.find(isCreation)?.period ?? resets[0]?.closed.period ?? workspace.period
  const openings: Month['opened'][] = [{ period: began, quota: 0, topUps: 0 }, ...resets]
  return openings.map((opened, at) => {
    const closedBy = resets[at]
    const stands = closedBy?.closed ?? { ...workspace, used: usedOf(workspace) }
    return {
      period: stands.period,
      opened,
      stands,
      closedBy,
      workspace,
      entries: entries.filter(({ period }) => period === stands.period),
    }
  })
}

function inMonth(month: Month, complete: boolean): Difference[] {
  const { period, opened, stands, closedBy, workspace, entries } = month
  const name = (figure: string) => (closedBy ? `${figure} of ${period}` : figure)
  const from = opened.entryId === undefined ? [] : [opened.entryId]
  const plans = entries.filter(({ type }) => type === 'plan')
  const added = entries.filter(({ type }) => type === 'grant' || type === 'payment')
  const quota = opened.quota + sum(plans.map(tokensOf))
  const topUps = opened.topUps + sum(added.map(tokensOf))
  const days = daysUsed(entries)
  const used = complete ? sum([...days.values()].map(tokensUsed)) : sum(Object.values(stands.days))

  const perDay = [...new Set([...Object.keys(stands.days), ...days.keys()])].flatMap((day) => {
    const of = days.get(day) ?? []
    const [kept, found] = [stands.days[day] ?? 0, tokensUsed(of)]
    if (kept === found || (!complete && found < kept)) return []
    return [
      {
        what: `used on ${period}-${day.padStart(2, '0')}`,
        stored: kept,
        ledger: found,
        entries: ids(of),
      },
    ]
  })
  const moved = entries.filter((entry) => impoundedBy(entry) !== 0)
  const impounded = (opened.impounded ?? 0) + sum(moved.map(impoundedBy))
  return [
    ...equal(name('period'), period, opened.period, from),
    ...equal(name('quota'), stands.quota, quota, [...from, ...ids(plans)]),
    ...equal(name('top-ups'), stands.topUps, topUps, [...from, ...ids(added)]),
    ...(complete
      ? equal(name('impounded'), stands.impounded ?? 0, impounded, [...from, ...ids(moved)])
      : []),
    ...perDay,
    ...(closedBy
      ? inReset(closedBy, used)
      : equal('balance, held and impounded', keptBy(workspace), quota + topUps - used, [
          ...from,
          ...ids(entries.filter((entry) => tokensOf(entry) !== 0)),
        ])),
  ]
}

/**
 * The quota goes first: what is left of it at the reset is gone, and top-ups lose only what went beyond it. A
 * reset may impound what the holds it ends have owed; it returns nothing.
 */
function inReset(reset: ResetEntry, used: number): Difference[] {
  const { entryId, topUps, impounded = 0, closed } = reset
  const { period, quota, expired } = closed
  return [
    ...equal(`used in ${period}`, closed.used, used, [entryId]),
    ...equal(`quota expired with ${period}`, expired, Math.max(0, quota - closed.used), [entryId]),
    ...equal(
      `top-ups that came over from ${period}`,
      topUps,
      closed.topUps - Math.max(0, closed.used - quota),
      [entryId],
    ),
    ...within(`impounded with ${period}`, impounded, closed.impounded ?? 0, topUps, [entryId]),
  ]
}

/** The entries that used tokens, by the day they count on. */
function daysUsed(entries: LedgerEntry[]): Map<string, LedgerEntry[]> {
  return Map.groupBy(
    entries.filter((entry) => usedBy(entry) !== 0),
    // A clock that was behind counts on the first day of the month that another one had opened.
    ({ at, period }) => (periodOf(new Date(at)) < period ? '1' : dayOf(new Date(at))),
  )
}

function resetsOf(entries: readonly LedgerEntry[]): ResetEntry[] {
  return entries
    .filter((entry) => entry.type === 'reset')
    .sort((one, other) => (one.period < other.period ? -1 : 1))
}

export function isCreation(entry: LedgerEntry): entry is PlanEntry {
  return entry.type === 'plan' && entry.effect === 'created'
}

/** What an entry says it added to what is impounded, within its month. */
function impoundedBy(entry: LedgerEntry): number {
  if (entry.type === 'hold') return entry.impounded ?? 0
  return entry.type === 'payment' ? -(entry.impounded ?? 0) : 0
}

/** All that a workspace has, free or not. */
function keptBy({ balance, held, impounded = 0 }: Workspace): number {
  return balance + held + impounded
}
