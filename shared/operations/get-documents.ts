import type { Documents } from '../domain/documents.ts'
import type { PurchaseRef } from '../domain/purchase.ts'
import type { Refusal } from '../domain/refusal.ts'
import { readDocuments } from '../payments/documents.ts'
import type { OpenAccount } from '../payments/stripe.ts'
import type { Store } from '../store/dynamodb.ts'
import { takeLook } from '../store/looks.ts'
import { readPurchase } from '../store/purchases.ts'

/**
 * Where the receipt and the invoice of a purchase are now. Only Stripe knows, so this cannot be answered from what
 * is stored: whoever has asked too often for their workspace is told when to come back.
 */
export async function getDocuments(
  store: Store,
  stripe: OpenAccount,
  { workspaceId, purchaseId }: PurchaseRef,
  now: Date,
): Promise<Documents | Refusal<'purchase_not_found' | 'too_many_looks'>> {
  const purchase = await readPurchase(store, workspaceId, purchaseId)
  if (!purchase) return { refused: 'purchase_not_found' }
  const look = await takeLook(store, workspaceId, now)
  if (!('taken' in look)) return { refused: 'too_many_looks', ...look }
  return readDocuments(await stripe(), purchase)
}
