import { beforeEach, describe, expect, it } from 'vitest'
import type { Answer } from '../support/local-stack.ts'
import {
  ask,
  atCheckout,
  type Customer,
  fresh,
  hostApp,
  inShort,
  meterOf,
  meterText,
  moveClock,
  newCustomer,
  type Order,
  order,
  orderIn,
  problemIn,
  setStripe,
  sign,
  signals,
  stack,
  stored,
  stripe,
  toPayment,
  use,
  within5s,
} from './world.ts'

let customer: Customer
beforeEach(async () => {
  customer = await newCustomer('pro')
})

const topUpsOf = async () => (await meterOf(customer)).topUps

async function orderNow({ path }: Order) {
  const { status, body } = await ask(`GET ${path}`, customer.admin)
  expect(status).toBe(200)
  return body
}

/** What the webhooks alone have brought about: the stored purchase, not asked for through the API. */
async function storedStatus({ purchaseId }: Order) {
  const { ledger } = await stored(customer.id)
  return ledger.find(({ entryId }) => entryId === `purchase#${purchaseId}`)?.status
}

async function paid(tokens = 1_000_000) {
  const made = await order(customer, tokens)
  const payment = await atCheckout(made, 'pay')
  await within5s(async () => expect(await topUpsOf()).toMatchObject({ limit: tokens }))
  return { made, payment }
}

/** Lets Stripe's webhooks arrive and be dealt with. */
const webhooksIn = () => stack.stripe!.idle()

async function sessionsOf({ purchaseId }: Pick<Order, 'purchaseId'>) {
  const { data } = await stripe.checkout.sessions.list({ limit: 100 })
  return data.filter(({ metadata }) => metadata?.purchaseId === purchaseId)
}

describe('a checkout', () => {
  it('asks Stripe for the price of the catalog, and names the workspace and the purchase', async () => {
    const made = await order(customer, 4_000_000)
    expect(made).toMatchObject({ status: 'open', credited: 0, amount: 1_000, currency: 'usd' })
    const [session, ...others] = await sessionsOf(made)
    expect(others).toEqual([])
    expect(session).toMatchObject({
      url: made.checkoutUrl,
      amount_total: 1_000,
      currency: 'usd',
      mode: 'payment',
      client_reference_id: customer.id,
      billing_address_collection: 'required',
      invoice_creation: { enabled: true },
      metadata: { workspaceId: customer.id, purchaseId: made.purchaseId },
    })
  })

  it('credits nothing when the card is declined, and can still be paid', async () => {
    const made = await order(customer)
    await atCheckout(made, 'decline')
    expect(await orderNow(made)).toMatchObject({ status: 'open', credited: 0 })
    expect(await topUpsOf()).toMatchObject({ limit: 0 })
    await atCheckout(made, 'pay')
    await within5s(async () => expect(await topUpsOf()).toMatchObject({ limit: 1_000_000 }))
  })

  it('leads back and credits nothing when the buyer cancels', async () => {
    const made = await order(customer)
    const cancelled = await fetch(made.checkoutUrl!, {
      method: 'POST',
      body: new URLSearchParams({ action: 'cancel' }),
      redirect: 'manual',
    })
    expect(cancelled.status).toBe(303)
    const { searchParams } = new URL(cancelled.headers.get('location')!)
    expect(searchParams.get('checkout')).toBe('cancelled')
    expect(searchParams.get('purchase')).toBe(made.purchaseId)
    expect(await orderNow(made)).toMatchObject({ status: 'open', checkoutUrl: made.checkoutUrl })
    expect(await topUpsOf()).toMatchObject({ limit: 0 })
  })

  it.each([
    ['settles', 'settle', 'paid', 1_000_000],
    ['fails', 'fail', 'failed', 0],
  ])('credits a delayed payment only when it %s', async (_what, action, status, credited) => {
    const made = await order(customer)
    await atCheckout(made, 'pay-later')
    await within5s(async () => expect(await storedStatus(made)).toBe('processing'))
    expect(await topUpsOf()).toMatchObject({ limit: 0 })

    await atCheckout(made, action)
    await within5s(async () => expect(await storedStatus(made)).toBe(status))
    expect(await orderNow(made)).toMatchObject({ status, credited })
    expect(await topUpsOf()).toMatchObject({ limit: credited })
  })

  it('expires after a day, and another order can be made', async () => {
    const made = await order(customer)
    await moveClock('2026-07-15T09:00:10Z')
    await within5s(async () => expect(await storedStatus(made)).toBe('expired'))
    const seen = await orderNow(made)
    expect(seen).toMatchObject({ status: 'expired', credited: 0 })
    expect(seen).not.toHaveProperty('checkoutUrl')
    expect(await order(customer)).toMatchObject({ status: 'open' })
  })

  it('credits once what several events at once say is paid', async () => {
    await setStripe('webhooks', 'drop')
    const made = await order(customer)
    await atCheckout(made, 'pay')
    const [session] = await sessionsOf(made)
    const deliver = (type: string) => {
      const payload = JSON.stringify({
        id: fresh('evt'),
        object: 'event',
        type,
        livemode: false,
        data: { object: session },
      })
      const headers = { 'stripe-signature': sign(payload) }
      return ask('POST /v1/stripe/webhook', undefined, { body: payload, headers })
    }
    const answers = await Promise.all(
      [
        'checkout.session.completed',
        'checkout.session.completed',
        'checkout.session.async_payment_succeeded',
        // What an event claims is not believed: Stripe says it is paid, whatever arrives last.
        'checkout.session.expired',
        'checkout.session.async_payment_failed',
      ].map(deliver),
    )
    expect(answers.map(({ body }) => body)).toEqual(answers.map(() => ({ outcome: 'settled' })))
    expect(await topUpsOf()).toMatchObject({ limit: 1_000_000 })
    const { ledger } = await stored(customer.id)
    expect(ledger.filter(({ type }) => type === 'payment')).toHaveLength(1)
  })
})

