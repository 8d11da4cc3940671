import { readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { Duration, Fn, IgnoreMode, RemovalPolicy, Stack, Token, Validations } from 'aws-cdk-lib'
import type { HttpApi } from 'aws-cdk-lib/aws-apigatewayv2'
import {
  AllowedMethods,
  type BehaviorOptions,
  CachePolicy,
  Distribution,
  type HeadersReferrerPolicy,
  HttpVersion,
  OriginRequestPolicy,
  ResponseHeadersPolicy,
  type ResponseHeadersPolicyProps,
  SecurityPolicyProtocol,
  ViewerProtocolPolicy,
} from 'aws-cdk-lib/aws-cloudfront'
import { HttpOrigin, S3BucketOrigin } from 'aws-cdk-lib/aws-cloudfront-origins'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { SingletonFunction } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import { BlockPublicAccess, Bucket, BucketEncryption, type CfnBucket } from 'aws-cdk-lib/aws-s3'
import { BucketDeployment, CacheControl, type ISource, Source } from 'aws-cdk-lib/aws-s3-deployment'
import { Construct } from 'constructs'
import { cacheControlOf, type SiteConfig, securityHeaders } from '../web/site.ts'
import type { SiteOptions } from './settings.ts'

export interface SiteProps extends SiteOptions {
  issuer: string
  audience: readonly string[]
  workspaceClaim: string
  api: HttpApi
  /** The folder of the built pages and modules. Without it a placeholder is deployed. */
  files: string | undefined
  logRetention: RetentionDays
  removalPolicy: RemovalPolicy
}

/**
 * The page and the modules from S3, and the API under `/v1`, on one origin: so the page's calls need no
 * preflight, and a host that embeds the meter has one address to know.
 */
export class Site extends Construct {
  readonly bucket: Bucket
  readonly distribution: Distribution
  /** Where the page is, without a slash at its end. */
  readonly origin: string

  constructor(scope: Construct, id: string, props: SiteProps) {
    super(scope, id)
    this.bucket = this.#bucket(props.removalPolicy)
    this.distribution = this.#distribution(props)
    this.origin = `https://${props.domainName ?? this.distribution.distributionDomainName}`
    this.#deploy(props)
  }

  #bucket(removalPolicy: RemovalPolicy): Bucket {
    const bucket = new Bucket(this, 'Files', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      removalPolicy,
      autoDeleteObjects: removalPolicy === RemovalPolicy.DESTROY,
    })
    Validations.of(bucket).acknowledge({
      id: 'AwsSolutions::AwsSolutions-S1',
      reason:
        'Holds only files that anyone may have, and only CloudFront and deployments reach it.',
    })
    return bucket
  }

  #distribution(props: SiteProps): Distribution {
    const files: BehaviorOptions = {
      origin: S3BucketOrigin.withOriginAccessControl(this.bucket),
      viewerProtocolPolicy: ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
      cachePolicy: CachePolicy.CACHING_OPTIMIZED,
    }
    const headers = pageHeaders(props)
    const pages = { ...files, responseHeadersPolicy: this.#headers('PageHeaders', headers) }
    const modules = {
      ...files,
      responseHeadersPolicy: this.#headers('ModuleHeaders', { ...headers, ...forAnyOrigin }),
    }
    const distribution = new Distribution(this, 'Distribution', {
      comment: 'Token Top-up: the page, the modules, and the API under /v1',
      defaultRootObject: 'index.html',
      defaultBehavior: pages,
      additionalBehaviors: {
        '/v1/*': this.#api(props.api),
        ...Object.fromEntries(embeddable.map((pattern) => [pattern, modules])),
      },
      // Without these CloudFront keeps an error for ten seconds, whatever the cache policy says and whoever
      // asked: a stranger's 404 would be the owner's, too. For the same reason no error has a page.
      errorResponses: cacheableErrors.map((httpStatus) => ({
        httpStatus,
        ttl: Duration.seconds(0),
      })),
      httpVersion: HttpVersion.HTTP2_AND_3,
      priceClass: props.priceClass,
      ...(props.domainName && {
        domainNames: [props.domainName],
        certificate: props.certificate,
        minimumProtocolVersion: SecurityPolicyProtocol.TLS_V1_2_2021,
      }),
    })
    Validations.of(distribution).acknowledge(
      {
        id: 'AwsSolutions::AwsSolutions-CFR1',
        reason: "Where customers may be is the adopter's to say, not ours.",
      },
      {
        id: 'AwsSolutions::AwsSolutions-CFR2',
        reason:
          'The API can also be called past CloudFront, so its own throttling and authorizer guard it. The rest are static files.',
      },
      {
        id: 'AwsSolutions::AwsSolutions-CFR3',
        reason:
          'The API logs its requests. A log of the page would mostly hold sign-in codes and addresses of people.',
      },
    )
    if (!props.domainName) {
      Validations.of(distribution).acknowledge({
        id: 'AwsSolutions::AwsSolutions-CFR4',
        reason:
          'CloudFront sets the minimum for names under cloudfront.net itself. Give the site a domainName for TLS 1.2.',
      })
    }
    return distribution
  }

  #api(api: HttpApi): BehaviorOptions {
    const { region, urlSuffix } = Stack.of(this)
    return {
      // By the API's id, and nothing that waits for its routes: they lead to functions that wait for us.
      origin: new HttpOrigin(`${api.apiId}.execute-api.${region}.${urlSuffix}`),
      // Not redirected: a client would go on sending its token in the clear first, and never notice.
      viewerProtocolPolicy: ViewerProtocolPolicy.HTTPS_ONLY,
      allowedMethods: AllowedMethods.ALLOW_ALL,
      cachePolicy: CachePolicy.CACHING_DISABLED,
      // The API is found by its own host name. All else is passed on, and cookies with a purpose: where
      // they are, CloudFront does not answer simultaneous requests for one URL with the same response.
      originRequestPolicy: OriginRequestPolicy.ALL_VIEWER_EXCEPT_HOST_HEADER,
      responseHeadersPolicy: this.#headers('ApiHeaders', {
        securityHeadersBehavior: {
          strictTransportSecurity,
          contentTypeOptions: { override: true },
        },
      }),
    }
  }

  #headers(id: string, props: ResponseHeadersPolicyProps): ResponseHeadersPolicy {
    return new ResponseHeadersPolicy(this, id, props)
  }

  #deploy(props: SiteProps): void {
    const sources = props.files
      ? sourcesByCacheControl(props.files)
      : new Map([[cacheControlOf('index.html'), [placeholder()]]])
    const configControl = cacheControlOf('config.json')
    const config = Source.jsonData('config.json', configOf(props))
    sources.set(configControl, [...(sources.get(configControl) ?? []), config])

    const uploads = new Uploads(this, 'Uploads', {
      to: this.bucket,
      logRetention: props.logRetention,
    })
    // Assets first: no page may name one that is not there yet.
    const [first, ...others] = [...sources.keys()].sort(
      (a, b) => Number(b.includes('immutable')) - Number(a.includes('immutable')),
    )
    const assets = uploads.add(first!, sources.get(first!)!)
    for (const cacheControl of others) {
      uploads.add(cacheControl, sources.get(cacheControl)!).node.addDependency(assets)
    }
  }
}

