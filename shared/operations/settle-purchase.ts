import type { PaymentEntry } from '../domain/entry.ts'
import { type Movement, momentOf } from '../domain/movement.ts'
import { payment } from '../domain/movements/payment.ts'
import { changed, isAbandoned, type Purchase, type PurchaseRef } from '../domain/purchase.ts'
import type { Refusal } from '../domain/refusal.ts'
import {
  atStanding,
  blockOf,
  mismatchOf,
  movesTokens,
  type PaymentFacts,
  type Standing,
  standingOf,
  stands,
} from '../domain/standing.ts'
import type { Workspace } from '../domain/workspace.ts'
import { readFacts } from '../payments/checkout.ts'
import type { StripeAccount } from '../payments/stripe.ts'
import { signal } from '../signals.ts'
import { commit, readUpToDate } from '../store/commit.ts'
import type { Store } from '../store/dynamodb.ts'
import { replaceOrder } from '../store/orders.ts'
import { pendingPurchases, readPurchase } from '../store/purchases.ts'
import { readWorkspace } from '../store/workspaces.ts'

export type Settled =
  | { purchase: Purchase }
  /** Stripe's facts contradict the purchase; nothing was written. */
  | { mismatch: keyof PaymentFacts | 'session'; purchase: Purchase }
  | Refusal<'purchase_not_found' | 'busy'>

/** Times the purchase is looked at: once to settle, once to see it done, and more where others settle it too. */
const attemptsMax = 8

/**
 * Brings a purchase to where Stripe says it should stand now, and moves the difference in tokens. What it has
 * pending is taken as far as holds have returned it; the rest stays pending while such holds are open.
 *
 * It looks at the state, never at what changed, so it may be called for any reason, any number of times and
 * in any order. Throws `Unavailable` when Stripe or DynamoDB does not answer; calling again finishes the job.
 */
export async function settlePurchase(
  store: Store,
  account: StripeAccount,
  { workspaceId, purchaseId }: PurchaseRef,
  now: Date,
): Promise<Settled> {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const purchase = await readPurchase(store, workspaceId, purchaseId)
    if (!purchase) return { refused: 'purchase_not_found' }
    if (isAbandoned(purchase, now)) {
      // It never got its checkout, and nobody can pay it.
      await replaceOrder(
        store,
        purchase,
        changed(purchase, { status: 'expired' }, now.toISOString()),
      )
      continue
    }
    if (!purchase.sessionId) return { purchase }
    // Stripe tells a key nothing of the other mode's checkouts.
    if (purchase.livemode !== account.livemode) return { mismatch: 'livemode', purchase }

    const facts = await readFacts(account, purchase.sessionId)
    if (!facts) return { mismatch: 'session', purchase }
    const mismatch = mismatchOf(purchase, facts)
    if (mismatch) return { mismatch, purchase }

    const standing = standingOf(purchase, facts)
    const stood = stands(purchase, standing)
    if (stood && !(await hasReturned(store, purchase, standing, now))) return { purchase }
    if (stood || needsMovement(purchase, standing)) {
      const refusal = await moveTokens(store, purchase, standing, now)
      if (refusal) return refusal
    } else {
      await replaceOrder(store, purchase, atStanding(purchase, standing, now.toISOString()))
    }
  }
  return { refused: 'busy' }
}

/** Whether tokens move, or the workspace is to be kept from buying, or no longer: more than the purchase changes. */
function needsMovement(purchase: Purchase, standing: Standing): boolean {
  return (
    movesTokens(purchase, standing) || blockOf(purchase, standing, purchase.shortfall) !== undefined
  )
}

/** Whether something the purchase has pending is there to be taken, or is known to have been spent. */
async function hasReturned(
  store: Store,
  purchase: Purchase,
  standing: Standing,
  now: Date,
): Promise<boolean> {
  if (purchase.pending === 0) return false
  const { workspaceId } = purchase
  const workspace = await readUpToDate(store, { workspaceId, now })
  if (!workspace) return false
  const ahead = await pendingAhead(store, purchase, workspace)
  const movement = payment(purchase, standing, momentOf(now, workspace.period), workspace, ahead)
  return takesPending(purchase, movement)
}

function takesPending({ pending }: Purchase, { entry }: Movement<PaymentEntry>): boolean {
  return (entry.pending ?? 0) !== pending
}

/**
 * Commits the movement that brings the purchase to its standing, unless the purchase has changed since it
 * was read. Either way the caller reads it again and sees where it stands; a workspace that is too busy has
 * been tried often enough by then.
 */
async function moveTokens(
  store: Store,
  purchase: Purchase,
  standing: Standing,
  now: Date,
): Promise<Refusal<'busy'> | undefined> {
  const { workspaceId, purchaseId } = purchase
  const workspace = await readWorkspace(store, workspaceId)
  if (!workspace) throw new Error(`the workspace of purchase ${purchaseId} is gone`)
  const outcome = await commit(store, {
    workspaceId,
    now,
    seen: workspace,
    decide: async (moment, seen = workspace) => {
      const ahead = await pendingAhead(store, purchase, seen)
      const movement = payment(purchase, standing, moment, seen, ahead)
      // Another purchase may have taken meanwhile what had seemed to be there for this one.
      const isNeeded = needsMovement(purchase, standing) || takesPending(purchase, movement)
      return isNeeded ? movement : undefined
    },
  })
  if ('refused' in outcome) {
    if (outcome.refused === 'busy') return { refused: 'busy' }
    throw new Error(`purchase ${purchaseId} could not be settled: ${outcome.refused}`)
  }
  if ('entry' in outcome && !outcome.replayed && outcome.entry.shortfall > 0) {
    signal('reversal_shortfall', { workspaceId, purchaseId, tokens: outcome.entry.shortfall })
  }
  return undefined
}

/**
 * What purchases reversed before this one still have pending, so that who was first is served first. Right as
 * long as the workspace is as seen: nothing becomes pending or is taken without a movement of its tokens.
 */
async function pendingAhead(
  store: Store,
  { workspaceId, purchaseId, pending, pendingSince = '' }: Purchase,
  { owed, impounded }: Workspace,
): Promise<number> {
  if (pending === 0 || (!owed && !impounded)) return 0
  const all = await pendingPurchases(store, workspaceId)
  const key = `${pendingSince} ${purchaseId}`
  return all
    .filter((other) => `${other.pendingSince} ${other.purchaseId}` < key)
    .reduce((sum, other) => sum + other.pending, 0)
}
