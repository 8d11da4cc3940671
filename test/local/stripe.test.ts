import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Stripe from 'stripe'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  type StripeStandIn,
  type StripeStandInOptions,
  startStripeStandIn,
} from '../../local/stripe/index.ts'

const apiKey = 'sk_test_local'
const webhookSecret = 'whsec_local'
const publicUrl = 'http://localhost:4000'

let now: Date
let receiver: Receiver
let folder: string
let standIn: StripeStandIn
let stripe: Stripe

beforeEach(async () => {
  now = new Date('2026-07-15T12:00:00Z')
  receiver = await startReceiver()
  folder = await mkdtemp(join(tmpdir(), 'stripe-stand-in-'))
  await start()
})

afterEach(async () => {
  await standIn.stop()
  await receiver.stop()
  await rm(folder, { recursive: true })
})

describe('paying', () => {
  it('opens a session as Stripe would', async () => {
    const session = await stripe.checkout.sessions.create(order())
    expect(session).toMatchObject({
      object: 'checkout.session',
      status: 'open',
      payment_status: 'unpaid',
      amount_subtotal: 500,
      amount_total: 500,
      total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: 0 },
      currency: 'usd',
      livemode: false,
      payment_intent: null,
      customer: null,
      client_reference_id: 'acme',
      metadata: { purchaseId: 'p1', workspaceId: 'acme' },
      url: `${publicUrl}/local/checkout/${session.id}`,
      created: seconds(now),
      expires_at: seconds(now) + 86_400,
    })
    expect(session.line_items).toBeUndefined()
    const withLines = await stripe.checkout.sessions.retrieve(session.id, {
      expand: ['line_items'],
    })
    expect(withLines.line_items?.data).toMatchObject([{ amount_total: 500, quantity: 2 }])
  })

  it('completes a paid session, makes its customer, and says so in a signed webhook', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    const touched = await control(`checkout/${id}/pay`)
    expect(touched).toEqual({ session: id, paymentIntent: expect.stringMatching(/^pi_/) })

    const session = await stripe.checkout.sessions.retrieve(id, {
      expand: ['payment_intent', 'payment_intent.latest_charge'],
    })
    expect(session).toMatchObject({
      status: 'complete',
      payment_status: 'paid',
      url: null,
      customer: expect.stringMatching(/^cus_/),
      payment_intent: {
        id: touched.paymentIntent,
        status: 'succeeded',
        amount_received: 500,
        metadata: { purchaseId: 'p1' },
        latest_charge: { amount: 500, receipt_url: `${publicUrl}/local/checkout/${id}` },
      },
    })
    const customer = await stripe.customers.retrieve(session.customer as string)
    expect(customer).toMatchObject({ email: 'sam@example.com' })

    await standIn.idle()
    expect(receiver.types()).toEqual(['checkout.session.completed'])
    expect(receiver.events[0]?.data.object).toMatchObject({ id, payment_status: 'paid' })
  })

  it('leaves a session open, and silent, when the card is declined', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    expect(await control(`checkout/${id}/decline`)).toEqual({ session: id, paymentIntent: null })
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({ status: 'open' })
    await standIn.idle()
    expect(receiver.types()).toEqual([])
    await control(`checkout/${id}/pay`)
  })

  it('pays later, and settles', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    const { paymentIntent } = await control(`checkout/${id}/pay-later`)
    const session = await stripe.checkout.sessions.retrieve(id)
    expect(session).toMatchObject({ status: 'complete', payment_status: 'unpaid' })
    expect(await stripe.paymentIntents.retrieve(paymentIntent!)).toMatchObject({
      status: 'processing',
      amount_received: 0,
    })
    await standIn.idle()
    await control(`checkout/${id}/settle`)
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({ payment_status: 'paid' })
    await standIn.idle()
    expect(receiver.types()).toEqual([
      'checkout.session.completed',
      'checkout.session.async_payment_succeeded',
    ])
  })

  it('pays later, and fails', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    const { paymentIntent } = await control(`checkout/${id}/pay-later`)
    await standIn.idle()
    await control(`checkout/${id}/fail`)
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({
      status: 'complete',
      payment_status: 'unpaid',
    })
    expect(await stripe.paymentIntents.retrieve(paymentIntent!)).toMatchObject({
      status: 'requires_payment_method',
      last_payment_error: { decline_code: 'insufficient_funds' },
    })
    await standIn.idle()
    expect(receiver.types().at(-1)).toBe('checkout.session.async_payment_failed')
  })

  it('refuses what cannot follow, and says why', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    const early = await post(`checkout/${id}/settle`)
    expect(early.status).toBe(409)
    expect(await early.json()).toEqual({
      message: `Cannot settle: checkout session ${id} is open, and must be processing.`,
    })
    const { paymentIntent } = await control(`checkout/${id}/pay`)
    for (const action of ['pay', 'decline', 'pay-later', 'settle', 'fail', 'expire']) {
      expect((await post(`checkout/${id}/${action}`)).status).toBe(409)
    }
    for (const action of ['win', 'lose', 'refund-fail']) {
      expect((await post(`payments/${paymentIntent}/${action}`)).status).toBe(409)
    }
    expect((await post('checkout/cs_test_none/pay')).status).toBe(404)
    expect((await post(`checkout/${id}/explode`)).status).toBe(404)
  })
})

