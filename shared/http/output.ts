import * as z from 'zod/mini'
import type { Meter } from '../domain/meter.ts'
import type { Period } from '../domain/period.ts'
import { planIds, type TopUpOffer } from '../domain/plan.ts'
import type { PurchaseView } from '../domain/purchase.ts'
import { type ProblemCode, problemCodes } from './problem.ts'

/**
 * What callers get, for the API's description. Nothing is parsed with these when it is sent: `satisfies`
 * keeps them to the rules' own types where there are any, and a test holds them against real answers.
 */

/** `about` is shown beside the field in the API's description. */
const told = <Schema extends z.ZodMiniType>(schema: Schema, about: string): Schema => {
  z.globalRegistry.add(schema, { description: about })
  return schema
}

const time = () => z.string().register(z.globalRegistry, { format: 'date-time' })
const count = () => z.int().check(z.minimum(0))
const period = () =>
  told(z.string() as z.ZodMiniType as z.ZodMiniType<Period>, 'A UTC month, `2026-07`.')
const plan = () => z.enum(planIds)

const part = z.object({ limit: count(), used: count(), remaining: count() })

const offerFields = {
  step: told(count(), 'Tokens an order goes up by.'),
  min: count(),
  max: count(),
  unitAmount: told(count(), "The price of one step, in the currency's minor unit, before tax."),
  currency: z.string(),
}

export const topUpOffer = z.object(offerFields) satisfies z.ZodMiniType<TopUpOffer>

export const meter = z.object({
  workspaceId: z.string(),
  plan: plan(),
  period: period(),
  resetsAt: time(),
  used: count(),
  limit: count(),
  remaining: told(count(), 'What may be used now.'),
  held: told(count(), 'Set aside by open holds: neither used nor free to use.'),
  quota: part,
  topUps: part,
  text: told(z.string(), '`[500,000/2,000,000 used]`'),
  purchase: z.object({
    ...offerFields,
    allowed: z.boolean(),
    reason: z.optional(
      z.enum(['upgrade_required', 'contact_account_representative', 'admin_required']),
    ),
  }),
}) satisfies z.ZodMiniType<Meter>

const purchaseFields = {
  purchaseId: z.string(),
  status: z.enum(['open', 'processing', 'paid', 'failed', 'expired', 'refunded', 'disputed']),
  tokens: count(),
  credited: told(count(), 'Tokens this purchase has given and not had taken back.'),
  amount: told(count(), "In the currency's minor unit, before discounts and tax."),
  currency: z.string(),
  checkoutUrl: told(z.optional(z.string()), 'Where the buyer pays, while the purchase is open.'),
  createdAt: time(),
}

export const purchase = z.object(purchaseFields) satisfies z.ZodMiniType<PurchaseView>

export const plans = z.object({
  plans: z.array(
    z.object({
      plan: plan(),
      name: z.string(),
      monthlyQuota: z.union([count(), z.literal('per_workspace')]),
      topUps: z.enum(['self_serve', 'upgrade_required', 'contact_account_representative']),
    }),
  ),
  topUp: topUpOffer,
})

export const consumed = z.object({
  requested: count(),
  taken: told(count(), 'Less than requested only where `onShortfall` is `drain`.'),
  meter,
})

export const held = z.object({
  holdId: z.string(),
  tokens: count(),
  expiresAt: time(),
  meter,
})

export const settled = z.object({
  holdId: z.string(),
  used: count(),
  charged: count(),
  uncovered: told(count(), 'Used beyond what the hold and the balance could pay for.'),
  returned: told(count(), 'What went back to the balance.'),
  meter,
})

export const released = z.object({ holdId: z.string(), returned: count(), meter })

export const extended = z.object({ holdId: z.string(), expiresAt: time(), meter })

export const granted = z.object({ granted: count(), meter })

export const planned = z.object({
  effect: z.enum(['created', 'applied', 'waits_for_reset', 'kept']),
  next: told(
    z.optional(z.object({ plan: plan(), quota: count() })),
    'A plan with a smaller quota, waiting for the reset.',
  ),
  meter,
})

const recorded = { at: time(), period: period() }

export const activity = z.object({
  workspaceId: z.string(),
  months: z.array(
    z.object({
      period: period(),
      quota: count(),
      topUps: count(),
      used: count(),
      days: z.array(z.object({ date: z.string(), tokens: count() })),
    }),
  ),
  entries: told(
    z.optional(
      z.array(
        z.discriminatedUnion('type', [
          z.object({ type: z.literal('purchase'), at: time(), ...purchaseFields }),
          z.object({
            type: z.literal('grant'),
            ...recorded,
            tokens: count(),
            reason: z.string(),
            reference: z.optional(z.string()),
            by: z.string(),
          }),
          z.object({
            type: z.literal('plan'),
            ...recorded,
            plan: plan(),
            quota: count(),
            effect: planned.shape.effect,
            tokens: count(),
            by: z.string(),
          }),
          z.object({
            type: z.literal('payment'),
            ...recorded,
            purchaseId: z.string(),
            status: purchaseFields.status,
            tokens: told(z.int(), 'Tokens added, or below zero taken back.'),
            shortfall: count(),
          }),
          z.object({
            type: z.literal('reset'),
            ...recorded,
            plan: plan(),
            quota: count(),
            topUps: count(),
            expired: count(),
          }),
        ]),
      ),
    ),
    'Only for admins; newest first.',
  ),
  nextCursor: z.optional(z.string()),
})

const problemFields = {
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  requestId: z.string(),
}

export const invalidRequest = z.object({
  ...problemFields,
  code: z.literal('invalid_request'),
  errors: z.array(
    z.object({
      pointer: told(
        z.string(),
        'A JSON pointer into the body (`#/tokens`), or `header/…`, `path/…`, `query/…`.',
      ),
      detail: told(z.string(), 'What it must be.'),
    }),
  ),
})

export const insufficientTokens = z.object({
  ...problemFields,
  code: z.literal('insufficient_tokens'),
  requested: count(),
  meter,
})

const otherCodes = problemCodes.filter(
  (code): code is Exclude<ProblemCode, 'invalid_request' | 'insufficient_tokens'> =>
    code !== 'invalid_request' && code !== 'insufficient_tokens',
)

export const otherProblem = z.object({
  ...problemFields,
  code: z.enum(otherCodes),
  meter: told(z.optional(meter), 'How the workspace stood, where that tells what to do next.'),
})

export const gatewayMessage = z.object({ message: z.string() })

export const webhookAnswer = z.object({ outcome: z.string() })
