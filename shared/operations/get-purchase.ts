import { isUnsettled, type Purchase, type PurchaseRef } from '../domain/purchase.ts'
import { type Refusal, Unavailable } from '../domain/refusal.ts'
import type { OpenAccount } from '../payments/stripe.ts'
import { signal } from '../signals.ts'
import type { Store } from '../store/dynamodb.ts'
import { takeLook } from '../store/looks.ts'
import { claimCheck, readPurchase } from '../store/purchases.ts'
import { settlePurchase } from './settle-purchase.ts'

/** The shortest time between two looks at Stripe for one purchase. */
const checkEveryMs = 2_000

/**
 * A purchase as it stands. While the buyer's part is open it asks Stripe too, so whoever waits for their
 * tokens sees them even if the webhook is late or lost; when Stripe does not answer, or was asked for this
 * workspace as often as it may be, what we know must do. One with tokens pending is brought up to date as well:
 * holds may have returned them.
 */
export async function getPurchase(
  store: Store,
  stripe: OpenAccount,
  ref: PurchaseRef,
  now: Date,
): Promise<Purchase | Refusal<'purchase_not_found'>> {
  const purchase = await readPurchase(store, ref.workspaceId, ref.purchaseId)
  if (!purchase) return { refused: 'purchase_not_found' }
  if (!isUnsettled(purchase.status) && purchase.pending === 0) return purchase
  const ourTurn = await claimCheck(store, purchase, now, new Date(now.getTime() - checkEveryMs))
  if (!ourTurn) return purchase
  const look = await takeLook(store, ref.workspaceId, now)
  if (!('taken' in look)) return purchase
  try {
    const settled = await settlePurchase(store, await stripe(), ref, now)
    return 'purchase' in settled ? settled.purchase : purchase
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
    signal('unavailable', { service: error.service })
    return purchase
  }
}