describe('expiry', () => {
  it('expires a session when the local clock passes its end', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    now = new Date(now.getTime() + 86_399_000)
    await standIn.tick()
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({ status: 'open' })
    now = new Date(now.getTime() + 1000)
    await standIn.tick()
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({
      status: 'expired',
      url: null,
    })
    await standIn.idle()
    expect(receiver.types()).toEqual(['checkout.session.expired'])
    expect((await post(`checkout/${id}/pay`)).status).toBe(409)
  })

  it('expires a session on request, once', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    expect(await stripe.checkout.sessions.expire(id)).toMatchObject({ status: 'expired' })
    await expect(stripe.checkout.sessions.expire(id)).rejects.toMatchObject({ statusCode: 400 })
  })
})

describe('taking back', () => {
  it('refunds in part and then the rest, never more than was paid', async () => {
    const intent = await paid()
    await control(`payments/${intent}/refund`, { amount: 200 })
    expect((await post(`payments/${intent}/refund`, { amount: 301 })).status).toBe(409)
    await control(`payments/${intent}/refund`)
    expect((await post(`payments/${intent}/refund`)).status).toBe(409)

    const refunds = await stripe.refunds.list({ payment_intent: intent })
    expect(refunds.data.map(({ amount, status }) => [amount, status])).toEqual([
      [300, 'succeeded'],
      [200, 'succeeded'],
    ])
    const page = await stripe.refunds.list({ payment_intent: intent, limit: 1 })
    expect(page.has_more).toBe(true)
    const rest = await stripe.refunds.list({
      payment_intent: intent,
      limit: 1,
      starting_after: page.data[0]!.id,
    })
    expect(rest).toMatchObject({ has_more: false, data: [{ amount: 200 }] })
    await standIn.idle()
    expect(receiver.types().sort()).toEqual([
      'charge.refunded',
      'charge.refunded',
      'checkout.session.completed',
      'refund.created',
      'refund.created',
    ])
  })

  it('lets the newest refund fail, and its money be refunded again', async () => {
    const intent = await paid()
    await control(`payments/${intent}/refund`)
    await control(`payments/${intent}/refund-fail`)
    expect(await stripe.refunds.list({ payment_intent: intent })).toMatchObject({
      data: [{ amount: 500, status: 'failed' }],
    })
    expect(await latestCharge(intent)).toMatchObject({ amount_refunded: 0, refunded: false })
    await control(`payments/${intent}/refund`)
    await standIn.idle()
    expect(receiver.types()).toEqual(expect.arrayContaining(['refund.failed', 'refund.updated']))
  })

  it('disputes, and wins or loses', async () => {
    const intent = await paid()
    expect((await post(`payments/${intent}/dispute`, { amount: 501 })).status).toBe(409)
    await control(`payments/${intent}/dispute`, { amount: 100 })
    expect((await post(`payments/${intent}/dispute`)).status).toBe(409)
    expect((await post(`payments/${intent}/refund`)).status).toBe(409)
    await control(`payments/${intent}/win`)
    await control(`payments/${intent}/dispute`)
    await control(`payments/${intent}/lose`)
    const disputes = await stripe.disputes.list({ payment_intent: intent })
    expect(disputes.data.map(({ amount, status }) => [amount, status])).toEqual([
      [500, 'lost'],
      [100, 'won'],
    ])
    await standIn.idle()
    const closed = receiver.events.filter(({ type }) => type === 'charge.dispute.closed')
    expect(closed).toHaveLength(2)
  })

  it.each([0, -1, 1.5, '100', null])('refuses the amount %j', async (amount) => {
    expect((await post(`payments/${await paid()}/refund`, { amount })).status).toBe(400)
  })
})

