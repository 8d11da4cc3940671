import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type Stripe from 'stripe'
import { describe, expect, it } from 'vitest'
import {
  ask,
  assistant,
  atCheckout,
  fresh,
  meterOf,
  moveClock,
  newCustomer,
  order,
  setStripe,
  setTax,
  stack,
  stripe,
  toPayment,
  within5s,
} from './world.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** What `npm run audit -- --stripe` prints and exits with for one workspace. */
async function auditStripe(workspaceId: string): Promise<{ code: number; stdout: string }> {
  const { AWS_ENDPOINT_URL_DYNAMODB: _direct, ...environment } = process.env
  const env = { ...environment, PORT: new URL(stack.url).port }
  const args = ['audit/main.ts', '--stripe', '--workspace', workspaceId]
  return promisify(execFile)(process.execPath, args, { cwd: root, env }).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout, stderr }) => ({ code, stdout: stdout + stderr }),
  )
}

describe('an order that finance will ask about', () => {
  it.each([
    // Half of what was paid, and the tokens that it paid for.
    ['within the price', 'inclusive', 500, 250, 1_000_000],
    // 5.95 has no half in cents: the 2.98 that are kept paid for 1,001,680 whole tokens.
    ['on top of it', 'exclusive', 595, 297, 998_320],
  ] as const)(
    'taxed %s, its webhook lost, and half refunded while held, ends as Stripe has it',
    async (_where, behavior, total, half, lost) => {
      const customer = await newCustomer('pro')
      await setTax(19, behavior)
      await setStripe('webhooks', 'drop')
      const made = await order(customer, 2_000_000)
      expect(made).toMatchObject({ amount: 500, currency: 'usd' })
      const payment = await atCheckout(made, 'pay')

      const receipt = async () => {
        const intent = await stripe.paymentIntents.retrieve(payment, { expand: ['latest_charge'] })
        expect(intent.amount_received).toBe(total)
        return (intent.latest_charge as Stripe.Charge).receipt_url
      }
      expect(await receipt()).not.toBe(await receipt())
      const seen = async () => (await ask(`GET ${made.path}`, customer.admin)).body
      await within5s(async () =>
        expect(await seen()).toMatchObject({ status: 'paid', credited: 2_000_000 }),
      )
      expect(await meterOf(customer)).toMatchObject({ text: '[0/4,000,000 used]' })

      // Everything is held when the refund comes, so nothing can be taken for now, and nothing is forgotten.
      const holds = `${customer.path}/holds`
      const body = { tokens: 4_000_000, ttlSeconds: 600 }
      const opened = await ask(`POST ${holds}`, assistant, { key: fresh('hold'), body })
      expect(opened.status).toBe(201)
      await setStripe('webhooks', 'deliver')
      await toPayment(payment, 'refund', half)
      await within5s(async () =>
        expect(await seen()).toMatchObject({
          status: 'refunded',
          credited: 2_000_000,
          pending: lost,
        }),
      )
      expect(await auditStripe(customer.id)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('1 stand (1 with tokens pending), 0 differ'),
      })

      const settle = `POST ${holds}/${opened.body.holdId}/settle`
      const settled = { key: fresh('settle'), body: { tokens: 500_000 } }
      expect((await ask(settle, assistant, settled)).status).toBe(200)
      await moveClock('2026-07-14T09:40:00Z')
      expect((await ask('POST /local/reconcile')).status).toBe(200)
      const { topUps } = await meterOf(customer)
      expect(topUps).toMatchObject({ limit: 2_000_000 - lost })
      const after = await seen()
      expect(after).toMatchObject({ status: 'refunded', credited: 2_000_000 - lost })
      expect(after).not.toHaveProperty('pending')
      expect(await auditStripe(customer.id)).toMatchObject({
        code: 0,
        stdout: expect.stringContaining('1 stand (0 with tokens pending), 0 differ'),
      })
    },
  )
})
