import { entryId, type OpenHold } from '../entry.ts'
import { type HoldRequest, openHoldsMax } from '../hold.ts'
import { labelsOf } from '../labels.ts'
import { type Moment, type Movement, recorded, secondsAfter } from '../movement.ts'
import type { Refusal } from '../refusal.ts'
import type { Workspace } from '../workspace.ts'

/**
 * Takes tokens from the balance and sets them aside. Built blind it counts on there being enough, and on an
 * earlier hold that expires first, as it does where all holds last alike; otherwise it is built again from the
 * workspace as seen, takes what there is if that is enough to begin with, and lowers the time from which holds
 * may have expired.
 */
export function holdOpening(
  { workspaceId, holdId, tokens: requested, atLeast, ttlSeconds, holder, ...labels }: HoldRequest,
  moment: Moment,
  seen?: Workspace,
): Movement<OpenHold> | Refusal<'insufficient_tokens' | 'holds_limit'> {
  const short = seen !== undefined && seen.balance < requested
  if (short && seen.balance < (atLeast ?? requested)) {
    return { refused: 'insufficient_tokens', workspace: seen }
  }
  if (seen && seen.holds >= openHoldsMax) return { refused: 'holds_limit', workspace: seen }
  const tokens = short ? seen.balance : requested
  const heldUntil = secondsAfter(moment.at, ttlSeconds)
  const first = seen !== undefined && (seen.holdsExpireFrom ?? heldUntil) >= heldUntil
  const asRead = {
    ...(short && { balance: tokens }),
    ...(first && { holdsExpireFrom: seen.holdsExpireFrom }),
  }
  return {
    entry: {
      type: 'open',
      ...recorded(workspaceId, entryId.open(holdId), moment),
      holdId,
      tokens,
      requested,
      atLeast,
      ttlSeconds,
      heldUntil,
      holder,
      ...labelsOf(labels),
    },
    when: {
      holdsBelow: openHoldsMax,
      ...(!short && { balanceAtLeast: tokens }),
      ...(!first && { holdsExpireBy: heldUntil }),
      ...((short || first) && { asRead }),
    },
    add: { balance: -tokens, held: tokens, holds: 1 },
    set: first ? { holdsExpireFrom: heldUntil } : {},
    // A key whose hold is closed already must not open another one.
    also: [{ absent: entryId.hold(holdId) }],
  }
}
