import { entryId, type LedgerEntry, type OpenHold } from '../entry.ts'
import type { Purchase } from '../purchase.ts'
import type { Workspace } from '../workspace.ts'

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

export function equal<Figure extends number | string>(
  what: string,
  stored: Figure,
  ledger: Figure,
  entries: string[],
): Difference[] {
  return stored === ledger ? [] : [{ what, stored, ledger, entries }]
}

export function within(
  what: string,
  stored: number,
  least: number,
  most: number,
  entries: string[],
): Difference[] {
  const nearest = Math.max(least, Math.min(stored, most))
  return equal(what, stored, nearest, entries)
}

/** What an entry says it added to what the workspace holds, within its month. */
export function tokensOf(entry: LedgerEntry): number {
  if (entry.type === 'grant' || entry.type === 'plan' || entry.type === 'payment') {
    return entry.tokens
  }
  return -usedBy(entry)
}

export function usedBy(entry: LedgerEntry): number {
  if (entry.type === 'use') return entry.taken
  return entry.type === 'hold' ? entry.charged : 0
}

export function tokensUsed(entries: LedgerEntry[]): number {
  return sum(entries.map(usedBy))
}

export function paymentsOf(entries: readonly LedgerEntry[]) {
  return entries.filter((entry) => entry.type === 'payment')
}

export function ids(records: readonly { entryId: string }[]): string[] {
  return records.map(({ entryId }) => entryId)
}

export function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}

export function purchaseEntryOf({ purchaseId }: Purchase): string {
  return entryId.purchase(purchaseId)
}
