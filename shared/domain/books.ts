import {
  entryId,
  type LedgerEntry,
  type OpenHold,
  type PlanEntry,
  type ResetEntry,
} from './entry.ts'
import { dayOf, type Period, periodOf } from './period.ts'
import { isPaid, type Purchase } from './purchase.ts'
import { topUpsLeftOf, usedOf, type Workspace } from './workspace.ts'

/** All that is stored of one workspace, at one moment. */
export interface Books {
  workspace: Workspace
  entries: readonly LedgerEntry[]
  /** Those of any period; only the current one's still set tokens aside. */
  holds: readonly OpenHold[]
  purchases: readonly Purchase[]
}

/** Two figures that should be the same, and are not. */
export interface Difference {
  /** `balance, held and impounded`, `used on 2026-07-14`, `held` */
  what: string
  /** What the item says, or the entry that keeps the sum. */
  stored: number | string
  /** What the ledger adds up to. */
  ledger: number | string
  /** The entries that were added up. */
  entries: string[]
}

/**
 * Proves conservation, or says where it is broken: what a workspace holds is all quota granted and all tokens
 * topped up or given back, less what was used, expired or taken back; and every figure of the item is what
 * the ledger adds up to. None of it trusts the rules that wrote it.
 *
 * Each month is checked by itself, from the entry that opened it to the reset that closed it or to the item.
 * Usage and hold entries expire: months from `usageFrom` on must have them all. In earlier ones they may add
 * up to less than the reset kept of them, never to more, and the sums kept carry the proof across.
 */
