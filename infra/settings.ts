import { RemovalPolicy, Token } from 'aws-cdk-lib'
import type { ICertificate } from 'aws-cdk-lib/aws-certificatemanager'
import type { PriceClass } from 'aws-cdk-lib/aws-cloudfront'
import { RetentionDays } from 'aws-cdk-lib/aws-logs'
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager'
import type { ITopic } from 'aws-cdk-lib/aws-sns'
import { claimsDefaults } from '../shared/config.ts'
import { type CheckoutOptions, wrongCheckoutOption } from '../shared/payments/checkout-options.ts'
import type { FunctionName } from './functions.ts'

/** Whose tokens are taken. */
export interface Vouching {
  /** The `iss` claim of the tokens, to the letter: Auth0's ends in a slash, Clerk's does not. */
  issuer: string

  /** Values of the `aud` claim to accept; one of them must be in the token. */
  audience: readonly string[]
}

export interface TokenTopUpProps extends Vouching {
  /**
   * The claim that names a person's workspace.
   * @default 'workspace_id'
   */
  workspaceClaim?: string

  /**
   * The claim that carries a person's role in the workspace.
   * @default 'role'
   */
  roleClaim?: string

  /**
   * Values of the role claim that may buy, such as `org:admin`.
   * @default ['admin']
   */
  adminRoles?: readonly string[]

  /**
   * Values of the role claim that may look at the meter.
   * @default ['member']
   */
  memberRoles?: readonly string[]

  /**
   * Whether the role claim is a list, any of whose values counts. Values must then hold no spaces, since the API
   * hands a function a list as one text with spaces between.
   * @default false
   */
  roleClaimIsList?: boolean

  /**
   * Who vouches for services, where it is not who vouches for people: another issuer (WorkOS), or another audience
   * of the same. Services then find the meter under `/v1/services/workspaces/{workspaceId}/meter`.
   * @default - the same issuer and audience as people's
   */
  services?: Vouching

  /**
   * A claim, and its value, by which your issuer marks tokens that it makes for a client and not for a person. It
   * must be a claim that nobody can choose. `gty` of client credentials, a `sub` that is the `client_id` or `azp`,
   * and the machines of Auth0, Clerk, Cognito, Kinde and WorkOS are known without it.
   * @default - none besides
   */
  serviceMark?: { claim: string; value: string }

  /**
   * What your issuer puts before each scope. Cognito writes `<resource server>/tokens:consume`, so there it
   * is `<resource server>/`.
   * @default ''
   */
  scopePrefix?: string

  /**
   * Origins of your web pages, such as `https://app.example.com`. They may call the API from a browser, and
   * buyers may return to them. With a `site` the list may be empty: that is its own origin, always allowed.
   */
  allowedOrigins: readonly string[]

  /**
   * Where a buyer goes after Checkout when the purchase names no page of its own. It must be on an
   * allowed origin.
   * @default - the first allowed origin, or else the site
   */
  returnUrl?: string

  /**
   * How the checkout is to be, in Stripe's own words: `{ automatic_tax: { enabled: true } }` and the like. An order
   * keeps what was set when it was made, so a deployment changes no order. docs/payments.md says what each costs.
   * @default - an invoice for each payment, and nothing else that Stripe does not do by itself
   */
  checkout?: CheckoutOptions

  /** Holds `{"apiKey": "sk_…", "webhookSecrets": ["whsec_…"]}`; during a rotation, two webhook secrets. */
  stripeSecret: ISecret

  /**
   * Another server to talk to in place of Stripe's, for tests.
   * @default - api.stripe.com
   */
  stripeApiBase?: string

  /**
   * How many parts of the workspaces table the monthly reset sweeps side by side.
   * @default 8
   */
  resetSegments?: number

  /**
   * Workspaces one segment may roll over in a second, so that the sweep leaves room for midnight's callers.
   * @default 25
   */
  resetPacePerSecond?: number

  /**
   * Days a usage entry is kept, and with it the memory of its idempotency key.
   * @default 400
   */
  usageRetentionDays?: number

  /**
   * Told when an alarm goes off.
   * @default - alarms exist, and notify no one
   */
  alarmTopic?: ITopic

  /**
   * What becomes of the tables when they leave the stack. Anything but DESTROY also switches their
   * deletion protection on.
   * @default RemovalPolicy.RETAIN
   */
  removalPolicy?: RemovalPolicy

