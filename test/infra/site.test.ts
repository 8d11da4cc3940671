import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { App, Aws, RemovalPolicy, Stack } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { HttpApi } from 'aws-cdk-lib/aws-apigatewayv2'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { AwsSolutionsChecks } from 'cdk-nag'
import { afterAll, describe, expect, it } from 'vitest'
import { Site } from '../../infra/site.ts'
import type { SiteOptions, TokenTopUpProps } from '../../infra/token-top-up.ts'
import { cacheControlOf, isEmbeddable } from '../../web/site.ts'
import { type Resource, synthesized } from './synthesized.ts'

const ownName: Partial<SiteOptions> = {
  domainName: 'tokens.example.com',
  certificate: Certificate.fromCertificateArn(
    new Stack(),
    'Certificate',
    'arn:aws:acm:us-east-1:123456789012:certificate/tokens',
  ),
}

const { service, stack, all, resourceOf, logicalIdOf } = withSite()
const distribution = distributionOf(all)
const bucket = resourceOf(service.site!.bucket)
const bucketId = logicalIdOf(service.site!.bucket)

describe('without a site', () => {
  it('nothing of one is deployed', () => {
    const types = Object.values(
      synthesized().template.toJSON().Resources as Record<string, Resource>,
    )
    expect(
      types.map(({ Type }) => Type).filter((type) => /CloudFront|S3|Custom::/.test(type)),
    ).toEqual([])
  })
})

describe('calls of the API through the site', () => {
  const api = behaviorAt('/v1/*')

  it('are never answered from a cache', () => {
    // CloudFront's own policy CachingDisabled.
    expect(api.CachePolicyId).toBe('4135ea2d-6df8-44a3-9df3-4b5a84be39ad')
  })

  it('carry everything the caller sent but the host name', () => {
    // CloudFront's own policy AllViewerExceptHostHeader.
    expect(api.OriginRequestPolicyId).toBe('b689b0a8-53d0-40ab-baf2-68738e2966ac')
    expect(api.AllowedMethods.sort()).toEqual(
      ['DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT'].sort(),
    )
  })

  it('reach the API over TLS 1.2, and never leave the caller in the clear', () => {
    const [apiId] = Object.keys(all('AWS::ApiGatewayV2::Api'))
    const origin = originOf(api)
    expect(origin.DomainName['Fn::Join'][1].slice(0, 2)).toEqual([{ Ref: apiId }, '.execute-api.'])
    expect(origin.CustomOriginConfig).toMatchObject({
      OriginProtocolPolicy: 'https-only',
      OriginSSLProtocols: ['TLSv1.2'],
    })
    expect(api.ViewerProtocolPolicy).toBe('https-only')
  })

  it('keep the answer of the API, its CORS headers included', () => {
    const policy = headersOf(api)
    expect(policy.CorsConfig).toBeUndefined()
    expect(Object.keys(policy.SecurityHeadersConfig).sort()).toEqual([
      'ContentTypeOptions',
      'StrictTransportSecurity',
    ])
  })
})

describe('an error', () => {
  const errors: { ErrorCode: number; ErrorCachingMinTTL: number; ResponsePagePath?: string }[] =
    distribution.CustomErrorResponses

  it('is kept for no one else, whatever its status', () => {
    expect(errors.map(({ ErrorCode }) => ErrorCode)).toEqual([
      400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504,
    ])
    for (const { ErrorCachingMinTTL } of errors) expect(ErrorCachingMinTTL).toBe(0)
  })

  it('is never replaced by a page', () => {
    for (const error of errors) {
      expect(Object.keys(error).sort()).toEqual(['ErrorCachingMinTTL', 'ErrorCode'])
    }
  })
})