describe('the documents of a payment', () => {
  const documentsOf = ({ path }: Order) => ask(`GET ${path}/documents`, customer.admin)

  it('are links of Stripe’s that open, made anew each time', async () => {
    const { made } = await paid()
    const [first, second] = [await documentsOf(made), await documentsOf(made)]
    expect([inShort(first), inShort(second)]).toEqual(['200', '200'])
    expect(Object.keys(first.body).sort()).toEqual(['invoicePdf', 'invoiceUrl', 'receiptUrl'])
    expect(second.body.receiptUrl).not.toBe(first.body.receiptUrl)
    expect((await fetch(second.body.receiptUrl)).status).toBe(200)
  })

  it('are none while nothing is paid', async () => {
    expect(await documentsOf(await order(customer))).toMatchObject({ status: 200, body: {} })
  })

  it('are told five times in ten seconds, and then when to come back', async () => {
    const { made } = await paid()
    // Ten seconds may end in between; more than twice five do not fit into two of them.
    const answers = await Promise.all(Array.from({ length: 15 }, () => documentsOf(made)))
    const refused = answers.filter(({ status }) => status !== 200)
    expect(refused.length).toBeGreaterThanOrEqual(5)
    for (const answer of refused) {
      expect(answer.status).toBe(429)
      problemIn(answer, 'too_many_looks')
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(Number(answer.headers.get('retry-after'))).toBeLessThanOrEqual(10)
    }
  })

  it('cannot be had while Stripe is away, and the caller is told when to come back', async () => {
    const { made } = await paid()
    await setStripe('outage', 'down')
    const answer = await documentsOf(made)
    expect(answer.status).toBe(503)
    problemIn(answer, 'unavailable')
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  })
})

