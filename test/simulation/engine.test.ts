import { isDeepStrictEqual } from 'node:util'
import { PutCommand, QueryCommand, ScanCommand, TransactWriteCommand } from '@aws-sdk/lib-dynamodb'
import fc from 'fast-check'
import { beforeAll, describe, expect, inject, it } from 'vitest'
import type { Store } from '../../shared/store/dynamodb.ts'
import { openTestStore } from '../support/store.ts'
import { openSimulatedStore, operationOf, tableKeys } from './dynamodb.ts'
import { Engine } from './engine.ts'
import { type Item, plainItem } from './expressions.ts'
import { historyOf } from './history.ts'
import { failureOf } from './simulate.ts'
import { live } from './world.ts'

/** Each on fresh tables; more would only repeat the same shapes of request. */
const histories = fc.sample(historyOf(100), { seed: 11, numRuns: 6 })

beforeAll(async () => {
  // Has the timers taken over before anything is measured against them.
  await failureOf([])
})

describe('the engine in memory', () => {
  const asked = new Set<string>()

  it.each(histories.map((history, number) => ({ number, history })))(
    'answers history $number as DynamoDB Local does, request by request, and leaves the same items',
    async ({ history }) => {
      const { client, ...tables } = await openTestStore()
      const differences: object[] = []
      const { items } = await live(history, {
        tables,
        pageItemsMax: Infinity,
        keepsAll: true,
        onAnswer: async (request, answer) => {
          const operation = operationOf(request)
          asked.add(operation)
          const sent = Buffer.from(request.body as Uint8Array)
          // What comes after an item in a scan depends on an order that is each engine's own.
          if (operation === 'Scan' && sent.includes('ExclusiveStartKey')) return
          const response = await fetch(inject('dynamoDbEndpoint'), {
            method: 'POST',
            headers: { ...withoutLength(request.headers), authorization },
            body: sent,
          })
          const theirs = comparable(response.status, await response.text())
          const ours = comparable(answer.statusCode, Buffer.from(answer.body).toString())
          // An error thrown here would look to the service like an outage.
          if (!isDeepStrictEqual(ours, theirs)) differences.push({ operation, ours, theirs })
        },
      })
      const stored = await Promise.all(
        [tables.workspacesTable, tables.ledgerTable].map((TableName) =>
          client.send(new ScanCommand({ TableName, ConsistentRead: true })),
        ),
      )
      expect(sorted(items.map(plainItem))).toEqual(
        sorted(stored.flatMap(({ Items = [] }) => Items)),
      )
      expect(differences).toEqual([])
    },
    120_000,
  )

  it('goes on after the item it had got to, also where that is gone', async () => {
    for (const forwards of [true, false]) {
      const [ours, theirs] = await onBoth(async (client, TableName) => {
        for (const entryId of ['a', 'b', 'c', 'd']) {
          await client.send(new PutCommand({ TableName, Item: { workspaceId: 'w', entryId } }))
        }
        const page = (ExclusiveStartKey?: Record<string, unknown>) =>
          client.send(
            new QueryCommand({
              TableName,
              KeyConditionExpression: 'workspaceId = :workspaceId',
              ExpressionAttributeValues: { ':workspaceId': 'w' },
              ScanIndexForward: forwards,
              Limit: 2,
              ExclusiveStartKey,
            }),
          )
        const { LastEvaluatedKey } = await page()
        const Delete = { TableName, Key: LastEvaluatedKey! }
        await client.send(new TransactWriteCommand({ TransactItems: [{ Delete }] }))
        return (await page(LastEvaluatedKey)).Items
      })
      expect(ours).toEqual(theirs)
      expect(ours).toHaveLength(2)
    }
  })

  it('refuses a transaction that is about one item twice', async () => {
    const [ours, theirs] = await onBoth(async (client, TableName) => {
      const Delete = { TableName, Key: { workspaceId: 'w', entryId: 'a' } }
      return client
        .send(new TransactWriteCommand({ TransactItems: [{ Delete }, { Delete }] }))
        .catch((error: Error) => [error.name, error.message])
    })
    expect(ours).toEqual(theirs)
  })

  it('was asked every operation that the store has', () => {
    expect([...asked].sort()).toEqual([
      'DeleteItem',
      'GetItem',
      'PutItem',
      'Query',
      'Scan',
      'TransactWriteItems',
      'UpdateItem',
    ])
  })
})

/** What the same calls come to on the engine and on DynamoDB Local. */
async function onBoth<T>(act: (client: Store['client'], table: string) => Promise<T>) {
  const theirs = await openTestStore()
  const tables = { workspacesTable: 'workspaces', ledgerTable: 'ledger' }
  const engine = new Engine({ tables: tableKeys(tables) })
  const ours = openSimulatedStore({ engine, tables })
  return [await act(ours.client, ours.ledgerTable), await act(theirs.client, theirs.ledgerTable)]
}

/** DynamoDB Local looks for one, and checks nothing of it. */
const authorization =
  'AWS4-HMAC-SHA256 Credential=local/20260714/eu-west-1/dynamodb/aws4_request, SignedHeaders=host, Signature=none'

function withoutLength({ 'content-length': _, host: __, ...headers }: Record<string, string>) {
  return headers
}

/** Scans come in any order, and only people read messages. */
function comparable(status: number, body: string) {
  const { message, Message, Items, ...answer } = JSON.parse(body)
  const reasons = answer.CancellationReasons as { Message?: string }[] | undefined
  return {
    status,
    ...answer,
    ...(Items !== undefined && { Items: sorted((Items as Item[]).map(plainItem)) }),
    ...(reasons && { CancellationReasons: reasons.map(({ Message: _, ...reason }) => reason) }),
  }
}

function sorted(items: Record<string, unknown>[]): Record<string, unknown>[] {
  const place = ({ workspaceId, entryId }: Record<string, unknown>) => `${workspaceId} ${entryId}`
  return items.toSorted((one, other) => (place(one) < place(other) ? -1 : 1))
}
