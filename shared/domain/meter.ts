import { grouped } from './grouped.ts'
import { endOf, type Period, periodOf } from './period.ts'
import {
  type PurchaseBar,
  planOf,
  purchaseBarFor,
  type Role,
  type TopUpOffer,
  topUpOffer,
} from './plan.ts'
import { asOf, limitOf, topUpsLeftOf, usedOf, type Workspace } from './workspace.ts'

/** The view of a workspace that people and callers see. All amounts are tokens. */
export interface Meter {
  workspaceId: string
  plan: Workspace['plan']
  /** What the catalog calls it. */
  planName: string
  period: Period
  /** ISO 8601, UTC. */
  resetsAt: string
  used: number
  limit: number
  /** What may be used now. */
  remaining: number
  /** Set aside by open holds: neither used nor free to use. */
  held: number
  /** `remaining` of the two parts add up to what is free plus what is held. */
  quota: Part
  topUps: Part
  /** `[500,000/2,000,000 used]` */
  text: string
  purchase: TopUpOffer & { allowed: boolean; reason?: PurchaseBar }
}

interface Part {
  limit: number
  used: number
  remaining: number
}

/**
 * The meter as it reads at `now`, shown to someone of `role` (services have none). A workspace whose reset
 * has not been written yet is shown as if it had.
 */
export function meterOf(workspace: Workspace, now: Date, role?: Role): Meter {
  const current = asOf(workspace, periodOf(now))
  const { workspaceId, plan, period, quota, balance, held } = current
  const used = usedOf(current)
  const limit = limitOf(current)
  const topUpsLeft = topUpsLeftOf(current)
  const quotaLeft = balance + held - topUpsLeft
  const topUps = limit - quota
  const reason = purchaseBarFor(current, role)
  return {
    workspaceId,
    plan,
    planName: planOf(plan).name,
    period,
    resetsAt: endOf(period).toISOString(),
    used,
    limit,
    remaining: balance,
    held,
    quota: { limit: quota, used: quota - quotaLeft, remaining: quotaLeft },
    topUps: { limit: topUps, used: topUps - topUpsLeft, remaining: topUpsLeft },
    text: meterText(used, limit),
    purchase: { allowed: reason === undefined, reason, ...topUpOffer() },
  }
}

/** The meter as the product document prints it. */
export function meterText(used: number, limit: number): string {
  return `[${grouped(used)}/${grouped(limit)} used]`
}
