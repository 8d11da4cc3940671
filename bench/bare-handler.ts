import { randomUUID } from 'node:crypto'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocumentClient, GetCommand, TransactWriteCommand } from '@aws-sdk/lib-dynamodb'

/**
 * What a consume cannot do without: the same two commands, and nothing around them. It checks no token, no
 * input and no outcome, so it is the floor to measure the real handler against.
 */
const client = DynamoDBDocumentClient.from(new DynamoDBClient({}))

export async function handler(event: { workspaceId: string; key: string; tokens: number }) {
  const { workspaceId, key, tokens } = event
  const at = new Date().toISOString()
  const period = at.slice(0, 7)
  await client.send(
    new TransactWriteCommand({
      ClientRequestToken: randomUUID(),
      TransactItems: [
        {
          Update: {
            TableName: process.env.WORKSPACES_TABLE,
            Key: { workspaceId },
            ConditionExpression: '#balance >= :tokens AND #period = :period',
            UpdateExpression:
              'SET #updatedAt = :at, #balance = #balance - :tokens, #days.#day = if_not_exists(#days.#day, :zero) + :tokens',
            ExpressionAttributeNames: {
              '#balance': 'balance',
              '#period': 'period',
              '#updatedAt': 'updatedAt',
              '#days': 'days',
              '#day': String(new Date(at).getUTCDate()),
            },
            ExpressionAttributeValues: {
              ':tokens': tokens,
              ':period': period,
              ':at': at,
              ':zero': 0,
            },
            ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
          },
        },
        {
          Put: {
            TableName: process.env.LEDGER_TABLE,
            Item: {
              type: 'use',
              workspaceId,
              entryId: `use#${key}`,
              at,
              period,
              requested: tokens,
              taken: tokens,
              onShortfall: 'refuse',
              expiresAt: Math.floor(Date.parse(at) / 1000) + 400 * 86_400,
            },
            ConditionExpression: 'attribute_not_exists(entryId)',
            ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
          },
        },
      ],
    }),
  )
  const { Item } = await client.send(
    new GetCommand({
      TableName: process.env.WORKSPACES_TABLE,
      Key: { workspaceId },
      ConsistentRead: true,
    }),
  )
  return { statusCode: 200, body: JSON.stringify(Item) }
}
