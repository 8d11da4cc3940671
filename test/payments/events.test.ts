import Stripe from 'stripe'
import { describe, expect, it } from 'vitest'
import { rawBodyOf } from '../../shared/http/endpoint.ts'
import { verifyEvent } from '../../shared/payments/events.ts'
import type { StripeAccount } from '../../shared/payments/stripe.ts'

const now = new Date('2026-07-14T09:00:00Z')
const nowSeconds = now.getTime() / 1000

// As Stripe sends it: indented, and with characters that take more than one byte.
const payload = JSON.stringify(
  { id: 'evt_1', object: 'event', type: 'checkout.session.completed', data: { name: 'Zoë – ☕' } },
  null,
  2,
)

const accountWith = (...webhookSecrets: string[]): StripeAccount => ({
  client: new Stripe('sk_test_local'),
  livemode: false,
  webhookSecrets,
})
const account = accountWith('whsec_current')

const signed = (over: { secret?: string; timestamp?: number; payload?: string } = {}) =>
  Stripe.webhooks.generateTestHeaderString({
    payload,
    secret: 'whsec_current',
    timestamp: nowSeconds,
    ...over,
  })

const verifying = (signature: string, body: string | Buffer = payload, by = account) =>
  verifyEvent(by, Buffer.from(body as string), signature, now)

describe('a webhook', () => {
  it('signed just now is read', () => {
    expect(verifying(signed())).toMatchObject({ id: 'evt_1' })
  })

  it.each([
    ['without a signature', ''],
    ['with text for a signature', 'let me in'],
    ['with a signature of nothing', `t=${nowSeconds},v1=`],
    ['without a time', signed().replace(/t=\d+,/, '')],
    ['with another time than was signed', signed().replace(/t=\d+/, `t=${nowSeconds - 1}`)],
    ['signed by somebody else', signed({ secret: 'whsec_other' })],
    ['signed with an empty secret', signed({ secret: '' })],
    ['with a signature of a scheme we do not follow', signed().replace('v1=', 'v0=')],
    ['with its signature cut short', signed().slice(0, -1)],
  ])('%s is refused', (_, signature) => {
    expect(verifying(signature)).toBeUndefined()
  })

  it.each([
    [300, true],
    [301, false],
    [86_400, false],
    [-300, true],
    [-301, false],
    [-86_400, false],
  ])('signed %i seconds ago: read is %s', (age, read) => {
    const event = verifying(signed({ timestamp: nowSeconds - age }))
    expect(event !== undefined).toBe(read)
  })

  it('with one changed byte is refused', () => {
    expect(verifying(signed(), payload.replace('evt_1', 'evt_2'))).toBeUndefined()
    expect(verifying(signed(), `${payload}\n`)).toBeUndefined()
  })

  it('that was parsed and written again is refused, though it means the same', () => {
    expect(verifying(signed(), JSON.stringify(JSON.parse(payload)))).toBeUndefined()
  })

  it('that is signed but not JSON, or not an event of this API, is refused', () => {
    for (const body of ['', 'hello', '{"object": "event"']) {
      expect(verifying(signed({ payload: body }), body)).toBeUndefined()
    }
  })

  it('is read from its own bytes, sent as base64 or not', () => {
    const event = { headers: {}, requestContext: {} } as Parameters<typeof rawBodyOf>[0]
    const base64 = Buffer.from(payload).toString('base64')
    const plain = rawBodyOf({ ...event, body: payload, isBase64Encoded: false })
    const encoded = rawBodyOf({ ...event, body: base64, isBase64Encoded: true })
    expect(verifyEvent(account, plain, signed(), now)).toMatchObject({ id: 'evt_1' })
    expect(verifyEvent(account, encoded, signed(), now)).toMatchObject({ id: 'evt_1' })
    const undecoded = rawBodyOf({ ...event, body: base64, isBase64Encoded: false })
    expect(verifyEvent(account, undecoded, signed(), now)).toBeUndefined()
  })
})

describe('while the signing secret is being rotated', () => {
  const rotating = accountWith('whsec_new', 'whsec_old')

  it.each(['whsec_new', 'whsec_old'])('a webhook signed with %s is read', (secret) => {
    expect(verifying(signed({ secret }), payload, rotating)).toMatchObject({ id: 'evt_1' })
  })

  it('a webhook signed with both at once, as Stripe does, is read', () => {
    const both = `${signed({ secret: 'whsec_old' })},${signed({ secret: 'whsec_new' }).replace(/^t=\d+,/, '')}`
    expect(verifying(both, payload, rotating)).toMatchObject({ id: 'evt_1' })
    expect(verifying(both, payload, accountWith('whsec_old'))).toMatchObject({ id: 'evt_1' })
  })

  it('a webhook signed with neither is refused, and an old one stays old under both', () => {
    expect(verifying(signed({ secret: 'whsec_third' }), payload, rotating)).toBeUndefined()
    const old = signed({ secret: 'whsec_old', timestamp: nowSeconds - 301 })
    expect(verifying(old, payload, rotating)).toBeUndefined()
  })
})