export function differencesIn(books: Books, usageFrom: Period = '0000-00'): Difference[] {
  return [
    ...monthsOf(books).flatMap((month) => inMonth(month, month.period >= usageFrom)),
    ...inOpening(books),
    ...inHolds(books),
    ...inOrders(books),
    ...inOwed(books),
    ...books.purchases.flatMap((purchase) => inPurchase(purchase, books.entries)),
    ...inOrphans(books),
    ...books.entries.flatMap(inEntry),
    ...inRange(books.workspace),
  ]
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

function monthsOf({ workspace, entries }: Books): Month[] {
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

function inOpening({ entries }: Books): Difference[] {
  const creations = entries.filter(isCreation)
  return equal('creations', 1, creations.length, ids(creations))
}

function inHolds({ workspace, holds }: Books): Difference[] {
  const open = holds.filter(({ period }) => period === workspace.period)
  const earliest = open.map(({ heldUntil }) => heldUntil).sort()[0]
  const { held, holdsExpireFrom = 'never' } = workspace
  return [
    ...equal('held', held, sum(open.map(({ tokens }) => tokens)), ids(open)),
    ...equal('open holds', workspace.holds, open.length, ids(open)),
    // It may be early, which costs a look. Late, or missing, it would keep tokens from coming back.
    ...(earliest !== undefined && holdsExpireFrom > earliest
      ? equal('first expiry of a hold', holdsExpireFrom, earliest, ids(open))
      : []),
  ]
}

/**
 * What is owed can be returned: by the holds that were open, and out of top-ups that are left. And purchases
 * have pending all that is owed or impounded for them.
 */
function inOwed({ workspace, purchases }: Books): Difference[] {
  const { owed, impounded = 0, held, topUps } = workspace
  const pending = purchases.filter((purchase) => purchase.pending > 0)
  const wanted = sum(pending.map((purchase) => purchase.pending))
  const waits = (owed?.tokens ?? 0) + impounded
  return [
    ...(owed
      ? [
          ...within('owed', owed.tokens, 1, Math.min(owed.held, topUpsLeftOf(workspace)), []),
          ...within('held by holds that owe', owed.held, 1, held, []),
        ]
      : []),
    ...within('impounded', impounded, 0, topUps, []),
    ...within('owed and impounded', waits, 0, wanted, pending.map(purchaseEntryOf)),
  ]
}

function purchaseEntryOf({ purchaseId }: Purchase): string {
  return entryId.purchase(purchaseId)
}

/** Orders that wait are counted, so that they stay few; what keeps a workspace from buying is a purchase of its own. */
function inOrders({ workspace, purchases }: Books): Difference[] {
  const { openOrders = 0, blockedBy = {} } = workspace
  const open = purchases.filter(({ status }) => status === 'open')
  const blocking = purchases.filter(({ blocked }) => blocked).map(({ purchaseId }) => purchaseId)
  const strange = Object.keys(blockedBy).filter((purchaseId) => !blocking.includes(purchaseId))
  return [
    ...equal(
      'open orders',
      openOrders,
      open.length,
      open.map(({ purchaseId }) => purchaseId),
    ),
    ...equal('purchases that block and know nothing of it', strange.length, 0, strange),
  ]
}

/**
 * A purchase has credited what its payment entries say, and those are there from its first payment on. What
 * it should lose has been taken, is pending, or was spent before.
 */
function inPurchase(purchase: Purchase, entries: readonly LedgerEntry[]): Difference[] {
  const { purchaseId, status, tokens, reversed, taken, pending, shortfall } = purchase
  const payments = paymentsOf(entries).filter((entry) => entry.purchaseId === purchaseId)
  const credited = isPaid(status) ? tokens - taken : 0
  const lost = taken + pending + shortfall
  return [
    ...equal(`credited by ${purchaseId}`, credited, sum(payments.map(tokensOf)), ids(payments)),
    ...equal(`reversed of ${purchaseId}`, reversed, lost, [purchaseEntryOf(purchase)]),
  ]
}

/** Entries that no month and no purchase accounts for. */
function inOrphans(books: Books): Difference[] {
  const months = new Set(monthsOf(books).map(({ period }) => period))
  const purchases = new Set(books.purchases.map(({ purchaseId }) => purchaseId))
  const astray = books.entries.filter(({ period }) => !months.has(period))
  const unknown = paymentsOf(books.entries).filter(({ purchaseId }) => !purchases.has(purchaseId))
  return [
    ...equal('entries in a month that never was', 0, astray.length, ids(astray)),
    ...equal('payments of no purchase', 0, unknown.length, ids(unknown)),
  ]
}

/** What an entry must be in itself. */
function inEntry(entry: LedgerEntry): Difference[] {
  const { entryId } = entry
  if (entry.type === 'hold') {
    const { used, charged, uncovered } = entry
    return equal(`used by ${entryId}`, used, charged + uncovered, [entryId])
  }
  if (entry.type !== 'use') return []
  const { requested, taken, onShortfall } = entry
  const drained = onShortfall === 'drain' && taken < requested
  return drained ? [] : equal(`taken by ${entryId}`, taken, requested, [entryId])
}

/** No figure is below zero, and each is a number that a sum can be trusted with. */
function inRange(workspace: Workspace): Difference[] {
  const { quota, topUps, balance, held, holds, impounded = 0 } = workspace
  const figures = { quota, topUps, balance, held, holds, impounded, used: usedOf(workspace) }
  return Object.entries(figures)
    .filter(([, figure]) => !Number.isSafeInteger(figure) || figure < 0)
    .map(([what, stored]) => ({ what, stored, ledger: 'a whole number from 0 up', entries: [] }))
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

function paymentsOf(entries: readonly LedgerEntry[]) {
  return entries.filter((entry) => entry.type === 'payment')
}

function isCreation(entry: LedgerEntry): entry is PlanEntry {
  return entry.type === 'plan' && entry.effect === 'created'
}

/** What an entry says it added to what the workspace holds, within its month. */
function tokensOf(entry: LedgerEntry): number {
  if (entry.type === 'grant' || entry.type === 'plan' || entry.type === 'payment') {
    return entry.tokens
  }
  return -usedBy(entry)
}

function usedBy(entry: LedgerEntry): number {
  if (entry.type === 'use') return entry.taken
  return entry.type === 'hold' ? entry.charged : 0
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

function tokensUsed(entries: LedgerEntry[]): number {
  return sum(entries.map(usedBy))
}

function equal<Figure extends number | string>(
  what: string,
  stored: Figure,
  ledger: Figure,
  entries: string[],
): Difference[] {
  return stored === ledger ? [] : [{ what, stored, ledger, entries }]
}

function within(
  what: string,
  stored: number,
  least: number,
  most: number,
  entries: string[],
): Difference[] {
  const nearest = Math.max(least, Math.min(stored, most))
  return equal(what, stored, nearest, entries)
}

function ids(records: readonly { entryId: string }[]): string[] {
  return records.map(({ entryId }) => entryId)
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
