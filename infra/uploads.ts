import { readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { IgnoreMode, RemovalPolicy, Stack, Validations } from 'aws-cdk-lib'
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import type { SingletonFunction } from 'aws-cdk-lib/aws-lambda'
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { Bucket, CfnBucket } from 'aws-cdk-lib/aws-s3'
import { BucketDeployment, CacheControl, type ISource, Source } from 'aws-cdk-lib/aws-s3-deployment'
import { Construct } from 'constructs'
import { cacheControlOf, type SiteConfig } from '../web/site.ts'

/**
 * CDK's own way of getting files into a bucket. CloudFormation has none, and an `aws s3 sync` after the
 * deployment is a step that someone forgets. Its price is a function of CDK's, which would get broad rights:
 * this one may read archives, write to the one bucket and delete nothing. It is not told the
 * distribution either, or it could empty the cache of every distribution in the account; `cache-control`
 * makes that needless.
 */
export class Uploads extends Construct {
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

  /** The files of a folder, or a placeholder where there is none, and the configuration beside them. */
  addSite(folder: string | undefined, config: SiteConfig): void {
    const sources = folder
      ? sourcesByCacheControl(folder)
      : new Map([[cacheControlOf('index.html'), [placeholder()]]])
    const configControl = cacheControlOf('config.json')
    const configSource = Source.jsonData('config.json', config)
    sources.set(configControl, [...(sources.get(configControl) ?? []), configSource])

    // Assets first: no page may name one that is not there yet.
    const [first, ...others] = [...sources.keys()].sort(
      (a, b) => Number(b.includes('immutable')) - Number(a.includes('immutable')),
    )
    const assets = this.#add(first!, sources.get(first!)!)
    for (const cacheControl of others) {
      this.#add(cacheControl, sources.get(cacheControl)!).node.addDependency(assets)
    }
  }

  #add(cacheControl: string, sources: readonly ISource[]): BucketDeployment {
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
