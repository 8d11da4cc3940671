import type { PlanId } from '../catalog.ts'
import {
  entryId,
  type GrantEntry,
  type LedgerEntry,
  type PaymentEntry,
  type PlanEntry,
  type Recordable,
  type ResetEntry,
  type UsageEntry,
} from './entry.ts'
import type { OpenHold } from './hold.ts'
import { dependsOnState, reversalOf } from './owed.ts'
import { dayOf, type Period, periodOf, startOf } from './period.ts'
import { planOf, quotaOf } from './plan.ts'
import {
  blockOf,
  isPaid,
  openOrdersAdded,
  type Purchase,
  type PurchaseRef,
  type Standing,
  settled,
} from './purchase.ts'
import type { Refusal } from './refusal.ts'
import { rolledOver, topUpsLeftOf, topUpsMax, usedOf, type Workspace } from './workspace.ts'

/**
 * One atomic change of a workspace's tokens, as data: the entry that records it, the conditions under which
 * the amounts in it are right, and the change itself. Building one decides nothing; the write does.
 */
export interface Movement<Entry extends Recordable = Recordable> {
  entry: Entry
  when: Conditions
  /** Amounts to add to what is stored, negative to take. */
  add: {
    quota?: number
    topUps?: number
    balance?: number
    held?: number
    holds?: number
    impounded?: number
    openOrders?: number
    day?: { day: string; tokens: number }
  }
  /** Values to store as they are; a field present but undefined is removed. */
  set: Partial<Workspace>
  /** More to write in the same transaction, each under a condition of its own. */
  also?: Also[]
}

export interface Conditions {
  /** The workspace does not exist yet. */
  absent?: true
  balanceAtLeast?: number
  topUpsAtMost?: number
  heldAtLeast?: number
  holdsBelow?: number
  /** `holdsExpireFrom` is there, and not later than this. */
  holdsExpireBy?: string
  /** Each of these fields is still as it was read. */
  asRead?: Partial<Workspace>
}

export type Also =
  | PurchaseChange
  /** Deletes an open hold if it is still there and, where asked, has expired by then. */
  | { closes: OpenHold; ifExpiredBy?: string }
  /** Moves an open hold's expiry, if it is still as read. */
  | { extends: OpenHold; to: string }
  /** Puts a further entry, if its id is new. */
  | { entry: LedgerEntry }
  /** Writes nothing, but holds the movement to there being no such entry. */
  | { absent: string }
  /** Puts a purchase on the list of those to settle again, from a time on (ISO 8601, UTC). */
  | { retry: PurchaseRef & { livemode: boolean }; nextAt: string }

/** A purchase to store in the same transaction, if it is still at the version it was read at. */
export interface PurchaseChange {
  purchase: Purchase
  replacesVersion: number
}

/** When a movement happens, and the month and day it counts in. */
export interface Moment {
  at: string
  period: Period
  day: string
}

/**
 * The moment by our clock, or in `period` where a workspace has already reached a later one: another
 * clock was ahead of ours, and a period never goes back.
 */
export function momentOf(now: Date, period: Period = periodOf(now)): Moment {
  const counted = period > periodOf(now) ? startOf(period) : now
  return { at: now.toISOString(), period: periodOf(counted), day: dayOf(counted) }
}

export interface Use {
  workspaceId: string
  key: string
  tokens: number
  onShortfall: 'refuse' | 'drain'
  member?: string
  feature?: string
  model?: string
}

/**
 * Takes tokens from the balance. Without `seen` it is built blind, for the usual case where the balance is
 * enough; after a failed condition it is built again from what the workspace turned out to hold.
 */
export function use(
  { workspaceId, key, tokens, onShortfall, member, feature, model }: Use,
  moment: Moment,
  seen?: Workspace,
): Movement<UsageEntry> | Refusal<'insufficient_tokens'> {
  const short = seen !== undefined && seen.balance < tokens
  if (short && onShortfall === 'refuse') return { refused: 'insufficient_tokens', workspace: seen }
  const taken = short ? seen.balance : tokens
  return {
    entry: {
      type: 'use',
      ...recorded(workspaceId, entryId.use(key), moment),
      requested: tokens,
      taken,
      onShortfall,
      member,
      feature,
      model,
    },
    when: short ? { asRead: { balance: taken } } : { balanceAtLeast: tokens },
    add: taken > 0 ? { balance: -taken, day: { day: moment.day, tokens: taken } } : {},
    set: {},
  }
}

export interface Grant {
  workspaceId: string
  key: string
  tokens: number
  reason: string
  reference?: string
  by: string
}

/** Adds tokens that an account representative gives; any plan may be given them. */
export function grant(
  { workspaceId, key, tokens, reason, reference, by }: Grant,
  moment: Moment,
  seen?: Workspace,
): Movement<GrantEntry> | Refusal<'top_ups_limit'> {
  if (seen && seen.topUps > topUpsMax - tokens) return { refused: 'top_ups_limit', workspace: seen }
  return {
    entry: {
      type: 'grant',
      ...recorded(workspaceId, entryId.grant(key), moment),
      tokens,
      reason,
      reference,
      by,
    },
    when: { topUpsAtMost: topUpsMax - tokens },
    add: { topUps: tokens, balance: tokens },
    set: {},
  }
}

