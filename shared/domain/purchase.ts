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

/** The purchase with something changed, one version on. */
export function changed(purchase: Purchase, change: Partial<Purchase>, at: string): Purchase {
  return { ...purchase, ...change, version: purchase.version + 1, updatedAt: at }
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
