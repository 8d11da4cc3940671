import { Duration } from 'aws-cdk-lib'
import {
  Alarm,
  AlarmStatusWidget,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  MathExpression,
  Metric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch'
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions'
import type { Table } from 'aws-cdk-lib/aws-dynamodb'
import { FilterPattern, MetricFilter } from 'aws-cdk-lib/aws-logs'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import type { Queue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { keyOf, routes } from '../shared/http/routes.ts'
import { type SignalName, signalNames } from '../shared/signals.ts'
import { schema } from '../shared/store/schema.ts'
import type { Api } from './api.ts'
import { type FunctionName, functionNames, functions } from './functions.ts'
import type { ServiceFunction } from './lambda.ts'
import type { Tables } from './tables.ts'

export interface AlarmsProps {
  api: Api
  tables: Tables
  functions: Readonly<Record<FunctionName, ServiceFunction>>
  deadLetters: Readonly<Record<string, Queue>>
  /** Told when an alarm goes off. Without it the alarms only change colour. */
  topic?: ITopic
}

/** When a signal is worth waking someone: at this many in five minutes. */
const signalAlarms: Record<SignalName, { atLeast: number; description: string }> = {
  webhook_mismatch: {
    atLeast: 1,
    description: 'Stripe reports a payment that contradicts its purchase. Nothing was credited.',
  },
  webhook_unknown: {
    atLeast: 1,
    description: 'Stripe signed an event for a purchase that is not ours. Nothing was written.',
  },
  // Anyone can post rubbish to a public address. Ten in a row mean that a signing secret is wrong.
  webhook_rejected: {
    atLeast: 10,
    description: 'Webhook signatures do not verify: forged, or the signing secret is out of date.',
  },
  reversal_shortfall: {
    atLeast: 1,
    description: 'A refund or dispute could not take back tokens that were already spent.',
  },
  reset_item_failed: {
    atLeast: 1,
    description: 'The monthly sweep could not roll a workspace over.',
  },
  reconcile_failed: {
    atLeast: 1,
    description: 'Reconciliation could not settle a purchase now, and will try it again.',
  },
  purchase_overdue: {
    atLeast: 1,
    description: 'A purchase could not be settled for 72 hours. It is tried once a day.',
  },
  events_missed: {
    atLeast: 1,
    description: 'Reconciliation is further behind than the 30 days that Stripe lists events.',
  },
  secret_unread: {
    atLeast: 1,
    description: 'The Stripe secret could not be read, or is malformed. Its log line says which.',
  },
  // A caller who is told to come back mostly does. A handful in five minutes is an outage.
  unavailable: {
    atLeast: 10,
    description: 'Requests are answered 503: DynamoDB, Stripe, its secret, or one busy workspace.',
  },
  internal_error: { atLeast: 1, description: 'A request was answered 500: a bug.' },
}

/** What an operator is woken by, and the one dashboard to look at then. */
export class Alarms extends Construct {
  readonly all: Alarm[] = []
  readonly dashboard: Dashboard
  readonly #topic: ITopic | undefined
  readonly #namespace: string

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id)
    this.#topic = props.topic
    // The construct's path keeps two stacks in one account from counting into each other's metrics.
    this.#namespace = `TokenTopUp/${scope.node.path}`

    const series = {
      signals: this.#signals(props.functions),
      webhookErrors: this.#webhookErrors(props.api),
      deadLetters: this.#deadLetters(props.deadLetters),
      tableThrottles: this.#tableThrottles(props.tables),
    }
    this.#functions(props.functions)
    this.dashboard = this.#dashboard(props, series)
  }

  /** One metric and one alarm for each signal, fed by a filter on every log group that may carry it. */
  #signals(all: AlarmsProps['functions']): Metric[] {
    for (const name of functionNames) {
      for (const signal of functions[name].signals) {
        new MetricFilter(this, `${name}-${signal}`, {
          logGroup: all[name].logGroup,
          filterPattern: FilterPattern.stringValue('$.message.signal', '=', signal),
          metricNamespace: this.#namespace,
          metricName: signal,
          // A shortfall is measured in tokens, the others by their number.
          metricValue: signal === 'reversal_shortfall' ? '$.message.tokens' : '1',
        })
      }
    }
    return signalNames.map((signal) => {
      const metric = this.#count(signal)
      const { atLeast, description } = signalAlarms[signal]
      this.#alarm(signal, { metric, threshold: atLeast, description })
      return metric
    })
  }

  /**
   * Counted in the access log, because there a crash, a time-out and a 503 of the function all look the
   * same, and because API Gateway's own metrics by route would cost a metric for every route and status.
   */
  #webhookErrors(api: Api): Metric {
    const webhook = routes.find((route) => route.function === 'stripe-webhook')
    if (!webhook) throw new Error('routes.ts has no route for stripe-webhook')
    const name = 'webhook_5xx'
    new MetricFilter(this, name, {
      logGroup: api.accessLogs,
      filterPattern: FilterPattern.all(
        FilterPattern.stringValue('$.routeKey', '=', keyOf(webhook)),
        FilterPattern.stringValue('$.status', '=', '5*'),
      ),
      metricNamespace: this.#namespace,
      metricName: name,
    })
    const metric = this.#count(name)
    this.#alarm(`${name}-alarm`, {
      metric,
      description: 'Stripe was answered 5xx. It tries again for days, then disables the endpoint.',
    })
    return metric
  }

  #deadLetters(queues: AlarmsProps['deadLetters']): Metric[] {
    return Object.entries(queues).map(([name, queue]) => {
      const waiting = { statistic: 'Maximum' }
      this.#alarm(`${name}NotEmpty`, {
        metric: queue.metricApproximateNumberOfMessagesVisible(waiting),
        description: `${name}: an invocation was given up. Its message says which.`,
      })
      return queue.metricApproximateNumberOfMessagesVisible({ ...waiting, label: name })
    })
  }

  #functions(all: AlarmsProps['functions']): void {
    for (const name of functionNames) {
      this.#alarm(`${name}-errors`, {
        metric: all[name].lambda.metricErrors(),
        description: `${name} crashed, timed out or could not start.`,
      })
      this.#alarm(`${name}-throttles`, {
        metric: all[name].lambda.metricThrottles(),
        description: `${name} was refused by Lambda's concurrency limit.`,
      })
    }
  }

  #tableThrottles(tables: Tables): MathExpression[] {
    const metrics = {
      workspaces: throttles('workspaces', tables.workspaces),
      ledger: throttles('ledger', tables.ledger, schema.ledger.byTimeIndex.name),
    }
    for (const [name, metric] of Object.entries(metrics)) {
      this.#alarm(`${name}-table-throttles`, {
        metric,
        description: `DynamoDB throttles the ${name} table: a hot workspace, or an account limit.`,
      })
    }
    return Object.values(metrics)
  }

  #dashboard(
    { api: { http }, tables, functions: all }: AlarmsProps,
    series: {
      signals: IMetric[]
      webhookErrors: IMetric
      deadLetters: IMetric[]
      tableThrottles: IMetric[]
    },
  ): Dashboard {
    const dashboard = new Dashboard(this, 'Dashboard', { defaultInterval: Duration.days(1) })
    dashboard.addWidgets(
      new AlarmStatusWidget({ title: 'Alarms', alarms: this.all, width: 24, height: 6 }),
    )
    dashboard.addWidgets(
      graph('Requests', [
        http.metricCount({ label: 'requests' }),
        http.metricClientError({ label: '4xx' }),
        http.metricServerError({ label: '5xx' }),
        series.webhookErrors,
      ]),
      graph('Latency, ms', [
        http.metricLatency({ statistic: 'p50', label: 'p50' }),
        http.metricLatency({ statistic: 'p99', label: 'p99' }),
        all.consume.lambda.metricDuration({ statistic: 'p99', label: 'consume p99' }),
      ]),
      graph('Signals', series.signals),
    )
    dashboard.addWidgets(
      graph(
        'Function errors',
        functionNames.map((name) => all[name].lambda.metricErrors({ label: name })),
      ),
      graph('Table capacity units', [
        ...capacity('workspaces', tables.workspaces),
        ...capacity('ledger', tables.ledger),
      ]),
      graph('Throttles and dead letters', [...series.tableThrottles, ...series.deadLetters]),
    )
    return dashboard
  }

  #count(metricName: string): Metric {
    return new Metric({
      namespace: this.#namespace,
      metricName,
      statistic: 'Sum',
      period: Duration.minutes(5),
    })
  }

  #alarm(
    id: string,
    {
      metric,
      description,
      threshold = 1,
    }: { metric: IMetric; description: string; threshold?: number },
  ): void {
    const alarm = new Alarm(this, id, {
      metric,
      alarmDescription: description,
      threshold,
      evaluationPeriods: 1,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      // All of these metrics are silent while all is well.
      treatMissingData: TreatMissingData.NOT_BREACHING,
    })
    if (this.#topic) alarm.addAlarmAction(new SnsAction(this.#topic))
    this.all.push(alarm)
  }
}

