import type { Documents } from '../../domain/documents.ts'
import { type Meter, meterOf } from '../../domain/meter.ts'
import {
  type PlanId,
  planIds,
  planOf,
  priceOf,
  quotaOf,
  type Role,
  topUpOffer,
} from '../../domain/plan.ts'
import type { PurchaseView } from '../../domain/purchase.ts'
import { topUpsMax } from '../../domain/workspace.ts'
import type { Scope } from '../caller.ts'
import { pathParameters } from '../input.ts'
import { type ProblemCode, type ProblemExtras, problem, problemCodes } from '../problem.ts'
import type { RoutedFunction } from '../routes.ts'

/**
 * One exchange, as the API's description shows it. Together they tell a story, each going on where the one before
 * ended: a test plays all of them, in this order, against the whole local system.
 */
export interface Example {
  of: RoutedFunction
  /** Ties the request to its answer; a word of its own among the examples of a route, for a problem its code. */
  name: string
  /** The case, in a few words. */
  summary: string
  by: 'anyone' | 'service' | Role
  /** What a service's token is for, where that is not what the route asks. */
  scope?: Scope
  path?: Record<string, string>
  key?: string
  query?: Record<string, string>
  body?: object
  status: number
  answer: object
  /** The real answer says more than is shown. */
  abridged?: true
}

/** When the story happens. Its workspaces had used nothing before. */
export const storyBegins = '2026-07-14T09:00:00.000Z'

const acme = { workspaceId: 'acme' }
const sprout = { workspaceId: 'sprout' }
const initech = { workspaceId: 'initech' }
const quota = quotaOf('pro', 0)
const { step, currency } = topUpOffer()

// The service makes these ids from workspace and key.
const reply = { ...acme, holdId: 'hold_oWp-NvjKSJGA_PKy-wV_7Q' }
const report = { ...acme, holdId: 'hold_QOvXZMG44-yME90TPz8CuQ' }
const order = { ...acme, purchaseId: 'pur_7U955iuR_CYMMOYsnilq6w' }

const spentOnReply = 5_150
const spent = 1_200 + spentOnReply
const rest = quota - spent

const purchase: PurchaseView = {
  purchaseId: order.purchaseId,
  status: 'open',
  tokens: step,
  credited: 0,
  amount: priceOf(step),
  currency,
  checkoutUrl: 'https://checkout.stripe.com/c/pay/cs_test_a1b2c3',
  createdAt: storyBegins,
}
const { checkoutUrl: _, ...withoutCheckout } = purchase
const paid: PurchaseView = { ...withoutCheckout, status: 'paid', credited: step }

const goodwill = { tokens: 50_000, reason: 'Goodwill for July 12', reference: 'T-4711' }

/** As activity tells it in the end. */
const july = {
  period: '2026-07' as const,
  quota,
  topUps: step + goodwill.tokens,
  used: quota,
  days: [{ date: '2026-07-14', tokens: quota }],
}

