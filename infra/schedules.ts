import { Duration, RemovalPolicy, Stack, TimeZone } from 'aws-cdk-lib'
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import {
  ContextAttribute,
  type IScheduleTarget,
  Schedule,
  ScheduleExpression,
  ScheduleGroup,
  ScheduleTargetInput,
} from 'aws-cdk-lib/aws-scheduler'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'

export interface SchedulesProps {
  reset: IFunction
  resetSegments: number
  reconcile: IFunction
  /** Takes what the scheduler could not deliver. Errors inside a function do not come here; see `lambda.ts`. */
  undelivered: IQueue
}

/** Starts the monthly reset, one schedule for each scan segment, and the reconciliation with Stripe. */
export class Schedules extends Construct {
  constructor(scope: Construct, id: string, props: SchedulesProps) {
    super(scope, id)
    const group = new ScheduleGroup(this, 'Group', { removalPolicy: RemovalPolicy.DESTROY })

    const resetRole = this.#roleToInvoke('ResetRole', props.reset, props.undelivered, group)
    const firstOfTheMonth = ScheduleExpression.cron({
      minute: '0',
      hour: '0',
      day: '1',
      month: '*',
      year: '*',
      timeZone: TimeZone.ETC_UTC,
    })
    for (let segment = 0; segment < props.resetSegments; segment++) {
      new Schedule(this, `Reset${segment}`, {
        description: `Opens the new month for scan segment ${segment} of ${props.resetSegments}`,
        scheduleGroup: group,
        schedule: firstOfTheMonth,
        target: invoke(props.reset, resetRole, props.undelivered, {
          input: { segment, segments: props.resetSegments },
          maxEventAge: Duration.hours(24),
          retryAttempts: 185,
        }),
      })
    }

    const reconcileRole = this.#roleToInvoke(
      'ReconcileRole',
      props.reconcile,
      props.undelivered,
      group,
    )
    new Schedule(this, 'Reconcile', {
      description: 'Settles the purchases named by Stripe events that no webhook brought',
      scheduleGroup: group,
      schedule: ScheduleExpression.rate(Duration.minutes(15)),
      target: invoke(props.reconcile, reconcileRole, props.undelivered, {
        input: {},
        // The next run reads from the same cursor, so a run is not worth more patience than this.
        maxEventAge: Duration.minutes(15),
        retryAttempts: 5,
      }),
    })
  }

  /**
   * The role of the ready-made Lambda target may invoke every version of a function. This one may invoke
   * the function as it is, and only schedules of our group may assume it.
   */
  #roleToInvoke(id: string, target: IFunction, undelivered: IQueue, group: ScheduleGroup): Role {
    return new Role(this, id, {
      assumedBy: new ServicePrincipal('scheduler.amazonaws.com', {
        conditions: {
          StringEquals: {
            'aws:SourceAccount': Stack.of(this).account,
            'aws:SourceArn': group.scheduleGroupArn,
          },
        },
      }),
      // Inline, so that the role is complete before the scheduler tries it out.
      inlinePolicies: {
        Invoke: new PolicyDocument({
          statements: [
            new PolicyStatement({
              actions: ['lambda:InvokeFunction'],
              resources: [target.functionArn],
            }),
            new PolicyStatement({
              actions: ['sqs:SendMessage'],
              resources: [undelivered.queueArn],
            }),
          ],
        }),
      },
    })
  }
}

/** Adds the schedule's own time to the input: a run that comes late must still reset the month it was for. */
function invoke(
  target: IFunction,
  role: Role,
  undelivered: IQueue,
  {
    input,
    maxEventAge,
    retryAttempts,
  }: { input: Record<string, number>; maxEventAge: Duration; retryAttempts: number },
): IScheduleTarget {
  return {
    bind: () => ({
      arn: target.functionArn,
      role,
      input: ScheduleTargetInput.fromObject({
        scheduledTime: ContextAttribute.scheduledTime,
        ...input,
      }),
      deadLetterConfig: { arn: undelivered.queueArn },
      retryPolicy: {
        maximumEventAgeInSeconds: maxEventAge.toSeconds(),
        maximumRetryAttempts: retryAttempts,
      },
    }),
  }
}
