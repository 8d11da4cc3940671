import type { PurchaseRef } from '../domain/purchase.ts'
import type { Store } from './dynamodb.ts'

/**
 * The write that puts a purchase on the list of those to settle again, from `nextAt` on (both times ISO 8601,
 * UTC). One that is on it already begins anew.
 */
export function retryPut(
  store: Store,
  { workspaceId, purchaseId }: PurchaseRef,
  at: string,
  nextAt: string,
) {
  return {
    TableName: store.ledgerTable,
    Item: {
      // No workspace can have this id.
      workspaceId: '#stripe',
      entryId: `retry#${workspaceId}#${purchaseId}`,
      type: 'retry',
      purchase: { workspaceId, purchaseId },
      since: at,
      tries: 0,
      nextAt,
    },
  }
}
