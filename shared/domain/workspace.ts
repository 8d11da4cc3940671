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
  period: Period
  /** Tokens used per day of this period, keyed `1` to `31`. */
  days: Record<string, number>
  /** A plan with a smaller quota, waiting for the reset. */
  next?: { plan: PlanId; quota: number }
  /** As the product gave it. */
  stripeCustomerId?: string
  /** That of the last checkout that was paid, which counts where none was given. */
  checkoutCustomerId?: string
  /** ISO 8601, UTC. */
  createdAt: string
  updatedAt: string
}

/** The most tokens one movement may move, and the largest quota of a workspace. */
export const movementTokensMax = 1_000_000_000_000
/** The most tokens a workspace may have topped up, which keeps every sum a safe integer. */
export const topUpsMax = 1_000_000_000_000_000

export function limitOf({ quota, topUps }: Workspace): number {
  return quota + topUps
}

export function usedOf(workspace: Workspace): number {
  return limitOf(workspace) - workspace.balance - workspace.held
}

/**
 * Top-ups not yet used, those in open holds included. The quota is used first: that is what keeps the
 * promise that purchased tokens never expire.
 */
export function topUpsLeftOf({ topUps, balance, held }: Workspace): number {
  return Math.min(topUps, balance + held)
}

/** The workspace as it stands in a later period: unused quota is gone, unused top-ups stay, holds have ended. */
export function rolledOver(workspace: Workspace, period: Period): Workspace {
  const { next, holdsExpireFrom, ...kept } = workspace
  const plan = next?.plan ?? workspace.plan
  const quota = quotaOf(plan, next?.quota ?? workspace.quota)
  const topUps = topUpsLeftOf(workspace)
  return {
    ...kept,
    plan,
    quota,
    topUps,
    balance: quota + topUps,
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
