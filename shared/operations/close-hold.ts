import { entryId, type HoldEntry, type OpenHold } from '../domain/entry.ts'
import { holdClosing, type Release, type Settlement } from '../domain/movements/hold-closing.ts'
import { lateCharge } from '../domain/movements/late-charge.ts'
import type { Refusal } from '../domain/refusal.ts'
import type { Workspace } from '../domain/workspace.ts'
import { commit, readAfterwards } from '../store/commit.ts'
import type { Store } from '../store/dynamodb.ts'
import { readEntry } from '../store/ledger.ts'

export interface Closing {
  workspaceId: string
  holdId: string
  closing: Settlement | Release
}

/** Times the hold is looked up again because it was closed or extended in between. */
const attemptsMax = 4

/**
 * Settles or releases a hold, once. The hold itself is what makes it happen once: closing it again in the
 * same way repeats the first outcome, in another way is refused, whatever keys the calls carry.
 *
 * A settle is never refused for lack of tokens, nor for being late: the tokens have been spent. One that
 * comes after the hold expired or after the month's reset is charged as far as the balance goes.
 */
export async function closeHold(
  store: Store,
  { workspaceId, holdId, closing }: Closing,
  now: Date,
): Promise<{ entry: HoldEntry; replayed: boolean; workspace: Workspace } | Refusal> {
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const open = await readEntry(store, workspaceId, entryId.open(holdId))
    const closed = open ? undefined : await readEntry(store, workspaceId, entryId.hold(holdId))
    if (!open && !closed) return { refused: 'hold_not_found' }
    if (closed && !isLate(closed as HoldEntry, closing)) {
      return repeated(store, closed as HoldEntry, closing, now)
    }

    const outcome = await commit(store, {
      workspaceId,
      now,
      decide: (moment, seen) =>
        open
          ? holdClosing(open as OpenHold, closing, moment, seen)
          : lateCharge(closed as HoldEntry, usedBy(closing), moment, seen),
    })
    if ('stale' in outcome) continue
    if ('refused' in outcome && outcome.refused === 'idempotency_key_reused') {
      // It was closed since it was read, perhaps by its expiry, and perhaps by this very call's look for
      // tokens: how, the next look tells. A late charge has nothing after it.
      if (open) continue
      return { refused: 'hold_closed' }
    }
    if ('refused' in outcome) return outcome
    return { ...outcome, workspace: await readAfterwards(store, { workspaceId, now }) }
  }
  return { refused: 'busy' }
}

/** An expired hold has been returned; work that settles it later is still to be charged. */
function isLate({ outcome }: HoldEntry, closing: Closing['closing']): boolean {
  return outcome === 'expired' && closing.outcome === 'settled'
}

async function repeated(
  store: Store,
  entry: HoldEntry,
  closing: Closing['closing'],
  now: Date,
): Promise<{ entry: HoldEntry; replayed: boolean; workspace: Workspace } | Refusal> {
  // Releasing what has expired asks for what has happened already.
  const outcome = entry.outcome === 'expired' ? 'released' : entry.outcome
  if (outcome !== closing.outcome || entry.used !== usedBy(closing)) {
    return { refused: 'hold_closed' }
  }
  const { workspaceId } = entry
  return { entry, replayed: true, workspace: await readAfterwards(store, { workspaceId, now }) }
}

function usedBy(closing: Closing['closing']): number {
  return closing.outcome === 'settled' ? closing.tokens : 0
}
