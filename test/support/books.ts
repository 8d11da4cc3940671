import { QueryCommand, ScanCommand } from '@aws-sdk/lib-dynamodb'
import { expect } from 'vitest'
import { readBooks } from '../../audit/read.ts'
import { type Books, differencesIn } from '../../shared/domain/books.ts'
import type { LedgerEntry } from '../../shared/domain/entry.ts'
import type { Store } from '../../shared/store/dynamodb.ts'

/** Every item of both tables, so that a test can say that nothing at all was written. */
export async function everythingIn(store: Store): Promise<Record<string, unknown>[]> {
  const tables = [store.workspacesTable, store.ledgerTable]
  const pages = await Promise.all(
    tables.map((TableName) =>
      store.client.send(new ScanCommand({ TableName, ConsistentRead: true })),
    ),
  )
  return pages
    .flatMap(({ Items = [] }) => Items)
    .sort((one, other) => (keyOf(one) < keyOf(other) ? -1 : 1))
}

const keyOf = ({ workspaceId, entryId }: Record<string, unknown>) => `${workspaceId} ${entryId}`

/** The ledger entries of one workspace, without the purchases and open holds that stand beside them. */
export async function entriesOf(store: Store, workspaceId: string): Promise<LedgerEntry[]> {
  const { Items = [] } = await store.client.send(
    new QueryCommand({
      TableName: store.ledgerTable,
      KeyConditionExpression: 'workspaceId = :workspaceId',
      ExpressionAttributeValues: { ':workspaceId': workspaceId },
      ConsistentRead: true,
    }),
  )
  return Items.filter(({ type }) => type !== 'purchase' && type !== 'open') as LedgerEntry[]
}

/** Conservation, and a ledger that adds up to the item: what the audit command proves of live data. */
export async function expectBooksToBalance(store: Store, workspaceId: string): Promise<void> {
  const books = await readBooks(store, workspaceId)
  expect(books, workspaceId).toBeTypeOf('object')
  expect(differencesIn(books as Books), workspaceId).toEqual([])
}