describe('the pages', () => {
  const pages = distribution.DefaultCacheBehavior
  const headers = headersOf(pages)

  it('run only scripts of their own, none of them inline', () => {
    const policy = policyOf(pages)
    expect(policy['default-src']).toBe("'none'")
    expect(policy['script-src']).toBe("'self'")
    expect(Object.values(policy).join()).not.toContain('unsafe')
  })

  it('reach their own origin and the issuer, and what the sign-in needs besides', () => {
    expect(policyOf(pages)['connect-src']).toBe("'self' https://issuer.example.com")
    const more = withSite({ signInOrigins: ['https://acme.auth.example.com'] })
    const behavior = distributionOf(more.all).DefaultCacheBehavior
    expect(policyOf(behavior, more.all)['connect-src']).toBe(
      "'self' https://issuer.example.com https://acme.auth.example.com",
    )
  })

  it('reach an issuer that only CloudFormation knows', () => {
    const issuer = `https://cognito-idp.${Aws.REGION}.amazonaws.com/${Aws.STACK_ID}`
    const unknown = withSite({}, { issuer })
    const { ResponseHeadersPolicyId } = distributionOf(unknown.all).DefaultCacheBehavior
    const policy = unknown.all('AWS::CloudFront::ResponseHeadersPolicy')[
      ResponseHeadersPolicyId.Ref
    ]
    expect(
      JSON.stringify(
        policy!.Properties.ResponseHeadersPolicyConfig.SecurityHeadersConfig.ContentSecurityPolicy,
      ),
    ).toContain('"Fn::Select":[2,{"Fn::Split":["/"')
  })

  it('are framed by nobody, or by those who are named', () => {
    expect(policyOf(pages)['frame-ancestors']).toBe("'none'")
    const framed = withSite({ frameAncestors: ["'self'", 'https://*.example.com'] })
    const behavior = distributionOf(framed.all).DefaultCacheBehavior
    expect(policyOf(behavior, framed.all)['frame-ancestors']).toBe("'self' https://*.example.com")
  })

  it('are asked for over TLS for two years, and are what they say they are', () => {
    expect(headers.SecurityHeadersConfig).toMatchObject({
      StrictTransportSecurity: { AccessControlMaxAgeSec: 2 * 365 * 24 * 60 * 60, Override: true },
      ContentTypeOptions: { Override: true },
      ReferrerPolicy: { ReferrerPolicy: 'no-referrer', Override: true },
    })
    expect(pages.ViewerProtocolPolicy).toBe('redirect-to-https')
  })

  it('use no camera, microphone, place or payment of the browser', () => {
    const custom = headers.CustomHeadersConfig.Items.map(
      ({ Header, Value }: Record<string, string>) => [Header, Value],
    )
    expect(Object.fromEntries(custom)).toMatchObject({
      'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
      'cross-origin-opener-policy': 'same-origin',
    })
  })

  it('travel by HTTP/3 where the browser can', () => {
    expect(distribution.HttpVersion).toBe('http2and3')
  })

  it('may not be read by other origins; the modules may', () => {
    const paths = [
      'index.html',
      'config.json',
      'licenses.txt',
      'assets/page-ABCDEFGH.css',
      'assets/page-ABCDEFGH.js',
      'assets/token-meter-ABCDEFGH.js',
      'token-meter.js',
      'token-usage.js',
      'manifest.json',
    ]
    const readable = paths.filter((path) => {
      const cors = headersOf(behaviorFor(`/${path}`)).CorsConfig
      return cors?.AccessControlAllowOrigins.Items.includes('*')
    })
    expect(readable).toEqual(paths.filter(isEmbeddable))
    expect(readable.length).toBeGreaterThan(0)
  })
})

