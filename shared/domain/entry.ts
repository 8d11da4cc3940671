import type { PlanId } from '../catalog.ts'
import { type Labels, labelsOf } from './labels.ts'
import type { Period } from './period.ts'
import type { PurchaseStatus } from './purchase.ts'

/**
 * The immutable record of one movement. Its id is made from the caller's key, so a movement that finds its
 * entry already written has happened before, and does not happen again.
 */
export type LedgerEntry =
  | UsageEntry
  | HoldEntry
  | ExtensionEntry
  | ExpiryEntry
  | GrantEntry
  | PlanEntry
  | PaymentEntry
  | ResetEntry

export interface Recorded {
  workspaceId: string
  entryId: string
  /** ISO 8601, UTC. */
  at: string
  /** The month the movement counts in. */
  period: Period
}

export interface UsageEntry extends Recorded, Labels {
  type: 'use'
  requested: number
  taken: number
  onShortfall: 'refuse' | 'drain'
}

/** A hold that was closed, or returned because it had expired. */
export interface HoldEntry extends Recorded, Labels {
  type: 'hold'
  holdId: string
  outcome: 'settled' | 'released' | 'expired'
  /** What was asked for, by which a retry of the key is known when the hold is gone. */
  requested: number
  atLeast?: number
  /** What the hold had set aside. */
  held: number
  /** What its work really used, and how much of that was charged or could not be. */
  used: number
  charged: number
  uncovered: number
  /** What went back to the balance. */
  returned: number
  /** What came back with it, and is kept for a refund or dispute; absent when 0. */
  impounded?: number
}

export interface ExtensionEntry extends Recorded {
  type: 'extend'
  holdId: string
  ttlSeconds: number
  heldUntil: string
}

/** Expired holds returned together; each has a hold entry of its own beside this one. */
export interface ExpiryEntry extends Recorded {
  type: 'expire'
  /** What they had set aside. */
  tokens: number
  holds: number
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
  /** The request, by which a retry of it is known; what it left open is not here. */
  asked: {
    plan?: PlanId
    quota?: number
    stripeCustomerId?: string | null
    purchasing?: 'allowed'
  }
  by: string
}

export interface PaymentEntry extends Recorded {
  type: 'payment'
  purchaseId: string
  status: PurchaseStatus
  /** Tokens added, or below zero taken back. */
  tokens: number
  /** Tokens that should have been taken back, and are now known to have been spent. */
  shortfall: number
  /** What is still to be taken back when open holds return it; absent when 0. */
  pending?: number
  /** Of the tokens taken back, those that holds had returned for it; absent when 0. */
  impounded?: number
}

export interface ResetEntry extends Recorded {
  type: 'reset'
  plan: PlanId
  quota: number
  /** Top-ups that came over into the new period, and what of them is impounded; absent when 0. */
  topUps: number
  impounded?: number
  /** How the period that ended stood at its end. */
  closed: {
    period: Period
    quota: number
    topUps: number
    impounded?: number
    used: number
    /** Unused quota, gone with the reset. */
    expired: number
    days: Record<string, number>
  }
}

/**
 * Tokens set aside for work whose cost is not known yet. It is stored beside the entries while it is open;
 * closing it deletes it and leaves a hold entry. A hold belongs to its period: the reset ends it.
 */
export interface OpenHold extends Recorded, Labels {
  type: 'open'
  holdId: string
  /** What is set aside: as much as was requested, or down to `atLeast` what there was. */
  tokens: number
  requested: number
  atLeast?: number
  ttlSeconds: number
  heldUntil: string
  /** A word of the try that opened it: no other try may work on it. */
  holder?: string
}

/** What a movement puts under a new id: a ledger entry, or a hold that opens. */
export type Recordable = LedgerEntry | OpenHold

export const entryId = {
  use: (key: string) => `use#${key}`,
  open: (holdId: string) => `open#${holdId}`,
  hold: (holdId: string) => `hold#${holdId}`,
  late: (holdId: string) => `late#${holdId}`,
  extend: (key: string) => `extend#${key}`,
  expire: (holdId: string) => `expire#${holdId}`,
  grant: (key: string) => `grant#${key}`,
  plan: (key: string) => `plan#${key}`,
  payment: (purchaseId: string, version: number) => `payment#${purchaseId}#${version}`,
  reset: (period: Period) => `reset#${period}`,
  purchase: (purchaseId: string) => `purchase#${purchaseId}`,
}

/**
 * Whether two entries under one id come from the same request. What the service itself decided (how much
 * was taken, when) does not count: a retry must find the first outcome, whatever the state is now.
 */
export function isSameRequest(one: Recordable, other: Recordable): boolean {
  return JSON.stringify(requestOf(one)) === JSON.stringify(requestOf(other))
}

function requestOf(entry: Recordable): unknown[] {
  switch (entry.type) {
    case 'open': {
      const { requested, atLeast, ttlSeconds } = entry
      return [requested, atLeast, ttlSeconds, labelsOf(entry)]
    }
    case 'hold':
      return [entry.outcome, entry.used]
    case 'extend':
      return [entry.holdId, entry.ttlSeconds]
    case 'use': {
      const { requested, onShortfall } = entry
      return [requested, onShortfall, labelsOf(entry)]
    }
    case 'grant':
      return [entry.tokens, entry.reason, entry.reference]
    case 'plan': {
      const { plan, quota, stripeCustomerId, purchasing } = entry.asked
      // To remove the customer is not the same as to leave it.
      return [plan, quota, stripeCustomerId === null ? 'none' : stripeCustomerId, purchasing]
    }
    case 'expire':
    case 'payment':
    case 'reset':
      return []
  }
}
