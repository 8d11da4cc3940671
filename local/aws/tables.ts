import {
  CreateTableCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  ResourceNotFoundException,
  type TableDescription,
  UpdateTimeToLiveCommand,
  waitUntilTableExists,
} from '@aws-sdk/client-dynamodb'
import { SetupError } from '../setup-error.ts'
import type { Credentials } from './account.ts'
import type { Table } from './template.ts'

/**
 * Creates the tables that are missing and leaves those that are there alone.
 * Throws when a table is there in another shape: its data would not be found.
 */
export async function createTables(
  tables: readonly Table[],
  connection: { endpoint: string; region: string; credentials: Credentials },
): Promise<void> {
  const client = new DynamoDBClient(connection)
  try {
    await Promise.all(tables.map((table) => createTable(client, table)))
  } finally {
    client.destroy()
  }
}

async function createTable(client: DynamoDBClient, table: Table): Promise<void> {
  const { TableName } = table.create
  const existing = await describe(client, TableName)
  if (!existing) {
    await client.send(new CreateTableCommand(table.create))
    await waitUntilTableExists({ client, maxWaitTime: 60 }, { TableName })
  } else if (shapeOf(existing) !== shapeOf(table.create)) {
    throw new SetupError(
      `The stored table ${TableName} has other keys or indexes than the template: run \`npm run reset-local\` to start afresh.`,
    )
  }
  if (table.timeToLiveAttribute) await expireBy(client, TableName, table.timeToLiveAttribute)
}

async function describe(client: DynamoDBClient, TableName: string) {
  try {
    return (await client.send(new DescribeTableCommand({ TableName }))).Table
  } catch (cause) {
    if (cause instanceof ResourceNotFoundException) return undefined
    throw cause
  }
}

function shapeOf(table: Pick<TableDescription, 'KeySchema' | 'GlobalSecondaryIndexes'>): string {
  const keys = (schema: TableDescription['KeySchema'] = []) =>
    schema.map(({ AttributeName, KeyType }) => `${KeyType} ${AttributeName}`).sort()
  const indexes = (table.GlobalSecondaryIndexes ?? [])
    .map(({ IndexName, KeySchema }) => ({ name: IndexName, keys: keys(KeySchema) }))
    .sort((a, b) => `${a.name}`.localeCompare(`${b.name}`))
  return JSON.stringify({ keys: keys(table.KeySchema), indexes })
}

async function expireBy(client: DynamoDBClient, TableName: string, AttributeName: string) {
  const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName }))
  if (TimeToLiveDescription?.TimeToLiveStatus !== 'DISABLED') return
  const TimeToLiveSpecification = { AttributeName, Enabled: true }
  await client.send(new UpdateTimeToLiveCommand({ TableName, TimeToLiveSpecification }))
}
