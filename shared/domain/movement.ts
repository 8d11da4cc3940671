import type { LedgerEntry, OpenHold, Recordable } from './entry.ts'
import { dayOf, type Period, periodOf, startOf } from './period.ts'
import type { Purchase, PurchaseRef } from './purchase.ts'
import type { Workspace } from './workspace.ts'

/*
 * The language in which movements are written. Each movement is a file in `movements/` and a function of the same
 * name, which is a noun: `use`, `holdClosing`, `payment`. Verbs are for the operations that carry them out.
 */

/**
 * One atomic change of a workspace's tokens, as data: the entry that records it, the conditions under which
 * the amounts in it are right, and the change itself. Building one decides nothing; the write does.
 */
export interface Movement<Entry extends Recordable = Recordable> {
  entry: Entry
  when: Conditions
  /** Amounts to add to what is stored, negative to take. */
  add: {
    quota?: number
    topUps?: number
    balance?: number
    held?: number
    holds?: number
    impounded?: number
    openOrders?: number
    day?: { day: string; tokens: number }
  }
  /** Values to store as they are; a field present but undefined is removed. */
  set: Partial<Workspace>
  /** More to write in the same transaction, each under a condition of its own. */
  also?: Also[]
}

export interface Conditions {
  /** The workspace does not exist yet. */
  absent?: true
  balanceAtLeast?: number
  topUpsAtMost?: number
  heldAtLeast?: number
  holdsBelow?: number
  /** `holdsExpireFrom` is there, and not later than this. */
  holdsExpireBy?: string
  /** Each of these fields is still as it was read. */
  asRead?: Partial<Workspace>
}

export type Also =
  | PurchaseChange
  /** Deletes an open hold if it is still there and, where asked, has expired by then. */
  | { closes: OpenHold; ifExpiredBy?: string }
  /** Moves an open hold's expiry, if it is still as read. */
  | { extends: OpenHold; to: string }
  /** Puts a further entry, if its id is new. */
  | { entry: LedgerEntry }
  /** Writes nothing, but holds the movement to there being no such entry. */
  | { absent: string }
  /** Puts a purchase on the list of those to settle again, from a time on (ISO 8601, UTC). */
  | { retry: PurchaseRef & { livemode: boolean }; nextAt: string }

/** A purchase to store in the same transaction, if it is still at the version it was read at. */
export interface PurchaseChange {
  purchase: Purchase
  replacesVersion: number
}

/** When a movement happens, and the month and day it counts in. */
export interface Moment {
  at: string
  period: Period
  day: string
}

/**
 * The moment by our clock, or in `period` where a workspace has already reached a later one: another
 * clock was ahead of ours, and a period never goes back.
 */
export function momentOf(now: Date, period: Period = periodOf(now)): Moment {
  const counted = period > periodOf(now) ? startOf(period) : now
  return { at: now.toISOString(), period: periodOf(counted), day: dayOf(counted) }
}

/** ISO 8601, UTC. */
export function secondsAfter(at: string, seconds: number): string {
  return new Date(Date.parse(at) + seconds * 1_000).toISOString()
}

/** What every entry says of itself. */
export function recorded(
  workspaceId: string,
  id: string,
  { at, period }: Pick<Moment, 'at' | 'period'>,
) {
  return { workspaceId, entryId: id, at, period }
}
