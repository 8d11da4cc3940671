import type { Purchase } from '../../domain/purchase.ts'
import { eventsBetween, type Poke, subjectOf } from '../../payments/events.ts'
import { signal } from '../../signals.ts'
import { noteSeen, readPurchase } from '../../store/purchases.ts'
import { addRetry, type RetrySubject } from '../../store/retries.ts'
import { OutageWatch, patiently } from '../outage-watch.ts'
import { sideBySide } from '../side-by-side.ts'
import {
  clocksDifferSeconds,
  firstRetryAfterMs,
  follow,
  isoAfter,
  lanes,
  named,
  overlapSeconds,
  pokeFor,
  type Run,
  reserveMs,
  type Subject,
  save,
  saveNowAndThen,
} from './run.ts'

/** How far back Stripe lists events. */
const eventsListedSeconds = 30 * 86_400
/** Events that are held in memory at once; a stretch with more is cut. */
const windowEventsMax = 1_000
/** Kept free by the events for the list, so that catching up for hours does not starve it. */
const retriesShareMs = 60_000

/** What is left of an event once it has been read: thousands of them are small. */
interface Seen {
  id: string
  type: string
  created: number
  subject: Subject
}

/** Events that are followed by one look, oldest first. */
interface Look {
  subject: Subject
  events: Seen[]
}

/**
 * Follows the events in stretches of time, the oldest first. Stripe lists the newest first, so a stretch is
 * read whole before it is followed, and made so short that it fits into memory.
 */
export async function followEvents(run: Run): Promise<void> {
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
        await saveNowAndThen(run, reached())
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

function isoOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}
