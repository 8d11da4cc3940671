import type { HoldEntry, OpenHold } from './entry.ts'
import type { Labels } from './labels.ts'
import type { Moment } from './movement.ts'

/** The most holds a workspace may have open, and the longest one may last without being extended. */
export const openHoldsMax = 1_000
export const holdSecondsMax = 900

export interface HoldRequest extends Labels {
  workspaceId: string
  holdId: string
  tokens: number
  /** Takes less than `tokens` where there is less, down to this. */
  atLeast?: number
  ttlSeconds: number
  holder?: string
}

/** How a hold came to its end. `ended`: its month did, and nobody has settled or released it since. */
export interface HoldEnd {
  outcome: HoldEntry['outcome'] | 'ended'
  /** What its work used, where it was settled. */
  used?: number
}

/**
 * How a hold ended, or undefined while it may be worked on. One whose time is over is no better than closed,
 * whether or not anybody has returned its tokens yet.
 */
export function holdEndOf(
  hold: OpenHold | HoldEntry,
  { at, period }: Pick<Moment, 'at' | 'period'>,
): HoldEnd | undefined {
  if (hold.type === 'hold') {
    const { outcome, used } = hold
    return outcome === 'settled' ? { outcome, used } : { outcome }
  }
  if (hold.period < period) return { outcome: 'ended' }
  return hold.heldUntil <= at ? { outcome: 'expired' } : undefined
}

/** Whether it was opened by the same try. One that names no holder is not the same as one that does. */
export function isHeldBy(hold: OpenHold, { holder }: Pick<HoldRequest, 'holder'>): boolean {
  return hold.holder === holder
}

/** Whether a hold that is closed by now was asked for like this, as far as its entry still says. */
export function wasAskedFor(closed: HoldEntry, { tokens, atLeast }: HoldRequest): boolean {
  return closed.requested === tokens && closed.atLeast === atLeast
}
