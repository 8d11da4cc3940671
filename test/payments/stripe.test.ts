import { inspect } from 'node:util'
import Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { functions } from '../../infra/functions.ts'
import { handleSecretsApi } from '../../local/aws/secrets.ts'
import { type HttpServer, serve } from '../../local/http.ts'
import { stripeSecretName } from '../../local/stripe/keys.ts'
import { Unavailable } from '../../shared/domain/refusal.ts'
import {
  asUnavailable,
  failureOf,
  openStripe,
  withWebhookSecrets,
} from '../../shared/payments/stripe.ts'
import { listenForSignals } from '../support/signals.ts'

let secret: unknown
let away = false
/** How often the secret was asked for. */
let reads = 0
let server: HttpServer
beforeAll(async () => {
  server = await serve(async (request) => {
    reads += 1
    if (away) return Response.json({ __type: 'InternalServiceError' }, { status: 500 })
    const secrets = new Map(secret === undefined ? [] : [[stripeSecretName, secret]])
    return (await handleSecretsApi(request, secrets))!
  })
  process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER = server.url
  process.env.AWS_REGION = 'eu-west-1'
  process.env.AWS_ACCESS_KEY_ID = 'local'
  process.env.AWS_SECRET_ACCESS_KEY = 'local'
})
afterAll(() => server.stop())

const signals = listenForSignals()
let elapsedMs = 0
const uptime = performance.now.bind(performance)
beforeEach(() => {
  signals.forget()
  away = false
  reads = 0
  elapsedMs = 0
  vi.spyOn(performance, 'now').mockImplementation(() => uptime() + elapsedMs)
})

const opening = (value: unknown, apiBase?: URL) => {
  secret = value
  return openStripe({ secretId: stripeSecretName, apiBase })
}

const good = { apiKey: 'sk_test_1', webhookSecrets: ['whsec_1'] }
const rotating = { ...good, webhookSecrets: ['whsec_2', 'whsec_1'] }

const withoutKeys = expect.objectContaining({ name: 'Unavailable', service: 'secrets' })

describe('opening the Stripe account', () => {
  it('reads the key, its mode, and one webhook secret or two', async () => {
    const account = await opening(good)()
    expect(account).toMatchObject({ livemode: false, webhookSecrets: ['whsec_1'] })
    expect(await opening(rotating)()).toMatchObject({ webhookSecrets: ['whsec_2', 'whsec_1'] })
    for (const apiKey of ['sk_live_1', 'rk_live_1']) {
      expect(await opening({ ...good, apiKey })()).toMatchObject({ livemode: true })
    }
  })

  it('talks to another server where it is told to', async () => {
    const { client } = await opening(good, new URL('http://127.0.0.1:4999'))()
    expect([client.getApiField('protocol'), client.getApiField('host')]).toEqual([
      'http',
      '127.0.0.1',
    ])
    expect(client.getApiField('port')).toBe('4999')
  })

  it('gives a silent Stripe up while the function that asked can still say so', async () => {
    const { client } = await opening(good)()
    const callMs = client.getApiField('timeout') * (client.getMaxNetworkRetries() + 1)
    for (const name of ['start-purchase', 'get-purchase', 'stripe-webhook'] as const) {
      // Settling asks for the session and then for its refunds and disputes; either may be the slow one.
      expect(2 * callMs).toBeLessThan(functions[name].timeoutSeconds * 1_000)
    }
  })
})

