// biome-ignore-all lint/suspicious/noTemplateCurlyInString: CloudFormation substitutes these.
import { describe, expect, it } from 'vitest'
import type { Template } from '../../local/aws/intrinsics.ts'
import { readDeployment } from '../../local/aws/template.ts'

const method = (id: string) => ({
  [`${id}Integration`]: {
    Type: 'AWS::ApiGatewayV2::Integration',
    Properties: { IntegrationUri: { 'Fn::GetAtt': [id, 'Arn'] }, PayloadFormatVersion: '2.0' },
  },
})

const lambda = (path: string, variables: Record<string, unknown> = {}) => ({
  Type: 'AWS::Lambda::Function',
  Metadata: { 'aws:cdk:path': path },
  Properties: {
    Handler: 'index.handler',
    Timeout: 25,
    MemorySize: 512,
    Code: { S3Bucket: { 'Fn::Sub': 'assets-${AWS::AccountId}' }, S3Key: 'abc123.zip' },
    Environment: { Variables: variables },
  },
})

const template: Template = {
  Resources: {
    Api1: {
      Type: 'AWS::ApiGatewayV2::Api',
      Properties: {
        CorsConfiguration: {
          AllowOrigins: ['https://app.example.com'],
          AllowMethods: ['GET'],
          AllowHeaders: ['Authorization'],
          MaxAge: 3600,
        },
      },
    },
    Authorizer1: {
      Type: 'AWS::ApiGatewayV2::Authorizer',
      Properties: { JwtConfiguration: { Issuer: 'https://issuer', Audience: ['a', 'b'] } },
    },
    Ledger0A1B2C3D: {
      Type: 'AWS::DynamoDB::Table',
      Metadata: { 'aws:cdk:path': 'Stack/Service/Tables/Ledger/Resource' },
      Properties: {
        KeySchema: [{ AttributeName: 'workspaceId', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'workspaceId', AttributeType: 'S' }],
        TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
        PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
      },
    },
    Named: {
      Type: 'AWS::DynamoDB::Table',
      Properties: { TableName: 'named', KeySchema: [], AttributeDefinitions: [] },
    },
    Consume: lambda('Stack/Service/consume/Function/Resource', {
      LEDGER_TABLE: { Ref: 'Ledger0A1B2C3D' },
      NAMED: { Ref: 'Named' },
      JOINED: { 'Fn::Join': ['-', ['x', { Ref: 'AWS::Region' }, { Ref: 'Named' }]] },
      SUBSTITUTED: { 'Fn::Sub': '${AWS::Partition}:${Named}:${Reset.Arn}:${!literal}' },
      WITH_VALUES: { 'Fn::Sub': ['${what}/${Named}', { what: { Ref: 'Ledger0A1B2C3D' } }] },
    }),
    Reset: lambda('Stack/Service/reset/Function/Resource'),
    // CDK adds functions of its own, which nothing here starts and whose values only AWS knows.
    Provider: lambda('Stack/Provider/framework/Resource'),
    ...method('Consume'),
    Route1: {
      Type: 'AWS::ApiGatewayV2::Route',
      Properties: {
        RouteKey: 'POST /v1/workspaces/{workspaceId}/consume',
        AuthorizationType: 'JWT',
        AuthorizerId: { Ref: 'Authorizer1' },
        AuthorizationScopes: ['tokens:consume'],
        Target: { 'Fn::Join': ['', ['integrations/', { Ref: 'ConsumeIntegration' }]] },
      },
    },
    Route2: {
      Type: 'AWS::ApiGatewayV2::Route',
      Properties: {
        RouteKey: 'GET /v1/plans',
        AuthorizationType: 'NONE',
        Target: { 'Fn::Join': ['', ['integrations/', { Ref: 'ConsumeIntegration' }]] },
      },
    },
    Schedule1: {
      Type: 'AWS::Scheduler::Schedule',
      Properties: {
        ScheduleExpression: 'cron(0 0 1 * ? *)',
        Target: { Arn: { 'Fn::GetAtt': ['Reset', 'Arn'] }, Input: '{"segment":0}' },
      },
    },
  },
}

describe('the template', () => {
  const deployment = readDeployment(template, '/out')

  it('gives the routes with their functions and who may call', () => {
    expect(deployment.routes).toEqual([
      {
        key: 'POST /v1/workspaces/{workspaceId}/consume',
        method: 'POST',
        path: '/v1/workspaces/{workspaceId}/consume',
        function: 'consume',
        authorizer: { issuer: 'https://issuer', audience: ['a', 'b'] },
        scopes: ['tokens:consume'],
      },
      {
        key: 'GET /v1/plans',
        method: 'GET',
        path: '/v1/plans',
        function: 'consume',
        scopes: [],
      },
    ])
    expect(deployment.cors).toEqual({
      allowOrigins: ['https://app.example.com'],
      allowMethods: ['GET'],
      allowHeaders: ['authorization'],
      exposeHeaders: [],
      maxAgeSeconds: 3600,
    })
  })

  it('leaves no route open whose authorizer it does not find', () => {
    const { Authorizer1, ...Resources } = template.Resources
    expect(() => readDeployment({ Resources }, '/out')).toThrow(/no JWT authorizer for POST/)
  })

  it('gives the functions that are started, with their environment resolved to local names', () => {
    expect(deployment.functions.map(({ name }) => name)).toEqual(['consume', 'reset'])
    expect(deployment.functions[0]).toEqual({
      name: 'consume',
      arn: 'arn:aws:lambda:us-east-1:000000000000:function:consume',
      folder: '/out/asset.abc123',
      handler: 'index.handler',
      timeoutMs: 25_000,
      memoryMb: 512,
      environment: {
        LEDGER_TABLE: 'Ledger',
        NAMED: 'named',
        JOINED: 'x-us-east-1-named',
        SUBSTITUTED: 'aws:named:arn:aws:lambda:us-east-1:000000000000:function:reset:${literal}',
        WITH_VALUES: 'Ledger/named',
      },
    })
  })

  it('gives the tables as DynamoDB creates them, and what expires', () => {
    expect(deployment.tables).toEqual([
      {
        create: {
          TableName: 'Ledger',
          KeySchema: [{ AttributeName: 'workspaceId', KeyType: 'HASH' }],
          AttributeDefinitions: [{ AttributeName: 'workspaceId', AttributeType: 'S' }],
          BillingMode: 'PAY_PER_REQUEST',
        },
        timeToLiveAttribute: 'expiresAt',
      },
      {
        create: {
          TableName: 'named',
          KeySchema: [],
          AttributeDefinitions: [],
          BillingMode: 'PAY_PER_REQUEST',
        },
      },
    ])
  })

  it('gives the schedules with their input', () => {
    expect(deployment.schedules).toEqual([
      { function: 'reset', expression: 'cron(0 0 1 * ? *)', input: '{"segment":0}' },
    ])
  })

  it('refuses an intrinsic function it would have to guess', () => {
    const guessing = lambda('Stack/Service/consume/Function/Resource', {
      ODD: { 'Fn::ImportValue': 'elsewhere' },
    })
    expect(() =>
      readDeployment({ Resources: { ...template.Resources, Consume: guessing } }, '/out'),
    ).toThrow('Fn::ImportValue')
  })
})
