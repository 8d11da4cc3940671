import { join } from 'node:path'
import {
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { localCredentials, region } from '../../local/aws/account.ts'
import { type DynamoDb, startDynamoDb } from '../../local/aws/dynamodb.ts'
import { createTables } from '../../local/aws/tables.ts'
import type { Table } from '../../local/aws/template.ts'
import { SetupError } from '../../local/setup-error.ts'
import { temporaryFolder } from './bundle.ts'

const things: Table = {
  create: {
    TableName: 'Things',
    KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
    AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
    BillingMode: 'PAY_PER_REQUEST',
  },
  timeToLiveAttribute: 'expiresAt',
}

// Starting a Java process takes a second or two, and longer on a busy machine.
describe('DynamoDB', { timeout: 60_000 }, () => {
  let folder: ReturnType<typeof temporaryFolder>
  const running: DynamoDb[] = []

  beforeEach(() => {
    folder = temporaryFolder()
  })
  afterEach(async () => {
    await Promise.all(running.splice(0).map((each) => each.stop()))
    folder.remove()
  })

  async function start(dir?: string) {
    const database = await startDynamoDb({ dir })
    running.push(database)
    const connection = { endpoint: database.endpoint, region, credentials: localCredentials }
    return { ...database, connection, client: new DynamoDBClient(connection) }
  }

  it('creates the tables once, and keeps their data in a folder over a restart', async () => {
    const first = await start(join(folder.path, 'data'))
    await createTables([things], first.connection)
    await first.client.send(new PutItemCommand({ TableName: 'Things', Item: { id: { S: 'a' } } }))
    await first.stop()
    await expect(fetch(first.endpoint)).rejects.toThrow()

    const second = await start(join(folder.path, 'data'))
    await createTables([things], second.connection)
    const got = await second.client.send(
      new GetItemCommand({ TableName: 'Things', Key: { id: { S: 'a' } } }),
    )
    expect(got.Item).toEqual({ id: { S: 'a' } })
    const { TimeToLiveDescription } = await second.client.send(
      new DescribeTimeToLiveCommand({ TableName: 'Things' }),
    )
    expect(TimeToLiveDescription).toEqual({
      AttributeName: 'expiresAt',
      TimeToLiveStatus: 'ENABLED',
    })
    const otherKeys: Table = {
      create: {
        ...things.create,
        KeySchema: [{ AttributeName: 'name', KeyType: 'HASH' }],
      },
    }
    await expect(createTables([otherKeys], second.connection)).rejects.toThrow(
      'npm run reset-local',
    )
  })

  it('forgets everything without a folder, and runs beside others', async () => {
    const [one, other] = await Promise.all([start(), start()])
    await createTables([things], one.connection)
    await expect(
      other.client.send(new DescribeTableCommand({ TableName: 'Things' })),
    ).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
  })

  it('says in one line what to do when Java is missing', async () => {
    const javaHome = process.env.JAVA_HOME
    process.env.JAVA_HOME = folder.path
    try {
      const failure = await startDynamoDb().catch((cause: unknown) => cause)
      expect(failure).toBeInstanceOf(SetupError)
      expect((failure as Error).message).toMatch(/^Java is missing: install Java 17 or newer.*$/)
    } finally {
      if (javaHome === undefined) delete process.env.JAVA_HOME
      else process.env.JAVA_HOME = javaHome
    }
  })
})
