import type { StripeAccount } from '../payments/stripe.ts'
import { deploymentId } from '../store/deployment.ts'
import type { Store } from '../store/dynamodb.ts'
import { endTurn, takeTurn } from '../store/events-cursor.ts'
import { followEvents } from './reconcile/follow-events.ts'
import { type Reconciled, type Run, TurnLost } from './reconcile/run.ts'
import { tryAgain } from './reconcile/try-again.ts'

export type { Reconciled }

/**
 * Settles what Stripe's own list of events names since the stored cursor, and what could not be settled
 * before: the net under lost webhooks.
 *
 * A purchase that cannot be settled now goes on the list and holds nobody up; the cursor moves on, oldest
 * events first. Test and live mode each have a cursor and a list, so a key that was changed for another mode's
 * passes nothing over: what is its own waits until it is back. Where everything fails it is an outage: the run
 * ends, keeps its place, and throws it.
 */
export async function reconcile(
  store: Store,
  account: StripeAccount,
  now: Date,
  { timeLeftMs = () => Number.POSITIVE_INFINITY }: { timeLeftMs?: () => number } = {},
): Promise<Reconciled> {
  const report: Reconciled = { events: 0, looked: 0, failed: 0, retried: 0, ended: 'caught_up' }
  const turn = await takeTurn(store, account.livemode, now.getTime())
  if (!turn) return { ...report, ended: 'elsewhere' }
  const run: Run = {
    store,
    account,
    deploymentId: await deploymentId(store),
    now,
    nowSeconds: Math.floor(now.getTime() / 1000),
    begunAt: performance.now(),
    timeLeftMs,
    turn,
    savedAt: performance.now(),
    report,
  }
  try {
    await followEvents(run)
    await tryAgain(run)
  } catch (error) {
    if (!(error instanceof TurnLost)) throw error
    report.ended = 'elsewhere'
  } finally {
    // Where it cannot be given back, it ends by itself.
    await endTurn(store, turn).catch(() => undefined)
  }
  return report
}
