import type { PlanId } from '../catalog.ts'
import type { Period } from './period.ts'
import { quotaOf } from './plan.ts'

/**
 * The tokens of one customer account. `balance` alone decides whether work may go ahead; everything people
 * see is derived from these few numbers, all of them safe integers and none ever below zero.
 */
export interface Workspace {
  workspaceId: string
  plan: PlanId
  /** Free tokens of this period. */
  quota: number
  /** Bought and granted tokens this period began with or received. */
  topUps: number
  /** What may still be used. */
  balance: number
  /** Set aside by open holds, and how many there are. */
  held: number
  holds: number
  /** No open hold expires before this (ISO 8601, UTC). It may be early, never late. */
  holdsExpireFrom?: string
  /** Still to be taken back from what open holds return; absent when there is nothing. */
  owed?: Owed
  /** Returned by such holds: part of the top-ups, and no longer of the balance; absent when 0. */
  impounded?: number
  period: Period
  /** Tokens used per day of this period, keyed `1` to `31`. */
  days: Record<string, number>
  /** A plan with a smaller quota, waiting for the reset. */
  next?: { plan: PlanId; quota: number }
  /** As the product gave it. */
  stripeCustomerId?: string
  /** That of the last checkout that was paid, which counts where none was given. */
  checkoutCustomerId?: string
  /** Orders that wait for their buyers; absent before the first. */
  openOrders?: number
  /**
   * The purchases that keep it from buying more, with when that began (ISO 8601, UTC): disputes about them were
   * lost, and their tokens had been used. Absent while it may buy.
   */
  blockedBy?: Record<string, string>
  /** ISO 8601, UTC. */
  createdAt: string
  updatedAt: string
  /** Rises with every movement, so that none can come between unnoticed. */
  version: number
}

/** What refunds and disputes should have taken back, and could not only because holds had it. */
export interface Owed {
  tokens: number
  /** Holds opened up to then (ISO 8601, UTC) pay for it, and how much of what they hold is still open. */
  since: string
  held: number
}

/** The most orders that may wait for their buyers at once. */
export const openOrdersMax = 20

/** The most tokens one movement may move, and the largest quota of a workspace. */
export const movementTokensMax = 1_000_000_000_000
/** The most tokens a workspace may have topped up, which keeps every sum a safe integer. */
export const topUpsMax = 1_000_000_000_000_000

/** What is impounded is as good as gone, so nobody is shown it. */
export function limitOf({ quota, topUps, impounded = 0 }: Workspace): number {
  return quota + topUps - impounded
}

export function usedOf(workspace: Workspace): number {
  return limitOf(workspace) - workspace.balance - workspace.held
}

/**
 * Top-ups not yet used, those in open holds included and those impounded not. The quota is used first: that
 * is what keeps the promise that purchased tokens never expire.
 */
export function topUpsLeftOf({ topUps, balance, held, impounded = 0 }: Workspace): number {
  return Math.min(topUps - impounded, balance + held)
}

/**
 * The workspace as it stands in a later period: unused quota is gone, unused top-ups stay, holds have ended.
 * What they still owed is impounded, for that is where their return would have gone.
 */
export function rolledOver(workspace: Workspace, period: Period): Workspace {
  const { next, holdsExpireFrom, owed, impounded: before = 0, ...kept } = workspace
  const plan = next?.plan ?? workspace.plan
  const quota = quotaOf(plan, next?.quota ?? workspace.quota)
  const left = topUpsLeftOf(workspace)
  const paid = owed ? Math.min(owed.tokens, workspace.held, left) : 0
  return {
    ...kept,
    ...(before + paid > 0 && { impounded: before + paid }),
    plan,
    quota,
    topUps: before + left,
    balance: quota + left - paid,
    held: 0,
    holds: 0,
    period,
    days: {},
  }
}

/** The workspace as it stands at `period`, whether or not its reset has been written yet. */
export function asOf(workspace: Workspace, period: Period): Workspace {
  return workspace.period < period ? rolledOver(workspace, period) : workspace
}

/** Whether the first of the open holds may have expired at a time (ISO 8601, UTC). */
export function holdsExpiredBy({ held, holdsExpireFrom }: Workspace, at: string): boolean {
  return held > 0 && holdsExpireFrom !== undefined && holdsExpireFrom <= at
}