describe('the bucket', () => {
  it('is closed to the public, encrypted, and speaks TLS only', () => {
    expect(bucket.Properties.PublicAccessBlockConfiguration).toEqual({
      BlockPublicAcls: true,
      BlockPublicPolicy: true,
      IgnorePublicAcls: true,
      RestrictPublicBuckets: true,
    })
    expect(JSON.stringify(bucket.Properties.BucketEncryption)).toContain('AES256')
    expect(statements()[0]).toMatchObject({
      Effect: 'Deny',
      Principal: { AWS: '*' },
      Action: 's3:*',
      Condition: { Bool: { 'aws:SecureTransport': 'false' } },
    })
  })

  it('is read by this distribution and no one else', () => {
    const [, read, ...others] = statements()
    expect(others).toEqual([])
    expect(read).toMatchObject({
      Effect: 'Allow',
      Principal: { Service: 'cloudfront.amazonaws.com' },
      Action: 's3:GetObject',
    })
    expect(read.Condition.StringEquals['AWS:SourceArn']).toEqual(
      stack.resolve(service.site!.distribution.distributionArn),
    )
    expect(originOf(distribution.DefaultCacheBehavior).OriginAccessControlId).toBeDefined()
  })

  it('goes with a trial, files and all, and outlives anything else', () => {
    expect(bucket.DeletionPolicy).toBe('Retain')
    const trial = withSite({}, { removalPolicy: RemovalPolicy.DESTROY })
    expect(trial.resourceOf(trial.service.site!.bucket).DeletionPolicy).toBe('Delete')
    trial.template.resourceCountIs('Custom::S3AutoDeleteObjects', 1)
  })

  function statements() {
    const policies = Object.values(all('AWS::S3::BucketPolicy')).map(({ Properties }) => Properties)
    expect(policies.map(({ Bucket }) => Bucket.Ref)).toEqual([bucketId])
    return policies[0].PolicyDocument.Statement
  }
})

describe('the upload', () => {
  const uploads = deployed({
    'index.html': '<!doctype html>',
    'licenses.txt': '',
    'manifest.json': '{}',
    'token-meter.js': '',
    'token-meter.js.map': '{}',
    'assets/page-ABCDEFGH.css': '',
    'assets/page-ABCDEFGH.js': '',
    'assets/page-ABCDEFGH.js.map': '{}',
  })
  const immutable = uploads.find(({ cacheControl }) => cacheControl.includes('immutable'))!

  it('lets hashed files be kept for good, and them alone', () => {
    expect(immutable.cacheControl).toBe('public, max-age=31536000, immutable')
    expect(immutable.files).toEqual(['assets/page-ABCDEFGH.css', 'assets/page-ABCDEFGH.js'])
  })

  it('lets no other file be kept unasked for more than minutes', () => {
    const others = uploads.filter((upload) => upload !== immutable)
    expect(
      Object.fromEntries(others.map(({ cacheControl, files }) => [cacheControl, files])),
    ).toEqual({
      'no-cache': ['config.json', 'index.html', 'licenses.txt', 'manifest.json'],
      [cacheControlOf('token-meter.js')]: ['token-meter.js'],
    })
    const [, seconds] = /max-age=(\d+)/.exec(cacheControlOf('token-meter.js'))!
    expect(Number(seconds)).toBeLessThanOrEqual(300)
  })

  it('publishes no source maps', () => {
    expect(uploads.flatMap(({ files }) => files).filter((file) => file.endsWith('.map'))).toEqual(
      [],
    )
  })

  it('brings the hashed files before any page that names them, and takes none away', () => {
    for (const upload of uploads) {
      expect(upload.resource.Properties.Prune).toBe(false)
      const after = (upload.resource as { DependsOn?: string[] }).DependsOn ?? []
      expect(after.includes(immutable.id)).toBe(upload !== immutable)
    }
  })

  it('tells the page where to sign in, and nothing secret', () => {
    const { config } = uploads.find(({ files }) => files.includes('config.json'))!
    expect(config).toEqual({
      issuer: 'https://issuer.example.com/',
      clientId: 'page',
      audience: 'token-top-up',
      scope: 'openid',
      apiBase: '',
      workspaceClaim: 'workspace_id',
    })
  })

  it('may read archives and write files; it may delete nothing', () => {
    const uploader = Object.entries(all('AWS::IAM::Policy')).find(([id]) => /Uploads/.test(id))![1]
    const rights = uploader.Properties.PolicyDocument.Statement.map(
      ({ Action, Resource }: { Action: string | string[]; Resource: object }) =>
        `${[Action].flat().join(' ')} ${/\/\?{64}\.zip"/.test(JSON.stringify(Resource)) ? 'archives' : ''}`,
    )
    expect(new Set(rights.map((right: string) => right.trim()))).toEqual(
      new Set([
        'logs:CreateLogStream logs:PutLogEvents',
        's3:ListBucket',
        's3:PutObject',
        's3:GetObject archives',
      ]),
    )
  })
})

