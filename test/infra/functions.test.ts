import { Duration, Stack } from 'aws-cdk-lib'
import { Match } from 'aws-cdk-lib/assertions'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { describe, expect, it } from 'vitest'
import { type FunctionName, functionNames } from '../../infra/functions.ts'
import { routes } from '../../shared/http/routes.ts'
import { synthesized } from './synthesized.ts'

const { service, stack, template, resourceOf, logicalIdOf, all } = synthesized()

const readWorkspace = ['Workspaces: GetItem']
const writeMovement = [
  ...readWorkspace,
  'Workspaces: UpdateItem',
  'Ledger: GetItem',
  'Ledger: PutItem',
]
const returnExpiredHolds = ['Ledger: Query', 'Ledger: DeleteItem']
const move = [...writeMovement, ...returnExpiredHolds]
const settle = [...move, 'Ledger: UpdateItem', 'Stripe secret: GetSecretValue']
const reportFailure = ['FailedInvocations: SendMessage']

/** Written out here a second time, on purpose: whoever widens a right has to say so twice. */
const rights: Record<FunctionName, string[]> = {
  openapi: [],
  plans: [],
  meter: [...readWorkspace, 'Ledger: Query'],
  consume: move,
  'open-hold': [...move, 'Ledger: ConditionCheckItem'],
  'settle-hold': move,
  'release-hold': move,
  'extend-hold': [...move, 'Ledger: UpdateItem'],
  'start-purchase': [...settle, 'Ledger by time: Query'],
  'get-purchase': settle,
  'get-documents': ['Ledger: GetItem', 'Ledger: UpdateItem', 'Stripe secret: GetSecretValue'],
  activity: [...readWorkspace, 'Ledger: Query', 'Ledger by time: Query'],
  grant: move,
  'put-workspace': move,
  'stripe-webhook': settle,
  reconcile: [...settle, 'Ledger by time: Query', ...reportFailure],
  reset: [...writeMovement, 'Workspaces: Scan', 'itself: InvokeFunction', ...reportFailure],
}

const tableSettings = ['LEDGER_TABLE', 'USAGE_RETENTION_DAYS', 'WORKSPACES_TABLE']
const claimSettings = ['ADMIN_ROLES', 'MEMBER_ROLES', 'ROLE_CLAIM', 'WORKSPACE_CLAIM']

const environments: Record<FunctionName, string[]> = {
  openapi: [],
  plans: [],
  meter: [...tableSettings, ...claimSettings],
  consume: [...tableSettings, ...claimSettings],
  'open-hold': [...tableSettings, ...claimSettings],
  'settle-hold': [...tableSettings, ...claimSettings],
  'release-hold': [...tableSettings, ...claimSettings],
  'extend-hold': [...tableSettings, ...claimSettings],
  'start-purchase': [
    ...tableSettings,
    ...claimSettings,
    'STRIPE_SECRET_ID',
    'ALLOWED_ORIGINS',
    'RETURN_URL',
  ],
  'get-purchase': [...tableSettings, ...claimSettings, 'STRIPE_SECRET_ID'],
  'get-documents': [...tableSettings, ...claimSettings, 'STRIPE_SECRET_ID'],
  activity: [...tableSettings, ...claimSettings],
  grant: [...tableSettings, ...claimSettings],
  'put-workspace': [...tableSettings, ...claimSettings],
  'stripe-webhook': [...tableSettings, 'STRIPE_SECRET_ID'],
  reconcile: [...tableSettings, 'STRIPE_SECRET_ID'],
  reset: [...tableSettings, 'RESET_PACE_PER_SECOND'],
}

