import Stripe from 'stripe'
import { describe, expect, it } from 'vitest'
import { pacedHttpClient } from '../../shared/payments/paced.ts'
import { openTestStripe } from '../support/stripe.ts'
import { answering, throughStripeWire } from '../support/stripe-wire.ts'

describe('a paced client', () => {
  it('sends no more requests a second than it may, evenly, however many wait', async () => {
    const { sentAt, client } = clientThat(async () => 200)
    await Promise.all(Array.from({ length: 60 }, () => client.events.list()))
    expect(sentAt).toHaveLength(60)
    expect(mostWithin(1_000, sentAt)).toBeLessThanOrEqual(41)
    // The first and the last may each be late by half an interval.
    expect(sentAt.at(-1)! - sentAt[0]!).toBeGreaterThanOrEqual((59 / 40) * 1_000 - 25)
  })

  it('counts the further pages of a list and what is sent again', async () => {
    const { sentAt, client } = clientThat(async (number) => (number < 2 ? 500 : 200))
    await client.events.list({}, { maxNetworkRetries: 3 })
    await client.events.list().autoPagingToArray({ limit: 30 })
    expect(sentAt.length).toBeGreaterThan(20)
    expect(mostWithin(1_000, sentAt)).toBeLessThanOrEqual(41)
  })

  it('holds everything back for a second when Stripe says that it is too much', async () => {
    const { sentAt, client } = clientThat(async (number) => (number === 0 ? 429 : 200))
    await expect(client.events.list()).rejects.toThrow()
    await Promise.all([client.events.list(), client.events.list()])
    expect(sentAt[1]! - sentAt[0]!).toBeGreaterThanOrEqual(990)
  })

  it('passes on what fails without an answer', async () => {
    const stripe = await openTestStripe(() => new Date())
    try {
      const { account, on } = throughStripeWire(stripe, pacedHttpClient(1_000))
      expect((await account.client.events.list()).data).toEqual([])
      on('/v1/events', answering(400, 'invalid_request_error'))
      await expect(account.client.events.list()).rejects.toMatchObject({ statusCode: 400 })
      await stripe.stop()
      await expect(account.client.customers.list()).rejects.toThrow()
    } finally {
      await stripe.stop().catch(() => undefined)
    }
  })
})

/** A client at 40 requests a second whose Stripe answers at once, with a status by the request's number. */
function clientThat(answer: (number: number) => Promise<number>) {
  const sentAt: number[] = []
  const inner = {
    getClientName: () => 'test',
    makeRequest: async () => {
      const status = await answer(sentAt.push(performance.now()) - 1)
      const page = {
        object: 'list',
        url: '/v1/events',
        has_more: true,
        data: [{ id: `evt_${sentAt.length}`, object: 'event' }],
      }
      return {
        getStatusCode: () => status,
        getHeaders: () => ({ 'stripe-should-retry': String(status === 500) }),
        getRawResponse: () => ({}),
        toStream: () => undefined,
        toJSON: async () => (status === 200 ? page : { error: { type: 'api_error' } }),
      }
    },
  } as unknown as ReturnType<typeof Stripe.createNodeHttpClient>
  const client = new Stripe('sk_test_paced', {
    httpClient: pacedHttpClient(40, inner),
    maxNetworkRetries: 0,
    telemetry: false,
  })
  return { sentAt, client }
}

function mostWithin(ms: number, times: number[]): number {
  const within = (from: number) => times.filter((at) => at >= from && at < from + ms).length
  return Math.max(...times.map(within))
}