describe('buyers', () => {
  it('may return to the site, whatever CloudFront calls it', () => {
    const address = stack.resolve(service.site!.origin)
    const variables = resourceOf(service.functions['start-purchase']).Properties.Environment
      .Variables
    const [glue, parts] = variables.ALLOWED_ORIGINS['Fn::Join']
    expect(glue).toBe('')
    expect(parts).toEqual([
      'https://app.example.com,https://',
      { 'Fn::GetAtt': [logicalIdOf(service.site!.distribution), 'DomainName'] },
    ])
    expect(address['Fn::Join'][1].slice(1)).toEqual(parts.slice(1))
    expect(variables.RETURN_URL).toBe('https://app.example.com')
  })

  it('return to it by default where it is the only page', () => {
    const alone = withSite({}, { allowedOrigins: [] })
    const lambda = alone.resourceOf(alone.service.functions['start-purchase'])
    const { ALLOWED_ORIGINS, RETURN_URL } = lambda.Properties.Environment.Variables
    expect(RETURN_URL).toEqual(ALLOWED_ORIGINS)
    expect(RETURN_URL).toEqual(alone.stack.resolve(alone.service.site!.origin))
    const [api] = Object.values(alone.all('AWS::ApiGatewayV2::Api'))
    expect(api!.Properties.CorsConfiguration).toBeUndefined()
  })

  it('may return to the name it was given', () => {
    const named = withSite(ownName, { returnUrl: 'https://tokens.example.com/' })
    const lambda = named.resourceOf(named.service.functions['start-purchase'])
    expect(lambda.Properties.Environment.Variables).toMatchObject({
      ALLOWED_ORIGINS: 'https://app.example.com,https://tokens.example.com',
      RETURN_URL: 'https://tokens.example.com/',
    })
  })
})

describe('the stack with a site', () => {
  it('can be created: no resource waits for itself', () => {
    // A function waits for the site's address, the site for the API, and the API's routes for the function.
    // Reading a template looks for cycles, in this one and in that of every other test here.
    expect(() => Template.fromStack(stack)).not.toThrow()
  })

  it('has a custom name served with TLS 1.2 at least', () => {
    expect(distributionOf(withSite(ownName).all)).toMatchObject({
      Aliases: ['tokens.example.com'],
      ViewerCertificate: { MinimumProtocolVersion: 'TLSv1.2_2021', SslSupportMethod: 'sni-only' },
    })
  })

  it('needs these findings of the AWS Solutions checks acknowledged, and one less with its own name', () => {
    const expected = [
      'CFR1 Distribution/Resource',
      'CFR2 Distribution/Resource',
      'CFR3 Distribution/Resource',
      'CFR4 Distribution/Resource',
      `IAM5[Resource::<${bucketId}.Arn>/*] Uploads/Role/DefaultPolicy/Resource`,
      'L1 the uploader',
      'S1 Files/Resource',
    ]
    expect(findingsIn(stack)).toEqual(expected)
    const named = withSite(ownName).stack
    expect(findingsIn(named)).toEqual(expected.filter((finding) => !finding.startsWith('CFR4')))
  })
})

describe('an option that cannot work stops the synth and says which', () => {
  const mistakes: [string, Partial<SiteOptions>, RegExp][] = [
    ['no client', { clientId: '' }, /site\.clientId must be/],
    ['a name without a certificate', { domainName: 'tokens.example.com' }, /site\.domainName must/],
    ['a sign-in with a path', { signInOrigins: ['https://a.example/b'] }, /site\.signInOrigins/],
    [
      'a frame that adds to the policy',
      { frameAncestors: ["'self'; script-src *"] },
      /frameAncest/,
    ],
    ['frames anywhere', { frameAncestors: ['*'] }, /site\.frameAncestors/],
  ]

  it.each(mistakes)('%s', (_, options, message) => {
    expect(() => withSite(options)).toThrow(message)
  })

  it('a return URL elsewhere, where the site has a name', () => {
    const returnUrl = 'https://evil.example/'
    expect(() => withSite(ownName, { returnUrl })).toThrow(/returnUrl must be/)
  })
})

function withSite(options: Partial<SiteOptions> = {}, props: Partial<TokenTopUpProps> = {}) {
  return synthesized({ ...props, site: { clientId: 'page', ...options } })
}

