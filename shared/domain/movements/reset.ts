import { entryId, type ResetEntry } from '../entry.ts'
import type { Movement } from '../movement.ts'
import { type Period, startOf } from '../period.ts'
import { rolledOver, topUpsLeftOf, usedOf, type Workspace } from '../workspace.ts'

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
