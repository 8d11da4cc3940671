import { setTimeout as sleep } from 'node:timers/promises'
import { periodOf } from '../domain/period.ts'
import { priceOf, purchaseBarFor, type Role, topUpOffer } from '../domain/plan.ts'
import { changed, isAbandoned, type Purchase } from '../domain/purchase.ts'
import type { Refusal, RefusalCode } from '../domain/refusal.ts'
import { asOf, topUpsMax, type Workspace } from '../domain/workspace.ts'
import { expireCheckout, openCheckout } from '../payments/checkout.ts'
import type { StripeAccount } from '../payments/stripe.ts'
import { deploymentId } from '../store/deployment.ts'
import type { Store } from '../store/dynamodb.ts'
import {
  oldestOpenOrders,
  type Placed,
  placeOrder,
  reopenOrder,
  replaceOrder,
} from '../store/orders.ts'
import { readPurchase } from '../store/purchases.ts'
import { readWorkspace } from '../store/workspaces.ts'
import { derivedId } from './derived-id.ts'
import { settlePurchase } from './settle-purchase.ts'

export interface Order {
  workspaceId: string
  key: string
  role?: Role
  /** Subject of the buyer's token. */
  by: string
  tokens: number
  returnUrl: string
  /** How the checkout is to be, in Stripe's words. */
  checkout?: Purchase['checkout']
}

/** Times the purchase is read again because another request for it came between. */
const attemptsMax = 5
/** How long the other request is given each time: all in all more than Stripe takes to open a session. */
const underWayMs = 400

/**
 * Orders tokens and opens the Stripe Checkout session that sells them. Nothing is charged or credited here.
 *
 * The purchase's id comes from the workspace and the caller's key, and it is stored before Stripe is asked.
 * So a retry after any failure finds the purchase, and the session if there is one already, or asks Stripe
 * again under the same idempotency key and gets the same session. Throws `Unavailable` when Stripe or
 * DynamoDB does not answer; the same call with the same key then finishes the job.
 */
export async function startPurchase(
  store: Store,
  account: StripeAccount,
  order: Order,
  now: Date,
): Promise<{ purchase: Purchase; replayed: boolean } | Refusal> {
  const stored = await readWorkspace(store, order.workspaceId)
  if (!stored) return { refused: 'workspace_not_found' }
  // A plan that waited for the reset counts from the 1st, whether or not the reset has been written yet.
  const workspace = asOf(stored, periodOf(now))
  const wanted = purchaseOf(order, account, await deploymentId(store), customerOf(workspace), now)
  const refused = barFor(workspace, order)
  // What an admin ordered while the plan allowed it is found again by the retry, whatever the plan has become.
  const found =
    refused &&
    order.role === 'admin' &&
    (await readPurchase(store, wanted.workspaceId, wanted.purchaseId))
  if (refused && !found) return { refused, workspace }

  const inRoom = (put: () => Promise<Placed>) =>
    makingRoom(store, account, order.workspaceId, now, put)
  const placed = found ? 'exists' : await inRoom(() => placeOrder(store, wanted))
  if (placed === 'busy') return { refused: 'busy' }
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const purchase = (await readPurchase(store, wanted.workspaceId, wanted.purchaseId))!
    if (!isSameOrder(purchase, wanted)) return { refused: 'idempotency_key_reused' }
    const isClosed = purchase.status === 'expired'
    if (purchase.sessionId || isClosed) return { purchase, replayed: placed === 'exists' }
    if (isAbandoned(purchase, now)) {
      await settlePurchase(store, account, purchase, now)
      continue
    }
    if (purchase.status === 'failed') {
      // What Stripe did not take is tried once more, and takes a place among the open ones again.
      const open = changed(purchase, { status: 'open' }, now.toISOString())
      const reopened = await inRoom(() => reopenOrder(store, purchase, open))
      if (reopened === 'busy') return { refused: 'busy' }
      continue
    }
    await findSession(store, account, purchase, now)
  }
  return { refused: 'busy' }
}

