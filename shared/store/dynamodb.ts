import { randomUUID } from 'node:crypto'
import {
  type CancellationReason,
  ConditionalCheckFailedException,
  DynamoDBClient,
  TransactionCanceledException,
  TransactionConflictException,
  TransactionInProgressException,
} from '@aws-sdk/client-dynamodb'
import {
  DynamoDBDocumentClient,
  QueryCommand,
  type QueryCommandInput,
  TransactWriteCommand,
  type TransactWriteCommandInput,
} from '@aws-sdk/lib-dynamodb'
import type { TablesConfig } from '../config.ts'
import { Unavailable } from '../domain/refusal.ts'

/** The two tables and the client that reaches them. */
export interface Store extends TablesConfig {
  client: DynamoDBDocumentClient
}

/**
 * Opens the tables. The SDK takes its region, credentials and endpoint from the environment, so another
 * DynamoDB is a matter of `AWS_ENDPOINT_URL_DYNAMODB`.
 *
 * The waits are short and few: a caller with a request to answer would rather hear 503 and come back with
 * the same key than wait out a stalled connection.
 */
export function openStore(tables: TablesConfig): Store {
  const client = new DynamoDBClient({
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: 1_000,
      requestTimeout: 3_000,
      throwOnRequestTimeout: true,
    },
  })
  return {
    ...tables,
    client: DynamoDBDocumentClient.from(client, {
      marshallOptions: { removeUndefinedValues: true },
    }),
  }
}

/** Runs a request, and turns no answer, a throttle or a fault of DynamoDB's own into `Unavailable`. */
export async function answered<T>(request: Promise<T>): Promise<T> {
  try {
    return await request
  } catch (error) {
    throw isOutage(error) ? new Unavailable('dynamodb', error) : error
  }
}

/**
 * Whether a conditioned write was applied; other failures are thrown. One that met a transaction on the same
 * item lost to it, and would most likely have failed its condition a moment later.
 */
export async function applied(write: Promise<unknown>): Promise<boolean> {
  return (await outcomeOf(write)) === 'applied'
}

/** What became of a conditioned write, for who must know to what it lost; other failures are thrown. */
export async function outcomeOf(
  write: Promise<unknown>,
): Promise<'applied' | 'condition_failed' | 'conflict'> {
  try {
    await answered(write)
    return 'applied'
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return 'condition_failed'
    if (error instanceof TransactionConflictException) return 'conflict'
    throw error
  }
}

export type Writes = NonNullable<TransactWriteCommandInput['TransactItems']>

/** What became of writes that are carried out together or not at all. */
export type Together =
  | { applied: true }
  /** Others were in the way of the transaction as a whole. */
  | { conflict: true }
  /** Why each of the writes was not carried out, in their order; DynamoDB need not name every reason. */
  | { reasons: CancellationReason[]; error: TransactionCanceledException }

/**
 * Tries writes as one transaction. Each try has a token of its own, so a retry of the SDK's cannot apply it twice.
 * Throws `Unavailable` when DynamoDB does not answer.
 */
export async function together(store: Store, writes: Writes): Promise<Together> {
  const command = new TransactWriteCommand({
    TransactItems: writes,
    ClientRequestToken: randomUUID(),
  })
  try {
    await answered(store.client.send(command))
    return { applied: true }
  } catch (error) {
    if (wasInTheWay(error)) return { conflict: true }
    if (!(error instanceof TransactionCanceledException)) throw error
    return { reasons: error.CancellationReasons ?? [], error }
  }
}

export function conditionFailed(reason: CancellationReason | undefined): boolean {
  return reason?.Code === 'ConditionalCheckFailed'
}

/** All items of a query, a page at a time as they are wanted. */
export async function* queried<Item>(
  store: Store,
  query: Omit<QueryCommandInput, 'ExclusiveStartKey'>,
): AsyncGenerator<Item> {
  let from: QueryCommandInput['ExclusiveStartKey']
  do {
    const { Items = [], LastEvaluatedKey } = await answered(
      store.client.send(new QueryCommand({ ...query, ExclusiveStartKey: from })),
    )
    yield* Items as Item[]
    from = LastEvaluatedKey
  } while (from)
}

const throttles = new Set([
  'ThrottlingException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
])

function isThrottle(error: unknown): boolean {
  return error instanceof Error && throttles.has(error.name)
}

/** Whether a transaction was not carried out because of others, and may be tried again a little later. */
function wasInTheWay(error: unknown): boolean {
  const cause = error instanceof Error && isThrottle(error.cause) ? error.cause : error
  return isThrottle(cause) || cause instanceof TransactionInProgressException
}

/**
 * The SDK notes on every error of a request it sent how that went. One that was sent and has no HTTP status
 * never reached DynamoDB, or its answer never reached us; one that was never sent is a bug of ours.
 */
function isOutage(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { $metadata, $fault } = error as {
    $metadata?: { httpStatusCode?: number }
    $fault?: string
  }
  const unanswered = $metadata !== undefined && $metadata.httpStatusCode === undefined
  return unanswered || isThrottle(error) || $fault === 'server'
}
