import { Match } from 'aws-cdk-lib/assertions'
import { describe, expect, it } from 'vitest'
import { type FunctionName, functionNames, functions } from '../../infra/functions.ts'
import { signalNames } from '../../shared/signals.ts'
import { synthesized } from './synthesized.ts'

const { service, template, logicalIdOf, resourceOf, all } = synthesized()
const alarms = Object.values(all('AWS::CloudWatch::Alarm')).map((alarm) => alarm.Properties)
const filters = Object.values(all('AWS::Logs::MetricFilter')).map((filter) => filter.Properties)

describe('an alarm', () => {
  it('goes to the topic, all of them', () => {
    expect(alarms.length).toBeGreaterThan(0)
    for (const alarm of alarms) {
      expect(alarm.AlarmActions).toEqual(['arn:aws:sns:eu-west-1:123456789012:pager'])
    }
  })

  it('says what it means', () => {
    for (const alarm of alarms) expect(alarm.AlarmDescription).toMatch(/\.$/)
  })

  it('is quiet while nothing is counted', () => {
    for (const alarm of alarms) expect(alarm.TreatMissingData).toBe('notBreaching')
  })

  it('exists without a topic, too', () => {
    const silent = synthesized({ alarmTopic: undefined })
    const all = Object.values(silent.all('AWS::CloudWatch::Alarm'))
    expect(all).toHaveLength(alarms.length)
    for (const alarm of all) expect(alarm.Properties.AlarmActions).toBeUndefined()
  })
})

describe('an operator hears of', () => {
  it.each(['FailedInvocations', 'UndeliveredSchedules'])('the first message in %s', (name) => {
    const queue = logicalIdOf(service.node.findChild(name))
    expect(alarmsOn('ApproximateNumberOfMessagesVisible', queue, 'QueueName')).toHaveLength(1)
  })

  it.each(functionNames)('errors and throttles of %s', (name) => {
    const id = logicalIdOf(service.functions[name])
    for (const metric of ['Errors', 'Throttles']) {
      const dimensions = [{ Name: 'FunctionName', Value: { Ref: id } }]
      const on = alarms.filter(
        (alarm) =>
          alarm.MetricName === metric &&
          JSON.stringify(alarm.Dimensions) === JSON.stringify(dimensions),
      )
      expect(on).toHaveLength(1)
      expect(on[0]).toMatchObject({ Threshold: 1, EvaluationPeriods: 1 })
    }
  })

  it.each(['workspacesTable', 'ledgerTable'] as const)('throttling of the %s', (name) => {
    const table = { Ref: logicalIdOf(service[name]) }
    for (const metric of ['ReadThrottleEvents', 'WriteThrottleEvents']) {
      template.hasResourceProperties('AWS::CloudWatch::Alarm', {
        Metrics: Match.arrayWith([
          Match.objectLike({
            MetricStat: Match.objectLike({
              Metric: {
                Namespace: 'AWS/DynamoDB',
                MetricName: metric,
                Dimensions: [{ Name: 'TableName', Value: table }],
              },
            }),
          }),
        ]),
      })
    }
  })

  it.each(signalNames)('the signal %s', (signal) => {
    const on = alarms.filter((alarm) => alarm.MetricName === signal)
    expect(on).toHaveLength(1)
    expect(on[0].Namespace).toBe('TokenTopUp/Test/Service')
  })

  it.each([
    'webhook_mismatch',
    'webhook_unknown',
    'reversal_shortfall',
    'reset_item_failed',
    'reconcile_failed',
    'purchase_overdue',
    'events_missed',
    'internal_error',
    'webhook_5xx',
  ])('the very first %s', (name) => {
    expect(alarms.find((alarm) => alarm.MetricName === name)).toMatchObject({
      Threshold: 1,
      EvaluationPeriods: 1,
      Statistic: 'Sum',
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    })
  })
})

describe('a signal', () => {
  it.each(signalNames)('%s is counted in every log that may carry it', (signal) => {
    const carriers = functionNames.filter((name) => functions[name].signals.includes(signal))
    expect(carriers.length).toBeGreaterThan(0)
    const counted = filters.filter(
      (filter) => filter.FilterPattern === `{ $.message.signal = "${signal}" }`,
    )
    expect(counted.map((filter) => filter.LogGroupName.Ref).sort()).toEqual(
      carriers.map(logGroupOf).sort(),
    )
    for (const filter of counted) {
      expect(filter.MetricTransformations).toEqual([
        {
          MetricNamespace: 'TokenTopUp/Test/Service',
          MetricName: signal,
          // A shortfall counts the tokens that were lost, the others count themselves.
          MetricValue: signal === 'reversal_shortfall' ? '$.message.tokens' : '1',
        },
      ])
    }
  })

  it('of an unanswered webhook is read from the access log', () => {
    const stage = Object.values(all('AWS::ApiGatewayV2::Stage'))[0]!.Properties
    const [accessLogs] = stage.AccessLogSettings.DestinationArn['Fn::GetAtt']
    template.hasResourceProperties('AWS::Logs::MetricFilter', {
      LogGroupName: { Ref: accessLogs },
      FilterPattern: '{ ($.routeKey = "POST /v1/stripe/webhook") && ($.status = "5*") }',
      MetricTransformations: [Match.objectLike({ MetricName: 'webhook_5xx', MetricValue: '1' })],
    })
  })
})

describe('the dashboard', () => {
  it('is one', () => {
    template.resourceCountIs('AWS::CloudWatch::Dashboard', 1)
  })
})

function alarmsOn(metric: string, id: string, dimension: string) {
  return alarms.filter(
    (alarm) =>
      alarm.MetricName === metric &&
      alarm.Dimensions[0].Name === dimension &&
      JSON.stringify(alarm.Dimensions[0].Value).includes(id),
  )
}

function logGroupOf(name: FunctionName): string {
  return resourceOf(service.functions[name]).Properties.LoggingConfig.LogGroup.Ref
}
