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
        latest_charge: {
          amount: 500,
          receipt_url: expect.stringContaining(`${publicUrl}/local/checkout/${id}?`),
        },
      },
    })
    const customer = await stripe.customers.retrieve(session.customer as string)
    expect(customer).toMatchObject({ email: 'sam@example.com' })

    await standIn.idle()
    expect(receiver.types()).toEqual(['checkout.session.completed'])
    expect(receiver.events[0]?.data.object).toMatchObject({ id, payment_status: 'paid' })
  })

  it('leaves a session open, and silent, when the card is declined, with a payment that failed', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    const { paymentIntent } = await control(`checkout/${id}/decline`)
    const declined = await stripe.checkout.sessions.retrieve(id, {
      expand: ['payment_intent.latest_charge'],
    })
    expect(declined).toMatchObject({
      status: 'open',
      payment_status: 'unpaid',
      payment_intent: {
        id: paymentIntent,
        status: 'requires_payment_method',
        latest_charge: { status: 'failed', paid: false, receipt_url: null },
      },
    })
    expect((await post(`payments/${paymentIntent}/refund`)).status).toBe(409)
    await standIn.idle()
    expect(receiver.types()).toEqual([])

    // The next card is another charge of the same payment.
    expect(await control(`checkout/${id}/pay`)).toMatchObject({ paymentIntent })
    const charge = await latestCharge(paymentIntent!)
    expect(charge).toMatchObject({ status: 'succeeded', paid: true })
    const { latest_charge } = declined.payment_intent as Stripe.PaymentIntent
    expect(charge.id).not.toBe((latest_charge as Stripe.Charge).id)
  })

  it('draws up the invoice of a session that asked for one, and signs every link anew', async () => {
    const { id } = await stripe.checkout.sessions.create(order())
    const { paymentIntent } = await control(`checkout/${id}/pay`)
    const { invoice } = await stripe.checkout.sessions.retrieve(id, { expand: ['invoice'] })
    const first = invoice as Stripe.Invoice
    expect(first).toMatchObject({ status: 'paid', total: 500, currency: 'usd' })
    const again = await stripe.invoices.retrieve(first.id)
    const [charge, later] = [await latestCharge(paymentIntent!), await latestCharge(paymentIntent!)]
    const links = [first, again].flatMap((one) => [one.hosted_invoice_url, one.invoice_pdf])
    links.push(charge.receipt_url, later.receipt_url)
    expect(new Set(links).size).toBe(6)
    for (const link of links) expect(await page(link!.slice(publicUrl.length))).toContain('paid')

    const without = await stripe.checkout.sessions.create({
      ...order(),
      invoice_creation: undefined,
    })
    await control(`checkout/${without.id}/pay`)
    expect(await stripe.checkout.sessions.retrieve(without.id)).toMatchObject({ invoice: null })
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

describe('tax and promotion codes', () => {
  it.each([
    ['exclusive', 500, 595, 95],
    ['inclusive', 500, 500, 80],
  ] as const)('add %s tax once the buyer is known', async (behavior, subtotal, total, tax) => {
    await control('tax', { percent: 19, behavior })
    const { id } = await stripe.checkout.sessions.create({
      ...order(),
      automatic_tax: { enabled: true },
    })
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({
      amount_total: 500,
      automatic_tax: { enabled: true, status: 'requires_location_inputs' },
    })
    const { paymentIntent } = await control(`checkout/${id}/pay`)
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({
      amount_subtotal: subtotal,
      amount_total: total,
      total_details: { amount_tax: tax },
      automatic_tax: { status: 'complete' },
    })
    expect(await latestCharge(paymentIntent!)).toMatchObject({ amount: total })
  })

  it('take a code off first, and tax what is left', async () => {
    await control('promotion-codes/HALF', { percentOff: 50 })
    const { id } = await stripe.checkout.sessions.create({
      ...order(),
      automatic_tax: { enabled: true },
      allow_promotion_codes: true,
    })
    await control(`checkout/${id}/pay`, { promotionCode: 'HALF' })
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({
      amount_subtotal: 500,
      amount_total: 298,
      total_details: { amount_discount: 250, amount_tax: 48 },
      discounts: [{ promotion_code: expect.stringMatching(/^promo_/) }],
    })
  })

  it('leave nothing to pay: then there is no payment, and all the same a customer', async () => {
    await control('promotion-codes/GIFT', { percentOff: 100 })
    const { id } = await stripe.checkout.sessions.create({
      ...order(),
      allow_promotion_codes: true,
    })
    expect(await page(`/local/checkout/${id}`)).toContain('Promotion code')
    const answer = await submit(`/local/checkout/${id}`, {
      action: 'pay',
      promotion_code: 'GIFT',
      ...billing,
    })
    expect(answer.status).toBe(303)
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({
      status: 'complete',
      payment_status: 'no_payment_required',
      payment_intent: null,
      invoice: null,
      amount_total: 0,
      customer: expect.stringMatching(/^cus_/),
    })
  })

  it('may be added to a session that did not ask for it', async () => {
    await control('tax', { percent: 19, behavior: 'exclusive', unasked: true })
    const { id } = await stripe.checkout.sessions.create(order())
    await control(`checkout/${id}/pay`)
    expect(await stripe.checkout.sessions.retrieve(id)).toMatchObject({
      amount_subtotal: 500,
      amount_total: 595,
      automatic_tax: { enabled: false },
    })
    await control('tax', { percent: 19, behavior: 'exclusive' })
  })

  it('are refused where the session takes none, or there is no such code', async () => {
    await control('promotion-codes/HALF', { percentOff: 50 })
    const { id } = await stripe.checkout.sessions.create(order())
    const pay = (promotionCode: string) => post(`checkout/${id}/pay`, { promotionCode })
    expect((await pay('HALF')).status).toBe(409)
    const open = await stripe.checkout.sessions.create({ ...order(), allow_promotion_codes: true })
    expect((await post(`checkout/${open.id}/pay`, { promotionCode: 'NONE' })).status).toBe(409)
    expect((await post('promotion-codes/HALF', { percentOff: 101 })).status).toBe(400)
    expect((await post('tax', { percent: 19, behavior: 'both' })).status).toBe(400)
    const odd = { percent: 19, behavior: 'exclusive', unasked: 1 }
    expect((await post('tax', odd)).status).toBe(400)
  })

  it('may be asked of a customer who is there only where Stripe may keep what it learns', async () => {
    const customer = await paidCustomer()
    const known = { ...order(), customer_creation: undefined, customer }
    const taxed = { ...known, automatic_tax: { enabled: true } }
    await expect(stripe.checkout.sessions.create(taxed)).rejects.toMatchObject({
      code: 'customer_tax_location_invalid',
    })
    const business = { ...known, tax_id_collection: { enabled: true } }
    await expect(stripe.checkout.sessions.create(business)).rejects.toMatchObject({
      param: 'customer_update[name]',
    })
    await stripe.checkout.sessions.create({
      ...taxed,
      ...business,
      customer_update: { address: 'auto', name: 'auto' },
    })
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
    const told = ['refund.failed', 'refund.updated', 'charge.refund.updated']
    expect(receiver.types()).toEqual(expect.arrayContaining(told))
  })

  it('keeps a refund under way, which the charge counts at once or when it succeeds', async () => {
    const intent = await paid()
    await control(`payments/${intent}/refund`, { amount: 200, status: 'pending' })
    expect(await latestCharge(intent)).toMatchObject({ amount_refunded: 200 })
    await control(`payments/${intent}/refund-cancel`)
    expect(await latestCharge(intent)).toMatchObject({ amount_refunded: 0 })
    await control(`payments/${intent}/refund`, { status: 'requires_action' })
    expect(await latestCharge(intent)).toMatchObject({ amount_refunded: 0, refunded: false })
    await control(`payments/${intent}/refund-succeed`)
    expect(await latestCharge(intent)).toMatchObject({ amount_refunded: 500, refunded: true })
    const { data } = await stripe.refunds.list({ payment_intent: intent })
    expect(data.map(({ status }) => status)).toEqual(['succeeded', 'canceled'])
    expect((await post(`payments/${intent}/refund-cancel`)).status).toBe(409)
    expect((await post(`payments/${intent}/refund`, { status: 'failed' })).status).toBe(409)
  })

  it('says a refund or a dispute in another currency, whose charge stays in its own', async () => {
    const intent = await paid()
    await control(`payments/${intent}/refund`, { amount: 200, currency: 'eur' })
    expect((await stripe.refunds.list({ payment_intent: intent })).data).toMatchObject([
      { amount: 400, currency: 'eur' },
    ])
    expect(await latestCharge(intent)).toMatchObject({ amount_refunded: 200, currency: 'usd' })
    await control(`payments/${intent}/refund-fail`)
    expect(await latestCharge(intent)).toMatchObject({ amount_refunded: 0 })
    await control(`payments/${intent}/dispute`, { amount: 471, currency: 'eur' })
    expect((await stripe.disputes.list({ payment_intent: intent })).data).toMatchObject([
      { amount: 471, currency: 'eur' },
    ])
  })

  it.each([
    [['close'], 'warning_closed', ['created', 'closed']],
    [
      ['review', 'escalate'],
      'needs_response',
      ['created', 'updated', 'updated', 'funds_withdrawn'],
    ],
  ])('inquires, and then: %j', async (actions, status, told) => {
    const intent = await paid()
    await control(`payments/${intent}/dispute`, { status: 'warning_needs_response' })
    expect(await latestCharge(intent)).toMatchObject({ disputed: true })
    for (const action of actions) await control(`payments/${intent}/${action}`)
    expect((await stripe.disputes.list({ payment_intent: intent })).data).toMatchObject([
      { status },
    ])
    await standIn.idle()
    const heard = receiver.types().filter((type) => type.startsWith('charge.dispute.'))
    expect(heard.sort()).toEqual(told.map((one) => `charge.dispute.${one}`).sort())
  })

  it('takes a lost dispute to appeal, and prevents one before it takes anything', async () => {
    const intent = await paid()
    const statuses = async () =>
      (await stripe.disputes.list({ payment_intent: intent })).data.map(({ status }) => status)
    await control(`payments/${intent}/dispute`, { amount: 100, status: 'prevented' })
    await control(`payments/${intent}/dispute`)
    await control(`payments/${intent}/review`)
    expect(await statuses()).toEqual(['under_review', 'prevented'])
    await control(`payments/${intent}/lose`)
    await control(`payments/${intent}/appeal`)
    expect(await statuses()).toEqual(['appeal_needs_response', 'prevented'])
    await control(`payments/${intent}/review`)
    expect(await statuses()).toEqual(['appeal_under_review', 'prevented'])
    await control(`payments/${intent}/win`)
    expect(await statuses()).toEqual(['won', 'prevented'])
    expect((await post(`payments/${intent}/appeal`)).status).toBe(409)
  })

  it('disputes, and wins or loses, over any amount a bank may name', async () => {
    const intent = await paid()
    await control(`payments/${intent}/dispute`, { amount: 100 })
    expect((await post(`payments/${intent}/dispute`)).status).toBe(409)
    expect((await post(`payments/${intent}/refund`)).status).toBe(409)
    await control(`payments/${intent}/win`)
    await control(`payments/${intent}/dispute`, { amount: 512 })
    await control(`payments/${intent}/lose`)
    const disputes = await stripe.disputes.list({ payment_intent: intent })
    expect(disputes.data.map(({ amount, status }) => [amount, status])).toEqual([
      [512, 'lost'],
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
    const named = { ...order(), name_collection: { business: { enabled: true } } }
    await expect(stripe.checkout.sessions.create(named)).rejects.toMatchObject({
      code: 'parameter_unknown',
      param: 'name_collection',
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
    expect(recent.data.map(({ type }) => type).sort()).toEqual([
      'charge.refunded',
      'checkout.session.completed',
    ])
    const all: Stripe.Event[] = []
    for await (const event of stripe.events.list({ types: [...types], limit: 1 })) all.push(event)
    expect(new Set(all.map(({ id }) => id)).size).toBe(3)
    expect(all.map(({ created }) => created)).toEqual([since, since, since - 60])

    const { data } = await stripe.checkout.sessions.list({ payment_intent: first })
    expect(data).toMatchObject([{ payment_intent: first }])
  })
})

describe('trouble', () => {
  const failing = (id: string, status: number | null) => control(`failing/${id}`, { status })

  it('of one object is its own, whichever way it is read, until it is lifted', async () => {
    const [one, other] = [await paid(), await paid()]
    const { id: charge } = await latestCharge(one)
    await failing(one, 402)
    await failing(charge, 503)
    await expect(stripe.paymentIntents.retrieve(one)).rejects.toMatchObject({ statusCode: 402 })
    const listed = stripe.refunds.list({ charge })
    await expect(listed).rejects.toMatchObject({ statusCode: 503, type: 'StripeAPIError' })
    await failing(charge, 429)
    await expect(stripe.charges.retrieve(charge)).rejects.toMatchObject({
      type: 'StripeRateLimitError',
    })
    await latestCharge(other)
    await failing(one, null)
    await stripe.paymentIntents.retrieve(one)
    expect((await post(`failing/${one}`, { status: 200 })).status).toBe(400)
  })

  it('of all is slowness: of two requests under one key at once, one is told to come again', async () => {
    await control('latency', { ms: 40 })
    const began = performance.now()
    const create = () => stripe.checkout.sessions.create(order(), { idempotencyKey: 'p1/1' })
    const [first, second] = await Promise.allSettled([create(), create()])
    expect(performance.now() - began).toBeGreaterThanOrEqual(40)
    const [done, refused] = first.status === 'fulfilled' ? [first, second] : [second, first]
    expect(refused).toMatchObject({
      reason: { statusCode: 409, code: 'idempotency_key_in_use', rawType: 'idempotency_error' },
    })
    const { id } = (done as PromiseFulfilledResult<Stripe.Checkout.Session>).value
    expect((await create()).id).toBe(id)
    expect((await post('latency', { ms: -1 })).status).toBe(400)
  })
})

describe('a live account', () => {
  it('is one that a live key opens: everything in it says so, and no test key opens it', async () => {
    await standIn.stop()
    await rm(join(folder, 'stripe.json'))
    await start({ apiKey: 'sk_live_local' })
    await expect(stripe.events.list()).rejects.toMatchObject({ statusCode: 401 })
    stripe = client('sk_live_local')
    const intent = await paid()
    const { id } = (await stripe.checkout.sessions.list()).data[0]!
    expect(id).toMatch(/^cs_live_/)
    const session = await stripe.checkout.sessions.retrieve(id, {
      expand: ['invoice', 'customer', 'payment_intent.latest_charge'],
    })
    await control(`payments/${intent}/dispute`)
    const [dispute] = (await stripe.disputes.list()).data
    const made = [session, session.invoice, session.customer, session.payment_intent, dispute]
    for (const one of [...made, ...(await stripe.events.list()).data]) {
      expect(one).toMatchObject({ livemode: true })
    }
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

async function paidCustomer(): Promise<string> {
  const { data } = await stripe.checkout.sessions.list({ payment_intent: await paid() })
  return data[0]!.customer as string
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
