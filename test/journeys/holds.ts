import { describe, expect, it } from 'vitest'
import {
  ask,
  assistant,
  august,
  type Customer,
  damage,
  fresh,
  inShort,
  meterOf,
  moveClock,
  newCustomer,
  problemIn,
  use,
} from './world.ts'

function hold(
  customer: Customer,
  tokens: number,
  ttlSeconds = 60,
  key = fresh('hold'),
  more: { atLeast?: number; holder?: string } = {},
) {
  const body = { tokens, ttlSeconds, ...more }
  return ask(`POST ${customer.path}/holds`, assistant, { key, body })
}

function onHold(customer: Customer, call: 'settle' | 'extend', holdId: string, body: unknown) {
  return ask(`POST ${customer.path}/holds/${holdId}/${call}`, assistant, { key: fresh(call), body })
}

function release(customer: Customer, holdId: string) {
  return ask(`DELETE ${customer.path}/holds/${holdId}`, assistant, { key: fresh('release') })
}

describe('a hold', () => {
  it('sets tokens aside, is settled for what was used, and returns the rest', async () => {
    const customer = await newCustomer('pro')
    const opened = await hold(customer, 1_500_000)
    expect(opened.status).toBe(201)
    expect(opened.body).toMatchObject({
      tokens: 1_500_000,
      expiresAt: expect.stringMatching(/^2026-07-14T09:0\d:\d\d/),
      meter: { used: 0, held: 1_500_000, remaining: 500_000 },
    })
    expect(inShort(await use(customer, 500_001))).toBe('402 insufficient_tokens')

    const settled = await onHold(customer, 'settle', opened.body.holdId, { tokens: 400_000 })
    expect(settled.body).toMatchObject({
      charged: 400_000,
      uncovered: 0,
      returned: 1_100_000,
      meter: { used: 400_000, held: 0, remaining: 1_600_000 },
    })
    const again = await onHold(customer, 'settle', opened.body.holdId, { tokens: 400_000 })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    problemIn(await onHold(customer, 'settle', opened.body.holdId, { tokens: 1 }), 'hold_closed')
    problemIn(await release(customer, opened.body.holdId), 'hold_closed')
    expect(await meterOf(customer)).toMatchObject({ used: 400_000, held: 0 })
  })

  it('settled for more than there is takes what there is, and says what is uncovered', async () => {
    const customer = await newCustomer('starter')
    const { body } = await hold(customer, 60_000)
    expect((await onHold(customer, 'settle', body.holdId, { tokens: 130_000 })).body).toMatchObject(
      {
        charged: 100_000,
        uncovered: 30_000,
        meter: { text: '[100,000/100,000 used]' },
      },
    )
  })

  it('is opened once for a key, and extended for longer', async () => {
    const customer = await newCustomer('pro')
    const key = fresh('hold')
    const first = await hold(customer, 1_000, 5, key)
    const again = await hold(customer, 1_000, 5, key)
    expect(again.body.holdId).toBe(first.body.holdId)
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    expect(inShort(await hold(customer, 2_000, 5, key))).toBe('422 idempotency_key_reused')

    const extended = await onHold(customer, 'extend', first.body.holdId, { ttlSeconds: 900 })
    expect(extended.body.expiresAt > first.body.expiresAt).toBe(true)
    expect((await release(customer, first.body.holdId)).body).toMatchObject({ returned: 1_000 })
    problemIn(await onHold(customer, 'extend', first.body.holdId, { ttlSeconds: 9 }), 'hold_closed')
  })

  it('sets aside what there is where that will do, and the same again for its key', async () => {
    const customer = await newCustomer('starter')
    await use(customer, 98_500)
    const key = fresh('hold')
    const modest = (atLeast: number) => hold(customer, 2_000, 60, key, { atLeast })
    expect(problemIn(await modest(1_501), 'insufficient_tokens')).toMatchObject({
      requested: 2_000,
      meter: { remaining: 1_500 },
    })
    const first = await modest(500)
    expect(first.status).toBe(201)
    expect(first.body).toMatchObject({ tokens: 1_500, meter: { remaining: 0, held: 1_500 } })
    const again = await modest(500)
    expect(again.body).toMatchObject({ holdId: first.body.holdId, tokens: 1_500 })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
    problemIn(await modest(501), 'idempotency_key_reused')
  })

  it('is for the try that opened it, and says when it is closed', async () => {
    const customer = await newCustomer('pro')
    const key = fresh('hold')
    const by = (holder?: string) => hold(customer, 1_000, 60, key, { holder })
    const { body } = await by('one')
    expect(body).not.toHaveProperty('closed')
    for (const holder of ['another', undefined]) {
      const taken = await by(holder)
      expect(taken.status).toBe(409)
      problemIn(taken, 'hold_taken')
    }
    expect((await by('one')).body).not.toHaveProperty('closed')
    expect(await meterOf(customer)).toMatchObject({ held: 1_000 })

    await onHold(customer, 'settle', body.holdId, { tokens: 400 })
    for (const holder of ['one', 'another', undefined]) {
      const again = await by(holder)
      expect(again.status).toBe(201)
      expect(again.body).toMatchObject({
        holdId: body.holdId,
        tokens: 1_000,
        closed: { outcome: 'settled', used: 400 },
        meter: { used: 400, held: 0 },
      })
      expect(again.headers.get('idempotent-replayed')).toBe('true')
    }
  })

  it('comes back by itself when it expires, and its late settle is still charged', async () => {
    const customer = await newCustomer('starter')
    const { body } = await hold(customer, 70_000, 30)
    await moveClock('2026-07-14T10:00:00Z')
    expect(await meterOf(customer)).toMatchObject({ held: 0, remaining: 100_000 })
    expect((await use(customer, 80_000)).status).toBe(200)
    expect((await onHold(customer, 'settle', body.holdId, { tokens: 50_000 })).body).toMatchObject({
      charged: 20_000,
      uncovered: 30_000,
      meter: { used: 100_000, held: 0 },
    })
  })

  it('ends with the month', async () => {
    const customer = await newCustomer('starter')
    const { body } = await hold(customer, 70_000, 900)
    await moveClock(august)
    expect(await meterOf(customer)).toMatchObject({
      period: '2026-08',
      held: 0,
      remaining: 100_000,
    })
    expect((await onHold(customer, 'settle', body.holdId, { tokens: 40_000 })).body).toMatchObject({
      charged: 40_000,
      returned: 0,
      meter: { text: '[40,000/100,000 used]' },
    })
  })

  it('is refused beyond the balance, beyond a thousand, and unknown', async () => {
    const customer = await newCustomer('starter')
    problemIn(await hold(customer, 100_001), 'insufficient_tokens')
    await damage(customer.id, { holds: 1_000 })
    problemIn(await hold(customer, 1), 'holds_limit')
    problemIn(await onHold(customer, 'settle', 'hold_unknown', { tokens: 1 }), 'hold_not_found')
    problemIn(await release(customer, 'hold_unknown'), 'hold_not_found')

    const another = await newCustomer('starter')
    const { body } = await hold(another, 10)
    problemIn(await release(customer, body.holdId), 'hold_not_found')
    expect(await meterOf(another)).toMatchObject({ held: 10 })
  })
})
