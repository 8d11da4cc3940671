import { type Duration, RemovalPolicy } from 'aws-cdk-lib'
import { Policy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import {
  ApplicationLogLevel,
  Architecture,
  type Code,
  type IDestination,
  Function as LambdaFunction,
  LoggingFormat,
  RecursiveLoop,
  Runtime,
  SystemLogLevel,
} from 'aws-cdk-lib/aws-lambda'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { IQueue } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'

export interface ServiceFunctionProps {
  /** Holds `index.mjs` with its `handler`. */
  code: Code
  description: string
  environment: Record<string, string>
  timeout: Duration
  logRetention: RetentionDays
  reservedConcurrency?: number
  /** When it is invoked asynchronously: how long an event is worth trying, and where it goes after that. */
  asynchronous?: { maxEventAge: Duration; onFailure: IQueue }
  /** May invoke itself, which Lambda would otherwise take for a runaway loop and stop. */
  continuesItself?: boolean
}

/**
 * A function as this service runs them: with a log group of its own, and a role of its own that may write
 * there and nothing else until it is allowed more.
 */
export class ServiceFunction extends Construct {
  readonly lambda: LambdaFunction
  readonly logGroup: LogGroup
  readonly role: Role

  constructor(scope: Construct, id: string, props: ServiceFunctionProps) {
    super(scope, id)
    this.logGroup = new LogGroup(this, 'Logs', {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    // In place of AWSLambdaBasicExecutionRole, which may write to every log group of the account.
    this.logGroup.grantWrite(this.role)
    this.lambda = new LambdaFunction(this, 'Function', {
      description: props.description,
      code: props.code,
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      memorySize: 512,
      timeout: props.timeout,
      environment: props.environment,
      role: this.role,
      reservedConcurrentExecutions: props.reservedConcurrency,
      logGroup: this.logGroup,
      // JSON makes every console call a structured line that the metric filters can read.
      loggingFormat: LoggingFormat.JSON,
      applicationLogLevelV2: ApplicationLogLevel.INFO,
      // Start and report lines of invocations that went well are what the metrics already say, at the
      // price of a consume. WARN keeps those of time-outs and crashes.
      systemLogLevelV2: SystemLogLevel.WARN,
      recursiveLoop: props.continuesItself ? RecursiveLoop.ALLOW : undefined,
      ...(props.asynchronous && {
        maxEventAge: props.asynchronous.maxEventAge,
        retryAttempts: 2,
        onFailure: this.#failuresTo(props.asynchronous.onFailure),
      }),
    })
    if (props.continuesItself) {
      // A policy beside the role and not in it: the function waits for its role's own policy, which
      // would in turn have to wait for the function's ARN.
      new Policy(this, 'ContinueItself', {
        roles: [this.role],
        statements: [
          new PolicyStatement({
            actions: ['lambda:InvokeFunction'],
            resources: [this.lambda.functionArn],
          }),
        ],
      })
    }
  }

  allow(actions: readonly string[], resource: string): void {
    this.role.addToPolicy(new PolicyStatement({ actions: [...actions], resources: [resource] }))
  }

  /** Where an invocation goes that failed every time. The ready-made destination grants more than sending. */
  #failuresTo(queue: IQueue): IDestination {
    this.allow(['sqs:SendMessage'], queue.queueArn)
    return { bind: () => ({ destination: queue.queueArn }) }
  }
}
