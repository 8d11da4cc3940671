import type { PlanId } from '../catalog.ts'
import type { Period } from './period.ts'
import type { PurchaseStatus } from './purchase.ts'

/**
 * The immutable record of one movement. Its id is made from the caller's key, so a movement that finds its
 * entry already written has happened before, and does not happen again.
 */
export type LedgerEntry = UsageEntry | GrantEntry | PlanEntry | PaymentEntry | ResetEntry

interface Recorded {
  workspaceId: string
  entryId: string
  /** ISO 8601, UTC. */
  at: string
  /** The month the movement counts in. */
  period: Period
}

export interface UsageEntry extends Recorded {
  type: 'use'
  requested: number
  taken: number
  onShortfall: 'refuse' | 'drain'
  member?: string
  feature?: string
  model?: string
}

export interface GrantEntry extends Recorded {
  type: 'grant'
  tokens: number
  reason: string
  reference?: string
  /** Subject of the token that granted. */
  by: string
}

export interface PlanEntry extends Recorded {
  type: 'plan'
  plan: PlanId
  quota: number
  effect: 'created' | 'applied' | 'waits_for_reset' | 'kept'
  /** What the change added to the balance at once. */
  tokens: number
  by: string
}

export interface PaymentEntry extends Recorded {
  type: 'payment'
  purchaseId: string
  status: PurchaseStatus
  /** Tokens added, or below zero taken back. */
  tokens: number
  /** Tokens that should have been taken back but were already spent. */
  shortfall: number
}

export interface ResetEntry extends Recorded {
  type: 'reset'
  plan: PlanId
  quota: number
  /** Top-ups that came over into the new period. */
  topUps: number
  /** How the period that ended stood at its end. */
  closed: {
    period: Period
    quota: number
    topUps: number
    used: number
    /** Unused quota, gone with the reset. */
    expired: number
    days: Record<string, number>
  }
}

export const entryId = {
  use: (key: string) => `use#${key}`,
  grant: (key: string) => `grant#${key}`,
  plan: (key: string) => `plan#${key}`,
  payment: (purchaseId: string, version: number) => `payment#${purchaseId}#${version}`,
  reset: (period: Period) => `reset#${period}`,
}

/**
 * Whether two entries under one id come from the same request. What the service itself decided (how much
 * was taken, when) does not count: a retry must find the first outcome, whatever the state is now.
 */
export function isSameRequest(one: LedgerEntry, other: LedgerEntry): boolean {
  return JSON.stringify(requestOf(one)) === JSON.stringify(requestOf(other))
}

function requestOf(entry: LedgerEntry): unknown[] {
  switch (entry.type) {
    case 'use': {
      const { requested, onShortfall, member, feature, model } = entry
      return [requested, onShortfall, member, feature, model]
    }
    case 'grant':
      return [entry.tokens, entry.reason, entry.reference]
    case 'plan':
      return [entry.plan, entry.quota]
    case 'payment':
    case 'reset':
      return []
  }
}
