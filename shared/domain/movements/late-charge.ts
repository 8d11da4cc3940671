import { entryId, type HoldEntry } from '../entry.ts'
import type { Moment, Movement } from '../movement.ts'
import type { Workspace } from '../workspace.ts'
import { charge } from './hold-closing.ts'

/**
 * Charges the use of a hold that had expired and been returned. Its expiry is recorded under the hold's own
 * id, so this has an entry of its own, and happens at most once too.
 */
export function lateCharge(
  hold: HoldEntry,
  tokens: number,
  moment: Moment,
  seen?: Workspace,
): Movement<HoldEntry> {
  const movement = charge(hold, { outcome: 'settled', held: 0, used: tokens }, moment, seen)
  return { ...movement, entry: { ...movement.entry, entryId: entryId.late(hold.holdId) } }
}
