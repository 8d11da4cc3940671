import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb'
import { accountId, region } from './account.ts'
import type { Authorizer } from './authorizer.ts'
import type { LambdaFunction } from './lambda-host.ts'

/**
 * What the CDK app would deploy, read from its synthesized template and reduced to what runs here. The
 * template is the only source: a route, a table or a variable that is not deployed is not there locally.
 */
export interface Deployment {
  tables: Table[]
  /** Only those that a route or a schedule starts. */
  functions: LambdaFunction[]
  routes: Route[]
  cors?: Cors
  schedules: Schedule[]
}

export interface Table {
  create: CreateTableCommandInput & { TableName: string }
  timeToLiveAttribute?: string
}

export interface Route {
  /** `POST /v1/workspaces/{workspaceId}/consume` */
  key: string
  method: string
  path: string
  function: string
  /** The JWT authorizer that guards it, if one does, and the scopes it asks for: any one of them will do. */
  authorizer?: Authorizer
  scopes: readonly string[]
}

export interface Cors {
  allowOrigins: readonly string[]
  allowMethods: readonly string[]
  allowHeaders: readonly string[]
  exposeHeaders: readonly string[]
  maxAgeSeconds?: number
}

export interface Schedule {
  function: string
  /** As EventBridge writes it: `rate(15 minutes)`, `cron(0 0 1 * ? *)`. */
  expression: string
  input: string
}

/** The props of the CDK app that have another value here; the app reads them from its context. */
export interface LocalProps {
  issuer: string
  audience: string
  servicesIssuer?: string
  servicesAudience?: string
  allowedOrigins: readonly string[]
  returnUrl: string
  stripeSecretName: string
  stripeApiBase?: string
}

/** Synthesizes the app into `outputFolder`, bundles included, and reads what came out. */
export async function synthesize(props: LocalProps, outputFolder: string): Promise<Deployment> {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  // What an earlier version of the app left there would be read as part of this one.
  rmSync(outputFolder, { recursive: true, force: true })
  try {
    await promisify(execFile)(process.execPath, ['infra/app.ts'], {
      cwd: root,
      env: {
        ...process.env,
        CDK_OUTDIR: outputFolder,
        CDK_CONTEXT_JSON: JSON.stringify({
          ...props,
          // With it each resource says which construct it came from, which names it better than its logical id.
          'aws:cdk:enable-path-metadata': true,
        }),
      },
    })
  } catch (cause) {
    const { stderr } = cause as { stderr?: string }
    throw new Error(`The CDK app could not be synthesized:\n${stderr?.trim() || cause}`)
  }
  const templates = readdirSync(outputFolder)
    .filter((name) => name.endsWith('.template.json'))
    .map((name) => JSON.parse(readFileSync(join(outputFolder, name), 'utf8')) as Template)
    .filter(({ Resources }) => Object.values(Resources).some(({ Type }) => Type === apiType))
  if (templates.length !== 1) {
    throw new Error(
      `Expected one stack with an HTTP API in ${outputFolder}, found ${templates.length}.`,
    )
  }
  return readDeployment(templates[0]!, outputFolder)
}

export interface Template {
  Resources: Record<string, Resource>
}

interface Resource {
  Type: string
  Properties?: Record<string, unknown>
  Metadata?: Record<string, unknown>
}

const apiType = 'AWS::ApiGatewayV2::Api'

