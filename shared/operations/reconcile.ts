import { Unavailable } from '../domain/refusal.ts'
import { eventsBetween } from '../payments/events.ts'
import type { StripeAccount } from '../payments/stripe.ts'
import { signal } from '../signals.ts'
import type { Store } from '../store/dynamodb.ts'
import { readEventsCursor, writeEventsCursor } from '../store/ledger.ts'
import { followEvent } from './follow-event.ts'

/** Looked at again each time: Stripe may list an event a little later than it dates it. */
const overlapSeconds = 3_600
/** The longest stretch one run takes on, so that catching up after an outage always makes progress. */
const stretchSecondsMax = 6 * 3_600

/**
 * Settles what Stripe's own list of events names since the stored cursor: the net under lost webhooks.
 *
 * An outage keeps the cursor where it is and is thrown, so the same stretch is taken again. Any other
 * failure is one purchase's own; it is signalled and the rest goes on.
 */
export async function reconcile(
  store: Store,
  account: StripeAccount,
  now: Date,
): Promise<{ events: number; failed: number }> {
  const nowSeconds = Math.floor(now.getTime() / 1000)
  const cursor = (await readEventsCursor(store)) ?? nowSeconds
  const until = Math.min(nowSeconds, cursor + stretchSecondsMax)
  let events = 0
  let failed = 0
  for await (const event of eventsBetween(account, cursor - overlapSeconds, until + 1)) {
    events++
    try {
      await followEvent(store, account, event, now)
    } catch (error) {
      if (error instanceof Unavailable) throw error
      failed++
      signal('reconcile_failed', { eventId: event.id, type: event.type, cause: String(error) })
    }
  }
  await writeEventsCursor(store, until)
  return { events, failed }
}