type All = typeof all
// biome-ignore lint/suspicious/noExplicitAny: properties of a resource, as CloudFormation has them
type Properties = any

function distributionOf(from: All): Properties {
  const [found, ...others] = Object.values(from('AWS::CloudFront::Distribution'))
  expect(others).toEqual([])
  return found!.Properties.DistributionConfig
}

function behaviorAt(pattern: string): Properties {
  return distribution.CacheBehaviors.find((each: Properties) => each.PathPattern === pattern)
}

/** The first behaviour whose pattern fits, as CloudFront chooses it: `*` stands for any characters. */
function behaviorFor(path: string): Properties {
  const fits = ({ PathPattern }: Properties) =>
    new RegExp(`^${PathPattern.replaceAll('.', '\\.').replaceAll('*', '.*')}$`).test(path)
  return distribution.CacheBehaviors.find(fits) ?? distribution.DefaultCacheBehavior
}

function originOf(behavior: Properties): Properties {
  return distribution.Origins.find((origin: Properties) => origin.Id === behavior.TargetOriginId)
}

function headersOf(behavior: Properties, from: All = all): Properties {
  const policy = from('AWS::CloudFront::ResponseHeadersPolicy')[
    behavior.ResponseHeadersPolicyId.Ref
  ]
  return policy!.Properties.ResponseHeadersPolicyConfig
}

function policyOf(behavior: Properties, from: All = all): Record<string, string> {
  const { ContentSecurityPolicy } = headersOf(behavior, from).SecurityHeadersConfig
  const directives: string[] = ContentSecurityPolicy.ContentSecurityPolicy.split('; ')
  return Object.fromEntries(
    directives.map((directive) => {
      const [name, ...sources] = directive.split(' ')
      return [name, sources.join(' ')]
    }),
  )
}

/** What a site of these files uploads: for each `cache-control`, what its archives hold. */
function deployed(files: Record<string, string>) {
  const folder = mkdtempSync(join(tmpdir(), 'token-top-up-site-'))
  const outdir = mkdtempSync(join(tmpdir(), 'token-top-up-site-out-'))
  afterAll(() => {
    for (const each of [folder, outdir]) rmSync(each, { recursive: true })
  })
  for (const [path, contents] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), contents)
  }
  const scope = new Stack(new App({ outdir }), 'Test')
  new Site(scope, 'Site', {
    issuer: 'https://issuer.example.com/',
    audience: ['token-top-up'],
    workspaceClaim: 'workspace_id',
    clientId: 'page',
    api: new HttpApi(scope, 'Api'),
    files: folder,
    logRetention: RetentionDays.ONE_WEEK,
    removalPolicy: RemovalPolicy.RETAIN,
  })
  const resources = Template.fromStack(scope).findResources('Custom::CDKBucketDeployment')
  return Object.entries(resources).map(([id, resource]) => {
    const archives: string[] = resource.Properties.SourceObjectKeys.map((key: string) =>
      join(outdir, `asset.${key.replace('.zip', '')}`),
    )
    const names = archives.flatMap((archive) =>
      readdirSync(archive, { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name).slice(archive.length + 1)),
    )
    const withConfig = archives.find((archive) => readdirSync(archive).includes('config.json'))
    return {
      id,
      resource,
      cacheControl: resource.Properties.SystemMetadata['cache-control'] as string,
      files: names.sort(),
      config: withConfig && JSON.parse(readFileSync(join(withConfig, 'config.json'), 'utf8')),
    }
  })
}

/** The checks' findings that are the site's, in short. */
function findingsIn(scope: Stack): string[] {
  const { violations } = new AwsSolutionsChecks().validateScope(scope)
  return violations
    .flatMap(({ ruleName, violatingResources }) =>
      violatingResources.map(({ constructPath = '' }) =>
        `${ruleName} ${constructPath}`
          .replace('AwsSolutions-', '')
          .replace(/Test\/Custom::CDKBucketDeployment.*/, 'the uploader'),
      ),
    )
    .filter((finding) => /Service\/Site|the uploader/.test(finding))
    .map((finding) => finding.replace('Test/Service/Site/', ''))
    .sort()
}
