import { topUpsLeftOf, usedOf, type Workspace } from '../workspace.ts'
import {
  type Books,
  type Difference,
  equal,
  ids,
  purchaseEntryOf,
  sum,
  within,
} from './difference.ts'
import { isCreation } from './months.ts'

/*
 * The figures of the workspace's item, held against what is stored beside it.
 */

export function inOpening({ entries }: Books): Difference[] {
  const creations = entries.filter(isCreation)
  return equal('creations', 1, creations.length, ids(creations))
}

export function inHolds({ workspace, holds }: Books): Difference[] {
  const open = holds.filter(({ period }) => period === workspace.period)
  const earliest = open.map(({ heldUntil }) => heldUntil).sort()[0]
  const { held, holdsExpireFrom = 'never' } = workspace
  return [
    ...equal('held', held, sum(open.map(({ tokens }) => tokens)), ids(open)),
    ...equal('open holds', workspace.holds, open.length, ids(open)),
    // It may be early, which costs a look. Late, or missing, it would keep tokens from coming back.
    ...(earliest !== undefined && holdsExpireFrom > earliest
      ? equal('first expiry of a hold', holdsExpireFrom, earliest, ids(open))
      : []),
  ]
}

/**
 * What is owed can be returned: by the holds that were open, and out of top-ups that are left. And purchases
 * have pending all that is owed or impounded for them.
 */
export function inOwed({ workspace, purchases }: Books): Difference[] {
  const { owed, impounded = 0, held, topUps } = workspace
  const pending = purchases.filter((purchase) => purchase.pending > 0)
  const wanted = sum(pending.map((purchase) => purchase.pending))
  const waits = (owed?.tokens ?? 0) + impounded
  return [
    ...(owed
      ? [
          ...within('owed', owed.tokens, 1, Math.min(owed.held, topUpsLeftOf(workspace)), []),
          ...within('held by holds that owe', owed.held, 1, held, []),
        ]
      : []),
    ...within('impounded', impounded, 0, topUps, []),
    ...within('owed and impounded', waits, 0, wanted, pending.map(purchaseEntryOf)),
  ]
}

/** Orders that wait are counted, so that they stay few; what keeps a workspace from buying is a purchase of its own. */
export function inOrders({ workspace, purchases }: Books): Difference[] {
  const { openOrders = 0, blockedBy = {} } = workspace
  const open = purchases.filter(({ status }) => status === 'open')
  const blocking = purchases.filter(({ blocked }) => blocked).map(({ purchaseId }) => purchaseId)
  const strange = Object.keys(blockedBy).filter((purchaseId) => !blocking.includes(purchaseId))
  return [
    ...equal(
      'open orders',
      openOrders,
      open.length,
      open.map(({ purchaseId }) => purchaseId),
    ),
    ...equal('purchases that block and know nothing of it', strange.length, 0, strange),
  ]
}

/** No figure is below zero, and each is a number that a sum can be trusted with. */
export function inRange(workspace: Workspace): Difference[] {
  const { quota, topUps, balance, held, holds, impounded = 0 } = workspace
  const figures = { quota, topUps, balance, held, holds, impounded, used: usedOf(workspace) }
  return Object.entries(figures)
    .filter(([, figure]) => !Number.isSafeInteger(figure) || figure < 0)
    .map(([what, stored]) => ({ what, stored, ledger: 'a whole number from 0 up', entries: [] }))
}
