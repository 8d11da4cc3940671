import { execFileSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Duration, Stack, Validations } from 'aws-cdk-lib'
import type { Alarm, Dashboard } from 'aws-cdk-lib/aws-cloudwatch'
import type { Table } from 'aws-cdk-lib/aws-dynamodb'
import { Code, type Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs'
import { Construct } from 'constructs'
import { Alarms } from './alarms.ts'
import { Api } from './api.ts'
import { bundleFunctions } from './bundle.ts'
import {
  type FunctionName,
  type FunctionSpec,
  functionNames,
  functions,
  type TableAction,
} from './functions.ts'
import { ServiceFunction } from './lambda.ts'
import { Schedules } from './schedules.ts'
import { type Settings, settingsOf, type TokenTopUpProps } from './settings.ts'
import { Site } from './site.ts'
import { Tables } from './tables.ts'

export type { SiteOptions, TokenTopUpProps, Vouching } from './settings.ts'

/**
 * The whole token service: API, functions, tables, schedules, alarms. Put it into a stack of yours, with
 * your identity provider as the issuer and a secret that holds your Stripe keys.
 *
 * Throws while the app is synthesized when a prop cannot work, and says which.
 */
export class TokenTopUp extends Construct {
  /** Address of the API, without a slash at its end. */
  readonly apiUrl: string
  readonly workspacesTable: Table
  readonly ledgerTable: Table
  readonly functions: Readonly<Record<FunctionName, LambdaFunction>>
  readonly alarms: readonly Alarm[]
  readonly dashboard: Dashboard
  /** Where the page is served, if it is. */
  readonly site: Site | undefined

  constructor(scope: Construct, id: string, props: TokenTopUpProps) {
    super(scope, id)
    const settings = settingsOf(props)

    const tables = new Tables(this, 'Tables', { removalPolicy: settings.removalPolicy })
    const deadLetters = {
      FailedInvocations: deadLetterQueue(this, 'FailedInvocations'),
      UndeliveredSchedules: deadLetterQueue(this, 'UndeliveredSchedules'),
    }
    const api = new Api(this, 'Api', settings)
    // The page's address comes from its distribution, which leads to the API: so the API is there first, the
    // functions that are told the address come last, and the API's routes reach them after that. Made the
    // other way round, each would wait for another.
    const site =
      settings.site &&
      new Site(this, 'Site', {
        ...settings,
        ...settings.site,
        api: api.http,
        files: sitePages(this),
      })
    const codeOf = functionCode(this)
    const all = Object.fromEntries(
      functionNames.map((name) => [
        name,
        createFunction(this, name, {
          settings,
          tables,
          site,
          code: codeOf(name),
          failures: deadLetters.FailedInvocations,
        }),
      ]),
    ) as Record<FunctionName, ServiceFunction>

    api.route((name) => all[name as FunctionName].lambda)
    new Schedules(this, 'Schedules', {
      reset: all.reset.lambda,
      resetSegments: settings.resetSegments,
      reconcile: all.reconcile.lambda,
      undelivered: deadLetters.UndeliveredSchedules,
    })
    const alarms = new Alarms(this, 'Alarms', {
      api,
      tables,
      functions: all,
      deadLetters,
      topic: settings.alarmTopic,
    })

    this.apiUrl = api.http.apiEndpoint
    this.workspacesTable = tables.workspaces
    this.ledgerTable = tables.ledger
    this.functions = Object.fromEntries(
      functionNames.map((name) => [name, all[name].lambda]),
    ) as Record<FunctionName, LambdaFunction>
    this.alarms = alarms.all
    this.dashboard = alarms.dashboard
    this.site = site
  }
}

/**
 * Where each function's code comes from. CDK asks for no bundles when it only lists or destroys stacks;
 * what it gets then must not pass for the service, so it is code that refuses to start.
 */
function functionCode(scope: Construct): (name: FunctionName) => Code {
  if (!Stack.of(scope).bundlingRequired) {
    return () => Code.fromInline("throw new Error('synthesized without its code')")
  }
  const folders = bundleFunctions(functionNames)
  return (name) => Code.fromAsset(folders[name])
}

/** The folder of the built pages and modules. As with the code, CDK does not always ask for them. */
function sitePages(scope: Construct): string | undefined {
  if (!Stack.of(scope).bundlingRequired) return undefined
  // In a process of its own, because the build is asynchronous and a construct cannot be.
  const root = fileURLToPath(new URL('..', import.meta.url))
  execFileSync(process.execPath, ['web/build.ts'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return fileURLToPath(new URL('../.build/web', import.meta.url))
}

function createFunction(
  scope: Construct,
  name: FunctionName,
  use: {
    settings: Settings
    tables: Tables
    site: Site | undefined
    code: Code
    failures: Queue
  },
): ServiceFunction {
  const spec = functions[name]
  const { settings, tables, site } = use
  const created = new ServiceFunction(scope, name, {
    code: use.code,
    description: `Token Top-up: ${name}`,
    environment: environmentOf(spec, settings, tables, site),
    timeout: Duration.seconds(spec.timeoutSeconds),
    logRetention: settings.logRetention,
    reservedConcurrency: settings.reservedConcurrency[name],
    continuesItself: spec.continuesItself,
    asynchronous: spec.scheduled && {
      maxEventAge: Duration.minutes(spec.scheduled.maxEventAgeMinutes),
      onFailure: use.failures,
    },
  })
  const dynamodb = (actions: readonly TableAction[]) => actions.map((name) => `dynamodb:${name}`)
  if (spec.workspaces) created.allow(dynamodb(spec.workspaces), tables.workspaces.tableArn)
  if (spec.ledger) created.allow(dynamodb(spec.ledger), tables.ledger.tableArn)
  if (spec.ledgerByTime) created.allow(dynamodb(spec.ledgerByTime), tables.ledgerByTimeArn)
  if (spec.stripe) allowReading(created, settings.stripeSecret)
  return created
}

/** Settings and names only. A key would show up in the console and in every `cdk diff`. */
function environmentOf(
  spec: FunctionSpec,
  settings: Settings,
  tables: Tables,
  site: Site | undefined,
): Record<string, string> {
  // Buyers return to the page as to any other. Its calls need no CORS: they stay on its own origin.
  const returnOrigins = [...settings.allowedOrigins, ...(site ? [site.origin] : [])]
  return {
    ...((spec.workspaces || spec.ledger) && {
      WORKSPACES_TABLE: tables.workspaces.tableName,
      LEDGER_TABLE: tables.ledger.tableName,
      USAGE_RETENTION_DAYS: String(settings.usageRetentionDays),
    }),
    ...(spec.claims && {
      WORKSPACE_CLAIM: settings.workspaceClaim,
      ROLE_CLAIM: settings.roleClaim,
      ADMIN_ROLES: settings.adminRoles.join(','),
      MEMBER_ROLES: settings.memberRoles.join(','),
      ...(settings.roleClaimIsList && { ROLE_CLAIM_IS_LIST: '1' }),
      ...(settings.scopePrefix && { SCOPE_PREFIX: settings.scopePrefix }),
      ...(settings.serviceMark && {
        SERVICE_MARK_CLAIM: settings.serviceMark.claim,
        SERVICE_MARK_VALUE: settings.serviceMark.value,
      }),
    }),
    ...((spec.claims || spec.describesRoutes) && settings.services && { SERVICES_APART: '1' }),
    ...(spec.stripe && {
      STRIPE_SECRET_ID: settings.stripeSecret.secretFullArn ?? settings.stripeSecret.secretName,
      ...(settings.stripeApiBase && { STRIPE_API_BASE: settings.stripeApiBase }),
    }),
    ...(spec.checkout && {
      ALLOWED_ORIGINS: returnOrigins.join(','),
      RETURN_URL: settings.returnUrl ?? returnOrigins[0]!,
      ...(settings.checkout && { CHECKOUT_OPTIONS: JSON.stringify(settings.checkout) }),
    }),
    ...(spec.paced && { RESET_PACE_PER_SECOND: String(settings.resetPacePerSecond) }),
  }
}

/**
 * In place of `secret.grantRead`, which also allows describing the secret. One that is known by its name
 * has an ARN that ends in six characters of AWS's choosing; `??????` stands for them and for nothing longer.
 */
function allowReading(reader: ServiceFunction, secret: ISecret): void {
  reader.allow(
    ['secretsmanager:GetSecretValue'],
    secret.secretFullArn ?? `${secret.secretArn}-??????`,
  )
  secret.encryptionKey?.grantDecrypt(reader.role)
}

function deadLetterQueue(scope: Construct, id: string): Queue {
  const queue = new Queue(scope, id, {
    encryption: QueueEncryption.SQS_MANAGED,
    enforceSSL: true,
    retentionPeriod: Duration.days(14),
  })
  Validations.of(queue).acknowledge({
    id: 'AwsSolutions::AwsSolutions-SQS3',
    reason:
      'It is itself where failures end. An alarm watches it, and a person reads it within its 14 days.',
  })
  return queue
}
