import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { functions } from '../../infra/functions.ts'
import { handleSecretsApi, stripeSecretName } from '../../local/secrets.ts'
import { Unavailable } from '../../shared/domain/refusal.ts'
import { asUnavailable, failureOf, openStripe } from '../../shared/payments/stripe.ts'

let secret: unknown
let server: Server
beforeAll(async () => {
  server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const headers = { 'x-amz-target': String(request.headers['x-amz-target']) }
    const asked = { method: 'POST', headers, body: Buffer.concat(chunks).toString() }
    const secrets = new Map(secret === undefined ? [] : [[stripeSecretName, secret]])
    const answer = await handleSecretsApi(new Request('http://secrets.invalid/', asked), secrets)
    response.writeHead(answer!.status, { 'content-type': 'application/x-amz-json-1.1' })
    response.end(await answer!.text())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  process.env.AWS_ENDPOINT_URL_SECRETS_MANAGER = `http://127.0.0.1:${port}`
  process.env.AWS_REGION = 'eu-west-1'
  process.env.AWS_ACCESS_KEY_ID = 'local'
  process.env.AWS_SECRET_ACCESS_KEY = 'local'
})
afterAll(() => server.close())

const opening = (value: unknown, apiBase?: URL) => {
  secret = value
  return openStripe({ secretId: stripeSecretName, apiBase })
}

const good = { apiKey: 'sk_test_1', webhookSecrets: ['whsec_1'] }

describe('opening the Stripe account', () => {
  it('reads the key, its mode, and one webhook secret or two', async () => {
    const account = await (await opening(good))()
    expect(account).toMatchObject({ livemode: false, webhookSecrets: ['whsec_1'] })
    const rotating = { ...good, webhookSecrets: ['whsec_2', 'whsec_1'] }
    expect(await (await opening(rotating))()).toMatchObject({
      webhookSecrets: ['whsec_2', 'whsec_1'],
    })
    for (const apiKey of ['sk_live_1', 'rk_live_1']) {
      expect(await (await opening({ ...good, apiKey }))()).toMatchObject({ livemode: true })
    }
  })

  it('talks to another server where it is told to', async () => {
    const { client } = await (await opening(good, new URL('http://127.0.0.1:4999')))()
    expect([client.getApiField('protocol'), client.getApiField('host')]).toEqual([
      'http',
      '127.0.0.1',
    ])
    expect(client.getApiField('port')).toBe('4999')
  })

  it('gives a silent Stripe up while the function that asked can still say so', async () => {
    const { client } = await (await opening(good))()
    const callMs = client.getApiField('timeout') * (client.getMaxNetworkRetries() + 1)
    for (const name of ['start-purchase', 'get-purchase', 'stripe-webhook'] as const) {
      // Settling asks for the session and then for its refunds and disputes; either may be the slow one.
      expect(2 * callMs).toBeLessThan(functions[name].timeoutSeconds * 1_000)
    }
  })

  it.each([
    ['is missing', undefined],
    ['is empty', {}],
    ['is null', null],
    ['is a bare key', 'sk_test_1'],
    ['has no key', { webhookSecrets: ['whsec_1'] }],
    ['has an empty key', { ...good, apiKey: ' ' }],
    ['has a key that is not text', { ...good, apiKey: 1 }],
    ['has no webhook secrets', { apiKey: 'sk_test_1' }],
    ['has an empty list of webhook secrets', { ...good, webhookSecrets: [] }],
    ['has an empty webhook secret', { ...good, webhookSecrets: [''] }],
    ['has a blank webhook secret beside a good one', { ...good, webhookSecrets: ['whsec_1', ' '] }],
    ['has a webhook secret that is not text', { ...good, webhookSecrets: [null] }],
    ['has its webhook secret outside a list', { ...good, webhookSecrets: 'whsec_1' }],
    ['has three webhook secrets', { ...good, webhookSecrets: ['a', 'b', 'c'] }],
  ])('refuses to start where the secret %s', async (_, value) => {
    await expect(opening(value)).rejects.toThrow(/secret/)
  })

  it('never says what was in a secret it refuses', async () => {
    const value = { apiKey: 'sk_live_very_secret', webhookSecrets: ['whsec_very_secret', ''] }
    await expect(opening(value)).rejects.toThrow(expect.not.stringContaining('very_secret'))
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
