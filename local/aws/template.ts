import { join } from 'node:path'
import type { CreateTableCommandInput } from '@aws-sdk/client-dynamodb'
import type { Authorizer } from './authorizer.ts'
import { functionArn, functionOfArn, localName, resolver, type Template } from './intrinsics.ts'
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

/** What tells the service's template from others an app may have. */
export const apiType = 'AWS::ApiGatewayV2::Api'

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
