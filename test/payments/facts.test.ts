import type Stripe from 'stripe'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { CheckoutAction, PaymentAction } from '../../local/stripe/state.ts'
import type { Wanted } from '../../local/stripe/taking-back.ts'
import type { Purchase } from '../../shared/domain/purchase.ts'
import { Unavailable } from '../../shared/domain/refusal.ts'
import { mismatchOf, standingOf } from '../../shared/domain/standing.ts'
import { openCheckout, readFacts } from '../../shared/payments/checkout.ts'
import type { CheckoutOptions } from '../../shared/payments/checkout-options.ts'
import { readDocuments } from '../../shared/payments/documents.ts'
import { failureOf } from '../../shared/payments/stripe.ts'
import { purchaseWith } from '../support/purchase.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'

const now = new Date('2026-07-14T09:00:00Z')

let stripe: TestStripe
/** What Stripe was asked since the test began. */
const asked: string[] = []
beforeAll(async () => {
  stripe = await openTestStripe(() => now)
  stripe.account.client.on('request', ({ method, path }: Stripe.RequestEvent) => {
    asked.push(`${method} ${path.replace(/[?].*/, '').replace(/cs_\w+/, '*')}`)
  })
  await stripe.control('promotion-codes/HALF', { percentOff: 50 })
  await stripe.control('promotion-codes/GIFT', { percentOff: 100 })
})
beforeEach(async () => {
  await stripe.control('tax', { percent: 19, behavior: 'exclusive' })
})
afterAll(() => stripe.stop())

let orders = 0

/** An order of 1,000,000 tokens for $2.50 that waits at the checkout. */
async function ordered(checkout?: CheckoutOptions, over: Partial<Purchase> = {}) {
  const purchase = purchaseWith({
    purchaseId: `pur_${++orders}`,
    checkout: { ...checkout },
    ...over,
  })
  const outcome = await openCheckout(stripe.account, purchase)
  if ('failed' in outcome) throw new Error(JSON.stringify(outcome))
  return { ...purchase, ...outcome }
}

async function paid(checkout?: CheckoutOptions, action: CheckoutAction = 'pay', code?: string) {
  const purchase = await ordered(checkout)
  const { paymentIntent } = await stripe.buyer(purchase.sessionId, action, code)
  return { purchase, paymentIntent }
}

const factsOf = async ({ sessionId }: Purchase) => (await readFacts(stripe.account, sessionId!))!

/** The tokens an order keeps, or the fact that contradicts it. */
async function keeps(purchase: Purchase) {
  const facts = await factsOf(purchase)
  const mismatch = mismatchOf(purchase, facts)
  if (mismatch) return mismatch
  const { status, reversed } = standingOf(purchase, facts)
  return [status, purchase.tokens - reversed]
}

describe('what is paid for an order', () => {
  const taxed = { automatic_tax: { enabled: true } }
  const coded = { allow_promotion_codes: true }

  it.each<[string, CheckoutOptions, 'exclusive' | 'inclusive', string | undefined, number]>([
    ['without tax', {}, 'exclusive', undefined, 250],
    ['with tax on top', taxed, 'exclusive', undefined, 298],
    ['with tax included', taxed, 'inclusive', undefined, 250],
    ['with half of it off', coded, 'exclusive', 'HALF', 125],
    ['with half off and tax on top', { ...coded, ...taxed }, 'exclusive', 'HALF', 149],
    ['with half off and tax included', { ...coded, ...taxed }, 'inclusive', 'HALF', 125],
    ['with all of it off', { ...coded, ...taxed }, 'exclusive', 'GIFT', 0],
  ])('settles %s', async (_, checkout, behavior, code, amountTotal) => {
    await stripe.control('tax', { percent: 19, behavior })
    const { purchase, paymentIntent } = await paid(checkout, 'pay', code)
    expect(await factsOf(purchase)).toMatchObject({ status: 'paid', amountTotal })
    expect(await keeps(purchase)).toEqual(['paid', 1_000_000])
    if (amountTotal === 0) return
    // What is taken back is measured against what was paid, not against the price.
    await stripe.bank(paymentIntent, 'refund', Math.ceil(amountTotal / 2))
    const kept = Math.floor((1_000_000 * Math.floor(amountTotal / 2)) / amountTotal)
    expect(await keeps(purchase)).toEqual(['refunded', kept])
    await stripe.bank(paymentIntent, 'refund')
    expect(await keeps(purchase)).toEqual(['refunded', 0])
  })

  it.each(['HALF', 'GIFT'])('contradicts an order that allowed no codes: %s', async (code) => {
    const { purchase } = await paid(coded, 'pay', code)
    expect(await keeps({ ...purchase, checkout: undefined })).toBe('amountDiscounted')
    expect(await keeps({ ...purchase, checkout: { locale: 'de' } })).toBe('amountDiscounted')
  })

  it('counts once a card that was declined is replaced, and not by the card that was', async () => {
    const { purchase } = await paid({}, 'decline')
    expect(await keeps(purchase)).toEqual(['open', 1_000_000])
    const { paymentIntent } = await stripe.buyer(purchase.sessionId, 'pay')
    await stripe.bank(paymentIntent, 'refund', 100)
    expect(await keeps(purchase)).toEqual(['refunded', 600_000])
  })

  it('is no fact by its links: two looks at one payment say the same', async () => {
    const { purchase } = await paid()
    expect(await factsOf(purchase)).toEqual(await factsOf(purchase))
  })
})

