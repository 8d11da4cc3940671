import { QueryCommand, ScanCommand } from '@aws-sdk/lib-dynamodb'
import { expect } from 'vitest'
import type { LedgerEntry } from '../../shared/domain/entry.ts'
import { limitOf, usedOf } from '../../shared/domain/workspace.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'

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

/**
 * Conservation: what a workspace holds is all quota granted and all tokens topped up or given back, less what
 * was used, expired or taken back, and nothing is below zero. The ledger says what each of these was.
 */
export async function expectBooksToBalance(store: Store, workspaceId: string): Promise<void> {
  const workspace = (await readWorkspace(store, workspaceId))!
  const entries = await entriesOf(store, workspaceId)
  const held = entries.reduce((sum, entry) => sum + changeBy(entry), 0)
  expect(workspace.balance + workspace.held, `${workspaceId}: balance`).toBe(held)

  const { period, quota, topUps, balance, days } = workspace
  expect(Math.min(quota, topUps, balance, workspace.held)).toBeGreaterThanOrEqual(0)
  expect(usedOf(workspace)).toBeGreaterThanOrEqual(0)
  expect(usedOf(workspace)).toBeLessThanOrEqual(limitOf(workspace))

  const usedIn = (month: string) =>
    sum(entries.map((entry) => (entry.period === month ? usedBy(entry) : 0)))
  expect(usedOf(workspace), `${workspaceId}: used in ${period}`).toBe(usedIn(period))
  expect(sum(Object.values(days)), `${workspaceId}: days of ${period}`).toBe(usedIn(period))
  for (const entry of entries) {
    if (entry.type !== 'reset') continue
    const { closed } = entry
    expect(closed.used, `${workspaceId}: used in ${closed.period}`).toBe(usedIn(closed.period))
    expect(sum(Object.values(closed.days))).toBe(closed.used)
  }
}

/** What an entry says it added to what the workspace holds. */
function changeBy(entry: LedgerEntry): number {
  switch (entry.type) {
    case 'use':
    case 'hold':
      return -usedBy(entry)
    case 'extend':
    case 'expire':
      return 0
    case 'grant':
    case 'plan':
    case 'payment':
      return entry.tokens
    case 'reset':
      return entry.quota - entry.closed.expired
  }
}

/** What an entry says was used up. */
function usedBy(entry: LedgerEntry): number {
  if (entry.type === 'use') return entry.taken
  return entry.type === 'hold' ? entry.charged : 0
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
