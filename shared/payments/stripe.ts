import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import Stripe from 'stripe'
import type { StripeConfig } from '../config.ts'
import { Unavailable } from '../domain/refusal.ts'
import { pacedHttpClient, requestsPerSecond } from './paced.ts'

/** Our account at Stripe: a client with its key, and the secrets its webhooks are signed with. */
export interface StripeAccount {
  client: Stripe
  livemode: boolean
  /** One, or two while the signing secret is being rotated. */
  webhookSecrets: readonly string[]
}

/** How long a secret is trusted before it is read again, so a rotation needs no deployment. */
const secretAgeMaxMs = 5 * 60_000

/**
 * Reads the account's keys from Secrets Manager and keeps them fresh. Opening fails where the secret is
 * missing, empty or malformed, so a function that could not verify a webhook never starts. `paced` is for a
 * job that has many calls to make and must leave room for others.
 */
export async function openStripe(
  config: StripeConfig,
  pace?: 'paced',
): Promise<() => Promise<StripeAccount>> {
  const secrets = new SecretsManagerClient({
    maxAttempts: 3,
    requestHandler: {
      connectionTimeout: 1_000,
      requestTimeout: 3_000,
      throwOnRequestTimeout: true,
    },
  })
  const load = async () => {
    const { SecretString } = await secrets.send(
      new GetSecretValueCommand({ SecretId: config.secretId }),
    )
    return accountOf(SecretString, config, pace)
  }
  let account = await load()
  let loadedAt = performance.now()

  return async () => {
    if (performance.now() - loadedAt > secretAgeMaxMs) {
      // An outage of Secrets Manager is no reason to stop: the keys we have most likely still work.
      account = await load().catch(() => account)
      loadedAt = performance.now()
    }
    return account
  }
}

/**
 * What Stripe answered in place of a result, by its codes alone: its words may repeat what it was sent, and
 * errors end up in logs. The request's id finds the words in Stripe's dashboard.
 */
export class StripeFailure extends Error {
  readonly type?: string
  readonly code?: string
  readonly param?: string
  /** Undefined where nothing was answered. */
  readonly statusCode?: number

  constructor({ message, rawType, code, param, statusCode, requestId }: Stripe.errors.StripeError) {
    const codes = [statusCode, rawType, code, param, requestId].filter((each) => each !== undefined)
    super(statusCode === undefined ? message : `Stripe answered ${codes.join(' ')}`)
    this.name = 'StripeFailure'
    this.type = rawType
    this.code = code
    this.param = param
    this.statusCode = statusCode
  }
}

/**
 * Turns whatever came in place of a result into `Unavailable`: also a refusal, for Stripe refuses single
 * objects at times, and our key or our parameters for as long as somebody has them wrong. Later the same call
 * may succeed. Who can do better about an answer asks for its `failureOf`.
 */
export async function answeredByStripe<T>(request: Promise<T>): Promise<T> {
  try {
    return await request
  } catch (error) {
    throw asUnavailable(error)
  }
}

/** The error to throw in place of one of Stripe's client; any other as it is. */
export function asUnavailable(error: unknown): unknown {
  if (!(error instanceof Stripe.errors.StripeError)) return error
  return new Unavailable('stripe', new StripeFailure(error))
}

/** What Stripe answered, where that is why the call failed. */
export function failureOf(error: unknown): StripeFailure | undefined {
  const { cause } = error as Error
  return cause instanceof StripeFailure ? cause : undefined
}

/** Undefined in place of what Stripe does not know, or not any more. */
export async function unlessMissing<T>(request: Promise<T>): Promise<T | undefined> {
  try {
    return await answeredByStripe(request)
  } catch (error) {
    if (failureOf(error)?.code === 'resource_missing') return undefined
    throw error
  }
}

function accountOf(
  secret: string | undefined,
  { apiBase, secretId }: StripeConfig,
  pace?: 'paced',
): StripeAccount {
  const { apiKey, webhookSecrets } = parse(secret, secretId)
  const livemode = /^[rs]k_live_/.test(apiKey)
  const client = new Stripe(apiKey, {
    // A silent Stripe is given up well before the function that asked is, so that its caller hears 503.
    maxNetworkRetries: 1,
    timeout: 5_000,
    telemetry: false,
    ...(pace && { httpClient: pacedHttpClient(requestsPerSecond[livemode ? 'live' : 'test']) }),
    ...(apiBase && {
      protocol: apiBase.protocol === 'http:' ? 'http' : 'https',
      host: apiBase.hostname,
      // The client would take 443 for either protocol.
      port: apiBase.port || (apiBase.protocol === 'http:' ? 80 : 443),
    }),
  })
  return { client, livemode, webhookSecrets }
}

/** Says which part is wrong, and never what was in it. */
function parse(secret: string | undefined, secretId: string) {
  const fail = (problem: string) => {
    throw new Error(
      `the secret ${secretId} ${problem}; it must be {"apiKey", "webhookSecrets": []}`,
    )
  }
  let parsed: { apiKey?: unknown; webhookSecrets?: unknown } = {}
  try {
    parsed = JSON.parse(secret ?? '') ?? {}
  } catch {
    fail('is not JSON')
  }
  const { apiKey, webhookSecrets } = parsed
  const filled = (value: unknown): value is string =>
    typeof value === 'string' && value.trim() !== ''
  if (!filled(apiKey)) return fail('has no apiKey')
  if (!Array.isArray(webhookSecrets) || !webhookSecrets.every(filled)) {
    return fail('has an empty or malformed webhook secret')
  }
  if (webhookSecrets.length === 0 || webhookSecrets.length > 2) {
    return fail('must list one webhook secret, or two during a rotation')
  }
  return { apiKey, webhookSecrets: webhookSecrets as string[] }
}