function graph(title: string, left: IMetric[]): GraphWidget {
  return new GraphWidget({ title, left, width: 8, height: 6 })
}

function throttles(label: string, table: Table, index?: string): MathExpression {
  const event = (metricName: string, dimensions: Record<string, string> = {}) =>
    new Metric({
      namespace: 'AWS/DynamoDB',
      metricName,
      statistic: 'Sum',
      dimensionsMap: { TableName: table.tableName, ...dimensions },
    })
  const usingMetrics: Record<string, IMetric> = {
    [`${label}Reads`]: event('ReadThrottleEvents'),
    [`${label}Writes`]: event('WriteThrottleEvents'),
    // An index that cannot keep up throttles the writes of its table, and counts them as its own.
    ...(index && {
      [`${label}IndexReads`]: event('ReadThrottleEvents', { GlobalSecondaryIndexName: index }),
      [`${label}IndexWrites`]: event('WriteThrottleEvents', { GlobalSecondaryIndexName: index }),
    }),
  }
  return new MathExpression({
    label: `${label} throttled`,
    expression: Object.keys(usingMetrics)
      .map((name) => `FILL(${name}, 0)`)
      .join(' + '),
    usingMetrics,
  })
}

function capacity(label: string, table: Table): IMetric[] {
  return [
    table.metricConsumedReadCapacityUnits({ label: `${label} read` }),
    table.metricConsumedWriteCapacityUnits({ label: `${label} write` }),
  ]
}
