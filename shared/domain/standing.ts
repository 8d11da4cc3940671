import { changed, isPaid, type Purchase, type PurchaseStatus } from './purchase.ts'

/**
 * What Stripe says today about a checkout session, its payment, refunds and disputes: money and states. What
 * Stripe may word anew at each look, such as a link, is no fact. Amounts are in minor units.
 */
export interface PaymentFacts {
  deploymentId?: string
  workspaceId?: string
  purchaseId?: string
  livemode: boolean
  currency: string
  status: 'open' | 'processing' | 'paid' | 'failed' | 'expired'
  /** The items at their prices: before discounts, and before a tax that comes on top of them. */
  amountSubtotal: number
  amountDiscounted: number
  /** What was paid, after discounts and with tax: refunds and disputes are measured against it. */
  amountTotal: number
  /** Refunds that succeeded or are under way. */
  amountRefunded: number
  /** Disputes that hold the money back or were lost. */
  amountDisputed: number
  /** One of them was lost, and not won since by an appeal. */
  disputeLost: boolean
  customerId?: string
}

/**
 * The first fact that contradicts the purchase, or undefined. Amounts are compared once money has moved:
 * tokens are given only for what was really paid.
 */
export function mismatchOf(
  purchase: Purchase,
  facts: PaymentFacts,
): keyof PaymentFacts | undefined {
  if (facts.livemode !== purchase.livemode) return 'livemode'
  if (facts.deploymentId !== purchase.deploymentId) return 'deploymentId'
  if (facts.workspaceId !== purchase.workspaceId) return 'workspaceId'
  if (facts.purchaseId !== purchase.purchaseId) return 'purchaseId'
  if (facts.currency !== purchase.currency) return 'currency'
  if (facts.status === 'paid') return mismatchOfPaid(purchase, facts)
  return isPaid(purchase.status) ? 'status' : undefined
}

/**
 * Tax is Stripe's to add and a code the seller's to give, so neither is compared. The order is the subtotal,
 * and all of it that no code took off must have been paid.
 */
function mismatchOfPaid(
  { amount, checkout }: Purchase,
  { amountSubtotal, amountDiscounted, amountTotal }: PaymentFacts,
): keyof PaymentFacts | undefined {
  const codesAllowed = checkout?.allow_promotion_codes === true
  if (amountSubtotal !== amount) return 'amountSubtotal'
  if (amountDiscounted > 0 && !codesAllowed) return 'amountDiscounted'
  if (amountTotal < amountSubtotal - amountDiscounted) return 'amountTotal'
  return undefined
}

/** Where a purchase should stand. */
export interface Standing {
  status: PurchaseStatus
  reversed: number
  /** A dispute about it was lost. */
  lost: boolean
  customerId?: string
}

/**
 * Where Stripe's facts put a purchase. Refunded or disputed in part, it keeps the whole tokens that the
 * rest of the money buys, rounded down; a dispute outranks a refund in the status, as it is still open.
 */
export function standingOf(purchase: Purchase, facts: PaymentFacts): Standing {
  const { customerId, amountTotal, amountRefunded, amountDisputed, disputeLost: lost } = facts
  if (facts.status !== 'paid') return { status: facts.status, reversed: 0, lost, customerId }
  // Where a code left nothing to pay, nothing can be taken back either.
  if (amountTotal === 0) return { status: 'paid', reversed: 0, lost, customerId }
  // What was refunded and is disputed as well has left twice, but was paid and gave tokens only once.
  const amountKept = Math.max(0, amountTotal - amountRefunded - amountDisputed)
  const tokensKept = Number((BigInt(purchase.tokens) * BigInt(amountKept)) / BigInt(amountTotal))
  const status = amountDisputed > 0 ? 'disputed' : amountRefunded > 0 ? 'refunded' : 'paid'
  return { status, reversed: purchase.tokens - tokensKept, lost, customerId }
}

/** Whether the purchase is where it should be, with nothing left to write. */
export function stands(purchase: Purchase, standing: Standing): boolean {
  const { status, reversed } = standing
  // One that we have closed stays closed until it is paid, though Stripe's page may still be open.
  const isClosed = purchase.status === 'expired' && status === 'open'
  return (
    (purchase.status === status || isClosed) &&
    purchase.reversed === reversed &&
    blockOf(purchase, standing, purchase.shortfall) === undefined
  )
}

/**
 * Whether the purchase is to keep its workspace from buying more, or no longer: the seller has lost the money for
 * good, and what was sold for it was used. Each purchase does so once; only a dispute that is won undoes that.
 */
export function blockOf(
  { blocked }: Purchase,
  { lost }: Standing,
  shortfall: number,
): 'blocks' | 'clears' | undefined {
  if (blocked) return lost ? undefined : 'clears'
  return lost && shortfall > 0 ? 'blocks' : undefined
}

/** Whether bringing the purchase to `standing` moves tokens, or only its own state. */
export function movesTokens(purchase: Purchase, standing: Standing): boolean {
  return (
    isPaid(standing.status) && (!isPaid(purchase.status) || standing.reversed !== purchase.reversed)
  )
}

/** The purchase at its new standing. Tokens taken back are the movement's to add. */
export function atStanding(purchase: Purchase, standing: Standing, at: string): Purchase {
  return changed(purchase, { status: standing.status, reversed: standing.reversed }, at)
}
