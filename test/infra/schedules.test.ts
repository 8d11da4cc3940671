import { describe, expect, it } from 'vitest'
import { type Resource, synthesized } from './synthesized.ts'

const { service, logicalIdOf, all } = synthesized()
const resets = schedulesOf('reset')

describe('the reset', () => {
  it('starts at midnight UTC on the 1st of every month, to the minute', () => {
    for (const { Properties } of resets) {
      expect(Properties).toMatchObject({
        ScheduleExpression: 'cron(0 0 1 * ? *)',
        ScheduleExpressionTimezone: 'Etc/UTC',
        FlexibleTimeWindow: { Mode: 'OFF' },
        State: 'ENABLED',
      })
    }
  })

  it('covers every segment once, and tells it the time it was scheduled for', () => {
    expect(resets.map(({ Properties }) => JSON.parse(Properties.Target.Input))).toEqual(
      [0, 1, 2, 3, 4, 5, 6, 7].map((segment) => ({
        scheduledTime: '<aws.scheduler.scheduled-time>',
        segment,
        segments: 8,
      })),
    )
  })

  it('runs in as many segments as asked', () => {
    const three = synthesized({ resetSegments: 3 })
    const inputs = Object.values(three.all('AWS::Scheduler::Schedule'))
      .map(({ Properties }) => JSON.parse(Properties.Target.Input))
      .filter((input) => 'segment' in input)
    expect(inputs.map(({ segment, segments }) => `${segment}/${segments}`)).toEqual([
      '0/3',
      '1/3',
      '2/3',
    ])
  })

  it('is delivered for a whole day if Lambda cannot take it at midnight', () => {
    for (const { Properties } of resets) {
      expect(Properties.Target.RetryPolicy).toEqual({
        MaximumEventAgeInSeconds: 24 * 60 * 60,
        MaximumRetryAttempts: 185,
      })
    }
  })
})

describe('the reconciliation', () => {
  it('runs every 15 minutes, with the time it was scheduled for', () => {
    const [schedule, ...others] = schedulesOf('reconcile')
    expect(others).toEqual([])
    expect(schedule!.Properties.ScheduleExpression).toBe('rate(15 minutes)')
    expect(JSON.parse(schedule!.Properties.Target.Input)).toEqual({
      scheduledTime: '<aws.scheduler.scheduled-time>',
    })
  })
})

describe('the scheduler', () => {
  it('keeps what it cannot deliver', () => {
    const queue = { 'Fn::GetAtt': [queueNamed('UndeliveredSchedules'), 'Arn'] }
    for (const { Properties } of Object.values(all('AWS::Scheduler::Schedule'))) {
      expect(Properties.Target.DeadLetterConfig).toEqual({ Arn: queue })
    }
  })

  it.each(['reset', 'reconcile'] as const)('may start %s, and send to its queue', (name) => {
    const [role, ...others] = new Set(
      schedulesOf(name).map(({ Properties }) => Properties.Target.RoleArn['Fn::GetAtt'][0]),
    )
    expect(others).toEqual([])
    const { Policies } = all('AWS::IAM::Role')[role!]!.Properties
    expect(Policies.map((policy: { PolicyDocument: unknown }) => policy.PolicyDocument)).toEqual([
      {
        Version: '2012-10-17',
        Statement: [
          {
            Effect: 'Allow',
            Action: 'lambda:InvokeFunction',
            Resource: { 'Fn::GetAtt': [logicalIdOf(service.functions[name]), 'Arn'] },
          },
          {
            Effect: 'Allow',
            Action: 'sqs:SendMessage',
            Resource: { 'Fn::GetAtt': [queueNamed('UndeliveredSchedules'), 'Arn'] },
          },
        ],
      },
    ])
    const attached = Object.values(all('AWS::IAM::Policy')).filter((policy) =>
      JSON.stringify(policy.Properties.Roles).includes(role!),
    )
    expect(attached).toEqual([])
  })

  it('has its roles assumed for schedules of this stack alone', () => {
    const [group] = Object.keys(all('AWS::Scheduler::ScheduleGroup'))
    const assumed = Object.values(all('AWS::IAM::Role'))
      .flatMap((role) => role.Properties.AssumeRolePolicyDocument.Statement)
      .filter((statement) => statement.Principal.Service === 'scheduler.amazonaws.com')
    expect(assumed).toHaveLength(2)
    for (const { Condition } of assumed) {
      expect(Condition.StringEquals).toEqual({
        'aws:SourceAccount': { Ref: 'AWS::AccountId' },
        'aws:SourceArn': { 'Fn::GetAtt': [group, 'Arn'] },
      })
    }
  })
})

describe('the dead-letter queues', () => {
  it('are encrypted, refuse plain HTTP and keep a message for two weeks', () => {
    const queues = all('AWS::SQS::Queue')
    expect(Object.keys(queues)).toHaveLength(2)
    for (const [id, { Properties }] of Object.entries(queues)) {
      expect(Properties).toMatchObject({
        SqsManagedSseEnabled: true,
        MessageRetentionPeriod: 14 * 24 * 60 * 60,
      })
      const policy = Object.values(all('AWS::SQS::QueuePolicy')).find(
        (candidate) => candidate.Properties.Queues[0].Ref === id,
      )
      expect(policy!.Properties.PolicyDocument.Statement[0]).toMatchObject({
        Effect: 'Deny',
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      })
    }
  })
})

function schedulesOf(name: 'reset' | 'reconcile'): Resource[] {
  return Object.values(all('AWS::Scheduler::Schedule')).filter(
    ({ Properties }) =>
      Properties.Target.Arn['Fn::GetAtt'][0] === logicalIdOf(service.functions[name]),
  )
}

function queueNamed(name: string): string {
  return logicalIdOf(service.node.findChild(name))
}
