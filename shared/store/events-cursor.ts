import { randomUUID } from 'node:crypto'
import { UpdateCommand } from '@aws-sdk/lib-dynamodb'
import { applied, type Store } from './dynamodb.ts'
import { readItem } from './ledger.ts'
import { ownPartitions } from './schema.ts'

/** The right to follow Stripe's events, which one run at a time has. */
export interface Turn {
  livemode: boolean
  /** Made up for this run. */
  holder: string
  /** Every event that Stripe dates before this has been followed; epoch seconds. */
  reconciledUntil: number
}

/** How long a run that says nothing keeps its turn: longer than any of its looks at Stripe can take. */
export const leaseMs = 5 * 60_000

/** No lease ends later than this; one that seems to was written by a clock that has been set back since. */
const leaseEndsWithinMs = 60 * 60_000
const free = 'attribute_not_exists(leaseBy) OR leaseUntil <= :now OR leaseUntil > :latest'
const mine = 'leaseBy = :holder'
const forward = 'reconciledUntil <= :until'

/**
 * Takes the turn to follow events, or undefined where another run has it. The first one ever begins `now`
 * (epoch milliseconds): what happened before the service was there is not its business.
 */
export async function takeTurn(
  store: Store,
  livemode: boolean,
  now: number,
): Promise<Turn | undefined> {
  const holder = randomUUID()
  const taken = await applied(
    store.client.send(
      new UpdateCommand({
        TableName: store.ledgerTable,
        Key: cursorKeyIn(livemode),
        UpdateExpression:
          'SET leaseBy = :holder, leaseUntil = :leaseUntil, reconciledUntil = if_not_exists(reconciledUntil, :start)',
        // A request whose answer was lost is sent again, and finds the lease to be its own.
        ConditionExpression: `${free} OR ${mine}`,
        ExpressionAttributeValues: {
          ':holder': holder,
          ':leaseUntil': now + leaseMs,
          ':start': Math.floor(now / 1000),
          ':now': now,
          ':latest': now + leaseEndsWithinMs,
        },
      }),
    ),
  )
  if (!taken) return undefined
  return { livemode, holder, reconciledUntil: (await readEventsCursor(store, livemode))! }
}

/**
 * Moves the cursor forward and keeps the turn for another while. False where the turn is lost, to a run that
 * began when this one had not been heard of for too long.
 */
export function moveCursor(
  store: Store,
  { livemode, holder }: Turn,
  reconciledUntil: number,
  now: number,
): Promise<boolean> {
  return applied(
    store.client.send(
      new UpdateCommand({
        TableName: store.ledgerTable,
        Key: cursorKeyIn(livemode),
        UpdateExpression: 'SET reconciledUntil = :until, leaseUntil = :leaseUntil',
        ConditionExpression: `${mine} AND ${forward}`,
        ExpressionAttributeValues: {
          ':holder': holder,
          ':until': reconciledUntil,
          ':leaseUntil': now + leaseMs,
        },
      }),
    ),
  )
}

/** Lets another run begin. */
export async function endTurn(store: Store, { livemode, holder }: Turn): Promise<void> {
  await applied(
    store.client.send(
      new UpdateCommand({
        TableName: store.ledgerTable,
        Key: cursorKeyIn(livemode),
        UpdateExpression: 'REMOVE leaseBy, leaseUntil',
        ConditionExpression: mine,
        ExpressionAttributeValues: { ':holder': holder },
      }),
    ),
  )
}

/** Up to when (epoch seconds) Stripe's events have been followed for good; undefined before the first time. */
export async function readEventsCursor(
  store: Store,
  livemode: boolean,
): Promise<number | undefined> {
  const item = await readItem(store, cursorKeyIn(livemode))
  return item?.reconciledUntil as number | undefined
}

function cursorKeyIn(livemode: boolean) {
  return { workspaceId: ownPartitions.stripeIn(livemode), entryId: 'cursor' }
}