describe('what a function may do', () => {
  it.each(functionNames)('%s has exactly its rights, besides writing its own log', (name) => {
    const ownLog = ['own log: CreateLogStream', 'own log: PutLogEvents']
    expect(rightsOf(name).sort()).toEqual([...rights[name], ...ownLog].sort())
  })

  it('gives every function a role of its own that only Lambda assumes', () => {
    const roles = functionNames.map((name) => roleOf(name))
    expect(new Set(roles).size).toBe(functionNames.length)
    for (const role of roles) {
      const { AssumeRolePolicyDocument, ManagedPolicyArns } =
        all('AWS::IAM::Role')[role]!.Properties
      expect(AssumeRolePolicyDocument.Statement).toEqual([
        {
          Action: 'sts:AssumeRole',
          Effect: 'Allow',
          Principal: { Service: 'lambda.amazonaws.com' },
        },
      ])
      expect(ManagedPolicyArns).toBeUndefined()
    }
  })

  it('has no wildcard in any allowed action or resource', () => {
    const statements = Object.values(all('AWS::IAM::Policy'))
      .map((policy) => policy.Properties.PolicyDocument)
      .concat(
        Object.values(all('AWS::IAM::Role')).flatMap((role) =>
          (role.Properties.Policies ?? []).map(
            (policy: { PolicyDocument: unknown }) => policy.PolicyDocument,
          ),
        ),
      )
      .flatMap((document) => document.Statement)
    expect(statements.length).toBeGreaterThan(functionNames.length)
    expect(JSON.stringify(statements)).not.toContain('*')
  })

  it('lets nobody but the reset scan', () => {
    const scanners = functionNames.filter((name) =>
      rightsOf(name).some((right) => right.endsWith(': Scan')),
    )
    expect(scanners).toEqual(['reset'])
  })

  it('reads a secret that is given by its whole ARN by just that ARN', () => {
    const arn = 'arn:aws:secretsmanager:eu-west-1:123456789012:secret:stripe-AbCdEf'
    const elsewhere = new Stack()
    const given = synthesized({
      stripeSecret: Secret.fromSecretCompleteArn(elsewhere, 'Secret', arn),
    })
    given.template.hasResourceProperties('AWS::IAM::Policy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          { Action: 'secretsmanager:GetSecretValue', Effect: 'Allow', Resource: arn },
        ]),
      },
    })
    const webhook = given.resourceOf(given.service.functions['stripe-webhook'])
    expect(webhook.Properties.Environment.Variables.STRIPE_SECRET_ID).toBe(arn)
  })
})

describe('what a function is told', () => {
  it.each(functionNames)('%s gets the settings it reads and no others', (name) => {
    expect(Object.keys(environmentOf(name)).sort()).toEqual([...environments[name]].sort())
  })

  it('passes the settings on as they were given', () => {
    const told = synthesized({
      workspaceClaim: 'org_id',
      roleClaim: 'org_role',
      adminRoles: ['org:admin', 'org:owner'],
      memberRoles: ['org:member'],
      scopePrefix: 'tokens-api/',
      roleClaimIsList: true,
      serviceMark: { claim: 'client_kind', value: 'backend' },
      services: { issuer: 'https://services.example.com', audience: ['services'] },
      allowedOrigins: ['https://app.example.com', 'https://eu.example.com'],
      returnUrl: 'https://eu.example.com/usage',
      checkout: { automatic_tax: { enabled: true }, allow_promotion_codes: true },
      stripeApiBase: 'http://127.0.0.1:4001',
      resetPacePerSecond: 7,
      usageRetentionDays: 30,
    })
    const environment = (name: FunctionName) =>
      told.resourceOf(told.service.functions[name]).Properties.Environment.Variables
    expect(environment('start-purchase')).toMatchObject({
      WORKSPACE_CLAIM: 'org_id',
      ROLE_CLAIM: 'org_role',
      ADMIN_ROLES: 'org:admin,org:owner',
      MEMBER_ROLES: 'org:member',
      SCOPE_PREFIX: 'tokens-api/',
      ROLE_CLAIM_IS_LIST: '1',
      SERVICE_MARK_CLAIM: 'client_kind',
      SERVICE_MARK_VALUE: 'backend',
      SERVICES_APART: '1',
      ALLOWED_ORIGINS: 'https://app.example.com,https://eu.example.com',
      RETURN_URL: 'https://eu.example.com/usage',
      CHECKOUT_OPTIONS: '{"automatic_tax":{"enabled":true},"allow_promotion_codes":true}',
      STRIPE_API_BASE: 'http://127.0.0.1:4001',
      STRIPE_SECRET_ID: 'token-top-up/stripe',
    })
    expect(environment('openapi')).toEqual({ SERVICES_APART: '1' })
    expect(environment('reset')).toMatchObject({
      RESET_PACE_PER_SECOND: '7',
      USAGE_RETENTION_DAYS: '30',
    })
  })

  it('names the secret and holds no key, in the environment or elsewhere in the template', () => {
    expect(environmentOf('stripe-webhook').STRIPE_SECRET_ID).toBe('token-top-up/stripe')
    const everything = JSON.stringify(template.toJSON())
    expect(everything).not.toMatch(/sk_(live|test)_|rk_(live|test)_|whsec_/)
    expect(everything).not.toContain('{{resolve:')
  })
})

