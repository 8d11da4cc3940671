import { describe, expect, it } from 'vitest'
import {
  ask,
  august,
  type Customer,
  fresh,
  inShort,
  meterOf,
  meterText,
  moveClock,
  newCustomer,
  order,
  problemIn,
  rep,
  stack,
  stored,
  use,
  within5s,
} from './world.ts'

/** Buys as a person would: orders, fills in the checkout page, and is led back. */
async function buy(customer: Customer, tokens: number) {
  const before = await meterOf(customer)
  const { path, session, purchaseId } = await order(customer, tokens)
  const form = new URLSearchParams({
    action: 'pay',
    name: 'Ada Admin',
    email: 'ada@example.com',
    line1: '1 Example Street',
    city: 'Springfield',
    postal_code: '97477',
    country: 'US',
  })
  const paid = await fetch(`${stack.url}/local/checkout/${session}`, {
    method: 'POST',
    body: form,
    redirect: 'manual',
  })
  expect(paid.status).toBe(303)
  const back = new URL(paid.headers.get('location')!)
  expect(back.origin).toBe(stack.url)
  expect(Object.fromEntries(back.searchParams)).toEqual({
    purchase: purchaseId,
    checkout: 'success',
  })
  // The meter never asks Stripe: what it shows, the webhook has brought.
  await within5s(async () => expect(await meterOf(customer)).not.toEqual(before))
  const { body } = await ask(`GET ${path}`, customer.admin)
  return body
}

/**
 * The product document's example starts at 500,000 of 2,000,000 and ends at `[0/2,500,000]` with half of the
 * purchased tokens used. Both cannot hold while the quota is used first, which is what keeps purchased
 * tokens from expiring: with its quota of 2,000,000 nothing of the purchase has been used by then. Its
 * figures are right for a quota of 1,000,000, so the rule is kept and both readings are tested.
 */
describe('the worked example', () => {
  it('holds to the digit for a Pro workspace, whose quota is 2,000,000', async () => {
    const customer = await newCustomer('pro')
    await use(customer, 500_000)
    expect(await meterText(customer)).toBe('[500,000/2,000,000 used]')

    expect(await buy(customer, 1_000_000)).toMatchObject({
      status: 'paid',
      tokens: 1_000_000,
      credited: 1_000_000,
      amount: 250,
      currency: 'usd',
    })
    expect(await meterText(customer)).toBe('[500,000/3,000,000 used]')
    await use(customer, 1_000_000)
    expect(await meterOf(customer)).toMatchObject({
      text: '[1,500,000/3,000,000 used]',
      quota: { used: 1_500_000, remaining: 500_000 },
      topUps: { used: 0, remaining: 1_000_000 },
    })

    await moveClock(august)
    expect(await meterText(customer)).toBe('[0/3,000,000 used]')
  })

  it('ends at the printed [0/2,500,000 used] where 2,000,000 more are used', async () => {
    const customer = await newCustomer('pro')
    await use(customer, 500_000)
    await buy(customer, 1_000_000)
    await use(customer, 2_000_000)
    expect(await meterOf(customer)).toMatchObject({
      text: '[2,500,000/3,000,000 used]',
      quota: { used: 2_000_000, remaining: 0 },
      topUps: { used: 500_000, remaining: 500_000 },
    })

    await moveClock(august)
    expect(await meterText(customer)).toBe('[0/2,500,000 used]')
  })

  it('holds to the digit for a quota of 1,000,000, and splits as printed', async () => {
    const customer = await newCustomer('enterprise', 1_000_000)
    await use(customer, 500_000)
    expect(await meterText(customer)).toBe('[500,000/1,000,000 used]')

    await ask(`POST ${customer.path}/grants`, rep, {
      key: 'g',
      body: { tokens: 1_000_000, reason: 'as the example buys' },
    })
    expect(await meterText(customer)).toBe('[500,000/2,000,000 used]')
    await use(customer, 1_000_000)
    expect(await meterOf(customer)).toMatchObject({
      text: '[1,500,000/2,000,000 used]',
      quota: { used: 1_000_000 },
      topUps: { used: 500_000 },
    })

    await moveClock(august)
    expect(await meterText(customer)).toBe('[0/1,500,000 used]')
  })
})