describe('the API', () => {
  it('answers a repeated key with the first answer, and refuses it for another request', async () => {
    const options = { idempotencyKey: 'p1/1' }
    const first = await stripe.checkout.sessions.create(order(), options)
    const again = await stripe.checkout.sessions.create(order(), options)
    expect(again.id).toBe(first.id)
    expect(again.lastResponse.headers['idempotent-replayed']).toBe('true')
    const other = { ...order(), client_reference_id: 'crew' }
    await expect(stripe.checkout.sessions.create(other, options)).rejects.toMatchObject({
      type: 'StripeIdempotencyError',
    })
    await expect(stripe.checkout.sessions.expire(first.id, {}, options)).rejects.toMatchObject({
      type: 'StripeIdempotencyError',
    })
    now = new Date(now.getTime() + 86_400_000)
    expect((await stripe.checkout.sessions.create(order(), options)).id).not.toBe(first.id)
  })

  it('replays a 500 under its key after the outage, and starts anew under the next', async () => {
    await control('outage', { mode: 'error' })
    const options = { idempotencyKey: 'p1/1' }
    const failure = { statusCode: 500, type: 'StripeAPIError' }
    await expect(stripe.checkout.sessions.create(order(), options)).rejects.toMatchObject(failure)
    await control('outage', { mode: 'none' })
    await expect(stripe.checkout.sessions.create(order(), options)).rejects.toMatchObject(failure)
    await stripe.checkout.sessions.create(order(), { idempotencyKey: 'p1/2' })
  })

  it('does the work of a lost response once', async () => {
    await control('outage', { mode: 'lost-response' })
    const options = { idempotencyKey: 'p1/1' }
    await expect(stripe.checkout.sessions.create(order(), options)).rejects.toMatchObject({
      type: 'StripeConnectionError',
    })
    await control('outage', { mode: 'none' })
    const { id } = await stripe.checkout.sessions.create(order(), options)
    const { data } = await stripe.checkout.sessions.list()
    expect(data.map((session) => session.id)).toEqual([id])
  })

  it('breaks every connection while it is down', async () => {
    await control('outage', { mode: 'down' })
    await expect(stripe.events.list()).rejects.toMatchObject({ type: 'StripeConnectionError' })
  })

  it('accepts one key only', async () => {
    await expect(client('sk_test_other').events.list()).rejects.toMatchObject({
      type: 'StripeAuthenticationError',
      statusCode: 401,
    })
  })

  it('names what is missing as Stripe does', async () => {
    const missing = { code: 'resource_missing', statusCode: 404 }
    await expect(stripe.checkout.sessions.retrieve('cs_test_none')).rejects.toMatchObject(missing)
    await expect(stripe.paymentIntents.retrieve('pi_none')).rejects.toMatchObject(missing)
    await expect(stripe.customers.retrieve('cus_none')).rejects.toMatchObject(missing)
    const stranger = { ...order(), customer_creation: undefined, customer: 'cus_none' }
    await expect(stripe.checkout.sessions.create(stranger)).rejects.toMatchObject({
      ...missing,
      statusCode: 400,
      param: 'customer',
      message: "No such customer: 'cus_none'",
    })
  })

  it('refuses parameters it would otherwise ignore, and bad ones by name', async () => {
    const taxed = { ...order(), automatic_tax: { enabled: true } }
    await expect(stripe.checkout.sessions.create(taxed)).rejects.toMatchObject({
      code: 'parameter_unknown',
      param: 'automatic_tax',
    })
    const script = { ...order(), success_url: 'javascript:alert(1)' }
    await expect(stripe.checkout.sessions.create(script)).rejects.toMatchObject({
      code: 'url_invalid',
      param: 'success_url',
    })
    const free = order()
    free.line_items![0]!.price_data!.unit_amount = 0
    await expect(stripe.checkout.sessions.create(free)).rejects.toMatchObject({
      code: 'amount_too_small',
    })
    await expect(stripe.events.list({ expand: ['data.type'] })).resolves.toMatchObject({ data: [] })
    const { id } = await stripe.checkout.sessions.create(order())
    await expect(
      stripe.checkout.sessions.retrieve(id, { expand: ['status'] }),
    ).rejects.toMatchObject({ param: 'expand' })
  })

  it('lists events newest first, by type and time, in pages', async () => {
    const first = await paid()
    now = new Date(now.getTime() + 60_000)
    const since = seconds(now)
    const second = await paid()
    await control(`payments/${second}/refund`)

    const types = ['checkout.session.completed', 'charge.refunded'] as const
    const recent = await stripe.events.list({ types: [...types], created: { gte: since } })
    expect(recent.data.map(({ type }) => type)).toEqual([
      'charge.refunded',
      'checkout.session.completed',
    ])
    const all: string[] = []
    for await (const event of stripe.events.list({ types: [...types], limit: 1 })) {
      all.push(event.type)
    }
    expect(all).toHaveLength(3)

    const { data } = await stripe.checkout.sessions.list({ payment_intent: first })
    expect(data).toMatchObject([{ payment_intent: first }])
  })
})

