import { beforeEach, describe, expect, it } from 'vitest'
import type { Answer } from '../support/local-stack.ts'
import {
  ask,
  assistant,
  atCheckout,
  type Customer,
  dynamoDb,
  fresh,
  hostApp,
  inShort,
  meterOf,
  meterText,
  newCustomer,
  order,
  problemIn,
  rep,
  signals,
  stored,
  stripe,
  use,
  within5s,
} from './world.ts'

let customer: Customer
beforeEach(async () => {
  customer = await newCustomer('pro')
})

function expectUnavailable(answer: Answer, code: 'unavailable' | 'busy' = 'unavailable') {
  expect(answer.status).toBe(503)
  problemIn(answer, code)
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
}

/** Every call that carries a key, what it comes to, and what it leaves behind when done once. */
const calls = {
  consume: {
    send: (key: string) =>
      ask(`POST ${customer.path}/consume`, assistant, { key, body: { tokens: 300_000 } }),
    done: '[300,000/2,000,000 used]',
  },
  grants: {
    send: (key: string) =>
      ask(`POST ${customer.path}/grants`, rep, { key, body: { tokens: 5, reason: 'r' } }),
    done: '[0/2,000,005 used]',
  },
  'a plan change': {
    send: (key: string) => ask(`PUT ${customer.path}`, hostApp, { key, body: { plan: 'teams' } }),
    done: '[0/10,000,000 used]',
  },
  purchases: {
    send: (key: string) =>
      ask(`POST ${customer.path}/purchases`, customer.admin, { key, body: { tokens: 1_000_000 } }),
    done: '[0/2,000,000 used]',
  },
}

describe.each(Object.entries(calls))('while DynamoDB is away, %s', (_name, { send, done }) => {
  it('is answered 503 and changes nothing; the same key then finishes the job', async () => {
    const key = fresh('k')
    const before = await stored(customer.id)
    expectUnavailable(await dynamoDb.during('refused', () => send(key)))
    expect(await stored(customer.id)).toEqual(before)

    const answer = await send(key)
    expect(inShort(answer)).toMatch(/^20[01]$/)
    expect(answer.headers.has('idempotent-replayed')).toBe(false)
    expect(await meterText(customer)).toBe(done)
  })

  it('happens once when only the answers were lost, and the same key finds it', async () => {
    const key = fresh('k')
    expectUnavailable(await dynamoDb.during('answer lost', () => send(key)))

    expect(inShort(await send(key))).toMatch(/^20[01]$/)
    const again = await send(key)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(await meterText(customer)).toBe(done)
  })
})

describe('while DynamoDB is away', () => {
  it('reads are answered 503 too, and the cause goes to the operator only', async () => {
    const told = signals.length
    await dynamoDb.during('refused', async () => {
      expectUnavailable(await ask(`GET ${customer.path}/meter`, customer.member))
      expectUnavailable(await ask(`GET ${customer.path}/activity`, customer.admin))
      expectUnavailable(await ask(`GET ${customer.path}/purchases/p`, customer.admin))
    })
    expect(signals.slice(told)).toEqual(
      Array.from({ length: 3 }, () =>
        expect.objectContaining({ signal: 'unavailable', service: 'dynamodb' }),
      ),
    )
  })

  it('the price list and the refusals at the door still work', async () => {
    await dynamoDb.during('refused', async () => {
      expect((await ask('GET /v1/plans')).status).toBe(200)
      const bad = { key: 'k', body: { tokens: 0 } }
      problemIn(await ask(`POST ${customer.path}/consume`, assistant, bad), 'invalid_request')
    })
  })

  it('a paid order is credited once it is back, by the webhook that comes again', async () => {
    const made = await order(customer)
    const told = signals.length
    await dynamoDb.during('refused', async () => {
      await atCheckout(made, 'pay')
      await within5s(async () =>
        expect(signals.slice(told)).toContainEqual(
          expect.objectContaining({ signal: 'unavailable', service: 'dynamodb' }),
        ),
      )
    })
    await within5s(async () =>
      expect(await meterOf(customer)).toMatchObject({ topUps: { limit: 1_000_000 } }),
    )
  })

  it('an order opens one checkout, however often it is tried', async () => {
    const key = fresh('buy')
    const { send } = calls.purchases
    for (let attempt = 1; attempt <= 3; attempt++) {
      expectUnavailable(await dynamoDb.during('answer lost', () => send(key)))
    }
    const { body } = await send(key)
    const { data } = await stripe.checkout.sessions.list({ limit: 100 })
    expect(data.filter(({ metadata }) => metadata?.purchaseId === body.purchaseId)).toHaveLength(1)
  })

  it('a connection that stays silent is given up before the caller would', async () => {
    const startedAt = performance.now()
    expectUnavailable(await dynamoDb.during('silence', () => use(customer, 1)))
    expect(performance.now() - startedAt).toBeLessThan(20_000)
  })
})

describe('a workspace whose every transaction meets another one', () => {
  it('is busy, and the same key succeeds later', async () => {
    const before = await stored(customer.id)
    const key = fresh('k')
    expectUnavailable(await dynamoDb.during('conflict', () => use(customer, 1_000, key)), 'busy')
    expect(await stored(customer.id)).toEqual(before)
    expect(inShort(await use(customer, 1_000, key))).toBe('200')
  })
})
