import { entryId, type OpenHold } from '../domain/entry.ts'
import type { Workspace } from '../domain/workspace.ts'
import { queried, type Store } from './dynamodb.ts'

/** The open holds of the workspace's period, as they are stored now. */
export async function listOpenHolds(
  store: Store,
  { workspaceId, period }: Workspace,
): Promise<OpenHold[]> {
  return Array.fromAsync(
    queried<OpenHold>(store, {
      TableName: store.ledgerTable,
      KeyConditionExpression: 'workspaceId = :workspaceId AND begins_with(entryId, :open)',
      // Those of earlier periods were ended by a reset, and are only waiting for a late settle.
      FilterExpression: '#period = :period',
      ExpressionAttributeNames: { '#period': 'period' },
      ExpressionAttributeValues: {
        ':workspaceId': workspaceId,
        ':open': entryId.open(''),
        ':period': period,
      },
      ConsistentRead: true,
    }),
  )
}

/** The write that closes a hold, if it is still open and, where asked, has expired by then. */
export function holdClosed(store: Store, { workspaceId, entryId }: OpenHold, ifExpiredBy?: string) {
  return {
    TableName: store.ledgerTable,
    Key: { workspaceId, entryId },
    ConditionExpression: ifExpiredBy ? 'heldUntil <= :at' : 'attribute_exists(entryId)',
    ...(ifExpiredBy && { ExpressionAttributeValues: { ':at': ifExpiredBy } }),
  }
}

/** The write that moves a hold's expiry, if it is still as read. */
export function holdExtended(store: Store, hold: OpenHold, heldUntil: string) {
  const { workspaceId, entryId } = hold
  return {
    TableName: store.ledgerTable,
    Key: { workspaceId, entryId },
    UpdateExpression: 'SET heldUntil = :to',
    ConditionExpression: 'heldUntil = :asRead',
    ExpressionAttributeValues: { ':to': heldUntil, ':asRead': hold.heldUntil },
  }
}