/**
 * CDK's own way of getting files into a bucket. CloudFormation has none, and an `aws s3 sync` after the
 * deployment is a step that someone forgets. Its price is a function of CDK's, which would get broad rights:
 * this one may read archives, write to the one bucket and delete nothing. It is not told the
 * distribution either, or it could empty the cache of every distribution in the account; `cache-control`
 * makes that needless.
 */
class Uploads extends Construct {
  readonly #bucket: Bucket
  readonly #role: Role
  readonly #logGroup: LogGroup

  constructor(scope: Construct, id: string, use: { to: Bucket; logRetention: RetentionDays }) {
    super(scope, id)
    this.#bucket = use.to
    this.#logGroup = new LogGroup(this, 'Logs', {
      retention: use.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    })
    this.#role = new Role(this, 'Role', { assumedBy: new ServicePrincipal('lambda.amazonaws.com') })
    this.#logGroup.grantWrite(this.#role)
    this.#allow('s3:ListBucket', this.#bucket.bucketArn)
    this.#allow('s3:PutObject', this.#bucket.arnForObjects('*'))
    const bucketId = Stack.of(this).getLogicalId(this.#bucket.node.defaultChild as CfnBucket)
    Validations.of(this.#role).acknowledge({
      id: `AwsSolutions::AwsSolutions-IAM5[Resource::<${bucketId}.Arn>/*]`,
      reason:
        'The names of the files change with every release, and the bucket holds nothing else.',
    })
  }

  add(cacheControl: string, sources: readonly ISource[]): BucketDeployment {
    const upload = new BucketDeployment(this, cacheControl, {
      sources: sources.map((source) => this.#readable(source)),
      destinationBucket: this.#bucket,
      cacheControl: [CacheControl.fromString(cacheControl)],
      // Each upload would take away the files of the others; and a page that was opened before a release
      // still loads the assets of its own.
      prune: false,
      role: this.#role.withoutPolicyUpdates(),
      logGroup: this.#logGroup,
      // All uploads of a stack that ask for the same memory share one function, and with it its role. An
      // unusual figure keeps this role from those that other parts of an adopter's stack have made.
      memoryLimit: 768,
    })
    const uploader = upload.node.findChild('CustomResourceHandler') as SingletonFunction
    Validations.of(uploader.permissionsNode.defaultChild!).acknowledge({
      id: 'AwsSolutions::AwsSolutions-L1',
      reason: "The function and its runtime are CDK's, and are renewed with it.",
    })
    return upload
  }

  /**
   * Archives are named by a hash, and any hash is allowed: naming the one would change the role with every
   * release, moments before the function needs the change, and IAM may take longer than that to spread it.
   */
  #readable(source: ISource): ISource {
    return {
      bind: (scope, context) => {
        const bound = source.bind(scope, context)
        const anyArchive = bound.zipObjectKey.replace(/[0-9a-f]{64}/, (hash) =>
          '?'.repeat(hash.length),
        )
        this.#allow('s3:GetObject', bound.bucket.arnForObjects(anyArchive))
        return bound
      },
    }
  }

  #allow(action: string, resource: string): void {
    this.#role.addToPolicy(new PolicyStatement({ actions: [action], resources: [resource] }))
  }
}

