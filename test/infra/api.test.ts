import { describe, expect, it } from 'vitest'
import { type FunctionName, functionNames } from '../../infra/functions.ts'
import { isForServices, keyOf, routes, routesOf } from '../../shared/http/routes.ts'
import { synthesized } from './synthesized.ts'

const { service, template, logicalIdOf, all } = synthesized({
  allowedOrigins: ['https://app.example.com', 'http://localhost:3000'],
})

describe('the routes', () => {
  it('are those of routes.ts and no others', () => {
    const deployed = Object.values(all('AWS::ApiGatewayV2::Route')).map(
      (route) => route.Properties.RouteKey,
    )
    expect(deployed.sort()).toEqual(routes.map((route) => `${route.method} ${route.path}`).sort())
  })

  it.each(routes)('$method $path runs $function, payload 2.0', (route) => {
    const target = routeOf(`${route.method} ${route.path}`).Target['Fn::Join'][1][1].Ref
    const integration = all('AWS::ApiGatewayV2::Integration')[target]!.Properties
    expect(integration.PayloadFormatVersion).toBe('2.0')
    expect(integration.IntegrationUri).toEqual({
      'Fn::GetAtt': [logicalIdOf(service.functions[route.function as FunctionName]), 'Arn'],
    })
  })

  it.each(routes)('$method $path asks for what routes.ts says', (route) => {
    const deployed = routeOf(keyOf(route))
    if (route.who === 'anyone') {
      expect(deployed.AuthorizationType).toBe('NONE')
      expect(deployed.AuthorizerId).toBeUndefined()
      return
    }
    expect(deployed.AuthorizationType).toBe('JWT')
    expect(Object.keys(all('AWS::ApiGatewayV2::Authorizer'))).toEqual([deployed.AuthorizerId.Ref])
    expect(deployed.AuthorizationScopes).toEqual(
      isForServices(route) ? [route.who.scope] : undefined,
    )
  })

  it('ask for scopes as the issuer writes them', () => {
    const prefixed = synthesized({ scopePrefix: 'tokens-api/' }).all('AWS::ApiGatewayV2::Route')
    const scopes = Object.values(prefixed).flatMap(
      (route) => route.Properties.AuthorizationScopes ?? [],
    )
    expect([...new Set(scopes)].sort()).toEqual([
      'tokens-api/tokens:consume',
      'tokens-api/tokens:grant',
      'tokens-api/tokens:manage',
    ])
  })

  it('leave open only the price list, the API description and the webhook', () => {
    const open = Object.values(all('AWS::ApiGatewayV2::Route'))
      .filter((route) => route.Properties.AuthorizationType !== 'JWT')
      .map((route) => route.Properties.RouteKey)
    expect(open.sort()).toEqual([
      'GET /v1/openapi.json',
      'GET /v1/plans',
      'POST /v1/stripe/webhook',
    ])
  })

  it('name functions that exist, and leave out only the scheduled ones', () => {
    const routed = routes.map((route) => route.function)
    const unrouted = functionNames.filter((name) => !routed.includes(name))
    expect(unrouted).toEqual(['reconcile', 'reset'])
    expect(routed.filter((name) => !(functionNames as string[]).includes(name))).toEqual([])
  })
})

describe('the authorizer', () => {
  it('takes tokens of the one issuer, for the audience given', () => {
    template.hasResourceProperties('AWS::ApiGatewayV2::Authorizer', {
      AuthorizerType: 'JWT',
      IdentitySource: ['$request.header.Authorization'],
      JwtConfiguration: { Issuer: 'https://issuer.example.com/', Audience: ['token-top-up'] },
    })
  })
})