export const examples: readonly Example[] = [
  {
    of: 'openapi',
    name: 'document',
    summary: 'How it begins',
    by: 'anyone',
    status: 200,
    answer: { openapi: '3.1.0', info: { title: 'Token Top-up', version: '1.0.0' } },
    abridged: true,
  },
  {
    of: 'plans',
    name: 'plans',
    summary: 'All that is sold',
    by: 'anyone',
    status: 200,
    answer: {
      plans: planIds.map((plan) => ({ plan, ...planOf(plan) })),
      topUp: topUpOffer(),
    },
  },
  {
    of: 'put-workspace',
    name: 'created',
    summary: 'A new customer',
    by: 'service',
    path: initech,
    key: 'customer-204',
    body: { plan: 'pro', stripeCustomerId: 'cus_NffrFeUfNV2Hib' },
    status: 200,
    answer: {
      effect: 'created',
      stripeCustomerId: 'cus_NffrFeUfNV2Hib',
      purchasing: 'allowed',
      meter: meter({ ...initech }),
    },
  },
  {
    of: 'put-workspace',
    name: 'smaller',
    summary: 'A smaller plan, from the next month on',
    by: 'service',
    path: initech,
    key: 'customer-204-downgrade',
    body: { plan: 'starter' },
    status: 200,
    answer: {
      effect: 'waits_for_reset',
      next: { plan: 'starter', quota: quotaOf('starter', 0) },
      stripeCustomerId: 'cus_NffrFeUfNV2Hib',
      purchasing: 'allowed',
      meter: meter({ ...initech }),
    },
  },
  {
    of: 'consume',
    name: 'taken',
    summary: 'A reply that was given',
    by: 'service',
    path: acme,
    key: 'reply-1',
    body: { tokens: 1_200, member: 'u-17', feature: 'chat', model: 'large' },
    status: 200,
    answer: { requested: 1_200, taken: 1_200, meter: meter({ used: 1_200 }) },
  },
  {
    of: 'consume',
    summary: 'The key of another request',
    by: 'service',
    path: acme,
    key: 'reply-1',
    body: { tokens: 1_300 },
    ...refused('idempotency_key_reused'),
  },
  {
    of: 'consume',
    summary: 'A field that is misspelt',
    by: 'service',
    path: acme,
    key: 'reply-1',
    body: { tokens: 1_200, onShortfal: 'drain' },
    ...refused('invalid_request', {
      errors: [{ pointer: '#/onShortfal', detail: 'is not a field of this request' }],
    }),
  },
  {
    of: 'consume',
    name: 'scope_missing',
    summary: 'A service whose token is for granting only',
    by: 'service',
    scope: 'tokens:grant',
    path: acme,
    key: 'reply-1',
    body: { tokens: 1_200 },
    status: 403,
    answer: { message: 'Forbidden' },
  },
  {
    of: 'meter',
    name: 'admin',
    summary: 'As an admin sees it, who may buy',
    by: 'admin',
    path: acme,
    status: 200,
    answer: meter({ used: 1_200, role: 'admin' }),
  },
  {
    of: 'meter',
    name: 'service',
    summary: 'As a service sees it',
    by: 'service',
    path: acme,
    status: 200,
    answer: meter({ used: 1_200 }),
  },
  {
    of: 'meter',
    summary: 'Not the workspace of this admin, whether or not there is one',
    by: 'admin',
    path: { workspaceId: 'globex' },
    ...refused('workspace_not_found'),
  },
  {
    of: 'open-hold',
    name: 'held',
    summary: 'A reply that is about to be given',
    by: 'service',
    path: acme,
    key: 'reply-2',
    body: { tokens: 8_000, ttlSeconds: 300, holder: 'try-5f1c', member: 'u-17', feature: 'chat' },
    status: 201,
    answer: {
      holdId: reply.holdId,
      tokens: 8_000,
      expiresAt: secondsLater(300),
      meter: meter({ used: 1_200, held: 8_000 }),
    },
  },
  {
    of: 'open-hold',
    summary: 'A second try, while the first one works on it',
    by: 'service',
    path: acme,
    key: 'reply-2',
    body: { tokens: 8_000, ttlSeconds: 300, holder: 'try-09ae', member: 'u-17', feature: 'chat' },
    ...refused('hold_taken'),
  },
  {
    of: 'extend-hold',
    name: 'extended',
    summary: 'A reply that takes longer',
    by: 'service',
    path: reply,
    key: 'reply-2-longer',
    body: { ttlSeconds: 600 },
    status: 200,
    answer: {
      holdId: reply.holdId,
      expiresAt: secondsLater(600),
      meter: meter({ used: 1_200, held: 8_000 }),
    },
  },
  {
    of: 'settle-hold',
    name: 'settled',
    summary: 'A reply that was shorter than it might have been',
    by: 'service',
    path: reply,
    key: 'reply-2-settle',
    body: { tokens: spentOnReply },
    status: 200,
    answer: {
      holdId: reply.holdId,
      used: spentOnReply,
      charged: spentOnReply,
      uncovered: 0,
      returned: 8_000 - spentOnReply,
      meter: meter({ used: spent }),
    },
  },
  {
    of: 'settle-hold',
    summary: 'Settled before, for another amount',
    by: 'service',
    path: reply,
    key: 'reply-2-settle-again',
    body: { tokens: 6_000 },
    ...refused('hold_closed'),
  },
  {
    of: 'open-hold',
    name: 'less',
    summary: 'As much as there is, down to what is worth beginning with',
    by: 'service',
    path: acme,
    key: 'report-1',
    body: { tokens: quota, atLeast: 20_000, ttlSeconds: 900 },
    status: 201,
    answer: {
      holdId: report.holdId,
      tokens: rest,
      expiresAt: secondsLater(900),
      meter: meter({ used: spent, held: rest }),
    },
  },
  {
    of: 'open-hold',
    summary: 'Everything is held or used',
    by: 'service',
    path: acme,
    key: 'reply-3',
    body: { tokens: 8_000, ttlSeconds: 300 },
    ...refused('insufficient_tokens', {
      requested: 8_000,
      meter: meter({ used: spent, held: rest }),
    }),
  },
  {
    of: 'release-hold',
    name: 'released',
    summary: 'A report that nobody waited for',
    by: 'service',
    path: report,
    key: 'report-1-release',
    status: 200,
    answer: { holdId: report.holdId, returned: rest, meter: meter({ used: spent }) },
  },
  {
    of: 'release-hold',
    summary: 'Settled before',
    by: 'service',
    path: reply,
    key: 'reply-2-release',
    ...refused('hold_closed'),
  },
  {
    of: 'extend-hold',
    summary: 'Settled before',
    by: 'service',
    path: reply,
    key: 'reply-2-longer-still',
    body: { ttlSeconds: 600 },
    ...refused('hold_closed'),
  },
  {
    of: 'consume',
    name: 'drained',
    summary: 'As far as it goes',
    by: 'service',
    path: acme,
    key: 'import-1',
    body: { tokens: quota, onShortfall: 'drain' },
    status: 200,
    answer: { requested: quota, taken: rest, meter: meter({ used: quota }) },
  },
  {
    of: 'consume',
    summary: 'More than is left',
    by: 'service',
    path: acme,
    key: 'reply-4',
    body: { tokens: 1_200 },
    ...refused('insufficient_tokens', { requested: 1_200, meter: meter({ used: quota }) }),
  },
  {
    of: 'start-purchase',
    name: 'open',
    summary: 'One step, to be paid at `checkoutUrl`',
    by: 'admin',
    path: acme,
    key: 'order-1',
    body: { tokens: step },
    status: 201,
    answer: purchase,
  },
  {
    of: 'start-purchase',
    summary: 'A member',
    by: 'member',
    path: acme,
    key: 'order-2',
    body: { tokens: step },
    ...refused('admin_required', { meter: meter({ used: quota, role: 'member' }) }),
  },
  {
    of: 'start-purchase',
    summary: 'An admin of a workspace on Starter',
    by: 'admin',
    path: sprout,
    key: 'order-1',
    body: { tokens: step },
    ...refused('upgrade_required', {
      meter: meter({ ...sprout, plan: 'starter', role: 'admin' }),
    }),
  },
  {
    of: 'get-purchase',
    name: 'paid',
    summary: 'Paid and credited',
    by: 'admin',
    path: order,
    status: 200,
    answer: paid,
  },
  {
    of: 'get-documents',
    name: 'paid',
    summary: 'An order whose checkout made an invoice',
    by: 'admin',
    path: order,
    status: 200,
    answer: {
      receiptUrl: 'https://pay.stripe.com/receipts/payment/CAcaFwoVYWNjdF8x',
      invoiceUrl: 'https://invoice.stripe.com/i/acct_1/test_YWNjdF8x',
      invoicePdf: 'https://pay.stripe.com/invoice/acct_1/test_YWNjdF8x/pdf',
    } satisfies Documents,
  },
  {
    of: 'grant',
    name: 'granted',
    summary: 'Goodwill',
    by: 'service',
    path: acme,
    key: 'T-4711',
    body: goodwill,
    status: 201,
    answer: {
      granted: goodwill.tokens,
      meter: meter({ used: quota, topUps: step + goodwill.tokens }),
    },
  },
  {
    of: 'activity',
    name: 'admin',
    summary: 'As an admin sees it',
    by: 'admin',
    path: acme,
    query: { months: '1' },
    status: 200,
    answer: {
      ...acme,
      months: [july],
      entries: [
        { type: 'grant', at: storyBegins, period: july.period, ...goodwill, by: 'rep' },
        {
          type: 'payment',
          at: storyBegins,
          period: july.period,
          purchaseId: order.purchaseId,
          status: 'paid',
          tokens: step,
          shortfall: 0,
        },
        { type: 'purchase', at: storyBegins, ...paid },
        {
          type: 'plan',
          at: storyBegins,
          period: july.period,
          plan: 'pro',
          planName: 'Pro',
          quota,
          effect: 'created',
          tokens: quota,
          by: 'host-app',
        },
      ],
    },
  },
  {
    of: 'activity',
    name: 'member',
    summary: 'As a member sees it',
    by: 'member',
    path: acme,
    query: { months: '1' },
    status: 200,
    answer: { ...acme, months: [july] },
  },
  {
    of: 'stripe-webhook',
    name: 'ignored',
    summary: 'An event of a type that moves no tokens',
    by: 'anyone',
    body: { id: 'evt_1PgafqB7WZ01zgkW', object: 'event', type: 'customer.created' },
    status: 200,
    answer: { outcome: 'ignored' },
  },
]

