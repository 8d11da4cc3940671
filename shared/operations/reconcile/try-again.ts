import { signal } from '../../signals.ts'
import {
  pageOfDue,
  postponeRetry,
  type RetriesCursor,
  type Retry,
  removeRetry,
} from '../../store/retries.ts'
import { OutageWatch, patiently } from '../outage-watch.ts'
import { sideBySide } from '../side-by-side.ts'
import {
  firstRetryAfterMs,
  follow,
  isoAfter,
  lanes,
  named,
  pokeFor,
  type Run,
  reserveMs,
  saveNowAndThen,
} from './run.ts'

const retriesPageSize = 100
const hourMs = 60 * 60_000
const retryEveryMsMax = 6 * hourMs
/** From this age on, somebody has to look, and a try a day is enough. */
const overdueAfterMs = 72 * hourMs
const overdueRetryEveryMs = 24 * hourMs

/** Tries what is due on the list, the longest due first. */
export async function tryAgain(run: Run): Promise<void> {
  const { store, account, now } = run
  const outage = new OutageWatch()
  const goesOn = () => !outage.isOn && run.timeLeftMs() >= reserveMs
  let cursor: RetriesCursor | undefined
  do {
    const page = await pageOfDue(
      store,
      account.livemode,
      now.toISOString(),
      retriesPageSize,
      cursor,
    )
    const work = (retry: Retry) => tryOnce(run, retry, outage)
    const onDone = () => saveNowAndThen(run, run.turn.reconciledUntil)
    await sideBySide(page.retries, { lanes, goesOn, work, onDone })
    cursor = page.cursor
  } while (cursor && goesOn())
}

async function tryOnce(run: Run, retry: Retry, outage: OutageWatch): Promise<void> {
  const { store, now, report } = run
  report.retried++
  const again = async () => {
    const subject = 'purchase' in retry ? retry.purchase : retry
    return follow(run, await pokeFor(run, subject), {})
  }
  try {
    const outcome = await patiently(again)
    outage.worked()
    // What holds keep back is there as soon as they end: nothing failed, so it need not wait ever longer. A payment
    // is done once its purchase is known, which is on the list itself for as long as it has tokens pending.
    const waits = outcome === 'pending' && 'purchase' in retry
    if (waits) await postponeRetry(store, retry, isoAfter(now, firstRetryAfterMs))
    else await removeRetry(store, retry)
  } catch (error) {
    report.failed++
    outage.failed(error)
    const { since, tries } = retry
    const ageMs = now.getTime() - Date.parse(since)
    await postponeRetry(store, retry, isoAfter(now, retryAfterMs(ageMs, tries + 1)))
    const about = { ...named(retry), since, tries: tries + 1, cause: String(error) }
    if (ageMs < overdueAfterMs) signal('reconcile_failed', about)
    else signal('purchase_overdue', about)
  }
}

/** 15, 30, 60 minutes … up to six hours, and in the end a day. */
function retryAfterMs(ageMs: number, tries: number): number {
  if (ageMs >= overdueAfterMs) return overdueRetryEveryMs
  return Math.min(retryEveryMsMax, firstRetryAfterMs * 2 ** tries)
}