describe('what is taken back', () => {
  type Step = PaymentAction | [PaymentAction, Wanted]
  const inquiry = { status: 'warning_needs_response' }

  it.each<[string, Step[], string, number]>([
    [
      'a refund under way, that the charge counts',
      [['refund', { amount: 100, status: 'pending' }]],
      'refunded',
      600_000,
    ],
    [
      'a refund that waits for the buyer',
      [['refund', { status: 'requires_action' }]],
      'paid',
      1_000_000,
    ],
    [
      'beside one that is counted, a refund that is not',
      [
        ['refund', { amount: 50 }],
        ['refund', { amount: 100, status: 'requires_action' }],
      ],
      'refunded',
      800_000,
    ],
    [
      'such a refund that succeeded',
      [['refund', { amount: 100, status: 'requires_action' }], 'refund-succeed'],
      'refunded',
      600_000,
    ],
    [
      'a refund under way that was canceled',
      [['refund', { status: 'pending' }], 'refund-cancel'],
      'paid',
      1_000_000,
    ],
    [
      'a refund that failed after it succeeded',
      [['refund', { amount: 100 }], 'refund-fail'],
      'paid',
      1_000_000,
    ],
    [
      'a refund in another currency',
      [['refund', { amount: 100, currency: 'eur' }]],
      'refunded',
      600_000,
    ],
    [
      'a refund in another currency that failed',
      [['refund', { amount: 100, currency: 'eur' }], 'refund-fail'],
      'paid',
      1_000_000,
    ],
    [
      'after a refund that failed, one in another currency',
      [['refund', { amount: 50 }], 'refund-fail', ['refund', { amount: 100, currency: 'eur' }]],
      'refunded',
      600_000,
    ],
    ['a dispute of a part', [['dispute', { amount: 100 }]], 'disputed', 600_000],
    ['a dispute of less than 95 %', [['dispute', { amount: 237 }]], 'disputed', 52_000],
    ['a dispute of 95 % or more', [['dispute', { amount: 238 }]], 'disputed', 0],
    ['a dispute of more than was paid', [['dispute', { amount: 257 }]], 'disputed', 0],
    [
      'a dispute in another currency',
      [['dispute', { amount: 10, currency: 'eur' }]],
      'disputed',
      0,
    ],
    [
      'such a dispute that was won',
      [['dispute', { amount: 10, currency: 'eur' }], 'win'],
      'paid',
      1_000_000,
    ],
    [
      'two disputes of parts',
      [['dispute', { amount: 100 }], 'lose', ['dispute', { amount: 50 }]],
      'disputed',
      400_000,
    ],
    [
      'a refund, and a dispute of all',
      [
        ['refund', { amount: 100 }],
        ['dispute', { amount: 250 }],
      ],
      'disputed',
      0,
    ],
    [
      'a refund, and a dispute of the rest',
      [['refund', { amount: 100 }], 'dispute'],
      'disputed',
      0,
    ],
    [
      'a whole refund that is disputed too',
      ['refund', ['dispute', { amount: 250 }]],
      'disputed',
      0,
    ],
    ['an inquiry', [['dispute', inquiry]], 'paid', 1_000_000],
    ['an inquiry under review', [['dispute', inquiry], 'review'], 'paid', 1_000_000],
    ['an inquiry that ended', [['dispute', inquiry], 'close'], 'paid', 1_000_000],
    ['an inquiry that was refunded', [['dispute', inquiry], 'refund', 'close'], 'refunded', 0],
    ['an inquiry that became a dispute', [['dispute', inquiry], 'escalate'], 'disputed', 0],
    ['a dispute that was prevented', [['dispute', { status: 'prevented' }]], 'paid', 1_000_000],
    ['a dispute under review', ['dispute', 'review'], 'disputed', 0],
    ['a lost dispute', ['dispute', 'lose'], 'disputed', 0],
    ['a lost dispute that is appealed', ['dispute', 'lose', 'appeal'], 'disputed', 0],
    ['an appeal under review', ['dispute', 'lose', 'appeal', 'review'], 'disputed', 0],
    ['an appeal that was lost', ['dispute', 'lose', 'appeal', 'lose'], 'disputed', 0],
    ['an appeal that was won', ['dispute', 'lose', 'appeal', 'review', 'win'], 'paid', 1_000_000],
  ])('by %s leaves what the rest of the money buys', async (_, steps, status, kept) => {
    const { purchase, paymentIntent } = await paid()
    for (const step of steps) {
      const [action, wanted] = typeof step === 'string' ? [step] : step
      await stripe.bank(paymentIntent, action, wanted)
    }
    expect(await keeps(purchase)).toEqual([status, kept])
  })
})