describe('the keys', () => {
  it('are read when they are first needed, once for all who need them then', async () => {
    const stripe = opening(good)
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(reads).toBe(0)
    const accounts = await Promise.all(Array.from({ length: 20 }, () => stripe()))
    expect(new Set(accounts).size).toBe(1)
    expect(reads).toBe(1)
  })

  it('are those of the secret within five minutes of a rotation', async () => {
    const stripe = opening(good)
    await stripe()
    secret = { ...rotating, apiKey: 'rk_live_2' }
    elapsedMs = 4 * 60_000
    expect(await stripe()).toMatchObject({ livemode: false })
    expect(reads).toBe(1)
    elapsedMs = 5 * 60_000 + 1
    const accounts = await Promise.all(Array.from({ length: 20 }, () => stripe()))
    for (const account of accounts) {
      expect(account).toMatchObject({ livemode: true, webhookSecrets: ['whsec_2', 'whsec_1'] })
    }
    expect(reads).toBe(2)
    expect(signals.heard()).toEqual([])
  })

  it('are a 503 of ours while Secrets Manager is away, heard of once, and there when it is back', async () => {
    const stripe = opening(good)
    away = true
    const failed = await Promise.all(Array.from({ length: 20 }, () => stripe().catch((e) => e)))
    for (const error of failed) expect(error).toEqual(withoutKeys)
    // Two attempts, however many wait.
    expect(reads).toBe(2)
    expect(signals.heard()).toEqual([
      { signal: 'secret_unread', cause: expect.stringContaining('Internal'), goesOn: false },
    ])
    away = false
    expect(await stripe()).toMatchObject({ webhookSecrets: ['whsec_1'] })
  })

  it('are given up in a few seconds where Secrets Manager is silent', {
    timeout: 20_000,
  }, async () => {
    const silent = await serve(() => new Promise<never>(() => {}))
    const before = process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER
    process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER = silent.url
    try {
      const startedAt = uptime()
      await expect(opening(good)()).rejects.toEqual(withoutKeys)
      expect(uptime() - startedAt).toBeLessThan(7_000)
    } finally {
      process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER = before
      await silent.stop()
    }
  })

  it.each([
    ['cannot be read', { away: true }, 'Internal'],
    ['is malformed by now', { secret: { apiKey: '' } }, 'has no apiKey'],
    ['is gone', { secret: undefined }, 'ResourceNotFound'],
  ])(
    'stay in use where the secret %s, and the operator hears of each try once',
    async (_, by, why) => {
      const stripe = opening(good)
      const account = await stripe()
      ;({ away, secret } = { away: false, secret, ...by })
      for (let tries = 1; tries <= 2; tries++) {
        elapsedMs += 5 * 60_000 + 1
        const asked = await Promise.all(Array.from({ length: 20 }, () => stripe()))
        expect(new Set(asked)).toEqual(new Set([account]))
        for (let request = 0; request < 5; request++) expect(await stripe()).toBe(account)
        const told = { signal: 'secret_unread', cause: expect.stringContaining(why), goesOn: true }
        expect(signals.heard()).toEqual(Array(tries).fill(told))
      }
      secret = rotating
      away = false
      elapsedMs += 5 * 60_000 + 1
      expect(await stripe()).toMatchObject({ webhookSecrets: rotating.webhookSecrets })
    },
  )

  it.each([
    ['is missing', undefined, /ResourceNotFound/],
    ['is empty', {}, /has no apiKey/],
    ['is null', null, /has no apiKey/],
    ['is a bare key', 'sk_test_1', /has no apiKey/],
    ['has no key', { webhookSecrets: ['whsec_1'] }, /has no apiKey/],
    ['has an empty key', { ...good, apiKey: ' ' }, /has no apiKey/],
    ['has a key that is not text', { ...good, apiKey: 1 }, /has no apiKey/],
    ['has an empty webhook secret', { ...good, webhookSecrets: [''] }, /webhook secret/],
    ['has a blank one beside a good one', { ...good, webhookSecrets: ['whsec_1', ' '] }, /webhook/],
    [
      'has a webhook secret that is not text',
      { ...good, webhookSecrets: [null] },
      /webhook secret/,
    ],
    ['has its webhook secret outside a list', { ...good, webhookSecrets: 'whsec_1' }, /webhook/],
    ['has three webhook secrets', { ...good, webhookSecrets: ['a', 'b', 'c'] }, /two/],
  ])('are missing where the secret %s, which is said', async (_, value, why) => {
    await expect(opening(value)()).rejects.toEqual(withoutKeys)
    expect(signals.heard()).toEqual([
      { signal: 'secret_unread', cause: expect.stringMatching(why), goesOn: false },
    ])
  })

  it.each([
    ['empty', { apiKey: 'sk_live_very_secret', webhookSecrets: ['whsec_very_secret', ''] }],
    ['no list', { apiKey: 'sk_live_very_secret', webhookSecrets: 'whsec_very_secret' }],
    ['a bare text', 'sk_live_very_secret'],
  ])('are never said, where they are refused for a part that is %s', async (_, value) => {
    const error = await opening(value)().catch((error) => error)
    const told = inspect([error, signals.heard()], { depth: 9, showHidden: true })
    expect(told).toContain('the secret token-top-up/stripe')
    expect(told).not.toContain('very_secret')
  })

  it.each([
    ['has no webhook secrets', { apiKey: 'sk_test_1' }],
    ['has an empty list of them', { apiKey: 'sk_test_1', webhookSecrets: [] }],
  ])('are enough for everybody but the webhook where the secret %s', async (_, value) => {
    const account = await opening(value)()
    expect(account).toMatchObject({ livemode: false, webhookSecrets: [] })
    expect(() => withWebhookSecrets(account)).toThrow(withoutKeys)
    expect(signals.heard()).toEqual([])
    const complete = await opening(good)()
    expect(withWebhookSecrets(complete)).toBe(complete)
  })
})

describe('what Stripe answers in place of a result', () => {
  const refusal = {
    type: 'invalid_request_error' as const,
    message: 'No such customer: jo@example.com, with key sk_live_1',
    code: 'resource_missing',
    param: 'customer',
    statusCode: 400,
    requestId: 'req_1',
  }

  it.each([400, 401, 404, 409, 429, 500, 503])(
    'is an outage, %i included, and kept by its codes without its words',
    (statusCode) => {
      const refused = Stripe.errors.StripeError.generate({ ...refusal, statusCode })
      const error = asUnavailable(refused)
      expect(error).toBeInstanceOf(Unavailable)
      expect(failureOf(error)).toMatchObject({
        code: 'resource_missing',
        param: 'customer',
        statusCode,
      })
      expect(String((error as Error).cause)).toBe(
        `StripeFailure: Stripe answered ${statusCode} invalid_request_error resource_missing customer req_1`,
      )
      expect(inspect(error, { depth: 9, showHidden: true })).not.toMatch(/example\.com|sk_live/)
    },
  )

  it('is left as it is where it is not Stripe’s', () => {
    const bug = new TypeError('a bug of ours')
    expect(asUnavailable(bug)).toBe(bug)
  })
})