describe('services with an issuer of their own', () => {
  const apart = synthesized({
    services: { issuer: 'https://services.example.com', audience: ['client_1', 'client_2'] },
  })
  const authorizers = apart.all('AWS::ApiGatewayV2::Authorizer')
  const routed = new Map(
    Object.values(apart.all('AWS::ApiGatewayV2::Route')).map(({ Properties }) => [
      Properties.RouteKey,
      Properties,
    ]),
  )
  const issuerOf = (key: string) =>
    authorizers[routed.get(key).AuthorizerId.Ref]!.Properties.JwtConfiguration.Issuer

  it('are asked by an authorizer that takes its tokens and no others', () => {
    expect(
      Object.values(authorizers).map(({ Properties }) => Properties.JwtConfiguration),
    ).toContainEqual({
      Issuer: 'https://services.example.com',
      Audience: ['client_1', 'client_2'],
    })
    expect(Object.keys(authorizers)).toHaveLength(2)
  })

  it('come in by their scopes, and people by the issuer that vouches for them', () => {
    const described = routesOf({ servicesApart: true })
    expect([...routed.keys()].sort()).toEqual(described.map(keyOf).sort())
    for (const route of described) {
      if (route.who === 'anyone') continue
      const { scope, roles } = route.who
      // One authorizer a route: nobody comes in where somebody else is meant.
      expect(scope === undefined || roles === undefined, keyOf(route)).toBe(true)
      const issuer = scope ? 'https://services.example.com' : 'https://issuer.example.com/'
      expect(issuerOf(keyOf(route)), keyOf(route)).toBe(issuer)
      const { AuthorizationScopes } = routed.get(keyOf(route))
      expect(AuthorizationScopes).toEqual(scope ? [scope] : undefined)
    }
  })

  it('find the meter, which both read, on a route of its own', () => {
    const more = [...routed.keys()].filter((key) => !routes.map(keyOf).includes(key))
    expect(more).toEqual(['GET /v1/services/workspaces/{workspaceId}/meter'])
  })
})

describe('cross-origin calls', () => {
  it('come from the allowed origins only, with the headers the API reads', () => {
    template.hasResourceProperties('AWS::ApiGatewayV2::Api', {
      CorsConfiguration: {
        AllowOrigins: ['https://app.example.com', 'http://localhost:3000'],
        AllowMethods: ['GET', 'POST', 'DELETE', 'PUT'],
        AllowHeaders: ['authorization', 'content-type', 'idempotency-key'],
        ExposeHeaders: ['idempotent-replayed', 'retry-after'],
      },
    })
  })
})

describe('the stage', () => {
  it('is throttled by default, and as asked', () => {
    expect(stageOf(template).DefaultRouteSettings).toEqual({
      ThrottlingRateLimit: 1000,
      ThrottlingBurstLimit: 2000,
    })
    const slow = synthesized({ throttle: { rate: 5, burst: 10 } })
    expect(stageOf(slow.template).DefaultRouteSettings).toEqual({
      ThrottlingRateLimit: 5,
      ThrottlingBurstLimit: 10,
    })
  })

  it('logs each request as a line of JSON', () => {
    expect(accessLog()).toMatchObject({
      requestId: '$context.requestId',
      routeKey: '$context.routeKey',
      status: '$context.status',
    })
  })

  it('logs nothing a caller sends but the path: no header, no query, no claim', () => {
    const logged = Object.values(accessLog())
    const harmless = [
      '$context.requestTime',
      '$context.requestId',
      '$context.identity.sourceIp',
      '$context.routeKey',
      '$context.path',
      '$context.status',
      '$context.responseLength',
      '$context.responseLatency',
      '$context.integrationLatency',
      '$context.integrationErrorMessage',
      '$context.authorizer.error',
    ]
    expect(logged.filter((variable) => !harmless.includes(variable))).toEqual([])
  })
})

// biome-ignore lint/suspicious/noExplicitAny: properties of a resource, as CloudFormation has them
function routeOf(routeKey: string): any {
  return Object.values(all('AWS::ApiGatewayV2::Route')).find(
    (route) => route.Properties.RouteKey === routeKey,
  )!.Properties
}

function stageOf(from: typeof template) {
  return Object.values(from.findResources('AWS::ApiGatewayV2::Stage'))[0]!.Properties
}

function accessLog(): Record<string, string> {
  return JSON.parse(stageOf(template).AccessLogSettings.Format)
}
