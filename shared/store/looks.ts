import { UpdateCommand } from '@aws-sdk/lib-dynamodb'
import { outcomeOf, type Store } from './dynamodb.ts'
import { ownPartitions, schema } from './schema.ts'

/** How often Stripe is asked on behalf of the people of one workspace, in so many seconds. */
const looksMax = 5
const windowSeconds = 10

/**
 * Takes one of the looks at Stripe that a workspace's people have in these seconds, in one write; what is left of
 * them where there is none to take. So whoever polls in however many tabs, or lists a hundred orders, leaves
 * Stripe's rate limit to the payments.
 */
export async function takeLook(
  store: Store,
  workspaceId: string,
  now: Date,
): Promise<{ taken: true } | { retryAfterSeconds: number }> {
  const seconds = Math.floor(now.getTime() / 1000)
  const begins = seconds - (seconds % windowSeconds)
  const outcome = await outcomeOf(
    store.client.send(
      new UpdateCommand({
        TableName: store.ledgerTable,
        Key: { workspaceId: ownPartitions.looksOf(workspaceId), entryId: `looks#${begins}` },
        UpdateExpression: 'ADD looks :one SET #expiry = :expiry',
        ConditionExpression: 'attribute_not_exists(looks) OR looks < :max',
        ExpressionAttributeNames: { '#expiry': schema.ledger.timeToLive },
        ExpressionAttributeValues: { ':one': 1, ':max': looksMax, ':expiry': begins + 3_600 },
      }),
    ),
  )
  if (outcome === 'applied') return { taken: true }
  // Whatever else is at the count in this instant, whoever asks may ask again at once.
  if (outcome === 'conflict') return { retryAfterSeconds: 1 }
  return { retryAfterSeconds: begins + windowSeconds - seconds }
}