  /**
   * Concurrency set aside for a function, and its ceiling, by the function's name.
   * @default - none: functions share the account's concurrency
   */
  reservedConcurrency?: Partial<Readonly<Record<FunctionName, number>>>

  /**
   * Requests a second that one route takes, steadily and in a burst. Callers beyond that get 429.
   * @default { rate: 1000, burst: 2000 }
   */
  throttle?: { rate: number; burst: number }

  /**
   * How long the functions' logs and the access logs are kept.
   * @default RetentionDays.THREE_MONTHS
   */
  logRetention?: RetentionDays

  /**
   * Serves the usage page and the `<token-meter>` module through CloudFront, with the API on the same origin.
   * @default - the API alone; pages of yours embed the meter
   */
  site?: SiteOptions
}

export interface SiteOptions {
  /** The page's client at your issuer: a public one, for the authorization code flow with PKCE. */
  clientId: string

  /**
   * The scopes that the page asks for at sign-in.
   * @default 'openid'
   */
  scope?: string

  /**
   * More origins that the page must reach to sign in. The issuer's own is always among them; Cognito keeps
   * its token endpoint on another, that of the user pool's domain.
   * @default []
   */
  signInOrigins?: readonly string[]

  /**
   * Where the page sends viewers on Starter who want to buy.
   * @default - they are told to upgrade, without a link
   */
  upgradeUrl?: string

  /**
   * Where the page sends viewers on Enterprise, such as `mailto:sales@example.com`.
   * @default - they are told whom to contact, without a link
   */
  contactUrl?: string

  /**
   * Who may show the page in a frame, such as `https://app.example.com`, `https://*.example.com` or `'self'`.
   * @default - nobody
   */
  frameAncestors?: readonly string[]

  /**
   * Your own name for the site, such as `tokens.example.com`; point it at `site.distribution`. With it the
   * site takes TLS 1.2 and above. Under cloudfront.net the minimum is CloudFront's own, which is lower.
   * @default - a name under cloudfront.net
   */
  domainName?: string

  /** A certificate for `domainName`. CloudFront only takes one from us-east-1. */
  certificate?: ICertificate

  /**
   * Which of CloudFront's locations serve the site.
   * @default PriceClass.PRICE_CLASS_ALL
   */
  priceClass?: PriceClass
}

/** The props with nothing left to default. */
export type Settings = TokenTopUpProps &
  Required<
    Omit<
      TokenTopUpProps,
      | 'alarmTopic'
      | 'checkout'
      | 'returnUrl'
      | 'serviceMark'
      | 'services'
      | 'site'
      | 'stripeApiBase'
    >
  >

/** Fills in the defaults, and finds now the mistakes that a function would only find when it starts. */
export function settingsOf(props: TokenTopUpProps): Settings {
  const settings: Settings = {
    ...props,
    workspaceClaim: props.workspaceClaim ?? claimsDefaults.workspaceClaim,
    roleClaim: props.roleClaim ?? claimsDefaults.roleClaim,
    adminRoles: props.adminRoles ?? claimsDefaults.adminRoles,
    memberRoles: props.memberRoles ?? claimsDefaults.memberRoles,
    roleClaimIsList: props.roleClaimIsList ?? claimsDefaults.roleClaimIsList,
    scopePrefix: props.scopePrefix ?? claimsDefaults.scopePrefix,
    resetSegments: props.resetSegments ?? 8,
    resetPacePerSecond: props.resetPacePerSecond ?? 25,
    usageRetentionDays: props.usageRetentionDays ?? 400,
    removalPolicy: props.removalPolicy ?? RemovalPolicy.RETAIN,
    reservedConcurrency: props.reservedConcurrency ?? {},
    throttle: props.throttle ?? { rate: 1000, burst: 2000 },
    logRetention: props.logRetention ?? RetentionDays.THREE_MONTHS,
  }
  mustBe(isUrl(settings.issuer), 'issuer', 'the URL that your tokens carry as iss')
  if (settings.stripeApiBase) mustBe(isUrl(settings.stripeApiBase), 'stripeApiBase', 'a URL')
  checkLists(settings)
  checkCallers(settings)
  checkOrigins(settings)
  checkCounts(settings)
  const wrongOption = settings.checkout && wrongCheckoutOption(settings.checkout)
  mustBe(!wrongOption, 'checkout', `options that Stripe has, and ${wrongOption} is not right`)
  if (settings.site) checkSite(settings.site)
  return settings
}