const [badWorkspaceId] = pathParameters.workspaceId.safeParse('..').error!.issues

/** What a problem says besides what it always says; the story has the rest. */
const extrasOf: Partial<Record<ProblemCode, ProblemExtras>> = {
  invalid_request: {
    errors: [{ pointer: 'path/workspaceId', detail: badWorkspaceId!.message }],
  },
  contact_account_representative: { meter: meter({ plan: 'enterprise', role: 'admin' }) },
  purchases_blocked: { meter: meter({ used: quota, role: 'admin', blocked: true }) },
  top_ups_limit: { meter: meter({ topUps: topUpsMax }) },
  holds_limit: { meter: meter({ held: 1_000 * 500 }) },
}

/**
 * Every problem as it is answered, for calls in which the story does not come to it. The service makes its own in
 * the same way.
 */
export const problemExamples = Object.fromEntries(
  problemCodes.map((code) => [code, refused(code, extrasOf[code]).answer]),
)

/** The meter of the story's workspaces: acme's, where nothing else is said. */
function meter({
  workspaceId = acme.workspaceId,
  plan = 'pro',
  used = 0,
  held = 0,
  topUps = 0,
  role,
  blocked,
}: {
  workspaceId?: string
  plan?: PlanId
  used?: number
  held?: number
  topUps?: number
  role?: Role
  blocked?: true
}): Meter {
  const quota = quotaOf(plan, 50_000_000)
  const workspace = {
    workspaceId,
    plan,
    period: july.period,
    quota,
    topUps,
    balance: quota + topUps - used - held,
    held,
    holds: held > 0 ? 1 : 0,
    days: {},
    ...(blocked && { blockedBy: { [order.purchaseId]: storyBegins } }),
    createdAt: storyBegins,
    updatedAt: storyBegins,
    version: 1,
  }
  return meterOf(workspace, new Date(storyBegins), role)
}

function refused(
  code: ProblemCode,
  extras?: ProblemExtras,
): Pick<Example, 'name' | 'status' | 'answer'> {
  const { statusCode, body } = problem(code, 'JKJaXmPLvHcESHA=', extras)
  return { name: code, status: statusCode, answer: JSON.parse(body) }
}

function secondsLater(seconds: number): string {
  return new Date(Date.parse(storyBegins) + seconds * 1_000).toISOString()
}
