/**
 * An order of tokens, from checkout to paid, refunded or disputed. It is stored before Stripe is asked, and
 * everything Stripe is asked comes from it, so a retry asks for the same thing.
 */
export interface Purchase {
  workspaceId: string
  purchaseId: string
  /** Whose order it is, where several deployments sell through one Stripe account. */
  deploymentId: string
  status: PurchaseStatus
  tokens: number
  /** The price, in the currency's minor unit, before discounts and before a tax that comes on top. */
  amount: number
  currency: string
  /** Whether it was made with a live Stripe key. */
  livemode: boolean
  /** The buyer's return URL as requested, or the configured one. */
  returnUrl: string
  /** Subject of the token that ordered. */
  by: string
  /** The workspace's Stripe customer when the order was made. */
  customerId?: string
  /** How the checkout is to be, in Stripe's words and as it was configured then: no release changes an order. */
  checkout?: Readonly<Record<string, unknown>>
  /**
   * Part of Stripe's idempotency key; rises only where the key is of no more use: Stripe would repeat an error
   * under it, or no longer takes what it is asked.
   */
  attempt: number
  /** Rises with every change; a change made from an older version is refused. */
  version: number
  sessionId?: string
  checkoutUrl?: string
  /** Tokens that Stripe's state says this purchase should lose: always the sum of the next three. */
  reversed: number
  /** Tokens really taken back for it. */
  taken: number
  /** Not taken yet, only because open holds had them. */
  pending: number
  /** Spent before they could be taken. */
  shortfall: number
  /** When something first became pending (ISO 8601, UTC): who was first is served first. */
  pendingSince?: string
  /** It has kept its workspace from buying more, and does so only once, whoever has lifted that since. */
  blocked?: true
  /** ISO 8601, UTC. */
  createdAt: string
  updatedAt: string
  /** When Stripe was last asked on behalf of somebody watching. */
  checkedAt?: string
  /**
   * Stripe was asked, or the purchase put on the list of those to be asked about, after everything Stripe dates
   * up to here; epoch seconds, by Stripe's clock.
   */
  seenUpTo?: number
  /** And after Stripe had made this event. */
  seenEvent?: string
}

export interface PurchaseRef {
  workspaceId: string
  purchaseId: string
}

export type PurchaseStatus =
  | 'open'
  | 'processing'
  | 'paid'
  | 'failed'
  | 'expired'
  | 'refunded'
  | 'disputed'

/** Whether the purchase has been paid for, and so credited once, whatever happened to it since. */
export function isPaid(status: PurchaseStatus): boolean {
  return status === 'paid' || status === 'refunded' || status === 'disputed'
}

/**
 * How long an order may wait for its checkout. Stripe remembers an idempotency key for at least as long, so until
 * then a retry finds the same checkout, and after it nobody makes a second one.
 */
const withoutCheckoutMsMax = 24 * 3_600_000

/** Whether nobody can pay the order any more: it never got its checkout, and will not get one. */
export function isAbandoned({ status, sessionId, createdAt }: Purchase, now: Date): boolean {
  if (status !== 'open' || sessionId) return false
  return now.getTime() - Date.parse(createdAt) >= withoutCheckoutMsMax
}

/** What a change makes of the number of open orders of its workspace. */
export function openOrdersAdded(before: Purchase, after: Pick<Purchase, 'status'>): -1 | 0 | 1 {
  const [was, is] = [before.status === 'open', after.status === 'open']
  return was === is ? 0 : is ? 1 : -1
}

/** Whether the buyer's part may still change it. */
export function isUnsettled(status: PurchaseStatus): boolean {
  return status === 'open' || status === 'processing'
}

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

/** The purchase with something changed, one version on. */
export function changed(purchase: Purchase, change: Partial<Purchase>, at: string): Purchase {
  return { ...purchase, ...change, version: purchase.version + 1, updatedAt: at }
}

/** The purchase at its new standing. Tokens taken back are the movement's to add. */
export function settled(purchase: Purchase, standing: Standing, at: string): Purchase {
  return changed(purchase, { status: standing.status, reversed: standing.reversed }, at)
}

/** What a buyer sees of a purchase. */
export interface PurchaseView {
  purchaseId: string
  status: PurchaseStatus
  tokens: number
  /** Tokens this purchase has given and not had taken back. */
  credited: number
  /** Of these, tokens that will be taken back when open holds return them; absent when 0. */
  pending?: number
  amount: number
  currency: string
  checkoutUrl?: string
  createdAt: string
}

export function purchaseView(purchase: Purchase, now: Date): PurchaseView {
  const { purchaseId, tokens, taken, amount, currency, createdAt } = purchase
  const status = isAbandoned(purchase, now) ? 'expired' : purchase.status
  return {
    purchaseId,
    status,
    tokens,
    credited: isPaid(status) ? tokens - taken : 0,
    pending: purchase.pending > 0 ? purchase.pending : undefined,
    amount,
    currency,
    checkoutUrl: status === 'open' ? purchase.checkoutUrl : undefined,
    createdAt,
  }
}
