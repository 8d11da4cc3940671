import { entryId, type PaymentEntry } from '../entry.ts'
import { type Moment, type Movement, recorded, secondsAfter } from '../movement.ts'
import { dependsOnState, reversalOf } from '../owed.ts'
import { isPaid, openOrdersAdded, type Purchase } from '../purchase.ts'
import { atStanding, blockOf, type Standing } from '../standing.ts'
import type { Workspace } from '../workspace.ts'

/**
 * Brings a purchase, and the tokens it gave, to where Stripe says it should stand, and takes what holds have
 * returned for it. `ahead` is what purchases reversed before it still have pending in this workspace.
 *
 * Taking back never reaches below zero: what was spent stays spent, and the entry records the shortfall; what
 * is only held stays pending, and the purchase is put on the list of those to settle again. A purchase
 * credited in this same movement always has enough to take back from, for its own tokens have not been used
 * yet; so only a later reversal depends on what the workspace holds.
 */
export function payment(
  purchase: Purchase,
  standing: Standing,
  moment: Moment,
  seen: Workspace,
  ahead = 0,
): Movement<PaymentEntry> {
  const { reversed } = standing
  const isCredit = !isPaid(purchase.status)
  const stateful = !isCredit && dependsOnState(purchase, reversed)
  const reversal = isCredit
    ? { taken: reversed, pending: 0, shortfall: 0, fromBalance: reversed, fromImpounded: 0 }
    : reversalOf(purchase, reversed, moment, seen, ahead)
  const { taken, pending, shortfall, fromBalance, fromImpounded } = reversal
  const balance = (isCredit ? purchase.tokens : 0) - fromBalance
  const tokens = balance - fromImpounded

  const block = blockOf(purchase, standing, shortfall)
  const { workspaceId, purchaseId, livemode, version } = purchase
  const ref = { workspaceId, purchaseId }
  const ordersAdded = openOrdersAdded(purchase, standing)
  const impoundedAfter = (seen.impounded ?? 0) - fromImpounded
  return {
    entry: {
      type: 'payment',
      ...recorded(workspaceId, entryId.payment(purchaseId, version + 1), moment),
      purchaseId,
      status: standing.status,
      tokens,
      shortfall: Math.max(0, shortfall - purchase.shortfall),
      pending: pending || undefined,
      impounded: fromImpounded || undefined,
    },
    // What has been paid for is credited, whatever a workspace has; the ceiling is for orders and grants.
    when: stateful || block ? { asRead: { version: seen.version } } : {},
    add: {
      ...((tokens !== 0 || balance !== 0) && { topUps: tokens, balance }),
      ...(ordersAdded !== 0 && { openOrders: ordersAdded }),
    },
    set: {
      // That of the last checkout that was paid: a refund of an older one brings nobody back.
      ...(isCredit && standing.customerId && { checkoutCustomerId: standing.customerId }),
      ...(stateful && 'owed' in reversal && { owed: reversal.owed }),
      ...(fromImpounded > 0 && { impounded: impoundedAfter || undefined }),
      ...(block && { blockedBy: blockedAfter(seen, purchaseId, block, moment) }),
    },
    also: [
      {
        purchase: {
          ...atStanding(purchase, standing, moment.at),
          taken,
          pending,
          shortfall,
          blocked: block ? (block === 'blocks' ? true : undefined) : purchase.blocked,
          pendingSince: pending > 0 ? (purchase.pendingSince ?? moment.at) : undefined,
        },
        replacesVersion: version,
      },
      ...(pending > 0
        ? [{ retry: { ...ref, livemode }, nextAt: secondsAfter(moment.at, retryAfterSeconds) }]
        : []),
    ],
  }
}

/** The purchases that keep the workspace from buying, with this one among them or no longer. */
function blockedAfter(
  { blockedBy = {} }: Workspace,
  purchaseId: string,
  block: 'blocks' | 'clears',
  { at }: Moment,
): Workspace['blockedBy'] {
  const { [purchaseId]: _, ...others } = blockedBy
  if (block === 'blocks') return { ...others, [purchaseId]: at }
  return Object.keys(others).length > 0 ? others : undefined
}

/** Holds last fifteen minutes at most, unless they are extended. */
const retryAfterSeconds = 900
