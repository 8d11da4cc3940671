import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import type { Context } from 'aws-lambda'
import { resetConfig, tablesConfig } from '../shared/config.ts'
import { periodOf } from '../shared/domain/period.ts'
import { resetWorkspaces } from '../shared/operations/reset-workspaces.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())
const lambda = new LambdaClient({})
const { pacePerSecond } = resetConfig()

interface ResetEvent {
  /** The schedule's own time; ISO 8601. */
  scheduledTime: string
  segment: number
  segments: number
  startAfter?: string
}

/**
 * On the 1st: opens the month for one segment of the workspaces. A segment that outlasts this run goes on in
 * another, which is handed the place to start from.
 */
export async function handler(event: ResetEvent, context: Context) {
  const { scheduledTime, segment, segments, startAfter } = event
  const swept = await resetWorkspaces(store, {
    segment,
    segments,
    startAfter,
    period: periodOf(new Date(scheduledTime)),
    pacePerSecond,
    timeLeftMs: () => context.getRemainingTimeInMillis(),
  })
  if (swept.startAfter !== undefined) {
    await lambda.send(
      new InvokeCommand({
        FunctionName: context.invokedFunctionArn,
        InvocationType: 'Event',
        Payload: JSON.stringify({ ...event, startAfter: swept.startAfter }),
      }),
    )
  }
  console.info({ swept, segment, segments, scheduledTime })
  return swept
}