describe('webhooks', () => {
  it('retries until the receiver is well, and signs anew with the local clock', async () => {
    receiver.failures = 2
    await paid()
    now = new Date('2026-08-01T00:00:00Z')
    await standIn.idle()
    expect(receiver.attempts).toBe(3)
    expect(receiver.types()).toEqual(['checkout.session.completed'])
    const [event] = (await stripe.events.list()).data
    expect(event).toMatchObject({ pending_webhooks: 0 })
  })

  it('drops what it is told to drop, which the list of events still shows', async () => {
    await control('webhooks', { mode: 'drop' })
    await paid()
    await standIn.idle()
    await control('webhooks', { mode: 'deliver' })
    await standIn.idle()
    expect(receiver.attempts).toBe(0)
    expect((await stripe.events.list()).data).toHaveLength(1)
  })

  it('holds what it is told to hold, and delivers it later', async () => {
    await control('webhooks', { mode: 'hold' })
    await paid()
    await standIn.idle()
    expect(receiver.attempts).toBe(0)
    await control('webhooks', { mode: 'deliver' })
    await standIn.idle()
    expect(receiver.types()).toEqual(['checkout.session.completed'])
  })
})

describe('a restart', () => {
  it('keeps objects, keys and undelivered webhooks, and moves links to the new address', async () => {
    await control('webhooks', { mode: 'hold' })
    const options = { idempotencyKey: 'p1/1' }
    const { id } = await stripe.checkout.sessions.create(order(), options)
    const intent = await paid()
    await standIn.stop()
    expect(receiver.attempts).toBe(0)
    JSON.parse(await readFile(join(folder, 'stripe.json'), 'utf8'))

    await start({ publicUrl: 'http://localhost:5000' })
    await standIn.idle()
    expect(receiver.types()).toEqual(['checkout.session.completed'])
    const again = await stripe.checkout.sessions.create(order(), options)
    expect(again.id).toBe(id)
    const session = await stripe.checkout.sessions.retrieve(id)
    expect(session.url).toBe(`http://localhost:5000/local/checkout/${id}`)
    await control(`payments/${intent}/refund`)
  })
})

describe('the checkout page', () => {
  it('takes a person through decline and payment, and sends them back', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    const path = `/local/checkout/${id}`
    const open = await page(path)
    expect(open).toContain('No money moves')
    expect(open).toContain('Pay $5.00')

    const declined = await submit(path, { action: 'decline', ...billing })
    expect(declined.status).toBe(303)
    expect(declined.headers.get('location')).toBe(`${path}?outcome=declined`)
    const afterDecline = await page(`${path}?outcome=declined`)
    expect(afterDecline).toContain('The card was declined.')
    expect(afterDecline).toContain('value="Ada &lt;b&gt;"')

    const done = await submit(path, { action: 'pay', ...billing })
    expect(done.status).toBe(303)
    expect(done.headers.get('location')).toBe(`https://app.example.com/usage?session=${id}`)
    expect(await page(path)).toContain('has already been paid')
    const session = await stripe.checkout.sessions.retrieve(id)
    expect(session.customer_details).toMatchObject({ name: 'Ada <b>', email: 'ada@example.com' })

    const late = await submit(path, { action: 'pay', ...billing })
    expect(late.headers.get('location')).toBe(path)
  })

  it('cancels without ending the session', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    const response = await submit(`/local/checkout/${id}`, { action: 'cancel' })
    expect(response.headers.get('location')).toBe('https://app.example.com/usage?cancelled=1')
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({ status: 'open' })
  })

  it('names the fields that are missing, and takes no money', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    const fields = { action: 'pay', ...billing, city: ' ' }
    const response = await submit(`/local/checkout/${id}`, fields)
    expect(response.status).toBe(422)
    expect(await response.text()).toContain('Enter a city.')
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({ status: 'open' })
  })

  it('escapes whatever the order says', async () => {
    const hostile = order()
    hostile.line_items![0]!.price_data!.product_data!.name = `"><script>alert('1')</script>`
    const { id } = await stripe.checkout.sessions.create(hostile)
    const text = await page(`/local/checkout/${id}`)
    expect(text).not.toContain('<script')
    expect(text).toContain('&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;')
  })

  it('shows a bank debit under way, an expired checkout, and an unknown one', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    await submit(`/local/checkout/${id}`, { action: 'pay-later', ...billing })
    expect(await page(`/local/checkout/${id}`)).toContain('Bank debit under way')
    await submit(`/local/checkout/${id}`, { action: 'fail' })
    expect(await page(`/local/checkout/${id}`)).toContain('The bank debit failed')

    const second = await stripe.checkout.sessions.create(order())
    now = new Date(now.getTime() + 86_400_000)
    expect(await page(`/local/checkout/${second.id}`)).toContain('This checkout has expired')
    const unknown = await standIn.handle(new Request(`${publicUrl}/local/checkout/cs_test_none`))
    expect(unknown?.status).toBe(404)
    expect(await standIn.handle(new Request(`${publicUrl}/v1/plans`))).toBeUndefined()
  })
})