/** Reads a template whose function assets lie in `outputFolder`. */
export function readDeployment(template: Template, outputFolder: string): Deployment {
  const resources = Object.entries(template.Resources)
  const resolve = resolver(template)
  const ofType = <Properties>(type: string): [id: string, properties: Properties][] =>
    resources
      .filter(([, resource]) => resource.Type === type)
      .map(([id, resource]) => [id, resolve(resource.Properties ?? {}) as Properties])

  const integrations = new Map(ofType<IntegrationProperties>('AWS::ApiGatewayV2::Integration'))
  const authorizers = new Map(
    ofType<AuthorizerProperties>('AWS::ApiGatewayV2::Authorizer').map(
      ([id, { JwtConfiguration }]) => [
        id,
        { issuer: JwtConfiguration.Issuer, audience: JwtConfiguration.Audience },
      ],
    ),
  )
  const routes = ofType<RouteProperties>('AWS::ApiGatewayV2::Route').map(([, route]): Route => {
    const [method, path] = route.RouteKey.split(' ') as [string, string]
    const integration = integrations.get(route.Target.replace('integrations/', ''))!
    return {
      key: route.RouteKey,
      method,
      path,
      function: functionOfArn(integration.IntegrationUri),
      ...(route.AuthorizationType === 'JWT' && {
        authorizer: existing(authorizers.get(route.AuthorizerId ?? ''), route.RouteKey),
      }),
      scopes: route.AuthorizationScopes ?? [],
    }
  })
  const schedules = ofType<ScheduleProperties>('AWS::Scheduler::Schedule').map(
    ([, { ScheduleExpression: expression, Target }]): Schedule => ({
      function: functionOfArn(Target.Arn),
      expression,
      input: Target.Input ?? '{}',
    }),
  )
  const started = new Set([...routes, ...schedules].map((each) => each.function))
  const [api] = ofType<ApiProperties>(apiType)
  return {
    tables: ofType<TableProperties>('AWS::DynamoDB::Table').map(([id, properties]) =>
      readTable(localName(template, id), properties),
    ),
    functions: ofType<FunctionProperties>('AWS::Lambda::Function')
      .filter(([id]) => started.has(localName(template, id)))
      .map(([id, properties]) => readFunction(localName(template, id), properties, outputFolder)),
    routes,
    ...(api?.[1].CorsConfiguration && { cors: readCors(api[1].CorsConfiguration) }),
    schedules,
  }
}

/** Whatever a guarded route leaves open must not be open here either. */
function existing(authorizer: Authorizer | undefined, routeKey: string): Authorizer {
  if (!authorizer) throw new Error(`The template has no JWT authorizer for ${routeKey}.`)
  return authorizer
}

interface RouteProperties {
  RouteKey: string
  Target: string
  AuthorizationType?: string
  AuthorizerId?: string
  AuthorizationScopes?: string[]
}
interface IntegrationProperties {
  IntegrationUri: string
}
interface ScheduleProperties {
  ScheduleExpression: string
  Target: { Arn: string; Input?: string }
}
interface AuthorizerProperties {
  JwtConfiguration: { Issuer: string; Audience: string[] }
}
interface ApiProperties {
  CorsConfiguration?: {
    AllowOrigins?: string[]
    AllowMethods?: string[]
    AllowHeaders?: string[]
    ExposeHeaders?: string[]
    MaxAge?: number
  }
}
interface TableProperties extends CreateTableCommandInput {
  TimeToLiveSpecification?: { AttributeName: string; Enabled: boolean }
}
interface FunctionProperties {
  Handler: string
  Timeout?: number
  MemorySize?: number
  Environment?: { Variables?: Record<string, string> }
  Code: { S3Key?: string }
}

function readTable(TableName: string, properties: TableProperties): Table {
  const { KeySchema, AttributeDefinitions, GlobalSecondaryIndexes } = properties
  const timeToLive = properties.TimeToLiveSpecification
  return {
    create: {
      TableName,
      KeySchema,
      AttributeDefinitions,
      ...(GlobalSecondaryIndexes && { GlobalSecondaryIndexes }),
      BillingMode: 'PAY_PER_REQUEST',
    },
    ...(timeToLive?.Enabled && { timeToLiveAttribute: timeToLive.AttributeName }),
  }
}

function readFunction(
  name: string,
  properties: FunctionProperties,
  outputFolder: string,
): LambdaFunction {
  const { Handler, Timeout, MemorySize, Environment, Code } = properties
  if (!Code.S3Key) throw new Error(`The function ${name} has no asset folder.`)
  return {
    name,
    arn: functionArn(name),
    folder: join(outputFolder, `asset.${Code.S3Key.replace(/\.zip$/, '')}`),
    handler: Handler,
    // Lambda's defaults.
    timeoutMs: (Timeout ?? 3) * 1000,
    memoryMb: MemorySize ?? 128,
    environment: Environment?.Variables ?? {},
  }
}

