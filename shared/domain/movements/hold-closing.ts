import { entryId, type HoldEntry, type OpenHold } from '../entry.ts'
import { labelsOf } from '../labels.ts'
import { type Moment, type Movement, recorded } from '../movement.ts'
import { payOwed } from '../owed.ts'
import type { Workspace } from '../workspace.ts'

/** Pays for what was used, and returns the rest of what was held. */
export interface Settlement {
  outcome: 'settled'
  tokens: number
}

/** Returns all that was held. */
export interface Release {
  outcome: 'released'
}

/**
 * Closes an open hold. More than was held is taken from the balance as far as it goes, and what is left
 * over is recorded as uncovered: the tokens have been spent, so there is nothing to refuse. A hold of an
 * earlier period has nothing set aside any more, and its use is charged to the new month in the same way.
 * What comes back pays first what the hold owes to a refund or dispute.
 */
export function holdClosing(
  hold: OpenHold,
  closing: Settlement | Release,
  moment: Moment,
  seen?: Workspace,
): Movement<HoldEntry> {
  const ended = hold.period < moment.period
  const held = ended ? 0 : hold.tokens
  const used = closing.outcome === 'settled' ? closing.tokens : 0
  return {
    ...charge(hold, { outcome: closing.outcome, held, used }, moment, seen),
    also: [{ closes: hold }],
  }
}

/** What the use of a hold that has or had `held` set aside comes to. */
export function charge(
  hold: OpenHold | HoldEntry,
  { outcome, held, used }: { outcome: HoldEntry['outcome']; held: number; used: number },
  moment: Moment,
  seen?: Workspace,
): Movement<HoldEntry> {
  const { workspaceId, holdId, at, requested, atLeast } = hold
  const fromHold = Math.min(used, held)
  const excess = used - fromHold
  const short = seen !== undefined && seen.balance < excess
  const fromBalance = short ? seen.balance : excess
  const charged = fromHold + fromBalance
  const setAside = hold.type === 'open' ? hold.tokens : hold.held
  const returned = held - fromHold
  // What holds nothing owes nothing.
  const owed = held > 0 ? payOwed(seen, [{ hold: { at, tokens: held }, returned }]) : undefined
  const impounded = owed?.total ?? 0
  return {
    entry: {
      type: 'hold',
      ...recorded(workspaceId, entryId.hold(holdId), moment),
      holdId,
      outcome,
      requested,
      atLeast,
      held: setAside,
      used,
      charged,
      uncovered: used - charged,
      returned: returned - impounded,
      impounded: impounded || undefined,
      ...labelsOf(hold),
    },
    when: {
      ...owed?.when,
      ...(short
        ? { asRead: { ...owed?.when.asRead, balance: fromBalance } }
        : { balanceAtLeast: excess }),
    },
    add: {
      balance: returned - impounded - fromBalance,
      held: -held,
      holds: held > 0 ? -1 : 0,
      impounded: impounded || undefined,
      day: charged > 0 ? { day: moment.day, tokens: charged } : undefined,
    },
    set: owed?.set ?? {},
  }
}
