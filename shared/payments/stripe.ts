import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import Stripe from 'stripe'
import type { StripeConfig } from '../config.ts'
import { Unavailable } from '../domain/refusal.ts'
import { signal } from '../signals.ts'
import { pacedHttpClient, requestsPerSecond } from './paced.ts'

/** Our account at Stripe: a client with its key, and the secrets its webhooks are signed with. */
export interface StripeAccount {
  client: Stripe
  livemode: boolean
  /** One, or two while the signing secret is being rotated. None before there is a webhook. */
  webhookSecrets: readonly string[]
}

/** Reads the account's keys if they have yet to be read; throws `Unavailable` where they cannot be. */
export type OpenAccount = () => Promise<StripeAccount>

/** How long a secret is trusted before it is read again, so a rotation needs no deployment. */
const secretAgeMaxMs = 5 * 60_000

/**
 * The account whose keys are in Secrets Manager. They are read when they are first needed and not before, so that
 * whatever needs none of them works without, and from then on kept fresh. Whoever needs them while they are being
 * read waits for the same read. `paced` is for a job that has many calls to make and must leave room for others.
 *
 * A read that fails is told to the operator once, whoever waits for it. Without keys it is `Unavailable` for its
 * callers; with keys an outage is no reason to stop: those we have most likely still work.
 */
export function openStripe(config: StripeConfig, pace?: 'paced'): OpenAccount {
  const secrets = new SecretsManagerClient({
    // Some five seconds in all, so that there is time left to say that it is out.
    maxAttempts: 2,
    requestHandler: {
      connectionTimeout: 1_000,
      requestTimeout: 2_000,
      throwOnRequestTimeout: true,
    },
  })
  let account: StripeAccount | undefined
  let readAt = 0
  let reading: Promise<void> | undefined

  const read = async () => {
    try {
      const command = new GetSecretValueCommand({ SecretId: config.secretId })
      const { SecretString } = await secrets.send(command)
      account = accountOf(SecretString, config, pace)
    } catch (cause) {
      signal('secret_unread', { cause: String(cause), goesOn: account !== undefined })
      if (!account) throw new Unavailable('secrets', cause)
    }
    // Also where it failed: so often is often enough to try.
    readAt = performance.now()
  }
  const readOnce = () => {
    reading ??= read().finally(() => {
      reading = undefined
    })
    return reading
  }

  return async () => {
    if (!account || performance.now() - readAt > secretAgeMaxMs) await readOnce()
    return account!
  }
}

/** The account, for who must verify webhooks; `Unavailable` while the secret has nothing to verify them with. */
export function withWebhookSecrets(account: StripeAccount): StripeAccount {
  if (account.webhookSecrets.length > 0) return account
  throw new Unavailable('secrets', new Error('the Stripe secret has no webhookSecrets'))
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

/** The id of what an object of Stripe's refers to, whether or not it was expanded. */
export function idOf(reference: string | { id: string } | null | undefined): string | undefined {
  return typeof reference === 'string' ? reference : reference?.id
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
  return accountWith(parse(secret, secretId), { apiBase, pace })
}

/** The account of a key, however that was come by. */
export function accountWith(
  { apiKey, webhookSecrets = [] }: { apiKey: string; webhookSecrets?: readonly string[] },
  { apiBase, pace }: { apiBase?: URL; pace?: 'paced' } = {},
): StripeAccount {
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
  const { apiKey, webhookSecrets = [] } = parsed
  const filled = (value: unknown): value is string =>
    typeof value === 'string' && value.trim() !== ''
  if (!filled(apiKey)) return fail('has no apiKey')
  if (!Array.isArray(webhookSecrets) || !webhookSecrets.every(filled)) {
    return fail('has an empty or malformed webhook secret')
  }
  if (webhookSecrets.length > 2) {
    return fail('lists more webhook secrets than the two of a rotation')
  }
  return { apiKey, webhookSecrets: webhookSecrets as string[] }
}
