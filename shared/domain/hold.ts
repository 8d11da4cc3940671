import { type ExpiryEntry, type ExtensionEntry, entryId, type HoldEntry } from './entry.ts'
import { type Moment, type Movement, recorded, secondsAfter } from './movement.ts'
import { payOwed } from './owed.ts'
import type { Refusal } from './refusal.ts'
import type { Workspace } from './workspace.ts'

/**
 * Tokens set aside for work whose cost is not known yet. It is stored as an item of its own while it is
 * open; closing it deletes the item and leaves a hold entry. A hold belongs to its period: the reset ends it.
 */
export interface OpenHold {
  type: 'open'
  workspaceId: string
  entryId: string
  holdId: string
  /** ISO 8601, UTC. */
  at: string
  period: Workspace['period']
  /** What is set aside: as much as was requested, or down to `atLeast` what there was. */
  tokens: number
  requested: number
  atLeast?: number
  ttlSeconds: number
  heldUntil: string
  /** A word of the try that opened it: no other try may work on it. */
  holder?: string
  member?: string
  feature?: string
  model?: string
}

/** The most holds a workspace may have open, and the longest one may last without being extended. */
export const openHoldsMax = 1_000
export const holdSecondsMax = 900

export interface HoldRequest {
  workspaceId: string
  holdId: string
  tokens: number
  /** Takes less than `tokens` where there is less, down to this. */
  atLeast?: number
  ttlSeconds: number
  holder?: string
  member?: string
  feature?: string
  model?: string
}

/**
 * Takes tokens from the balance and sets them aside. Built blind it counts on there being enough, and on an
 * earlier hold that expires first, as it does where all holds last alike; otherwise it is built again from the
 * workspace as seen, takes what there is if that is enough to begin with, and lowers the time from which holds
 * may have expired.
 */
export function openHold(
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
  const { member, feature, model } = labels
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
      member,
      feature,
      model,
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
export function endOf(
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
export function closeHold(
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

/**
 * Charges the use of a hold that had expired and been returned. Its expiry is recorded under the hold's own
 * id, so this has an entry of its own, and happens at most once too.
 */
export function chargeLate(
  hold: HoldEntry,
  tokens: number,
  moment: Moment,
  seen?: Workspace,
): Movement<HoldEntry> {
  const movement = charge(hold, { outcome: 'settled', held: 0, used: tokens }, moment, seen)
  return { ...movement, entry: { ...movement.entry, entryId: entryId.late(hold.holdId) } }
}

function charge(
  {
    workspaceId,
    holdId,
    at,
    requested,
    atLeast,
    member,
    feature,
    model,
    ...hold
  }: OpenHold | HoldEntry,
  { outcome, held, used }: { outcome: HoldEntry['outcome']; held: number; used: number },
  moment: Moment,
  seen?: Workspace,
): Movement<HoldEntry> {
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
      member,
      feature,
      model,
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

/** Keeps a hold longer; never shorter, for others rely on when the first hold may expire. */
export function extendHold(
  hold: OpenHold,
  { key, ttlSeconds }: { key: string; ttlSeconds: number },
  moment: Moment,
): Movement<ExtensionEntry> | Refusal<'hold_closed'> {
  if (hold.period < moment.period) return { refused: 'hold_closed' }
  const wanted = secondsAfter(moment.at, ttlSeconds)
  const heldUntil = [wanted, hold.heldUntil].sort()[1]!
  return {
    entry: {
      type: 'extend',
      ...recorded(hold.workspaceId, entryId.extend(key), moment),
      holdId: hold.holdId,
      ttlSeconds,
      heldUntil,
    },
    when: {},
    add: {},
    set: {},
    also: [{ extends: hold, to: heldUntil }],
  }
}

/**
 * Returns what expired holds of the workspace's period set aside, as many as one transaction takes. Each
 * is closed only if it is still open and nobody has extended it, so nothing is returned twice. Undefined
 * where none of these holds has expired.
 */
export function returnExpired(
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
  const { workspaceId, holdId, tokens, requested, atLeast, member, feature, model } = hold
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
    member,
    feature,
    model,
  }
}

/** A hold of another period has nothing to return: the reset ended it. */
function hasExpired(hold: OpenHold, period: Workspace['period'], now: Date): boolean {
  return hold.period === period && hold.heldUntil <= now.toISOString()
}

function sum(holds: readonly OpenHold[]): number {
  return holds.reduce((total, { tokens }) => total + tokens, 0)
}