/*
 * What Stripe does not document it may do in more than one way. The stand-in does it in one; these are others,
 * as they would come from Stripe's client.
 */
describe('a Stripe that', () => {
  const charge = { id: 'ch_1', paid: true, amount: 250, currency: 'usd', amount_refunded: 100 }
  const refund = { status: 'succeeded', amount: 100, currency: 'usd' }

  async function factsBy(session: object, refunds: object[] = []) {
    const list = () => ({ autoPagingToArray: async () => refunds })
    const paid = {
      status: 'complete',
      payment_status: 'paid',
      amount_subtotal: 250,
      amount_total: 250,
    }
    const retrieve = async () => ({
      ...paid,
      payment_intent: { latest_charge: { ...charge, disputed: false } },
      ...session,
    })
    const client = { checkout: { sessions: { retrieve } }, refunds: { list } }
    return readFacts({ ...stripe.account, client: client as unknown as Stripe }, 'cs_1')
  }

  it.each(['failed', 'canceled'])(
    'still counts a refund that has %s loses to its list',
    async (status) => {
      const over = { ...refund, status }
      expect(await factsBy({}, [over])).toMatchObject({ amountRefunded: 0 })
      expect(await factsBy({}, [over, { ...refund, amount: 30 }])).toMatchObject({
        amountRefunded: 30,
      })
    },
  )

  it('lists a refund in a dearer currency is believed by what its charge counts', async () => {
    const foreign = { ...refund, amount: 80, currency: 'gbp' }
    expect(await factsBy({}, [foreign])).toMatchObject({ amountRefunded: 100 })
    const beside = [foreign, { ...refund, status: 'failed' }]
    expect(await factsBy({}, beside)).toMatchObject({ amountRefunded: 100 })
  })

  it('requires no payment of an amount that is left has not been paid it', async () => {
    const free = { payment_status: 'no_payment_required', payment_intent: null }
    const facts = (await factsBy(free))!
    expect(facts).toMatchObject({ status: 'paid', amountTotal: 0 })
    const { deploymentId, workspaceId, purchaseId, livemode, currency } = purchaseWith()
    const ours = { ...facts, deploymentId, workspaceId, purchaseId, livemode, currency }
    expect(mismatchOf(purchaseWith(), ours)).toBe('amountTotal')
  })

  it('names a status of paying that we do not know has not been paid', async () => {
    expect(await factsBy({ payment_status: 'promised' })).toMatchObject({ status: 'processing' })
  })
})