/** An order made under a test key is another one under a live key, and is never opened there. */
function isSameOrder(one: Purchase, other: Purchase): boolean {
  return (
    one.tokens === other.tokens &&
    one.returnUrl === other.returnUrl &&
    one.livemode === other.livemode
  )
}

/** Puts an order. Where the workspace has as many open as it may, the one that has waited longest makes room. */
async function makingRoom(
  store: Store,
  account: StripeAccount,
  workspaceId: string,
  now: Date,
  put: () => Promise<Placed>,
): Promise<Exclude<Placed, 'full'>> {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const placed = await put()
    if (placed !== 'full') return placed
    for (const open of await oldestOpenOrders(store, workspaceId, attemptsMax)) {
      if (await makesRoom(store, account, open, now)) break
    }
  }
  return 'busy'
}

/**
 * Closes an open order, or finds that it was paid just now and settles it. Of one made in the other mode our key
 * can ask nothing; should it have been paid, a look under its own key finds that.
 */
async function makesRoom(
  store: Store,
  account: StripeAccount,
  open: Purchase,
  now: Date,
): Promise<boolean> {
  const isOurs = open.livemode === account.livemode
  if (open.sessionId && isOurs) await expireCheckout(account, open.sessionId)
  else await replaceOrder(store, open, changed(open, { status: 'expired' }, now.toISOString()))
  const settled = await settlePurchase(store, account, open, now)
  return 'purchase' in settled && settled.purchase.status !== 'open'
}

/** A company that is a customer already stays the same one, whoever else has paid since. */
function customerOf({ stripeCustomerId, checkoutCustomerId }: Workspace): string | undefined {
  return stripeCustomerId ?? checkoutCustomerId
}

function barFor(workspace: Workspace, { role, tokens }: Order): RefusalCode | undefined {
  const full = workspace.topUps > topUpsMax - tokens
  return purchaseBarFor(workspace, role) ?? (full ? 'top_ups_limit' : undefined)
}

/**
 * One try to give a purchase its session. It stores what it learns under the purchase's version, so of two
 * requests that try at once only one is believed; the caller reads the purchase again to see which.
 */
async function findSession(
  store: Store,
  account: StripeAccount,
  purchase: Purchase,
  now: Date,
): Promise<void> {
  const remember = (learned: Partial<Purchase>) =>
    replaceOrder(store, purchase, changed(purchase, learned, now.toISOString()))
  const outcome = await openCheckout(account, purchase)
  if ('sessionId' in outcome) {
    await remember(outcome)
    return
  }
  const next = { attempt: purchase.attempt + 1 }
  switch (outcome.failed) {
    case 'under_way':
      await sleep(underWayMs)
      return
    case 'customer_missing':
      await remember({ ...next, customerId: undefined })
      return
    case 'parameters_changed':
      await remember(next)
      return
    case 'stripe_error':
      await remember(next)
      throw outcome.cause
    case 'rejected':
      // Nobody could pay it, so it does not stay open. Who asks again under its key tries once more: what
      // Stripe refused was most likely a setting, which somebody may have mended since.
      await remember({ ...next, status: 'failed' })
      throw outcome.cause
  }
}

function purchaseOf(
  { workspaceId, key, by, tokens, returnUrl, checkout }: Order,
  { livemode }: StripeAccount,
  deploymentId: string,
  customerId: string | undefined,
  now: Date,
): Purchase {
  return {
    workspaceId,
    purchaseId: derivedId('pur', workspaceId, key),
    deploymentId,
    status: 'open',
    tokens,
    amount: priceOf(tokens),
    currency: topUpOffer().currency,
    livemode,
    returnUrl,
    by,
    customerId,
    checkout,
    attempt: 1,
    version: 1,
    reversed: 0,
    taken: 0,
    pending: 0,
    shortfall: 0,
    createdAt: now.toISOString(),
    updatedAt: now.toISOString(),
  }
}
