import type { Purchase } from '../domain/purchase.ts'
import { eventsBetween, type Poke, pokeOfPayment, subjectOf } from '../payments/events.ts'
import type { StripeAccount } from '../payments/stripe.ts'
import { signal } from '../signals.ts'
import { deploymentId } from '../store/deployment.ts'
import type { Store } from '../store/dynamodb.ts'
import { endTurn, moveCursor, type Turn, takeTurn } from '../store/events-cursor.ts'
import { noteSeen, readPurchase } from '../store/purchases.ts'
import {
  addRetry,
  pageOfDue,
  postponeRetry,
  type RetriesCursor,
  type Retry,
  type RetrySubject,
  removeRetry,
} from '../store/retries.ts'
import { followPoke } from './follow-event.ts'
import { OutageWatch, patiently } from './outage-watch.ts'
import { sideBySide } from './side-by-side.ts'

export interface Reconciled {
  /** Events that Stripe listed. */
  events: number
  /** Purchases that were looked at for them; the others had been looked at since. */
  looked: number
  /** Looks that failed, those of the list included. What they were at is on the list. */
  failed: number
  /** Purchases of the list that were tried again. */
  retried: number
  /** `elsewhere`: another run had the turn, or took it when this one was too slow. */
  ended: 'caught_up' | 'out_of_time' | 'elsewhere'
}

/** Stripe may list an event this much later than it dates it, so the cursor stays this far behind. */
const overlapSeconds = 3_600
/** What Stripe dates this much before now by our clock has happened: more than clocks ever differ. */
const clocksDifferSeconds = 300
/** How far back Stripe lists events. */
const eventsListedSeconds = 30 * 86_400

/** Events that are held in memory at once; a stretch with more is cut. */
const windowEventsMax = 1_000
/** Looks under way at once. Stripe's pace is kept by the client; this bounds memory and sockets. */
const lanes = 24

const saveEveryMs = 5_000
/** With less time left than this, nothing more is begun: the slowest look needs it to end. */
const reserveMs = 45_000
/** Kept free by the events for the list, so that catching up for hours does not starve it. */
const retriesShareMs = 60_000
const retriesPageSize = 100

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const firstRetryAfterMs = 15 * minuteMs
const retryEveryMsMax = 6 * hourMs
/** From this age on, somebody has to look, and a try a day is enough. */
const overdueAfterMs = 72 * hourMs
const overdueRetryEveryMs = 24 * hourMs

/**
 * Settles what Stripe's own list of events names since the stored cursor, and what could not be settled
 * before: the net under lost webhooks.
 *
 * A purchase that cannot be settled now goes on the list and holds nobody up; the cursor moves on, oldest
 * events first. Test and live mode each have a cursor and a list, so a key that was changed for another mode's
 * passes nothing over: what is its own waits until it is back. Where everything fails it is an outage: the run ends, keeps its place, and throws it.
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

interface Run {
  store: Store
  account: StripeAccount
  deploymentId: string
  now: Date
  nowSeconds: number
  /** By the clock that only measures. */
  begunAt: number
  timeLeftMs: () => number
  turn: Turn
  savedAt: number
  report: Reconciled
}

/** Another run has begun since this one was last heard of: it goes on from where this one got to. */
class TurnLost extends Error {}

/** What is left of an event once it has been read: thousands of them are small. */
interface Seen {
  id: string
  type: string
  created: number
  subject: Subject
}

type Subject = ReturnType<typeof subjectOf>

/** Events that are followed by one look, oldest first. */
interface Look {
  subject: Subject
  events: Seen[]
}

/**
 * Follows the events in stretches of time, the oldest first. Stripe lists the newest first, so a stretch is
 * read whole before it is followed, and made so short that it fits into memory.
 */
async function followEvents(run: Run): Promise<void> {
  const { nowSeconds, report } = run
  const until = nowSeconds + 1
  let from = Math.min(run.turn.reconciledUntil, nowSeconds - overlapSeconds)
  const listedFrom = nowSeconds - eventsListedSeconds
  if (from < listedFrom) {
    signal('events_missed', { from: isoOf(from), to: isoOf(listedFrom) })
    from = listedFrom
  }
  let seconds = until - from
  while (from < until) {
    if (run.timeLeftMs() < reserveMs + retriesShareMs) {
      report.ended = 'out_of_time'
      return
    }
    const to = Math.min(from + seconds, until)
    const listed = await patiently(() => readStretch(run, from, to))
    if ('tooMany' in listed) {
      seconds = Math.max(1, Math.min(Math.floor(seconds / 2), to - listed.oldest))
      continue
    }
    report.events += listed.events.length
    await followStretch(run, listed.events, to)
    if (report.ended === 'out_of_time') return
    from = to
    if (listed.events.length < windowEventsMax / 4) seconds *= 2
  }
}

/** The events of a stretch, oldest first; or, where they are too many, how far back the newest of them go. */
async function readStretch(
  { account, deploymentId }: Run,
  from: number,
  to: number,
): Promise<{ events: Seen[] } | { tooMany: true; oldest: number }> {
  const events: Seen[] = []
  for await (const event of eventsBetween(account, from, to)) {
    // A single second cannot be cut.
    if (events.length === windowEventsMax && to - from > 1) {
      return { tooMany: true, oldest: events.at(-1)!.created }
    }
    const { id, type, created } = event
    events.push({ id, type, created, subject: subjectOf(account, deploymentId, event) })
  }
  return { events: events.reverse().sort((one, other) => one.created - other.created) }
}

