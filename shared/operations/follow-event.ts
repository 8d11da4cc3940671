import type Stripe from 'stripe'
import type { PurchaseRef } from '../domain/purchase.ts'
import { Unavailable } from '../domain/refusal.ts'
import { type Poke, pokeOf } from '../payments/events.ts'
import type { StripeAccount } from '../payments/stripe.ts'
import { signal } from '../signals.ts'
import { deploymentId } from '../store/deployment.ts'
import type { Store } from '../store/dynamodb.ts'
import { noteSeen } from '../store/purchases.ts'
import { settlePurchase } from './settle-purchase.ts'

export type Followed = 'settled' | 'ignored' | 'unknown' | 'mismatch'

/** Why a purchase is looked at: an event, as Stripe dates it, or a look that failed before. */
export interface Cause {
  /** Everything that Stripe dates up to here had happened before this look; epoch seconds. */
  upTo: number
  eventId?: string
  type?: string
}

/** Stripe's servers date events by clocks of their own; what one of them dates this much earlier had happened. */
const stripeClocksDifferSeconds = 60

/**
 * Settles the purchase a verified Stripe event is about. An event that is not ours, names no purchase of
 * ours, or contradicts the one it names, changes nothing; the operator hears of it. Throws `Unavailable`
 * when the purchase could not be settled now, so that whoever sent the event sends it again.
 */
export async function followEvent(
  store: Store,
  account: StripeAccount,
  event: Stripe.Event,
  now: Date,
): Promise<Followed> {
  const poke = await pokeOf(account, await deploymentId(store), event)
  const { id: eventId, type, created } = event
  const upTo = created - stripeClocksDifferSeconds
  const outcome = await followPoke(store, account, poke, { upTo, eventId, type }, now)
  return outcome === 'pending' ? 'settled' : outcome
}

/**
 * The same once it is known which purchase to look at. `pending`: it stands as Stripe says, but for tokens that
 * are yet to be taken back.
 */
export async function followPoke(
  store: Store,
  account: StripeAccount,
  poke: Poke,
  { upTo, eventId, type }: Cause,
  now: Date,
): Promise<Followed | 'pending'> {
  if ('ignored' in poke) {
    if (poke.ignored === 'type' || poke.ignored === 'other_deployment') return 'ignored'
    if (poke.ignored === 'not_ours') {
      signal('webhook_unknown', { eventId, type })
      return 'unknown'
    }
    signal('webhook_mismatch', { eventId, type, fact: poke.ignored })
    return 'mismatch'
  }

  const settled = await settlePurchase(store, account, poke, now)
  if ('mismatch' in settled) {
    signal('webhook_mismatch', { eventId, type, fact: settled.mismatch, ...poke })
    return 'mismatch'
  }
  if ('purchase' in settled) {
    // An order whose checkout we have not stored is looked at without asking Stripe.
    if (settled.purchase.sessionId) await noteLook(store, poke, { upTo, eventId })
    return settled.purchase.pending > 0 ? 'pending' : 'settled'
  }
  if (settled.refused === 'busy') throw new Unavailable('dynamodb', 'the purchase is too busy')
  // What it names is nothing of ours, and may be anything; the event's id finds it at Stripe.
  signal('webhook_unknown', { eventId, type })
  return 'unknown'
}

/**
 * The note spares another look; where it cannot be made, the look is taken again. An event without a date is
 * none that Stripe made, and is no reason to fail.
 */
async function noteLook(
  store: Store,
  purchase: PurchaseRef,
  asked: Parameters<typeof noteSeen>[2],
): Promise<void> {
  if (!Number.isSafeInteger(asked.upTo)) return
  try {
    await noteSeen(store, purchase, asked)
  } catch (error) {
    if (!(error instanceof Unavailable)) throw error
  }
}
