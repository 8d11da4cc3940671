import type { Movement } from '../../shared/domain/movement.ts'
import { isRefusal, type Refusal } from '../../shared/domain/refusal.ts'
import type { Workspace } from '../../shared/domain/workspace.ts'

/**
 * What DynamoDB does with a movement, in memory: the workspace after it, or an error where a condition does
 * not hold. It lets the rules be tested as arithmetic, apart from the writes that carry them out.
 */
export function apply(workspace: Workspace | undefined, movement: Movement): Workspace {
  const { entry, when, add, set } = movement
  const fail = (condition: string) => {
    throw new Error(`${entry.entryId} does not apply: ${condition}`)
  }
  if (when.absent ? workspace !== undefined : workspace === undefined) fail('absent')
  const before = workspace ?? ({ workspaceId: entry.workspaceId } as Workspace)
  if (when.balanceAtLeast !== undefined && before.balance < when.balanceAtLeast) fail('balance')
  if (when.topUpsAtMost !== undefined && before.topUps > when.topUpsAtMost) fail('topUps')
  if (when.heldAtLeast !== undefined && before.held < when.heldAtLeast) fail('held')
  const { holdsExpireFrom = 'never' } = before
  if (when.holdsExpireBy !== undefined && holdsExpireFrom > when.holdsExpireBy) fail('holds')
  const asRead = when.absent ? {} : { period: entry.period, ...when.asRead }
  for (const [field, read] of Object.entries(asRead)) {
    const stored = before[field as keyof Workspace]
    if (JSON.stringify(stored) !== JSON.stringify(read)) fail(`${field} as read`)
  }

  const version = (before.version ?? 0) + 1
  const after: Workspace = { ...before, ...set, updatedAt: entry.at, version }
  for (const field of ['quota', 'topUps', 'balance', 'held', 'holds'] as const) {
    after[field] += add[field] ?? 0
  }
  if (add.day) {
    const { day, tokens } = add.day
    after.days = { ...after.days, [day]: (after.days[day] ?? 0) + tokens }
  }
  if (add.impounded) after.impounded = (after.impounded ?? 0) + add.impounded
  for (const field of ['next', 'holdsExpireFrom', 'owed', 'impounded'] as const) {
    if (after[field] === undefined) delete after[field]
  }
  return after
}

/** The movement, where the rules allow one; an error otherwise. */
export function allowed<M extends Movement>(outcome: M | Refusal): M {
  if (isRefusal(outcome)) throw new Error(outcome.refused)
  return outcome
}