const billing = {
  name: 'Ada <b>',
  email: 'ada@example.com',
  line1: '1 Example Street',
  city: 'London',
  postal_code: 'N1 1AA',
  country: 'GB',
}

function order(): Stripe.Checkout.SessionCreateParams {
  const metadata = { purchaseId: 'p1', workspaceId: 'acme' }
  return {
    mode: 'payment',
    client_reference_id: 'acme',
    customer_creation: 'always',
    billing_address_collection: 'required',
    invoice_creation: { enabled: true },
    line_items: [
      {
        quantity: 2,
        price_data: {
          currency: 'usd',
          unit_amount: 250,
          product_data: { name: '1,000,000 AI tokens' },
        },
      },
    ],
    metadata,
    payment_intent_data: { metadata },
    success_url: 'https://app.example.com/usage?session={CHECKOUT_SESSION_ID}',
    cancel_url: 'https://app.example.com/usage?cancelled=1',
  }
}

async function start(overrides: Partial<StripeStandInOptions> = {}): Promise<void> {
  standIn = await startStripeStandIn({
    now: () => now,
    publicUrl,
    webhookUrl: receiver.url,
    apiKey,
    webhookSecret,
    dataFile: join(folder, 'stripe.json'),
    ...overrides,
  })
  stripe = client(apiKey)
}

function client(key: string): Stripe {
  const { hostname, port } = new URL(standIn.apiBase)
  return new Stripe(key, {
    host: hostname,
    port,
    protocol: 'http',
    telemetry: false,
    maxNetworkRetries: 0,
  })
}

async function paid(): Promise<string> {
  const { id } = await stripe.checkout.sessions.create(order())
  return (await control(`checkout/${id}/pay`)).paymentIntent!
}

async function latestCharge(intent: string): Promise<Stripe.Charge> {
  const { latest_charge } = await stripe.paymentIntents.retrieve(intent, {
    expand: ['latest_charge'],
  })
  return latest_charge as Stripe.Charge
}

async function post(path: string, body?: object): Promise<Response> {
  const request = new Request(`${publicUrl}/local/stripe/${path}`, {
    method: 'POST',
    body: body && JSON.stringify(body),
  })
  return (await standIn.handle(request))!
}

async function control(
  path: string,
  body?: object,
): Promise<{ session: string; paymentIntent: string | null }> {
  const response = await post(path, body)
  const answer: unknown = await response.json()
  expect(response.status, JSON.stringify(answer)).toBe(200)
  return answer as { session: string; paymentIntent: string | null }
}

async function page(path: string): Promise<string> {
  const response = await standIn.handle(new Request(`${publicUrl}${path}`))
  expect(response?.status).toBe(200)
  return response!.text()
}

async function submit(path: string, fields: Record<string, string>): Promise<Response> {
  const body = new URLSearchParams(fields)
  return (await standIn.handle(new Request(`${publicUrl}${path}`, { method: 'POST', body })))!
}

function seconds(date: Date): number {
  return date.getTime() / 1000
}

interface Receiver {
  url: string
  /** Only what verified. */
  events: Stripe.Event[]
  attempts: number
  /** How many deliveries to answer with a 500 first. */
  failures: number
  types(): string[]
  stop(): Promise<void>
}

async function startReceiver(): Promise<Receiver> {
  const server: Server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    started.attempts += 1
    if (started.failures > 0) {
      started.failures -= 1
      response.writeHead(500).end()
      return
    }
    const event = Stripe.webhooks.constructEvent(
      Buffer.concat(chunks).toString(),
      request.headers['stripe-signature']!,
      webhookSecret,
      300,
      undefined,
      now.getTime(),
    )
    started.events.push(event)
    response.writeHead(200).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const started: Receiver = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/stripe/webhook`,
    events: [],
    attempts: 0,
    failures: 0,
    types: () => started.events.map(({ type }) => type),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return started
}