function readCors(cors: NonNullable<ApiProperties['CorsConfiguration']>): Cors {
  return {
    allowOrigins: cors.AllowOrigins ?? [],
    allowMethods: cors.AllowMethods ?? [],
    allowHeaders: (cors.AllowHeaders ?? []).map((name) => name.toLowerCase()),
    exposeHeaders: cors.ExposeHeaders ?? [],
    ...(cors.MaxAge !== undefined && { maxAgeSeconds: cors.MaxAge }),
  }
}

/** What CloudFormation would know only once it has deployed. */
const pseudoParameters: Record<string, string> = {
  'AWS::AccountId': accountId,
  'AWS::Region': region,
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::StackName': 'local',
}

const functionArn = (name: string) => `arn:aws:lambda:${region}:${accountId}:function:${name}`
const functionOfArn = (arn: string) => /:function:([^:/]+)/.exec(arn)?.[1] ?? arn

/**
 * Replaces `Ref`, `Fn::GetAtt`, `Fn::Join` and `Fn::Sub` by what they stand for here. Any other function
 * throws: guessing its value would make the local system differ from the deployed one without a word.
 */
function resolver(template: Template): (value: unknown) => unknown {
  const ref = (id: string): string => pseudoParameters[id] ?? localName(template, id)
  const attribute = (id: string, name: string): string => {
    const type = template.Resources[id]?.Type
    if (name === 'Arn' && type === 'AWS::Lambda::Function') return functionArn(ref(id))
    return `${ref(id)}.${name}`
  }
  const substitute = (text: string, values: Record<string, unknown> = {}): string =>
    text.replace(/\$\{(!?)([^}]+)\}/g, (_whole, escaped: string, name: string) => {
      if (escaped) return `\${${name}}`
      if (name in values) return String(resolve(values[name]))
      const [id, ...path] = name.split('.') as [string, ...string[]]
      return path.length > 0 ? attribute(id, path.join('.')) : ref(id)
    })

  const intrinsics: Record<string, (argument: never) => unknown> = {
    Ref: ref,
    'Fn::GetAtt': ([id, name]: [string, string]) => attribute(id, name),
    'Fn::Join': ([separator, parts]: [string, unknown[]]) => parts.map(resolve).join(separator),
    'Fn::Sub': (argument: string | [string, Record<string, unknown>]) =>
      typeof argument === 'string' ? substitute(argument) : substitute(...argument),
  }

  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value)
    const [key, argument] = entries[0] ?? []
    if (entries.length === 1 && key && (key === 'Ref' || key.startsWith('Fn::'))) {
      const intrinsic = intrinsics[key]
      if (!intrinsic) throw new Error(`The template uses ${key}, which has no meaning here yet.`)
      return intrinsic(argument as never)
    }
    return Object.fromEntries(entries.map(([name, each]) => [name, resolve(each)]))
  }
  return resolve
}

/**
 * The name a resource goes by here: the one it was given, or else its construct's. Whatever has neither,
 * such as an integration, goes by its logical id.
 */
function localName(template: Template, id: string): string {
  const resource = template.Resources[id]
  const nameProperty = nameProperties[resource?.Type ?? '']
  if (!resource || !nameProperty) return id
  const given = resource.Properties?.[nameProperty]
  return typeof given === 'string' ? given : (constructName(resource) ?? id)
}

const nameProperties: Record<string, string> = {
  'AWS::DynamoDB::Table': 'TableName',
  'AWS::Lambda::Function': 'FunctionName',
  'AWS::SecretsManager::Secret': 'Name',
}

/** `consume` from the path `TokenTopUp/Service/consume/Function/Resource`. */
function constructName(resource: Resource): string | undefined {
  const path = resource.Metadata?.['aws:cdk:path']
  if (typeof path !== 'string') return undefined
  return path
    .split('/')
    .filter((part) => part !== 'Resource' && part !== 'Function')
    .at(-1)
}