describe('money going back', () => {
  it('takes a refund’s share of the tokens, rounded to what the rest of the money buys', async () => {
    const { made, payment } = await paid()
    await toPayment(payment, 'refund', 100)
    await within5s(async () => expect(await topUpsOf()).toMatchObject({ limit: 600_000 }))
    expect(await orderNow(made)).toMatchObject({ status: 'refunded', credited: 600_000 })

    await toPayment(payment, 'refund')
    await within5s(async () => expect(await topUpsOf()).toMatchObject({ limit: 0 }))
    expect(await orderNow(made)).toMatchObject({ status: 'refunded', credited: 0 })
    expect(await meterText(customer)).toBe('[0/2,000,000 used]')
  })

  it('gives the tokens back when the refund fails', async () => {
    const { made, payment } = await paid()
    await toPayment(payment, 'refund')
    await within5s(async () => expect(await topUpsOf()).toMatchObject({ limit: 0 }))
    await toPayment(payment, 'refund-fail')
    await within5s(async () => expect(await topUpsOf()).toMatchObject({ limit: 1_000_000 }))
    expect(await orderNow(made)).toMatchObject({ status: 'paid', credited: 1_000_000 })
  })

  it.each([
    ['won', 'win', 'paid', 1_000_000],
    ['lost', 'lose', 'disputed', 0],
  ])(
    'takes disputed tokens at once, and for a dispute %s leaves what is right',
    async (_how, end, status, credited) => {
      const { made, payment } = await paid()
      await toPayment(payment, 'dispute')
      await within5s(async () => expect(await topUpsOf()).toMatchObject({ limit: 0 }))
      expect(await orderNow(made)).toMatchObject({ status: 'disputed', credited: 0 })

      await toPayment(payment, end)
      await webhooksIn()
      expect(await orderNow(made)).toMatchObject({ status, credited })
      expect(await topUpsOf()).toMatchObject({ limit: credited })
    },
  )

  it('never reaches below zero: what was spent stays spent, and the operator hears of it', async () => {
    const { made, payment } = await paid()
    await use(customer, 2_700_000)
    await toPayment(payment, 'refund')
    await within5s(async () => expect(await storedStatus(made)).toBe('refunded'))
    expect(await meterOf(customer)).toMatchObject({
      text: '[2,700,000/2,700,000 used]',
      remaining: 0,
    })
    expect(signals).toContainEqual(
      expect.objectContaining({
        signal: 'reversal_shortfall',
        purchaseId: made.purchaseId,
        tokens: 700_000,
      }),
    )
    await toPayment(payment, 'refund-fail')
    await within5s(async () => expect(await storedStatus(made)).toBe('paid'))
    expect(await meterText(customer)).toBe('[2,700,000/3,000,000 used]')
  })
})

describe('lost webhooks', () => {
  beforeEach(() => setStripe('webhooks', 'drop'))

  it('do not keep a buyer who waits from their tokens', async () => {
    const made = await order(customer)
    await atCheckout(made, 'pay')
    expect(await topUpsOf()).toMatchObject({ limit: 0 })
    expect(await orderNow(made)).toMatchObject({ status: 'paid', credited: 1_000_000 })
    expect(await topUpsOf()).toMatchObject({ limit: 1_000_000 })
  })

  it('are made up for by the reconciliation, payments and refunds alike, and once', async () => {
    const made = await order(customer)
    const payment = await atCheckout(made, 'pay')
    const reconcile = async () => {
      const { status, body } = await ask('POST /local/reconcile')
      expect(status).toBe(200)
      expect(body.runs[0].result).toMatchObject({ failed: 0 })
    }
    await reconcile()
    expect(await topUpsOf()).toMatchObject({ limit: 1_000_000 })
    await reconcile()
    expect(await topUpsOf()).toMatchObject({ limit: 1_000_000 })

    await toPayment(payment, 'refund', 50)
    await reconcile()
    expect(await topUpsOf()).toMatchObject({ limit: 800_000 })
    const { ledger } = await stored(customer.id)
    expect(ledger.filter(({ type }) => type === 'payment')).toHaveLength(2)
  })
})

