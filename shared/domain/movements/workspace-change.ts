import type { PlanId } from '../../catalog.ts'
import { entryId, type PlanEntry } from '../entry.ts'
import { type Conditions, type Moment, type Movement, recorded } from '../movement.ts'
import { planOf, quotaOf } from '../plan.ts'
import type { Refusal } from '../refusal.ts'
import type { Workspace } from '../workspace.ts'

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
export function workspaceChange(
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
