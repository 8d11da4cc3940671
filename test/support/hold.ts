import type { OpenHold } from '../../shared/domain/entry.ts'
import type { HoldRequest } from '../../shared/domain/hold.ts'
import { momentOf } from '../../shared/domain/movement.ts'
import { workspaceWith } from './store.ts'

export const moment = momentOf(new Date('2026-07-14T09:00:00.000Z'))
export const inTenMinutes = '2026-07-14T09:10:00.000Z'
export const inElevenMinutes = '2026-07-14T09:11:00.000Z'

export const labels = { member: 'u_1', feature: 'chat', model: 'm' }
export const holdRequest: HoldRequest = {
  workspaceId: 'acme',
  holdId: 'hold_1',
  tokens: 6_000,
  ttlSeconds: 600,
  ...labels,
}

export function holdWith(over: Partial<OpenHold> = {}): OpenHold {
  const { holdId = 'hold_1' } = over
  return {
    type: 'open',
    workspaceId: 'acme',
    entryId: `open#${holdId}`,
    holdId,
    at: moment.at,
    period: '2026-07',
    tokens: 6_000,
    requested: 6_000,
    ttlSeconds: 600,
    heldUntil: inTenMinutes,
    ...labels,
    ...over,
  }
}

/** A workspace in which that hold is open. */
export const holding = (over: Parameters<typeof workspaceWith>[0] = {}) =>
  workspaceWith({
    balance: 1_994_000,
    held: 6_000,
    holds: 1,
    holdsExpireFrom: inTenMinutes,
    ...over,
  })
