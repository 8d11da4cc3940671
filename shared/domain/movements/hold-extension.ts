import { type ExtensionEntry, entryId, type OpenHold } from '../entry.ts'
import { type Moment, type Movement, recorded, secondsAfter } from '../movement.ts'
import type { Refusal } from '../refusal.ts'

/** Keeps a hold longer; never shorter, for others rely on when the first hold may expire. */
export function holdExtension(
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
