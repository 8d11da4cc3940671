import { entryId } from '../domain/entry.ts'
import type { Purchase } from '../domain/purchase.ts'
import { queried, type Store } from './dynamodb.ts'

/** The purchases of a workspace that have something pending, as they are stored now. */
export async function pendingPurchases(store: Store, workspaceId: string): Promise<Purchase[]> {
  return Array.fromAsync(
    queried<Purchase>(store, {
      TableName: store.ledgerTable,
      KeyConditionExpression: 'workspaceId = :workspaceId AND begins_with(entryId, :purchase)',
      FilterExpression: 'pending > :none',
      ExpressionAttributeValues: {
        ':workspaceId': workspaceId,
        ':purchase': entryId.purchase(''),
        ':none': 0,
      },
      ConsistentRead: true,
    }),
  )
}