/** What is asked of a workspace by the product that has it: what is absent stays as it is. */
export interface WorkspaceChange {
  workspaceId: string
  key: string
  /** Needed to create it. */
  plan?: PlanId
  /** For a plan whose quota is set per workspace. */
  quota?: number
  /** Null for none. */
  stripeCustomerId?: string | null
  /** Lets the workspace buy again, whatever kept it from that so far. */
  purchasing?: 'allowed'
  by: string
}

/**
 * Creates a workspace, or changes what is asked. A quota at or above the current one applies at once and adds
 * the difference; a smaller one waits for the reset, so nobody loses tokens they were promised this month.
 * Naming the plan a workspace already has keeps it, and forgets a smaller one that was waiting.
 */
export function changeWorkspace(
  change: WorkspaceChange,
  moment: Moment,
  seen?: Workspace,
): Movement<PlanEntry> | Refusal<'invalid_request'> {
  const { workspaceId, key, stripeCustomerId, purchasing, by } = change
  const wanted = planWanted(change, seen)
  if ('refused' in wanted) return wanted
  const { plan, quota } = wanted
  const entry = (effect: PlanEntry['effect'], tokens: number): PlanEntry => ({
    type: 'plan',
    ...recorded(workspaceId, entryId.plan(key), moment),
    plan,
    quota,
    effect,
    tokens,
    asked: { plan: change.plan, quota: change.quota, stripeCustomerId, purchasing },
    by,
  })
  const others = {
    ...(stripeCustomerId !== undefined && { stripeCustomerId: stripeCustomerId ?? undefined }),
    ...(purchasing && { blockedBy: undefined }),
  }
  if (!seen) {
    return {
      entry: entry('created', quota),
      when: { absent: true },
      add: {},
      set: {
        plan,
        quota,
        topUps: 0,
        balance: quota,
        held: 0,
        holds: 0,
        period: moment.period,
        days: {},
        createdAt: moment.at,
        ...others,
      },
    }
  }
  const when: Conditions = { asRead: { plan: seen.plan, quota: seen.quota } }
  const asksForPlan = change.plan !== undefined || change.quota !== undefined
  if (!asksForPlan) return { entry: entry('kept', 0), when, add: {}, set: others }
  if (keepsPlan(seen, wanted)) {
    return { entry: entry('kept', 0), when, add: {}, set: { next: undefined, ...others } }
  }
  if (quota < seen.quota) {
    const set = { next: { plan, quota }, ...others }
    return { entry: entry('waits_for_reset', 0), when, add: {}, set }
  }
  const more = quota - seen.quota
  return {
    entry: entry('applied', more),
    when,
    add: { quota: more, balance: more },
    set: { plan, next: undefined, ...others },
  }
}

/** The plan and quota that the workspace is to have, or what is missing to know them. */
function planWanted(
  { plan, quota }: WorkspaceChange,
  seen: Workspace | undefined,
): { plan: PlanId; quota: number } | Refusal<'invalid_request'> {
  const named = plan ?? seen?.plan
  if (named === undefined) return invalid('#/plan', 'must be given to create a workspace')
  const isPerWorkspace = planOf(named).monthlyQuota === 'per_workspace'
  if (quota !== undefined && quota !== quotaOf(named, quota)) {
    return invalid('#/quota', `must be left out: the quota of ${named} is set by the catalog`)
  }
  const kept = seen?.plan === named ? seen.quota : undefined
  const own = quota ?? kept
  if (isPerWorkspace && own === undefined) {
    return invalid('#/quota', `must be given for ${named}, whose quota is set per workspace`)
  }
  return { plan: named, quota: quotaOf(named, own ?? 0) }
}

function invalid(pointer: string, detail: string): Refusal<'invalid_request'> {
  return { refused: 'invalid_request', errors: [{ pointer, detail }] }
}

/** A plan with a catalog quota is kept by its name alone: a new catalog figure waits for the reset. */
function keepsPlan(seen: Workspace, { plan, quota }: { plan: PlanId; quota: number }): boolean {
  return (
    plan === seen.plan && (planOf(plan).monthlyQuota !== 'per_workspace' || quota === seen.quota)
  )
}

/**
 * Opens a new period: at most once, and only from exactly the state it was computed from. It is dated at the
 * period's first instant, whenever it comes to be written.
 */
