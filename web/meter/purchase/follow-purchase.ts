import { type PurchaseView, pause, type Service, type Trouble, troubleOf } from '../../service.ts'

/** One look at a purchase: where it stands, or why that is not known now. */
export interface Sighting {
  purchase?: PurchaseView
  trouble?: Trouble
  /** The minute in which tokens are promised is over. */
  late: boolean
}

const promisedMs = 60_000
const watchedMs = 15 * 60_000
/** A delayed payment may just have arrived when the buyer comes to look, so it is not given up at once. */
const freshMs = 10_000

/**
 * Watches a purchase until it can change no more by itself: often while the buyer waits, from one second
 * upwards, and slowly after the promised minute or where a bank takes its days. It ends by itself after a
 * quarter of an hour, and when `signal` is aborted.
 */
export async function* followPurchase(
  service: Pick<Service, 'purchase'>,
  purchaseId: string,
  signal: AbortSignal,
): AsyncGenerator<Sighting> {
  const begun = performance.now()
  let waitMs = 1_000
  while (!signal.aborted) {
    const sighting = await look(service, purchaseId)
    const waitedMs = performance.now() - begun
    if (signal.aborted) return
    yield { ...sighting, late: waitedMs >= promisedMs }
    if (isFinal(sighting) || waitedMs > watchedMs) return
    const delayed = sighting.purchase?.status === 'processing' && waitedMs >= freshMs
    const slow = waitedMs >= promisedMs || delayed
    await pause(slow ? 15_000 : Math.min(waitMs, promisedMs - waitedMs))
    waitMs = Math.min(waitMs * 1.4, 5_000)
  }
}

async function look(
  service: Pick<Service, 'purchase'>,
  purchaseId: string,
): Promise<Omit<Sighting, 'late'>> {
  try {
    return { purchase: await service.purchase(purchaseId) }
  } catch (error) {
    return { trouble: troubleOf(error) }
  }
}

/** Nothing comes after it by waiting: the purchase is decided, or is none of this viewer's. */
function isFinal({ purchase, trouble }: Omit<Sighting, 'late'>): boolean {
  if (purchase) return purchase.status !== 'open' && purchase.status !== 'processing'
  return trouble === 'not_found' || trouble === 'forbidden' || trouble === 'signed_out'
}