async function followStretch(run: Run, events: Seen[], to: number): Promise<void> {
  const looks = looksFor(events)
  const outage = new OutageWatch()
  const byPurchase = new Map<string, Promise<boolean>>()
  let doneInARow = 0
  const reached = () => (doneInARow < looks.length ? looks[doneInARow]!.events[0]!.created : to)
  try {
    await sideBySide(looks, {
      lanes,
      goesOn: () => !outage.isOn && run.timeLeftMs() >= reserveMs + retriesShareMs,
      work: (look) => followLook(run, look, byPurchase, outage),
      onDone: async (done) => {
        doneInARow = done
        if (performance.now() - run.savedAt >= saveEveryMs) await save(run, reached())
      },
    })
  } finally {
    await save(run, reached())
  }
  if (outage.isOn) throw outage.last
  if (doneInARow < looks.length) run.report.ended = 'out_of_time'
}

/** One look for each purchase, or for each payment whose purchase is yet to be told; in order of its oldest event. */
function looksFor(events: Seen[]): Look[] {
  const looks = new Map<string, Look>()
  for (const event of events) {
    const { subject } = event
    const key = 'ignored' in subject ? event.id : JSON.stringify(subject)
    const look = looks.get(key)
    if (look) look.events.push(event)
    else looks.set(key, { subject, events: [event] })
  }
  return [...looks.values()]
}

/** Looks at what the events are about, unless that was done since they were made; a failure goes on the list. */
async function followLook(
  run: Run,
  { subject, events }: Look,
  looks: Map<string, Promise<boolean>>,
  outage: OutageWatch,
): Promise<void> {
  const { id: eventId, type } = events.at(-1)!
  let listed: RetrySubject | undefined = 'paymentIntent' in subject ? subject : undefined
  const look = async () => {
    const poke = await pokeFor(run, subject)
    if ('ignored' in poke) {
      await follow(run, poke, { eventId, type })
      return
    }
    listed = { purchase: poke }
    const key = `${poke.workspaceId}/${poke.purchaseId}`
    // Its own events and a refund's lead to one purchase: either look sees what both are about. One that
    // fails is seen to by whoever took it.
    const seenTo = await looks.get(key)?.catch(() => true)
    if (seenTo) return
    const own = lookAt(run, poke, events)
    looks.set(key, own)
    own.catch(() => looks.delete(key))
    await own
  }
  try {
    await patiently(look)
    outage.worked()
  } catch (error) {
    // What can be looked at without asking anybody is nothing that could be tried again.
    if (!listed) throw error
    run.report.failed++
    outage.failed(error)
    await putOff(run, listed, eventId)
    signal('reconcile_failed', { eventId, type, ...named(listed), cause: String(error) })
  }
}

/** From here on the list sees to it: the same events are no reason to look again before it is due. */
async function putOff(run: Run, subject: RetrySubject, eventId: string) {
  const { store, account, now, nowSeconds } = run
  await addRetry(
    store,
    account.livemode,
    subject,
    now.toISOString(),
    isoAfter(now, firstRetryAfterMs),
  )
  if ('purchase' in subject) {
    await noteSeen(store, subject.purchase, { upTo: nowSeconds - clocksDifferSeconds, eventId })
  }
}

/** False where nothing had to be done: the purchase had been looked at since the events were made. */
async function lookAt(
  run: Run,
  poke: Exclude<Poke, { ignored: string }>,
  events: Seen[],
): Promise<boolean> {
  const purchase = await readPurchase(run.store, poke.workspaceId, poke.purchaseId)
  if (purchase && events.every((event) => wasSeenTo(purchase, event))) return false
  run.report.looked++
  const { id: eventId, type } = events.at(-1)!
  await follow(run, poke, { eventId, type })
  return true
}

function wasSeenTo({ seenUpTo = 0, seenEvent }: Purchase, { id, created }: Seen): boolean {
  return created <= seenUpTo || id === seenEvent
}

function pokeFor({ account, deploymentId }: Run, subject: Subject): Promise<Poke> | Poke {
  if (!('paymentIntent' in subject)) return subject
  return pokeOfPayment(account, deploymentId, subject.paymentIntent)
}

async function follow(
  { store, account, now, nowSeconds }: Run,
  poke: Poke,
  cause: { eventId?: string; type?: string },
) {
  const upTo = nowSeconds - clocksDifferSeconds
  return followPoke(store, account, poke, { ...cause, upTo }, now)
}

/** Tries what is due on the list, the longest due first. */
async function tryAgain(run: Run): Promise<void> {
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
    const onDone = async () => {
      if (performance.now() - run.savedAt >= saveEveryMs) await save(run, run.turn.reconciledUntil)
    }
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
    // What holds keep back is there as soon as they end: nothing failed, so it need not wait ever longer.
    if (outcome === 'pending') await postponeRetry(store, retry, isoAfter(now, firstRetryAfterMs))
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

function named(subject: RetrySubject) {
  if ('paymentIntent' in subject) return { paymentIntent: subject.paymentIntent }
  const { workspaceId, purchaseId } = subject.purchase
  return { workspaceId, purchaseId }
}

/**
 * Keeps the place up to which all is followed, and the turn. The place stays behind by the time that Stripe
 * may take to list an event, and never goes back: a run takes up the overlap from there again.
 */
async function save(run: Run, reached: number): Promise<void> {
  const { store, turn, now, nowSeconds, begunAt } = run
  const until = Math.max(turn.reconciledUntil, Math.min(reached, nowSeconds - overlapSeconds))
  run.savedAt = performance.now()
  const nowMs = now.getTime() + Math.floor(run.savedAt - begunAt)
  if (!(await moveCursor(store, turn, until, nowMs))) throw new TurnLost()
  turn.reconciledUntil = until
}

function isoOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}

function isoAfter(now: Date, ms: number): string {
  return new Date(now.getTime() + ms).toISOString()
}
