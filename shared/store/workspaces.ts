import { GetCommand, ScanCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb'
import type { Period } from '../domain/period.ts'
import type { Workspace } from '../domain/workspace.ts'
import { answered, applied, type Store } from './dynamodb.ts'

/** The workspace as it is stored now (a consistent read), or undefined. */
export async function readWorkspace(
  store: Store,
  workspaceId: string,
): Promise<Workspace | undefined> {
  const { Item } = await answered(
    store.client.send(
      new GetCommand({
        TableName: store.workspacesTable,
        Key: { workspaceId },
        ConsistentRead: true,
      }),
    ),
  )
  return Item as Workspace | undefined
}

/**
 * Puts off the next look at open holds to when the first of them may expire (ISO 8601, UTC; undefined: there
 * are none). False where a movement came between: then it is left undone, which only costs another look.
 */
export async function postponeHoldsCheck(
  store: Store,
  { workspaceId, period, holdsExpireFrom, version }: Workspace,
  until: string | undefined,
): Promise<boolean> {
  return applied(
    store.client.send(
      new UpdateCommand({
        TableName: store.workspacesTable,
        Key: { workspaceId },
        UpdateExpression: until ? 'SET holdsExpireFrom = :until' : 'REMOVE holdsExpireFrom',
        ConditionExpression: '#period = :period AND holdsExpireFrom = :from AND version = :version',
        ExpressionAttributeNames: { '#period': 'period' },
        ExpressionAttributeValues: {
          ':period': period,
          ':from': holdsExpireFrom,
          ':version': version,
          ...(until && { ':until': until }),
        },
      }),
    ),
  )
}

export interface Segment {
  segment: number
  segments: number
  /** The last workspace already seen; the page begins after it. */
  startAfter?: string
}

export interface WorkspacePage {
  workspaces: Workspace[]
  /** Where the next page begins, or undefined at the end of the segment. */
  startAfter?: string
}

/** A full page of a megabyte may take longer than a request is waited for, and is kept in memory whole. */
const scannedAtOnce = 500

/**
 * One page of the workspaces of a scan segment that are still in a period before `period`. The read may be
 * a moment old: the reset's own condition decides.
 */
export async function pageOfBehind(
  store: Store,
  { segment, segments, startAfter }: Segment,
  period: Period,
): Promise<WorkspacePage> {
  const { Items = [], LastEvaluatedKey } = await answered(
    store.client.send(
      new ScanCommand({
        TableName: store.workspacesTable,
        Segment: segment,
        TotalSegments: segments,
        ExclusiveStartKey: startAfter === undefined ? undefined : { workspaceId: startAfter },
        Limit: scannedAtOnce,
        FilterExpression: '#period < :period',
        ExpressionAttributeNames: { '#period': 'period' },
        ExpressionAttributeValues: { ':period': period },
      }),
    ),
  )
  return { workspaces: Items as Workspace[], startAfter: LastEvaluatedKey?.workspaceId }
}