describe('running out', () => {
  it('refuses the work, says what is left, and lets the same key succeed once more was bought', async () => {
    const customer = await newCustomer('pro')
    await use(customer, 1_900_000)
    const key = fresh('blocked')
    const refused = await use(customer, 300_000, key)
    expect(refused.status).toBe(402)
    expect(problemIn(refused, 'insufficient_tokens')).toMatchObject({
      requested: 300_000,
      meter: { text: '[1,900,000/2,000,000 used]', remaining: 100_000 },
    })
    const { body: seen } = await ask(`GET ${customer.path}/meter`, customer.admin)
    expect(seen).toMatchObject({
      remaining: 100_000,
      purchase: { allowed: true, step: 1_000_000, unitAmount: 250, currency: 'usd' },
    })

    await buy(customer, 2_000_000)
    const taken = await use(customer, 300_000, key)
    expect(taken.status).toBe(200)
    expect(taken.headers.has('idempotent-replayed')).toBe(false)
    expect(taken.body).toMatchObject({
      requested: 300_000,
      taken: 300_000,
      meter: { text: '[2,200,000/4,000,000 used]' },
    })
    const again = await use(customer, 300_000, key)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(again.body).toEqual(taken.body)
    expect(await meterText(customer)).toBe('[2,200,000/4,000,000 used]')
  })

  it('never takes more than there is from 40 calls at once', async () => {
    const customer = await newCustomer('starter')
    const answers = await Promise.all(Array.from({ length: 40 }, () => use(customer, 5_000)))
    const counted = Object.groupBy(answers, inShort)
    expect(counted['200']).toHaveLength(20)
    expect(counted['402 insufficient_tokens']).toHaveLength(20)
    expect(await meterText(customer)).toBe('[100,000/100,000 used]')
  })
})

describe('the turn of the month', () => {
  const lastMoment = '2026-07-31T23:59:58Z'

  async function usedInJuly() {
    const customer = await newCustomer('pro')
    await use(customer, 700_000)
    return customer
  }

  it('shows at midnight UTC and not before, without waiting for anything to be written', async () => {
    const customer = await usedInJuly()
    await moveClock(lastMoment)
    expect(await meterOf(customer)).toMatchObject({
      text: '[700,000/2,000,000 used]',
      resetsAt: '2026-08-01T00:00:00.000Z',
    })
    await moveClock(august)
    expect(await meterOf(customer)).toMatchObject({
      text: '[0/2,000,000 used]',
      period: '2026-08',
      resetsAt: '2026-09-01T00:00:00.000Z',
    })
    expect((await stored(customer.id)).workspace).toMatchObject({ period: '2026-07' })
  })

  it('is written by the first use of the month, and keeps the history of the last one', async () => {
    const customer = await usedInJuly()
    await moveClock(august)
    expect((await use(customer, 1_000)).body.meter.text).toBe('[1,000/2,000,000 used]')
    expect((await stored(customer.id)).workspace).toMatchObject({ period: '2026-08' })

    const { body } = await ask(`GET ${customer.path}/activity?months=2`, customer.admin)
    expect(body.months).toMatchObject([
      { period: '2026-08', used: 1_000, days: [{ date: '2026-08-01', tokens: 1_000 }] },
      { period: '2026-07', used: 700_000, days: [{ date: '2026-07-14', tokens: 700_000 }] },
    ])
    expect(body.entries[0]).toMatchObject({ type: 'reset', period: '2026-08', expired: 1_300_000 })
  })

  it('is written for everybody by the schedule, and running that twice changes nothing', async () => {
    const customers = await Promise.all(Array.from({ length: 5 }, usedInJuly))
    const all = () => Promise.all(customers.map(({ id }) => stored(id)))
    await moveClock(august)
    const first = await ask('POST /local/reset')
    expect(first.status).toBe(200)
    const once = await all()
    for (const { workspace, ledger } of once) {
      expect(workspace).toMatchObject({ period: '2026-08', balance: 2_000_000, days: {} })
      expect(ledger.filter(({ type }) => type === 'reset')).toHaveLength(1)
    }

    const second = await ask('POST /local/reset')
    expect(second.body.runs).toHaveLength(8)
    for (const run of second.body.runs) {
      expect(run.result).toMatchObject({ rolledOver: 0, failed: 0 })
    }
    expect(await all()).toEqual(once)
  })
})
