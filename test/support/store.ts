import { randomUUID } from 'node:crypto'
import { PutCommand } from '@aws-sdk/lib-dynamodb'
import { inject } from 'vitest'
import { createTables } from '../../local/aws/tables.ts'
import type { Workspace } from '../../shared/domain/workspace.ts'
import { openStore, type Store } from '../../shared/store/dynamodb.ts'
import { schema } from '../../shared/store/schema.ts'

/** Fresh tables on the run's DynamoDB Local, with the keys and index that the stack gives them. */
export async function openTestStore(): Promise<Store> {
  const endpoint = inject('dynamoDbEndpoint')
  const run = randomUUID()
  const names = { workspacesTable: `workspaces-${run}`, ledgerTable: `ledger-${run}` }
  const { workspaces, ledger } = schema
  const key = (AttributeName: string, KeyType: 'HASH' | 'RANGE') => ({ AttributeName, KeyType })
  const text = (AttributeName: string) => ({ AttributeName, AttributeType: 'S' as const })
  const credentials = { accessKeyId: 'local', secretAccessKey: 'local' }
  await createTables(
    [
      {
        create: {
          TableName: names.workspacesTable,
          BillingMode: 'PAY_PER_REQUEST',
          KeySchema: [key(workspaces.partitionKey, 'HASH')],
          AttributeDefinitions: [text(workspaces.partitionKey)],
        },
      },
      {
        create: {
          TableName: names.ledgerTable,
          BillingMode: 'PAY_PER_REQUEST',
          KeySchema: [key(ledger.partitionKey, 'HASH'), key(ledger.sortKey, 'RANGE')],
          AttributeDefinitions: [
            text(ledger.partitionKey),
            text(ledger.sortKey),
            text(ledger.byTimeIndex.sortKey),
          ],
          GlobalSecondaryIndexes: [
            {
              IndexName: ledger.byTimeIndex.name,
              KeySchema: [
                key(ledger.partitionKey, 'HASH'),
                key(ledger.byTimeIndex.sortKey, 'RANGE'),
              ],
              Projection: { ProjectionType: 'ALL' },
            },
          ],
        },
        timeToLiveAttribute: ledger.timeToLive,
      },
    ],
    { endpoint, region: 'eu-west-1', credentials },
  )
  process.env.AWS_ENDPOINT_URL_DYNAMODB = endpoint
  process.env.AWS_REGION = 'eu-west-1'
  process.env.AWS_ACCESS_KEY_ID = credentials.accessKeyId
  process.env.AWS_SECRET_ACCESS_KEY = credentials.secretAccessKey
  return openStore({ ...names, usageRetentionDays: 400 })
}

/** A Pro workspace in July 2026, as it is before anything has been used. */
export function workspaceWith(over: Partial<Workspace> = {}): Workspace {
  const { quota = 2_000_000, topUps = 0 } = over
  return {
    workspaceId: 'acme',
    plan: 'pro',
    quota,
    topUps,
    balance: quota + topUps,
    held: 0,
    holds: 0,
    period: '2026-07',
    days: {},
    createdAt: '2026-07-01T00:00:00.000Z',
    updatedAt: '2026-07-01T00:00:00.000Z',
    version: 1,
    ...over,
  }
}

/** Stores a workspace as it is, without the ledger entries that would have led there. */
export async function addWorkspace(store: Store, over: Partial<Workspace> = {}): Promise<void> {
  const command = { TableName: store.workspacesTable, Item: workspaceWith(over) }
  await store.client.send(new PutCommand(command))
}