describe('Stripe is asked', () => {
  const session = 'GET /v1/checkout/sessions/*'

  it('once where there is neither refund nor dispute, and else for what there is', async () => {
    const { purchase, paymentIntent } = await paid()
    const asking = async () => {
      asked.length = 0
      await factsOf(purchase)
      return asked
    }
    expect(await asking()).toEqual([session])
    await stripe.bank(paymentIntent, 'refund', 10)
    expect(await asking()).toEqual([session, 'GET /v1/refunds'])
    await stripe.bank(paymentIntent, 'refund-fail')
    expect(await asking()).toEqual([session])
    await stripe.bank(paymentIntent, 'dispute')
    expect(await asking()).toEqual([session, 'GET /v1/disputes'])
  })

  it.each([400, 402, 403, 404, 429, 500, 503])(
    'later, where one object answers %i',
    async (status) => {
      const { purchase } = await paid()
      const { purchase: other } = await paid()
      await stripe.control(`failing/${purchase.sessionId}`, { status })
      const error = await factsOf(purchase).catch((error: unknown) => error)
      expect(error).toBeInstanceOf(Unavailable)
      expect(failureOf(error)).toMatchObject({ statusCode: status })
      await expect(readDocuments(stripe.account, purchase)).rejects.toBeInstanceOf(Unavailable)
      expect(await keeps(other)).toEqual(['paid', 1_000_000])
      await stripe.control(`failing/${purchase.sessionId}`, { status: null })
      expect(await keeps(purchase)).toEqual(['paid', 1_000_000])
    },
  )
})

describe('a checkout is asked for', () => {
  const sessionOf = ({ sessionId }: Purchase) =>
    stripe.account.client.checkout.sessions.retrieve(sessionId!)

  it('with an invoice, and in the currency of the order, where nothing else was chosen', async () => {
    expect(await sessionOf(await ordered())).toMatchObject({
      adaptive_pricing: { enabled: false },
      invoice_creation: { enabled: true },
      automatic_tax: { enabled: false },
      allow_promotion_codes: null,
      locale: null,
    })
  })

  it('as the order says, in all that may be chosen', async () => {
    const chosen: Required<CheckoutOptions> = {
      automatic_tax: { enabled: true },
      tax_id_collection: { enabled: true, required: 'if_supported' },
      allow_promotion_codes: true,
      invoice_creation: { enabled: false },
      locale: 'de',
      custom_text: { submit: { message: 'Tokens are there within a minute.' } },
    }
    expect(await sessionOf(await ordered(chosen))).toMatchObject({
      ...chosen,
      adaptive_pricing: { enabled: false },
      mode: 'payment',
    })
  })

  it('of a customer who is there already, who learns what taxes need to know', async () => {
    const { purchase } = await paid()
    const { customerId } = await factsOf(purchase)
    for (const options of [
      { automatic_tax: { enabled: true } },
      { tax_id_collection: { enabled: true } },
    ]) {
      expect(await sessionOf(await ordered(options, { customerId }))).toMatchObject({
        customer: customerId,
      })
    }
  })
})

describe('the documents of a purchase', () => {
  const documentsOf = (purchase: Purchase) => readDocuments(stripe.account, purchase)

  it('are its receipt and its invoice, by links that are new each time', async () => {
    const { purchase } = await paid()
    const [first, again] = [await documentsOf(purchase), await documentsOf(purchase)]
    const names = ['invoicePdf', 'invoiceUrl', 'receiptUrl'] as const
    expect(Object.keys(first).sort()).toEqual(names)
    for (const name of names) {
      expect(first[name]).toMatch(/^http:/)
      expect(again[name]).not.toBe(first[name])
    }
  })

  it('are fewer where there is less', async () => {
    const { purchase: free } = await paid({ allow_promotion_codes: true }, 'pay', 'GIFT')
    const { purchase: declined } = await paid({}, 'decline')
    const { purchase: processing } = await paid({}, 'pay-later')
    const none = [
      await ordered(),
      free,
      declined,
      processing,
      purchaseWith({ sessionId: undefined }),
    ]
    none.push(purchaseWith({ sessionId: 'cs_of_others' }))
    for (const purchase of none) expect(await documentsOf(purchase)).toEqual({})
    const { purchase } = await paid({ invoice_creation: { enabled: false } })
    expect(await documentsOf(purchase)).toEqual({ receiptUrl: expect.stringMatching(/^http:/) })
  })
})

describe('a live account', () => {
  it('is asked as the test one is, and says so', async () => {
    const live = await openTestStripe(() => now, { livemode: true })
    const purchase = purchaseWith({ livemode: true })
    const outcome = await openCheckout(live.account, purchase)
    const { sessionId } = outcome as { sessionId: string }
    await live.buyer(sessionId, 'pay')
    const facts = (await readFacts(live.account, sessionId))!
    expect(facts).toMatchObject({ livemode: true, status: 'paid' })
    expect(mismatchOf(purchase, facts)).toBeUndefined()
    expect(mismatchOf(purchaseWith(), facts)).toBe('livemode')
    await live.stop()
  })
})