describe('how a function runs', () => {
  it.each(functionNames)('%s runs on the current Node, on Arm, and logs JSON', (name) => {
    expect(functionOf(name)).toMatchObject({
      Runtime: 'nodejs24.x',
      Architectures: ['arm64'],
      Handler: 'index.handler',
      LoggingConfig: { LogFormat: 'JSON', ApplicationLogLevel: 'INFO', SystemLogLevel: 'WARN' },
    })
  })

  it('keeps every log for as long as asked, and no log for ever', () => {
    for (const group of Object.values(all('AWS::Logs::LogGroup'))) {
      expect(group.Properties.RetentionInDays).toBe(90)
    }
    const short = synthesized({ logRetention: RetentionDays.ONE_WEEK })
    for (const group of Object.values(short.all('AWS::Logs::LogGroup'))) {
      expect(group.Properties.RetentionInDays).toBe(7)
    }
  })

  it('gives up on a request before API Gateway does', () => {
    const gatewayGivesUp = Duration.seconds(29).toSeconds()
    for (const route of routes) {
      expect(functionOf(route.function as FunctionName).Timeout).toBeLessThan(gatewayGivesUp)
    }
  })

  it('sets no concurrency aside unless asked to', () => {
    for (const name of functionNames) {
      expect(functionOf(name).ReservedConcurrentExecutions).toBeUndefined()
    }
    const reserved = synthesized({ reservedConcurrency: { 'stripe-webhook': 20 } })
    const { functions } = reserved.service
    const concurrencyOf = (name: FunctionName) =>
      reserved.resourceOf(functions[name]).Properties.ReservedConcurrentExecutions
    expect(concurrencyOf('stripe-webhook')).toBe(20)
    expect(concurrencyOf('consume')).toBeUndefined()
  })

  it('lets the reset invoke itself, and no other function', () => {
    for (const name of functionNames) {
      expect(functionOf(name).RecursiveLoop).toBe(name === 'reset' ? 'Allow' : undefined)
    }
  })

  it.each(['reset', 'reconcile'] as const)('keeps the event of a %s that failed', (name) => {
    template.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
      FunctionName: { Ref: logicalIdOf(service.functions[name]) },
      MaximumRetryAttempts: 2,
      DestinationConfig: {
        OnFailure: { Destination: { 'Fn::GetAtt': [queueNamed('FailedInvocations'), 'Arn'] } },
      },
    })
  })

  it('bundles nothing, and runs nothing, when CDK asks for no code', () => {
    expect(functionOf('consume').Code).toEqual({
      ZipFile: "throw new Error('synthesized without its code')",
    })
  })
})

function functionOf(name: FunctionName) {
  return resourceOf(service.functions[name]).Properties
}

function environmentOf(name: FunctionName): Record<string, unknown> {
  return functionOf(name).Environment?.Variables ?? {}
}

function roleOf(name: FunctionName): string {
  return functionOf(name).Role['Fn::GetAtt'][0]
}

/** Every action a function's role allows, as `resource: action`. */
function rightsOf(name: FunctionName): string[] {
  const role = roleOf(name)
  const policies = Object.values(all('AWS::IAM::Policy')).filter((policy) =>
    policy.Properties.Roles.some((attached: { Ref: string }) => attached.Ref === role),
  )
  expect(all('AWS::IAM::Role')[role]!.Properties.Policies).toBeUndefined()
  return policies
    .flatMap((policy) => policy.Properties.PolicyDocument.Statement)
    .flatMap((statement) => {
      expect(statement.Effect).toBe('Allow')
      return listed(statement.Resource).flatMap((resource) =>
        listed(statement.Action).map(
          (action) => `${readable(resource, name)}: ${String(action).split(':')[1]}`,
        ),
      )
    })
}

function readable(resource: unknown, name: FunctionName): string {
  const { workspacesTable, ledgerTable, functions } = service
  const known = {
    Workspaces: workspacesTable.tableArn,
    Ledger: ledgerTable.tableArn,
    'Ledger by time': `${ledgerTable.tableArn}/index/byTime`,
    itself: functions[name].functionArn,
    'own log': { 'Fn::GetAtt': [functionOf(name).LoggingConfig.LogGroup.Ref, 'Arn'] },
    FailedInvocations: { 'Fn::GetAtt': [queueNamed('FailedInvocations'), 'Arn'] },
    'Stripe secret': `arn:${stack.partition}:secretsmanager:${stack.region}:${stack.account}:secret:token-top-up/stripe-??????`,
  }
  const text = JSON.stringify(resource)
  const match = Object.entries(known).find(([, arn]) => JSON.stringify(stack.resolve(arn)) === text)
  return match?.[0] ?? text
}

function queueNamed(name: string): string {
  return logicalIdOf(service.node.findChild(name))
}

function listed(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [value]
}
