import * as z from 'zod/mini'
import type { Documents } from '../domain/documents.ts'
import type { HoldEnd } from '../domain/hold.ts'
import type { Meter } from '../domain/meter.ts'
import type { Period } from '../domain/period.ts'
import { planIds, type TopUpOffer } from '../domain/plan.ts'
import type { PurchaseView } from '../domain/purchase.ts'
import { type ProblemCode, problemCodes } from './problem.ts'
import type { RoutedFunction } from './routes.ts'

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

export const namedProblems = {
  InvalidRequest: invalidRequest,
  InsufficientTokens: insufficientTokens,
  OtherProblem: otherProblem,
  GatewayMessage: gatewayMessage,
}

/** What a function's route is for and what it answers, in the words of the API's description. */
interface Answering {
  tag: 'meter' | 'use' | 'buy' | 'manage' | 'machinery'
  summary: string
  description?: string
  answer: z.ZodMiniType
  /** 200 where nothing is said. */
  status?: 201
  /** What it may be refused with besides what any call of its kind may be. */
  problems?: readonly ProblemCode[]
}

/** One for each function that answers a route: the compiler misses one that is left out. */
export const answers: Record<RoutedFunction, Answering> = {
  openapi: {
    tag: 'machinery',
    summary: 'This document',
    answer: z.looseObject({ openapi: z.string() }),
  },
  plans: {
    tag: 'buy',
    summary: 'Plans, quotas and prices',
    answer: plans,
  },
  meter: {
    tag: 'meter',
    summary: 'The meter of a workspace, and what this viewer may do about it',
    answer: meter,
  },
  consume: {
    tag: 'use',
    summary: 'Take tokens that were used',
    description:
      'Takes all or nothing. With `onShortfall: drain` it takes what is left where that is less.',
    answer: consumed,
    problems: ['insufficient_tokens'],
  },
  'open-hold': {
    tag: 'use',
    summary: 'Set tokens aside for work that is about to begin',
    description:
      'All or nothing, or with `atLeast` what is there, down to that. `holder` is a random word that a try sends with its key: while its hold is open, a try with another one, or with none, is refused. A key whose hold is closed finds that hold again, with `closed`.',
    answer: held,
    status: 201,
    problems: ['insufficient_tokens', 'holds_limit', 'hold_taken'],
  },
  'settle-hold': {
    tag: 'use',
    summary: 'Pay for what was used, and get the rest back',
    description:
      'Never refused for lack of tokens, since they are already spent: more than was held is taken from the balance as far as it goes, and `uncovered` says what was not.',
    answer: settled,
    problems: ['hold_not_found', 'hold_closed'],
  },
  'release-hold': {
    tag: 'use',
    summary: 'Get all that was held back',
    answer: released,
    problems: ['hold_not_found', 'hold_closed'],
  },
  'extend-hold': {
    tag: 'use',
    summary: 'Keep a hold for longer, counted from now',
    description: 'Never makes it shorter.',
    answer: extended,
    problems: ['hold_not_found', 'hold_closed'],
  },
  'start-purchase': {
    tag: 'buy',
    summary: 'Order tokens, and get a page to pay for them',
    answer: purchase,
    status: 201,
    problems: [
      'upgrade_required',
      'contact_account_representative',
      'purchases_blocked',
      'top_ups_limit',
    ],
  },
  'get-purchase': {
    tag: 'buy',
    summary: 'Where an order stands',
    answer: purchase,
    problems: ['purchase_not_found'],
  },
  'get-documents': {
    tag: 'buy',
    summary: 'The receipt and the invoice of an order',
    description:
      'Links to pages of Stripe’s, as far as there are any. They are made anew at each call and die within 30 days, so keep none of them. Whoever has one can open it.',
    answer: documents,
    problems: ['purchase_not_found', 'too_many_looks'],
  },
  activity: {
    tag: 'meter',
    summary: 'Usage per day, and for admins what moved tokens and money',
    answer: activity,
  },
  grant: {
    tag: 'manage',
    summary: 'Give a workspace tokens',
    answer: granted,
    status: 201,
    problems: ['top_ups_limit'],
  },
  'put-workspace': {
    tag: 'manage',
    summary: 'Create a workspace, or change it',
    description:
      'What is absent stays as it is, and null removes; `plan` is needed only to create. `quota` is for the plans whose quota is set per workspace. A smaller quota than the current one waits for the reset. `stripeCustomerId` keeps a company that is a customer already the same one at its checkouts. `purchasing: allowed` lets a workspace buy again that a lost dispute has kept from it.',
    answer: planned,
  },
  'stripe-webhook': {
    tag: 'machinery',
    summary: 'For Stripe, which signs what it sends',
    answer: z.object({ outcome: z.string() }),
    problems: ['invalid_signature'],
  },
}