function checkLists(settings: Settings): void {
  for (const name of ['audience', 'allowedOrigins', 'adminRoles', 'memberRoles'] as const) {
    const mayBeEmpty = name === 'allowedOrigins' && settings.site !== undefined
    if (!mayBeEmpty || settings[name].length > 0) mustBeList(settings[name], name)
  }
}

/** The functions are told a list as one line, with commas between its values. */
function mustBeList(values: readonly string[], prop: string): void {
  const fitsOneLine = values.every((value) => value !== '' && !value.includes(','))
  mustBe(fitsOneLine && values.length > 0, prop, 'a list of values without commas, at least one')
}

function checkCallers({ adminRoles, memberRoles, ...settings }: Settings): void {
  if (settings.roleClaimIsList) {
    const spaced = [...adminRoles, ...memberRoles].find((role) => /\s/.test(role))
    mustBe(
      spaced === undefined,
      'roleClaimIsList',
      `used with roles without spaces, and ${spaced} has one: it could not be told from two roles`,
    )
  }
  const { services, serviceMark } = settings
  if (services) {
    mustBe(
      isUrl(services.issuer),
      'services.issuer',
      'the URL that the tokens of services carry as iss',
    )
    mustBeList(services.audience, 'services.audience')
  }
  if (serviceMark) {
    const { claim, value } = serviceMark
    mustBe(
      claim !== '' && value !== '',
      'serviceMark',
      'a claim and the value that marks a service',
    )
    // Whatever an application may ask for vouches for nothing.
    const isAskedFor = ['scope', 'scp', 'aud', 'nonce', settings.roleClaim].includes(claim)
    mustBe(!isAskedFor, 'serviceMark.claim', `a claim that the issuer alone decides, not ${claim}`)
  }
}

function checkOrigins({ allowedOrigins, returnUrl, site }: Settings): void {
  mustBeOrigins(allowedOrigins, 'allowedOrigins')
  if (returnUrl === undefined || isUnknownYet(returnUrl)) return
  // A name that CloudFront chooses is known after the first deployment, and only to whoever made it.
  const isNotKnown = allowedOrigins.some(isUnknownYet) || (site && !site.domainName)
  const known = [...allowedOrigins, ...(site?.domainName ? [`https://${site.domainName}`] : [])]
  mustBe(
    isNotKnown || known.includes(originOf(returnUrl)),
    'returnUrl',
    'a URL on one of the allowed origins',
  )
}

function checkSite(site: SiteOptions): void {
  mustBe(site.clientId !== '', 'site.clientId', "the id of the page's client at the issuer")
  mustBe(
    (site.domainName === undefined) === (site.certificate === undefined),
    'site.domainName',
    'given together with its certificate, or neither',
  )
  mustBeOrigins(site.signInOrigins ?? [], 'site.signInOrigins')
  for (const source of site.frameAncestors ?? []) {
    // Anything more, such as a semicolon, would add to the policy that it becomes a part of.
    mustBe(
      isUnknownYet(source) || /^('self'|https?:\/\/(\*\.)?[\w.-]+(:\d+)?)$/.test(source),
      'site.frameAncestors',
      `origins or 'self', and ${source} is neither`,
    )
  }
}

function mustBeOrigins(origins: readonly string[], prop: string): void {
  for (const origin of origins) {
    mustBe(
      isUnknownYet(origin) || originOf(origin) === origin,
      prop,
      `origins without a path, such as https://app.example.com, and ${origin} is not one`,
    )
  }
}

function checkCounts(settings: Settings): void {
  for (const name of ['resetSegments', 'resetPacePerSecond', 'usageRetentionDays'] as const) {
    const count = settings[name]
    mustBe(Number.isSafeInteger(count) && count > 0, name, 'a positive whole number')
  }
}

function mustBe(holds: boolean | undefined, prop: string, what: string): void {
  if (!holds) throw new Error(`TokenTopUp: ${prop} must be ${what}`)
}

/** A value that CloudFormation fills in, such as the id of a user pool in the same stack, is taken on trust. */
function isUnknownYet(text: string): boolean {
  return Token.isUnresolved(text)
}

function isUrl(text: string): boolean {
  return isUnknownYet(text) || URL.canParse(text)
}

function originOf(text: string): string {
  return URL.canParse(text) ? new URL(text).origin : ''
}
