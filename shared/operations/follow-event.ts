import type Stripe from 'stripe'
import { Unavailable } from '../domain/refusal.ts'
import { pokeOf } from '../payments/events.ts'
import type { StripeAccount } from '../payments/stripe.ts'
import { signal } from '../signals.ts'
import type { Store } from '../store/dynamodb.ts'
import { settlePurchase } from './settle-purchase.ts'

export type Followed = 'settled' | 'ignored' | 'unknown' | 'mismatch'

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
  const { id: eventId, type } = event
  const poke = await pokeOf(account, event)
  if ('ignored' in poke) {
    if (poke.ignored === 'type') return 'ignored'
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
  if ('purchase' in settled) return 'settled'
  if (settled.refused === 'busy') throw new Unavailable('dynamodb', 'the purchase is too busy')
  // What it names is nothing of ours, and may be anything; the event's id finds it at Stripe.
  signal('webhook_unknown', { eventId, type })
  return 'unknown'
}
