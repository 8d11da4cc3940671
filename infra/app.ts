import { App, CfnOutput, Stack, Validations } from 'aws-cdk-lib'
import { Certificate } from 'aws-cdk-lib/aws-certificatemanager'
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { type ITopic, Topic } from 'aws-cdk-lib/aws-sns'
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions'
import { AwsSolutionsChecks } from 'cdk-nag'
import { type SiteOptions, TokenTopUp } from './token-top-up.ts'

/**
 * The service as a stack of its own, configured by CDK context: `-c issuer=…` on the command line, or
 * `context` in cdk.json. Lists may be written with commas. Products with a CDK app of their own use the
 * `TokenTopUp` construct instead.
 */
const app = new App()
const stack = new Stack(app, text('stackName') ?? 'TokenTopUp', {
  description: 'Meters AI tokens per workspace and sells top-ups through Stripe',
})
const site = siteOptions(text('siteClientId'))
const stripeSecretName = text('stripeSecretName') ?? 'token-top-up/stripe'
const service = new TokenTopUp(stack, 'Service', {
  issuer: needed('issuer', 'https://your-tenant.example.com/', text),
  audience: needed('audience', 'token-top-up', list),
  workspaceClaim: text('workspaceClaim'),
  roleClaim: text('roleClaim'),
  adminRoles: list('adminRoles'),
  memberRoles: list('memberRoles'),
  roleClaimIsList: text('roleClaimIsList') === 'true',
  services: together('services', {
    issuer: text('servicesIssuer'),
    audience: list('servicesAudience'),
  }),
  serviceMark: together('serviceMark', {
    claim: text('serviceMarkClaim'),
    value: text('serviceMarkValue'),
  }),
  scopePrefix: text('scopePrefix'),
  allowedOrigins: site
    ? (list('allowedOrigins') ?? [])
    : needed('allowedOrigins', 'https://app.example.com', list),
  returnUrl: text('returnUrl'),
  stripeSecret: Secret.fromSecretNameV2(stack, 'StripeSecret', stripeSecretName),
  stripeApiBase: text('stripeApiBase'),
  checkout: json('checkout'),
  alarmTopic: alarmTopic(text('alarmEmail')),
  site,
})
new CfnOutput(stack, 'ApiUrl', { value: service.apiUrl })
new CfnOutput(stack, 'WebhookUrl', {
  value: `${service.apiUrl}/v1/stripe/webhook`,
  description: 'Where Stripe sends its events: npm run connect-stripe registers it',
})
new CfnOutput(stack, 'StripeSecretName', {
  value: stripeSecretName,
  description: 'Holds the Stripe key and the signing secrets of the webhooks',
})
if (service.site) {
  new CfnOutput(stack, 'SiteUrl', {
    value: `${service.site.origin}/`,
    description:
      "Register this address with the page's client at the issuer, as where it returns to",
  })
  new CfnOutput(stack, 'SiteAlias', {
    value: service.site.distribution.distributionDomainName,
    description: 'Point the DNS entry of siteDomainName here',
  })
}
Validations.of(app).addPlugins(new AwsSolutionsChecks(app))

function text(name: string): string | undefined {
  const value: unknown = app.node.tryGetContext(name)
  return value === undefined || value === '' ? undefined : String(value)
}

function list(name: string): string[] | undefined {
  const value: unknown = app.node.tryGetContext(name)
  const parts = Array.isArray(value) ? value.map(String) : text(name)?.split(',')
  return parts?.map((part) => part.trim())
}

/** As an object in cdk.json, or as its JSON on the command line. */
function json(name: string): Record<string, unknown> | undefined {
  const value: unknown = app.node.tryGetContext(name)
  if (typeof value !== 'string' || value === '')
    return (value || undefined) as Record<string, unknown> | undefined
  try {
    return JSON.parse(value)
  } catch {
    console.error(`Token Top-up cannot read ${name}: write it as JSON, or as an object in cdk.json`)
    process.exit(1)
  }
}

/** A stack trace would bury the one line that helps. */
function needed<Value>(
  name: string,
  example: string,
  read: (name: string) => Value | undefined,
): Value {
  const value = read(name)
  if (value !== undefined) return value
  console.error(`Token Top-up needs to know its ${name}: add -c ${name}=${example}`)
  process.exit(1)
}

/** Options that only make sense together: all of them, or undefined where there are none. */
function together<Options extends Record<string, unknown>>(
  name: string,
  options: Options,
): { [Key in keyof Options]: NonNullable<Options[Key]> } | undefined {
  const missing = Object.keys(options).filter((key) => options[key] === undefined)
  if (missing.length === Object.keys(options).length) return undefined
  const [first] = missing
  if (first !== undefined) {
    const option = `${name}${first[0]!.toUpperCase()}${first.slice(1)}`
    console.error(`Token Top-up needs to know its ${option} too: add -c ${option}=…`)
    process.exit(1)
  }
  return options as { [Key in keyof Options]: NonNullable<Options[Key]> }
}

function siteOptions(clientId: string | undefined): SiteOptions | undefined {
  if (!clientId) return undefined
  const certificate = text('siteCertificateArn')
  return {
    clientId,
    scope: text('siteScope'),
    signInOrigins: list('siteSignInOrigins'),
    upgradeUrl: text('siteUpgradeUrl'),
    contactUrl: text('siteContactUrl'),
    frameAncestors: list('siteFrameAncestors'),
    domainName: text('siteDomainName'),
    certificate: certificate
      ? Certificate.fromCertificateArn(stack, 'SiteCertificate', certificate)
      : undefined,
  }
}

function alarmTopic(email: string | undefined): ITopic | undefined {
  if (!email) return undefined
  const topic = new Topic(stack, 'AlarmTopic', { enforceSSL: true })
  // The policy that enforces TLS replaces the default one, which let CloudWatch in.
  topic.grantPublish(
    new ServicePrincipal('cloudwatch.amazonaws.com', {
      conditions: { StringEquals: { 'aws:SourceAccount': stack.account } },
    }),
  )
  topic.addSubscription(new EmailSubscription(email))
  return topic
}
