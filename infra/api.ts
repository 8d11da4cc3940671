import { Duration, RemovalPolicy, Validations } from 'aws-cdk-lib'
import { AccessLogFormat } from 'aws-cdk-lib/aws-apigateway'
import {
  type AddRoutesOptions,
  CorsHttpMethod,
  type CorsPreflightOptions,
  HttpApi,
  HttpMethod,
  HttpNoneAuthorizer,
  HttpStage,
  LogGroupLogDestination,
  PayloadFormatVersion,
} from 'aws-cdk-lib/aws-apigatewayv2'
import { HttpJwtAuthorizer } from 'aws-cdk-lib/aws-apigatewayv2-authorizers'
import { HttpLambdaIntegration } from 'aws-cdk-lib/aws-apigatewayv2-integrations'
import type { IFunction } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { Construct } from 'constructs'
import { isForServices, type Route, routesOf } from '../shared/http/routes.ts'
import type { Vouching } from './settings.ts'

export interface ApiProps {
  issuer: string
  audience: readonly string[]
  scopePrefix: string
  /** Who vouches for services, where it is not who vouches for people. */
  services?: Vouching
  allowedOrigins: readonly string[]
  throttle: { rate: number; burst: number }
  logRetention: RetentionDays
}

/**
 * The HTTP API over `routes.ts`. A route is closed unless that list says it is public.
 *
 * It is made before the functions that answer it, because some of them are told an address that leads to it.
 */
export class Api extends Construct {
  readonly http: HttpApi
  readonly stage: HttpStage
  readonly accessLogs: LogGroup
  readonly #scopePrefix: string
  readonly #routes: readonly Route[]
  readonly #services?: HttpJwtAuthorizer

  constructor(scope: Construct, id: string, props: ApiProps) {
    super(scope, id)
    this.#scopePrefix = props.scopePrefix
    this.#routes = routesOf({ servicesApart: props.services !== undefined })
    this.#services = props.services && authorizerFor('Services', props.services)
    this.http = new HttpApi(this, 'Http', {
      description: 'Token Top-up: meter, consume, buy',
      createDefaultStage: false,
      defaultAuthorizer: authorizerFor('Issuer', props),
      ...(props.allowedOrigins.length > 0 && {
        corsPreflight: corsFor(props.allowedOrigins, this.#routes),
      }),
    })
    this.accessLogs = new LogGroup(this, 'AccessLogs', {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.stage = new HttpStage(this, 'Stage', {
      httpApi: this.http,
      autoDeploy: true,
      throttle: { rateLimit: props.throttle.rate, burstLimit: props.throttle.burst },
      accessLogSettings: {
        destination: new LogGroupLogDestination(this.accessLogs),
        format: AccessLogFormat.custom(JSON.stringify(accessLogLine)),
      },
    })
  }

  /** Adds the routes. `functionNamed` finds the function that answers one, by the name the route gives it. */
  route(functionNamed: (name: string) => IFunction): void {
    for (const route of this.#routes) this.#add(route, functionNamed(route.function))
  }

  #add(route: Route, handler: IFunction): void {
    const added = this.http.addRoutes({
      path: route.path,
      methods: [HttpMethod[route.method]],
      integration: new HttpLambdaIntegration(`Integration-${route.function}`, handler, {
        payloadFormatVersion: PayloadFormatVersion.VERSION_2_0,
      }),
      ...this.#asks(route),
    })
    if (route.who !== 'anyone') return
    for (const open of added) {
      Validations.of(open).acknowledge({
        id: 'AwsSolutions::AwsSolutions-APIG4',
        reason: whyPublic(route.function),
      })
    }
  }

  /** What the gateway asks of a token before the function runs, which asks the rest. */
  #asks(route: Route): Pick<AddRoutesOptions, 'authorizer' | 'authorizationScopes'> {
    const { who } = route
    if (who === 'anyone') return { authorizer: new HttpNoneAuthorizer() }
    if (!isForServices(route)) return {}
    return {
      ...(this.#services && { authorizer: this.#services }),
      authorizationScopes: [`${this.#scopePrefix}${who.scope}`],
    }
  }
}

function authorizerFor(id: string, { issuer, audience }: Vouching): HttpJwtAuthorizer {
  return new HttpJwtAuthorizer(id, issuer, { jwtAudience: [...audience] })
}

function whyPublic(name: string): string {
  if (name === 'stripe-webhook') {
    return 'Stripe has no JWT to send. It signs the body, and the function checks that first.'
  }
  return name === 'openapi'
    ? 'How to call the API is no secret, and tools read it before there is anyone to sign in.'
    : 'The price list is public: a visitor reads it before there is anyone to sign in.'
}

function corsFor(origins: readonly string[], routes: readonly Route[]): CorsPreflightOptions {
  return {
    allowOrigins: [...origins],
    allowMethods: [...new Set(routes.map((route) => CorsHttpMethod[route.method]))],
    allowHeaders: ['authorization', 'content-type', 'idempotency-key'],
    // A browser hides these answers' headers from the page unless they are named here.
    exposeHeaders: ['idempotent-replayed', 'retry-after'],
    maxAge: Duration.hours(1),
  }
}

/**
 * Variables of the request's outcome and of its route only. No header and no query string is logged, so
 * that neither a bearer token nor a signature can end up in the log.
 */
const accessLogLine = {
  time: '$context.requestTime',
  requestId: '$context.requestId',
  ip: '$context.identity.sourceIp',
  routeKey: '$context.routeKey',
  path: '$context.path',
  status: '$context.status',
  responseBytes: '$context.responseLength',
  latencyMs: '$context.responseLatency',
  integrationLatencyMs: '$context.integrationLatency',
  integrationError: '$context.integrationErrorMessage',
  authorizerError: '$context.authorizer.error',
} as const
