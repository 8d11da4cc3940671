import { Duration, Fn, RemovalPolicy, Stack, Token, Validations } from 'aws-cdk-lib'
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
import type { RetentionDays } from 'aws-cdk-lib/aws-logs'
import { BlockPublicAccess, Bucket, BucketEncryption } from 'aws-cdk-lib/aws-s3'
import { Construct } from 'constructs'
import { type SiteConfig, securityHeaders } from '../web/site.ts'
import type { SiteOptions } from './settings.ts'
import { Uploads } from './uploads.ts'

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
    const uploads = new Uploads(this, 'Uploads', {
      to: this.bucket,
      logRetention: props.logRetention,
    })
    uploads.addSite(props.files, configOf(props))
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
