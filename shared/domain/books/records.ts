import type { LedgerEntry } from '../entry.ts'
import { isPaid, type Purchase } from '../purchase.ts'
import {
  type Books,
  type Difference,
  equal,
  ids,
  paymentsOf,
  purchaseEntryOf,
  sum,
  tokensOf,
} from './difference.ts'
import { monthsOf } from './months.ts'

/*
 * Purchases and entries, held against each other and against themselves.
 */

/**
 * A purchase has credited what its payment entries say, and those are there from its first payment on. What
 * it should lose has been taken, is pending, or was spent before.
 */
export function inPurchase(purchase: Purchase, entries: readonly LedgerEntry[]): Difference[] {
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
export function inOrphans(books: Books): Difference[] {
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
export function inEntry(entry: LedgerEntry): Difference[] {
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