/** Every status that CloudFront caches when an origin answers with it. */
const cacheableErrors = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504] as const

/** What `isEmbeddable` of the web's site.ts says, as CloudFront's path patterns. */
const embeddable = ['/assets/*.js', '/token-*.js', '/manifest.json'] as const

/** A module script of another origin is always fetched with CORS, even one that carries nothing private. */
const forAnyOrigin: ResponseHeadersPolicyProps = {
  corsBehavior: {
    accessControlAllowOrigins: ['*'],
    accessControlAllowMethods: ['GET', 'HEAD'],
    accessControlAllowHeaders: ['*'],
    accessControlAllowCredentials: false,
    originOverride: true,
  },
}

const strictTransportSecurity = { accessControlMaxAge: Duration.days(730), override: true }

/** The headers that the page wants wherever it is served, and those that only make sense here. */
function pageHeaders(props: SiteProps): ResponseHeadersPolicyProps {
  const {
    'content-security-policy': contentSecurityPolicy,
    'referrer-policy': referrerPolicy,
    'x-content-type-options': _alwaysNosniff,
    ...others
  } = securityHeaders([originOf(props.issuer), ...(props.signInOrigins ?? [])])
  const custom = {
    ...others,
    'permissions-policy': 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
  }
  return {
    securityHeadersBehavior: {
      contentSecurityPolicy: {
        contentSecurityPolicy: framedBy(contentSecurityPolicy!, props.frameAncestors ?? []),
        override: true,
      },
      contentTypeOptions: { override: true },
      referrerPolicy: { referrerPolicy: referrerPolicy as HeadersReferrerPolicy, override: true },
      strictTransportSecurity,
    },
    customHeadersBehavior: {
      customHeaders: Object.entries(custom).map(([header, value]) => ({
        header,
        value,
        override: true,
      })),
    },
  }
}

function framedBy(policy: string, ancestors: readonly string[]): string {
  const others = policy.split('; ').filter((directive) => !directive.startsWith('frame-ancestors'))
  return [...others, `frame-ancestors ${ancestors.join(' ') || "'none'"}`].join('; ')
}

function originOf(url: string): string {
  return Token.isUnresolved(url)
    ? `https://${Fn.select(2, Fn.split('/', url))}`
    : new URL(url).origin
}

/** What the page reads before it signs anyone in: `SiteConfig` of web/site.ts. All of it is public. */
function configOf(props: SiteProps): SiteConfig {
  const { issuer, clientId, audience, scope = 'openid', workspaceClaim } = props
  const { upgradeUrl, contactUrl } = props
  return {
    issuer,
    clientId,
    audience: audience[0],
    scope,
    apiBase: '',
    workspaceClaim,
    ...(upgradeUrl && { upgradeUrl }),
    ...(contactUrl && { contactUrl }),
  }
}

function placeholder(): ISource {
  return Source.data('index.html', 'synthesized without its pages')
}

/** The files of a folder, by how long each may be cached. Source maps stay at home. */
function sourcesByCacheControl(folder: string): Map<string, ISource[]> {
  const all = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
  const published = all.filter((path) => !path.endsWith('.map'))
  const groups = Map.groupBy(published, cacheControlOf)
  return new Map(
    [...groups].map(([cacheControl, paths]) => {
      const exclude = all.filter((path) => !paths.includes(path)).map((path) => `/${path}`)
      return [cacheControl, [Source.asset(folder, { exclude, ignoreMode: IgnoreMode.GIT })]]
    }),
  )
}