export function reset(workspace: Workspace, to: Period): Movement<ResetEntry> {
  const { workspaceId, plan, quota, topUps, balance, held, period, days, next } = workspace
  const { owed, impounded } = workspace
  const after = rolledOver(workspace, to)
  return {
    entry: {
      type: 'reset',
      workspaceId,
      entryId: entryId.reset(to),
      at: startOf(to).toISOString(),
      period: to,
      plan: after.plan,
      quota: after.quota,
      topUps: after.topUps,
      impounded: after.impounded,
      closed: {
        period,
        quota,
        topUps,
        impounded,
        used: usedOf(workspace),
        expired: balance + held - topUpsLeftOf(workspace),
        days,
      },
    },
    when: { asRead: { plan, quota, topUps, balance, held, owed, impounded, period, days, next } },
    add: {},
    set: {
      plan: after.plan,
      quota: after.quota,
      topUps: after.topUps,
      balance: after.balance,
      held: after.held,
      holds: after.holds,
      holdsExpireFrom: undefined,
      owed: undefined,
      impounded: after.impounded,
      period: after.period,
      days: after.days,
      next: undefined,
    },
  }
}

/**
 * Brings a purchase, and the tokens it gave, to where Stripe says it should stand, and takes what holds have
 * returned for it. `ahead` is what purchases reversed before it still have pending in this workspace.
 *
 * Taking back never reaches below zero: what was spent stays spent, and the entry records the shortfall; what
 * is only held stays pending, and the purchase is put on the list of those to settle again. A purchase
 * credited in this same movement always has enough to take back from, for its own tokens have not been used
 * yet; so only a later reversal depends on what the workspace holds.
 */
export function settle(
  purchase: Purchase,
  standing: Standing,
  moment: Moment,
  seen: Workspace,
  ahead = 0,
): Movement<PaymentEntry> {
  const { reversed } = standing
  const isCredit = !isPaid(purchase.status)
  const stateful = !isCredit && dependsOnState(purchase, reversed)
  const reversal = isCredit
    ? { taken: reversed, pending: 0, shortfall: 0, fromBalance: reversed, fromImpounded: 0 }
    : reversalOf(purchase, reversed, moment, seen, ahead)
  const { taken, pending, shortfall, fromBalance, fromImpounded } = reversal
  const balance = (isCredit ? purchase.tokens : 0) - fromBalance
  const tokens = balance - fromImpounded

  const block = blockOf(purchase, standing, shortfall)
  const { workspaceId, purchaseId, livemode, version } = purchase
  const ref = { workspaceId, purchaseId }
  const ordersAdded = openOrdersAdded(purchase, standing)
  const impoundedAfter = (seen.impounded ?? 0) - fromImpounded
  return {
    entry: {
      type: 'payment',
      ...recorded(workspaceId, entryId.payment(purchaseId, version + 1), moment),
      purchaseId,
      status: standing.status,
      tokens,
      shortfall: Math.max(0, shortfall - purchase.shortfall),
      pending: pending || undefined,
      impounded: fromImpounded || undefined,
    },
    // What has been paid for is credited, whatever a workspace has; the ceiling is for orders and grants.
    when: stateful || block ? { asRead: { version: seen.version } } : {},
    add: {
      ...((tokens !== 0 || balance !== 0) && { topUps: tokens, balance }),
      ...(ordersAdded !== 0 && { openOrders: ordersAdded }),
    },
    set: {
      // That of the last checkout that was paid: a refund of an older one brings nobody back.
      ...(isCredit && standing.customerId && { checkoutCustomerId: standing.customerId }),
      ...(stateful && 'owed' in reversal && { owed: reversal.owed }),
      ...(fromImpounded > 0 && { impounded: impoundedAfter || undefined }),
      ...(block && { blockedBy: blockedAfter(seen, purchaseId, block, moment) }),
    },
    also: [
      {
        purchase: {
          ...settled(purchase, standing, moment.at),
          taken,
          pending,
          shortfall,
          blocked: block ? (block === 'blocks' ? true : undefined) : purchase.blocked,
          pendingSince: pending > 0 ? (purchase.pendingSince ?? moment.at) : undefined,
        },
        replacesVersion: version,
      },
      ...(pending > 0
        ? [{ retry: { ...ref, livemode }, nextAt: secondsAfter(moment.at, retryAfterSeconds) }]
        : []),
    ],
  }
}

/** The purchases that keep the workspace from buying, with this one among them or no longer. */
function blockedAfter(
  { blockedBy = {} }: Workspace,
  purchaseId: string,
  block: 'blocks' | 'clears',
  { at }: Moment,
): Workspace['blockedBy'] {
  const { [purchaseId]: _, ...others } = blockedBy
  if (block === 'blocks') return { ...others, [purchaseId]: at }
  return Object.keys(others).length > 0 ? others : undefined
}

/** Holds last fifteen minutes at most, unless they are extended. */
const retryAfterSeconds = 900

/** ISO 8601, UTC. */
export function secondsAfter(at: string, seconds: number): string {
  return new Date(Date.parse(at) + seconds * 1_000).toISOString()
}

/** What every entry says of itself. */
export function recorded(
  workspaceId: string,
  id: string,
  { at, period }: Pick<Moment, 'at' | 'period'>,
) {
  return { workspaceId, entryId: id, at, period }
}
