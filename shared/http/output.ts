import * as z from 'zod/mini'
import type { Documents } from '../domain/documents.ts'
import type { HoldEnd } from '../domain/hold.ts'
import type { Meter } from '../domain/meter.ts'
import type { Period } from '../domain/period.ts'
import { planIds, type TopUpOffer } from '../domain/plan.ts'
import type { PurchaseView } from '../domain/purchase.ts'

/**
 * What callers get, for the API's description. Nothing is parsed with these when it is sent: `satisfies`
 * keeps them to the rules' own types where there are any, and a test holds them against real answers.
 */

/** `about` is shown beside the field in the API's description. */
export const told = <Schema extends z.ZodMiniType>(schema: Schema, about: string): Schema => {
  z.globalRegistry.add(schema, { description: about })
  return schema
}

const time = () => z.string().register(z.globalRegistry, { format: 'date-time' })
export const count = () => z.int().check(z.minimum(0))
const period = () =>
  told(z.string() as z.ZodMiniType as z.ZodMiniType<Period>, 'A UTC month, `2026-07`.')
const plan = () => z.enum(planIds)
const planName = () => told(z.string(), 'The name of the plan, to be shown to people.')

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
  planName: planName(),
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
      z.enum([
        'upgrade_required',
        'contact_account_representative',
        'admin_required',
        'purchases_blocked',
      ]),
    ),
  }),
}) satisfies z.ZodMiniType<Meter>

const purchaseFields = {
  purchaseId: z.string(),
  status: z.enum(['open', 'processing', 'paid', 'failed', 'expired', 'refunded', 'disputed']),
  tokens: count(),
  credited: told(count(), 'Tokens this purchase has given and not had taken back.'),
  pending: told(
    z.optional(count()),
    'Of these, tokens that will be taken back when open holds return them.',
  ),
  amount: told(count(), "In the currency's minor unit, before discounts and tax."),
  currency: z.string(),
  checkoutUrl: told(z.optional(z.string()), 'Where the buyer pays, while the purchase is open.'),
  createdAt: time(),
}

export const purchase = z.object(purchaseFields) satisfies z.ZodMiniType<PurchaseView>

const link = (about: string) => told(z.optional(z.string()), about)

export const documents = z.object({
  receiptUrl: link("Stripe's receipt of the payment, once there is one."),
  invoiceUrl: link("Stripe's page of the invoice, where the checkout makes one."),
  invoicePdf: link('The same invoice, to download.'),
}) satisfies z.ZodMiniType<Documents>

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
  tokens: told(count(), 'What was set aside: less than asked for only where `atLeast` allows it.'),
  expiresAt: time(),
  closed: told(
    z.optional(
      z.object({
        outcome: told(
          z.enum(['settled', 'released', 'expired', 'ended']),
          '`ended`: its month did.',
        ),
        used: told(z.optional(count()), 'What was used, where it was settled.'),
      }) satisfies z.ZodMiniType<HoldEnd>,
    ),
    'Only where this hold is closed already: how. Nothing is set aside by it, so begin no work on it.',
  ),
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
  stripeCustomerId: told(z.optional(z.string()), 'As it was given, if it was.'),
  purchasing: told(
    z.enum(['allowed', 'blocked']),
    'Whether its admins may buy, as far as the plan lets them.',
  ),
  blockedBy: told(z.optional(z.array(z.string())), 'The purchases that keep it from buying.'),
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
            planName: planName(),
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
            shortfall: told(count(), 'Spent before they could be taken back.'),
            pending: told(
              z.optional(count()),
              'Held when they should have been taken back; what comes back of them still will be.',
            ),
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

/** Schemas that have a name of their own, which is also the name of their type in the client. */
export const namedAnswers = {
  Meter: meter,
  Plans: plans,
  TopUpOffer: topUpOffer,
  Purchase: purchase,
  Documents: documents,
  Activity: activity,
  Consumed: consumed,
  Held: held,
  Settled: settled,
  Released: released,
  Extended: extended,
  Granted: granted,
  Planned: planned,
}
