import type { APIGatewayProxyEventV2 } from 'aws-lambda'
import Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, expect, inject, it } from 'vitest'
import { handleSecretsApi } from '../../local/aws/secrets.ts'
import { type HttpServer, serve } from '../../local/http.ts'
import { stripeSecretName } from '../../local/stripe/keys.ts'
import type { Answer } from '../../shared/http/answer.ts'
import { listenForSignals } from '../support/signals.ts'
import { openTestStore } from '../support/store.ts'

/** The functions themselves, as Lambda starts them, while the Stripe secret is not as it should be. */

const signals = listenForSignals()
let secret: unknown
let server: HttpServer
let functions: Record<'documents' | 'purchase' | 'start' | 'webhook', Handler>
type Handler = (event: APIGatewayProxyEventV2, context: never) => Promise<Answer>

beforeAll(async () => {
  server = await serve(async (request) => {
    const secrets = new Map(secret === undefined ? [] : [[stripeSecretName, secret]])
    return (await handleSecretsApi(request, secrets))!
  })
  const { workspacesTable, ledgerTable } = await openTestStore()
  Object.assign(process.env, {
    AWS_ENDPOINT_URL_SECRETS_MANAGER: server.url,
    AWS_ENDPOINT_URL_DYNAMODB: inject('dynamoDbEndpoint'),
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    WORKSPACES_TABLE: workspacesTable,
    LEDGER_TABLE: ledgerTable,
    USAGE_RETENTION_DAYS: '400',
    WORKSPACE_CLAIM: 'workspace_id',
    ROLE_CLAIM: 'role',
    ADMIN_ROLES: 'admin',
    MEMBER_ROLES: 'member',
    STRIPE_SECRET_ID: stripeSecretName,
    ALLOWED_ORIGINS: 'https://app.example.com',
    RETURN_URL: 'https://app.example.com/',
  })
  const [documents, purchase, start, webhook] = await Promise.all([
    import('../../functions/get-documents.ts'),
    import('../../functions/get-purchase.ts'),
    import('../../functions/start-purchase.ts'),
    import('../../functions/stripe-webhook.ts'),
  ])
  functions = {
    documents: documents.handler as unknown as Handler,
    purchase: purchase.handler as unknown as Handler,
    start: start.handler as unknown as Handler,
    webhook: webhook.handler as unknown as Handler,
  }
})
afterAll(() => server.stop())
beforeEach(() => signals.forget())

const call = (name: keyof typeof functions, sent: { body?: string; signature?: string } = {}) =>
  functions[name](
    {
      headers: {
        'idempotency-key': 'k',
        ...(sent.signature && { 'stripe-signature': sent.signature }),
      },
      body: sent.body,
      pathParameters: { workspaceId: 'acme', purchaseId: 'pur_1' },
      requestContext: {
        requestId: 'req-1',
        timeEpoch: Date.now(),
        authorizer: {
          jwt: { claims: { sub: 'ada', workspace_id: 'acme', role: 'admin' } },
        },
      },
    } as unknown as APIGatewayProxyEventV2,
    {} as never,
  )

const body = JSON.stringify({
  id: 'evt_1',
  object: 'event',
  type: 'none.of.ours',
  created: 1,
  data: { object: {} },
})
const signed = (with_: string) => ({
  body,
  signature: Stripe.webhooks.generateTestHeaderString({ payload: body, secret: with_ }),
})

it('without a secret functions start, and what needs no Stripe is answered', async () => {
  secret = undefined
  expect(await call('purchase')).toMatchObject({ statusCode: 404 })
  expect(await call('documents')).toMatchObject({ statusCode: 404 })
  expect(signals.heard()).toEqual([])
  const order = await call('start', { body: '{"tokens":1000000}' })
  expect(order).toMatchObject({ statusCode: 503, headers: { 'retry-after': '2' } })
  expect(JSON.parse(order.body)).toMatchObject({ code: 'unavailable' })
  expect(signals.heard()).toEqual([
    expect.objectContaining({ signal: 'secret_unread', goesOn: false }),
    expect.objectContaining({ signal: 'unavailable', service: 'secrets' }),
  ])
})

it('with the API key alone all is well but the webhook, which Stripe is told to call again', async () => {
  secret = { apiKey: 'sk_test_1' }
  expect(await call('start', { body: '{"tokens":1000000}' })).toMatchObject({ statusCode: 404 })
  expect(signals.heard()).toEqual([])
  // An empty secret signs nothing.
  for (const sent of [signed('whsec_1'), { body }, { body, signature: 't=1,v1=00' }]) {
    const answer = await call('webhook', sent)
    expect(answer).toMatchObject({ statusCode: 503, headers: { 'retry-after': '2' } })
  }
  expect(new Set(signals.names())).toEqual(new Set(['unavailable']))
})
