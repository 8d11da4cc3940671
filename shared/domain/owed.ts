import type { OpenHold } from './entry.ts'
import type { Conditions, Moment } from './movement.ts'
import type { Purchase } from './purchase.ts'
import { type Owed, topUpsLeftOf, type Workspace } from './workspace.ts'

/*
 * A refund or dispute takes back what is free. What it misses only because open holds have it is owed, and
 * is taken as those holds return it: it then goes from `held` to `impounded`, and a later settle takes it from
 * there under a payment entry. It ends where it would have ended had the holds been closed before.
 *
 * Always: what is owed is no more than what those holds still hold, nor than the top-ups left. So whatever
 * such a hold returns is there to be impounded, and movements that return nothing need not look.
 */

/** Where a reversal leaves the purchase, and what it moves. */
export interface Reversal {
  taken: number
  pending: number
  shortfall: number
  /** Taken from the balance, below zero given back to it. */
  fromBalance: number
  fromImpounded: number
  owed: Owed | undefined
}

/**
 * Brings a credited purchase to losing `reversed` tokens. First it takes what holds have returned for it
 * meanwhile, `ahead` being what purchases reversed before it have pending. What it had pending beyond what is
 * owed or impounded was spent by those holds: that is its shortfall.
 */
export function reversalOf(
  purchase: Purchase,
  reversed: number,
  moment: Moment,
  seen: Workspace,
  ahead: number,
): Reversal {
  const { impounded = 0, owed } = seen
  const fromImpounded = Math.min(purchase.pending, Math.max(0, impounded - ahead))
  const owedToIt = Math.max(0, (owed?.tokens ?? 0) - Math.max(0, ahead - impounded))
  const taken = purchase.taken + fromImpounded
  const pending = Math.min(purchase.pending - fromImpounded, owedToIt)
  if (reversed < purchase.reversed) {
    const takenAfter = Math.min(taken, reversed)
    const pendingAfter = Math.min(pending, reversed - takenAfter)
    return {
      taken: takenAfter,
      pending: pendingAfter,
      shortfall: reversed - takenAfter - pendingAfter,
      fromBalance: takenAfter - taken,
      fromImpounded,
      owed: owedAfter(owed, pendingAfter - pending),
    }
  }
  const more = reversed - purchase.reversed
  const left = topUpsLeftOf(seen)
  const fromBalance = Math.min(more, left, seen.balance)
  const inHolds = Math.min(seen.held, left - fromBalance) - (owed?.tokens ?? 0)
  const added = Math.min(more - fromBalance, Math.max(0, inHolds))
  const takenAfter = taken + fromBalance
  return {
    taken: takenAfter,
    pending: pending + added,
    shortfall: reversed - takenAfter - pending - added,
    fromBalance,
    fromImpounded,
    owed: atMost(
      left - fromBalance,
      added > 0
        ? { tokens: (owed?.tokens ?? 0) + added, since: latest(moment.at, seen), held: seen.held }
        : owed,
    ),
  }
}

/** Whether a reversal depends on how the workspace stands, or only gives back what was really taken. */
export function dependsOnState(purchase: Purchase, reversed: number): boolean {
  return purchase.pending > 0 || reversed > purchase.reversed
}

/** A hold that closes, and what is left of what it had set aside. */
export interface Closed {
  hold: Pick<OpenHold, 'at' | 'tokens'>
  returned: number
}

/** What closing holds pays of what is owed, and what must hold for it to be right. */
export interface Repayment {
  when: Pick<Conditions, 'asRead' | 'heldAtLeast'>
  set: Partial<Pick<Workspace, 'owed'>>
  /** For each of the holds, what of its return is impounded, and their sum. */
  paid: number[]
  total: number
}

/**
 * Lets holds that close pay what is owed. Built blind it counts on nothing being owed, as is usual.
 *
 * A hold opened up to `since` pays. Clocks differ, so one dated later may have been there too: it was, as far
 * as what stays held is less than what such holds should still hold.
 */
export function payOwed(seen: Workspace | undefined, closed: readonly Closed[]): Repayment {
  const owed = seen?.owed
  if (!owed) {
    return { when: { asRead: { owed: undefined } }, set: {}, paid: closed.map(() => 0), total: 0 }
  }
  const isDated = ({ hold }: Closed) => hold.at <= owed.since
  const size = sum(closed.map(({ hold }) => hold.tokens))
  const dated = sum(closed.filter(isDated).map(({ hold }) => hold.tokens))
  const expected = Math.max(0, owed.held - dated)
  const held = Math.min(expected, seen.held - size)

  let budget = owed.tokens
  let undated = expected - held
  const paid = closed.map((one) => {
    const mayPay = isDated(one) ? one.returned : Math.min(one.returned, undated)
    const pays = Math.min(budget, mayPay)
    budget -= pays
    if (!isDated(one)) undated -= pays
    return pays
  })
  const heldWhen = held < expected ? { held: seen.held } : {}
  return {
    when: {
      asRead: { owed, ...heldWhen },
      ...(dated < size && held === expected && { heldAtLeast: expected + size }),
    },
    set: { owed: atMost(held, { ...owed, tokens: budget, held }) },
    paid,
    total: owed.tokens - budget,
  }
}

function owedAfter(owed: Owed | undefined, change: number): Owed | undefined {
  return owed && atMost(owed.tokens + change, owed)
}

/** What is owed beyond this can never be returned. */
function atMost(tokens: number, owed: Owed | undefined): Owed | undefined {
  const kept = Math.min(tokens, owed?.tokens ?? 0)
  return owed && kept > 0 ? { ...owed, tokens: kept } : undefined
}

/** A hold that was opened by a clock ahead of ours, or while Stripe was asked, was there too. */
function latest(at: string, { updatedAt }: Workspace): string {
  return at > updatedAt ? at : updatedAt
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
