/**
 * Plans and prices: the one file an adopter edits, and the only one that carries these figures.
 *
 * A changed quota reaches each workspace at its next monthly reset; a changed price reaches the next
 * purchase. Orders already made keep the price they were made at.
 */
export interface Plan {
  name: string
  /** Free tokens a month, or `per_workspace` where each workspace has its own figure. */
  monthlyQuota: number | 'per_workspace'
  /** How a workspace on this plan gets more tokens. */
  topUps: 'self_serve' | 'upgrade_required' | 'contact_account_representative'
}

export const catalog = {
  plans: {
    starter: { name: 'Starter', monthlyQuota: 100_000, topUps: 'upgrade_required' },
    pro: { name: 'Pro', monthlyQuota: 2_000_000, topUps: 'self_serve' },
    teams: { name: 'Teams', monthlyQuota: 10_000_000, topUps: 'self_serve' },
    enterprise: {
      name: 'Enterprise',
      monthlyQuota: 'per_workspace',
      topUps: 'contact_account_representative',
    },
  },
  /** $5.00 per 2,000,000 tokens, sold in steps of half of that. */
  topUp: {
    stepTokens: 1_000_000,
    /** The price of one step, in the currency's minor unit, before tax. */
    stepAmount: 250,
    currency: 'usd',
    stepsMin: 1,
    stepsMax: 1_000,
  },
} as const satisfies { plans: Record<string, Plan>; topUp: Record<string, number | string> }

export type PlanId = keyof typeof catalog.plans
