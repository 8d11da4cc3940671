import { catalog, type Plan, type PlanId } from '../catalog.ts'

export type { PlanId }

export const planIds = Object.keys(catalog.plans) as PlanId[]

const plans: Record<PlanId, Plan> = catalog.plans

/** The plan as the catalog describes it today. */
export function planOf(id: PlanId): Plan {
  return plans[id]
}

/** Free tokens a month: the catalog's for the plan, or `own` where the plan sets it per workspace. */
export function quotaOf(id: PlanId, own: number): number {
  const { monthlyQuota } = planOf(id)
  return monthlyQuota === 'per_workspace' ? own : monthlyQuota
}

export type Role = 'admin' | 'member'

export type PurchaseBar =
  | 'upgrade_required'
  | 'contact_account_representative'
  | 'admin_required'
  | 'purchases_blocked'

/**
 * Why this viewer may not buy, or undefined when they may. The plan speaks first: an admin's help is no use
 * to a member of a workspace that cannot buy at all.
 */
export function purchaseBarFor(
  { plan, blockedBy }: { plan: PlanId; blockedBy?: object },
  role: Role | undefined,
): PurchaseBar | undefined {
  const { topUps } = planOf(plan)
  if (topUps !== 'self_serve') return topUps
  if (role !== 'admin') return 'admin_required'
  return blockedBy ? 'purchases_blocked' : undefined
}

export interface TopUpOffer {
  /** Tokens an order goes up by. */
  step: number
  /** Fewest and most tokens in one order. */
  min: number
  max: number
  /** Price of one step, in the currency's minor unit, before tax. */
  unitAmount: number
  currency: string
}

export function topUpOffer(): TopUpOffer {
  const { stepTokens, stepAmount, stepsMin, stepsMax, currency } = catalog.topUp
  return {
    step: stepTokens,
    min: stepTokens * stepsMin,
    max: stepTokens * stepsMax,
    unitAmount: stepAmount,
    currency,
  }
}

/** What an order of `tokens` costs, in the currency's minor unit. `tokens` is a whole number of steps. */
export function priceOf(tokens: number): number {
  const { stepTokens, stepAmount } = catalog.topUp
  return (tokens / stepTokens) * stepAmount
}
