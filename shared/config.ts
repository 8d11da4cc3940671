/**
 * What a function is told by its environment. Each group is read once, when the function starts, and a
 * missing or malformed value stops it there: a misconfigured service must not answer a single request.
 */

export interface TablesConfig {
  workspacesTable: string
  ledgerTable: string
  /** Days a usage entry is kept, and with it the protection of a retried key. */
  usageRetentionDays: number
}

export function tablesConfig(): TablesConfig {
  return {
    workspacesTable: required('WORKSPACES_TABLE'),
    ledgerTable: required('LEDGER_TABLE'),
    usageRetentionDays: positiveInteger('USAGE_RETENTION_DAYS'),
  }
}

export interface ClaimsConfig {
  workspaceClaim: string
  roleClaim: string
  adminRoles: readonly string[]
  memberRoles: readonly string[]
  /** The role claim holds a list, and any of its values will do. */
  roleClaimIsList: boolean
  /** What the issuer puts before each scope; often nothing. */
  scopePrefix: string
  /** A claim by which the issuer marks tokens made for a service, where it is none of the usual ones. */
  serviceMark?: { claim: string; value: string }
  /** Services have an issuer or audience of their own, and so routes of their own. */
  servicesApart: boolean
}

/** What the claims are called where nobody says otherwise. */
export const claimsDefaults = {
  workspaceClaim: 'workspace_id',
  roleClaim: 'role',
  adminRoles: ['admin'],
  memberRoles: ['member'],
  roleClaimIsList: false,
  scopePrefix: '',
} as const satisfies Partial<ClaimsConfig>

export function claimsConfig(): ClaimsConfig {
  return {
    workspaceClaim: required('WORKSPACE_CLAIM'),
    roleClaim: required('ROLE_CLAIM'),
    adminRoles: list('ADMIN_ROLES'),
    memberRoles: list('MEMBER_ROLES'),
    roleClaimIsList: isSet('ROLE_CLAIM_IS_LIST'),
    scopePrefix: process.env.SCOPE_PREFIX ?? '',
    ...(process.env.SERVICE_MARK_CLAIM && {
      serviceMark: {
        claim: required('SERVICE_MARK_CLAIM'),
        value: required('SERVICE_MARK_VALUE'),
      },
    }),
    servicesApart: servicesApart(),
  }
}

/** Whether services have routes of their own; whoever describes the routes must know it too. */
export function servicesApart(): boolean {
  return isSet('SERVICES_APART')
}

export interface StripeConfig {
  /** Name or ARN of the Secrets Manager secret that holds `{apiKey, webhookSecrets}`. */
  secretId: string
  /** Another server to talk to in place of api.stripe.com. */
  apiBase?: URL
}

export function stripeConfig(): StripeConfig {
  const apiBase = process.env.STRIPE_API_BASE
  return { secretId: required('STRIPE_SECRET_ID'), ...(apiBase && { apiBase: new URL(apiBase) }) }
}

export interface CheckoutConfig {
  /** Origins a purchase may send its buyer back to, such as `https://app.example.com`. */
  allowedOrigins: readonly string[]
  /** Where a buyer goes when the purchase names no return URL. */
  returnUrl: string
  /** How the checkout is to be, in Stripe's words. */
  options?: Readonly<Record<string, unknown>>
}

export function checkoutConfig(): CheckoutConfig {
  const allowedOrigins = list('ALLOWED_ORIGINS').map((origin) => new URL(origin).origin)
  const returnUrl = required('RETURN_URL')
  if (!allowedOrigins.includes(new URL(returnUrl).origin)) {
    throw new Error(`RETURN_URL ${returnUrl} is not on one of ALLOWED_ORIGINS`)
  }
  const options = process.env.CHECKOUT_OPTIONS
  return { allowedOrigins, returnUrl, ...(options && { options: JSON.parse(options) }) }
}

export interface ResetConfig {
  /** Workspaces one segment may roll over in a second. */
  pacePerSecond: number
}

export function resetConfig(): ResetConfig {
  return { pacePerSecond: positiveInteger('RESET_PACE_PER_SECOND') }
}

function required(name: string): string {
  const value = process.env[name]?.trim()
  if (!value) throw new Error(`the environment variable ${name} is missing or empty`)
  return value
}

function isSet(name: string): boolean {
  return process.env[name] === '1'
}

function list(name: string): string[] {
  return required(name)
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

function positiveInteger(name: string): number {
  const value = Number(required(name))
  if (!Number.isSafeInteger(value) || value <= 0) {
    throw new Error(`the environment variable ${name} must be a positive whole number`)
  }
  return value
}
