import { type Poke, pokeOfPayment, type subjectOf } from '../../payments/events.ts'
import type { StripeAccount } from '../../payments/stripe.ts'
import type { Store } from '../../store/dynamodb.ts'
import { moveCursor, type Turn } from '../../store/events-cursor.ts'
import type { RetrySubject } from '../../store/retries.ts'
import { followPoke } from '../follow-event.ts'

/** What a run of reconciling comes to. */
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
export const overlapSeconds = 3_600
/** What Stripe dates this much before now by our clock has happened: more than clocks ever differ. */
export const clocksDifferSeconds = 300
/** Looks under way at once. Stripe's pace is kept by the client; this bounds memory and sockets. */
export const lanes = 24
/** With less time left than this, nothing more is begun: the slowest look needs it to end. */
export const reserveMs = 45_000
/** What could not be settled is tried again after so long. */
export const firstRetryAfterMs = 15 * 60_000

const saveEveryMs = 5_000

export interface Run {
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
export class TurnLost extends Error {}

/** What an event of Stripe's or an entry of the list is about. */
export type Subject = ReturnType<typeof subjectOf>

export function pokeFor({ account, deploymentId }: Run, subject: Subject): Promise<Poke> | Poke {
  if (!('paymentIntent' in subject)) return subject
  return pokeOfPayment(account, deploymentId, subject.paymentIntent)
}

export async function follow(
  { store, account, now, nowSeconds }: Run,
  poke: Poke,
  cause: { eventId?: string; type?: string },
) {
  const upTo = nowSeconds - clocksDifferSeconds
  return followPoke(store, account, poke, { ...cause, upTo }, now)
}

/**
 * Keeps the place up to which all is followed, and the turn. The place stays behind by the time that Stripe
 * may take to list an event, and never goes back: a run takes up the overlap from there again.
 */
export async function save(run: Run, reached: number): Promise<void> {
  const { store, turn, now, nowSeconds, begunAt } = run
  const until = Math.max(turn.reconciledUntil, Math.min(reached, nowSeconds - overlapSeconds))
  run.savedAt = performance.now()
  const nowMs = now.getTime() + Math.floor(run.savedAt - begunAt)
  if (!(await moveCursor(store, turn, until, nowMs))) throw new TurnLost()
  turn.reconciledUntil = until
}

/** The same, where it was not done for a while. */
export async function saveNowAndThen(run: Run, reached: number): Promise<void> {
  if (performance.now() - run.savedAt >= saveEveryMs) await save(run, reached)
}

export function named(subject: RetrySubject) {
  if ('paymentIntent' in subject) return { paymentIntent: subject.paymentIntent }
  const { workspaceId, purchaseId } = subject.purchase
  return { workspaceId, purchaseId }
}

export function isoAfter(now: Date, ms: number): string {
  return new Date(now.getTime() + ms).toISOString()
}
