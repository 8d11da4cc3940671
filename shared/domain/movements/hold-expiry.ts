import { type ExpiryEntry, entryId, type HoldEntry, type OpenHold } from '../entry.ts'
import { labelsOf } from '../labels.ts'
import { type Moment, type Movement, recorded } from '../movement.ts'
import { payOwed } from '../owed.ts'
import type { Workspace } from '../workspace.ts'

/**
 * Returns what expired holds of the workspace's period set aside, as many as one transaction takes. Each
 * is closed only if it is still open and nobody has extended it, so nothing is returned twice. Undefined
 * where none of these holds has expired.
 */
export function holdExpiry(
  workspace: Workspace,
  holds: readonly OpenHold[],
  now: Date,
): Movement<ExpiryEntry> | undefined {
  const { workspaceId, period } = workspace
  const moment = { at: now.toISOString(), period }
  const expired = holds.filter((hold) => hasExpired(hold, period, now)).slice(0, expiredAtOnceMax)
  const [first] = expired
  if (!first) return undefined
  const tokens = sum(expired)
  const owed = payOwed(workspace, expired.map(returningAll))
  return {
    entry: {
      type: 'expire',
      ...recorded(workspaceId, entryId.expire(first.holdId), moment),
      tokens,
      holds: expired.length,
    },
    when: owed.when,
    add: {
      balance: tokens - owed.total,
      held: -tokens,
      holds: -expired.length,
      impounded: owed.total || undefined,
    },
    set: owed.set,
    also: expired.flatMap((hold, at) => [
      { closes: hold, ifExpiredBy: moment.at },
      { entry: expiredEntry(hold, owed.paid[at]!, moment) },
    ]),
  }
}

/** Each takes two writes of the hundred that one transaction may have. */
const expiredAtOnceMax = 45

/** The workspace as it is once the expired holds among these have been returned. */
export function withExpiredReturned(
  workspace: Workspace,
  holds: readonly OpenHold[],
  now: Date,
): Workspace {
  const expired = holds.filter((hold) => hasExpired(hold, workspace.period, now))
  const tokens = sum(expired)
  const owed = payOwed(workspace, expired.map(returningAll))
  return {
    ...workspace,
    ...owed.set,
    balance: workspace.balance + tokens - owed.total,
    held: workspace.held - tokens,
    impounded: (workspace.impounded ?? 0) + owed.total || undefined,
  }
}

function returningAll(hold: OpenHold) {
  return { hold, returned: hold.tokens }
}

function expiredEntry(
  hold: OpenHold,
  impounded: number,
  moment: Pick<Moment, 'at' | 'period'>,
): HoldEntry {
  const { workspaceId, holdId, tokens, requested, atLeast } = hold
  return {
    type: 'hold',
    ...recorded(workspaceId, entryId.hold(holdId), moment),
    holdId,
    outcome: 'expired',
    requested,
    atLeast,
    held: tokens,
    used: 0,
    charged: 0,
    uncovered: 0,
    returned: tokens - impounded,
    impounded: impounded || undefined,
    ...labelsOf(hold),
  }
}

/** A hold of another period has nothing to return: the reset ended it. */
function hasExpired(hold: OpenHold, period: Workspace['period'], now: Date): boolean {
  return hold.period === period && hold.heldUntil <= now.toISOString()
}

function sum(holds: readonly OpenHold[]): number {
  return holds.reduce((total, { tokens }) => total + tokens, 0)
}
