import { ScanCommand } from '@aws-sdk/lib-dynamodb'
import type { Books } from '../shared/domain/books.ts'
import { entryId, type LedgerEntry, type OpenHold } from '../shared/domain/entry.ts'
import type { Purchase } from '../shared/domain/purchase.ts'
import type { Workspace } from '../shared/domain/workspace.ts'
import { answered, queried, type Store } from '../shared/store/dynamodb.ts'
import { schema } from '../shared/store/schema.ts'
import { readWorkspace } from '../shared/store/workspaces.ts'

/** Times a workspace is read again because it was written to meanwhile. */
const attemptsMax = 5

/**
 * All that is stored of a workspace, as it was at one moment: the workspace is read before its ledger and
 * after, and both must be the same. `moving` where it never stood still; undefined where there is none.
 */
export async function readBooks(
  store: Store,
  workspaceId: string,
): Promise<Books | 'moving' | undefined> {
  let workspace = await readWorkspace(store, workspaceId)
  for (let attempt = 1; workspace && attempt <= attemptsMax; attempt++) {
    const items = await readLedger(store, workspaceId)
    const after = await readWorkspace(store, workspaceId)
    if (JSON.stringify(after) === JSON.stringify(workspace)) return booksOf(workspace, items)
    workspace = after
  }
  return workspace && 'moving'
}

/** The ids of all workspaces. */
export async function* workspaceIds(store: Store): AsyncGenerator<string> {
  let from: Record<string, unknown> | undefined
  do {
    const { Items = [], LastEvaluatedKey } = await answered(
      store.client.send(
        new ScanCommand({
          TableName: store.workspacesTable,
          ProjectionExpression: schema.workspaces.partitionKey,
          ConsistentRead: true,
          ExclusiveStartKey: from,
        }),
      ),
    )
    for (const { workspaceId } of Items) yield workspaceId as string
    from = LastEvaluatedKey
  } while (from)
}

/** The purchases of a workspace, as they are stored now. */
export function purchasesOf(store: Store, workspaceId: string): AsyncGenerator<Purchase> {
  return queried<Purchase>(store, {
    TableName: store.ledgerTable,
    KeyConditionExpression: 'workspaceId = :workspaceId AND begins_with(entryId, :purchase)',
    ExpressionAttributeValues: { ':workspaceId': workspaceId, ':purchase': entryId.purchase('') },
    ConsistentRead: true,
  })
}

type LedgerItem = LedgerEntry | OpenHold | (Purchase & { type: 'purchase' })

async function readLedger(store: Store, workspaceId: string): Promise<LedgerItem[]> {
  return Array.fromAsync(
    queried<LedgerItem>(store, {
      TableName: store.ledgerTable,
      KeyConditionExpression: 'workspaceId = :workspaceId',
      ExpressionAttributeValues: { ':workspaceId': workspaceId },
      ConsistentRead: true,
    }),
  )
}

function booksOf(workspace: Workspace, items: LedgerItem[]): Books {
  return {
    workspace,
    entries: items.filter((item) => item.type !== 'open' && item.type !== 'purchase'),
    holds: items.filter((item) => item.type === 'open'),
    purchases: items.filter((item) => item.type === 'purchase'),
  }
}