describe('ordering again with the same key', () => {
  const buy = (key: string, tokens = 1_000_000): Promise<Answer> =>
    ask(`POST ${customer.path}/purchases`, customer.admin, { key, body: { tokens } })

  it('answers with the same purchase and says so', async () => {
    const key = fresh('buy')
    const first = await buy(key)
    const second = await buy(key)
    expect([first.status, second.status]).toEqual([201, 201])
    expect(first.headers.has('idempotent-replayed')).toBe(false)
    expect(second.headers.get('idempotent-replayed')).toBe('true')
    expect(second.body).toEqual(first.body)
    expect(await sessionsOf(first.body)).toHaveLength(1)
  })

  it('four times at once opens one session', async () => {
    const key = fresh('buy')
    const answers = await Promise.all([buy(key), buy(key), buy(key), buy(key)])
    for (const { status, body } of answers) {
      expect(status).toBe(201)
      expect(body).toEqual(answers[0]!.body)
    }
    expect(answers.filter(({ headers }) => !headers.has('idempotent-replayed'))).toHaveLength(1)
    expect(await sessionsOf(answers[0]!.body)).toHaveLength(1)
  })

  it('answers with the outcome after it was paid, and charges nothing again', async () => {
    const key = fresh('buy')
    const made = orderIn(customer, await buy(key))
    await atCheckout(made, 'pay')
    await within5s(async () => expect(await storedStatus(made)).toBe('paid'))
    const again = await buy(key)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(again.body).toMatchObject({ purchaseId: made.purchaseId, status: 'paid' })
    expect(await sessionsOf(made)).toHaveLength(1)
  })

  it.each(['down', 'error', 'lost-response'] as const)(
    'finishes the job after an outage of Stripe (%s)',
    async (mode) => {
      const key = fresh('buy')
      await setStripe('outage', mode)
      const refused = await buy(key)
      expect(refused.status).toBe(503)
      problemIn(refused, 'unavailable')
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)

      await setStripe('outage', 'none')
      const answer = await buy(key)
      expect(inShort(answer)).toBe('201')
      const made = orderIn(customer, answer)
      expect(await sessionsOf(made)).toHaveLength(1)
      await atCheckout(made, 'pay')
      await within5s(async () => expect(await topUpsOf()).toMatchObject({ limit: 1_000_000 }))
    },
  )
})

describe('an outage of Stripe', () => {
  it('leaves the meter, the use of tokens and the known state of an order working', async () => {
    const made = await order(customer)
    await setStripe('outage', 'down')
    expect((await use(customer, 10)).status).toBe(200)
    expect(await meterText(customer)).toBe('[10/2,000,000 used]')
    expect(await orderNow(made)).toMatchObject({ status: 'open', credited: 0 })
  })

  it('makes a webhook come again until it could be followed', async () => {
    const { payment } = await paid()
    await webhooksIn()
    await setStripe('webhooks', 'hold')
    await toPayment(payment, 'refund', 50)
    await setStripe('outage', 'error')
    const before = signals.length
    await setStripe('webhooks', 'deliver')
    await within5s(async () =>
      expect(signals.slice(before)).toContainEqual(
        expect.objectContaining({ signal: 'unavailable', service: 'stripe' }),
      ),
    )
    expect(await topUpsOf()).toMatchObject({ limit: 1_000_000 })
    await setStripe('outage', 'none')
    await within5s(async () => expect(await topUpsOf()).toMatchObject({ limit: 800_000 }))
  })
})

describe('a plan change', () => {
  it('gives more at once and less at the reset, whatever was bought', async () => {
    await paid()
    const change = (plan: string) =>
      ask(`PUT ${customer.path}`, hostApp, { key: fresh('plan'), body: { plan } })
    expect((await change('teams')).body).toMatchObject({
      effect: 'applied',
      meter: { text: '[0/11,000,000 used]' },
    })
    expect((await change('starter')).body).toMatchObject({
      effect: 'waits_for_reset',
      next: { plan: 'starter', quota: 100_000 },
      meter: { text: '[0/11,000,000 used]', plan: 'teams' },
    })
    await moveClock('2026-08-01T00:00:00Z')
    expect(await meterText(customer)).toBe('[0/1,100,000 used]')
  })
})
