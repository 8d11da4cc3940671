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
import { dayOf, type Period, periodOf, startOf } from './period.ts'
import { planOf, quotaOf } from './plan.ts'
import { isPaid, type Purchase, type Standing, settled } from './purchase.ts'
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
  const { workspaceId, key, stripeCustomerId, by } = change
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
    asked: { plan: change.plan, quota: change.quota, stripeCustomerId },
    by,
  })
  const customer =
    stripeCustomerId === undefined ? {} : { stripeCustomerId: stripeCustomerId ?? undefined }
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
        ...customer,
      },
    }
  }
  const when: Conditions = { asRead: { plan: seen.plan, quota: seen.quota } }
  const asksForPlan = change.plan !== undefined || change.quota !== undefined
  if (!asksForPlan) return { entry: entry('kept', 0), when, add: {}, set: customer }
  if (keepsPlan(seen, wanted)) {
    return { entry: entry('kept', 0), when, add: {}, set: { next: undefined, ...customer } }
  }
  if (quota < seen.quota) {
    const set = { next: { plan, quota }, ...customer }
    return { entry: entry('waits_for_reset', 0), when, add: {}, set }
  }
  const more = quota - seen.quota
  return {
    entry: entry('applied', more),
    when,
    add: { quota: more, balance: more },
    set: { plan, next: undefined, ...customer },
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
      closed: {
        period,
        quota,
        topUps,
        used: usedOf(workspace),
        expired: balance + held - topUpsLeftOf(workspace),
        days,
      },
    },
    when: { asRead: { plan, quota, topUps, balance, held, period, days, next } },
    add: {},
    set: {
      plan: after.plan,
      quota: after.quota,
      topUps: after.topUps,
      balance: after.balance,
      held: after.held,
      holds: after.holds,
      holdsExpireFrom: undefined,
      period: after.period,
      days: after.days,
      next: undefined,
    },
  }
}

/**
 * Brings a purchase, and the tokens it gave, to where Stripe says it should stand.
 *
 * Taking back never reaches below zero: what was spent stays spent, and the entry records the shortfall.
 * A purchase credited in this same movement always has enough to take back from, for its own tokens have
 * not been used yet; so only a later reversal depends on what the workspace holds.
 */
export function settle(
  purchase: Purchase,
  standing: Standing,
  moment: Moment,
  seen: Workspace,
): Movement<PaymentEntry> | Refusal<'top_ups_limit'> {
  const credit = isPaid(purchase.status) ? 0 : purchase.tokens
  const more = Math.max(0, standing.reversed - purchase.reversed)
  const dependsOnState = more > 0 && credit === 0
  const takenBack = dependsOnState ? Math.min(more, topUpsLeftOf(seen), seen.balance) : more
  // Never more than the reversal was taken, so this is above zero only where the reversal has shrunk.
  const givenBack = Math.max(0, purchase.taken - standing.reversed)
  const tokens = credit + givenBack - takenBack
  if (seen.topUps > topUpsMax - tokens) return { refused: 'top_ups_limit', workspace: seen }

  const entry: PaymentEntry = {
    type: 'payment',
    ...recorded(
      purchase.workspaceId,
      entryId.payment(purchase.purchaseId, purchase.version + 1),
      moment,
    ),
    purchaseId: purchase.purchaseId,
    status: standing.status,
    tokens,
    shortfall: more - takenBack,
  }
  return {
    entry,
    when: dependsOnState
      ? { asRead: { topUps: seen.topUps, balance: seen.balance, held: seen.held } }
      : { topUpsAtMost: topUpsMax - tokens },
    add: tokens === 0 ? {} : { topUps: tokens, balance: tokens },
    // The customer of the last checkout that was paid; a refund of an older one brings nobody back.
    set: credit > 0 && standing.customerId ? { checkoutCustomerId: standing.customerId } : {},
    also: [
      {
        purchase: {
          ...settled(purchase, standing, moment.at),
          taken: purchase.taken + takenBack - givenBack,
        },
        replacesVersion: purchase.version,
      },
    ],
  }
}

/** What every entry says of itself. */
export function recorded(
  workspaceId: string,
  id: string,
  { at, period }: Pick<Moment, 'at' | 'period'>,
) {
  return { workspaceId, entryId: id, at, period }
}
