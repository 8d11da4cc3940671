import { QueryCommand } from '@aws-sdk/lib-dynamodb'
import type { Purchase } from '../domain/purchase.ts'
import { answered, type Store } from './dynamodb.ts'

/** The purchases of a workspace that have something pending, as they are stored now. */
export async function pendingPurchases(store: Store, workspaceId: string): Promise<Purchase[]> {
  const purchases: Purchase[] = []
  let from: Record<string, unknown> | undefined
  do {
    const { Items = [], LastEvaluatedKey } = await answered(
      store.client.send(
        new QueryCommand({
          TableName: store.ledgerTable,
          KeyConditionExpression: 'workspaceId = :workspaceId AND begins_with(entryId, :purchase)',
          FilterExpression: 'pending > :none',
          ExpressionAttributeValues: {
            ':workspaceId': workspaceId,
            ':purchase': 'purchase#',
            ':none': 0,
          },
          ConsistentRead: true,
          ExclusiveStartKey: from,
        }),
      ),
    )
    purchases.push(...(Items as Purchase[]))
    from = LastEvaluatedKey
  } while (from)
  return purchases
}
