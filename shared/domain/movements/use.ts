import { entryId, type UsageEntry } from '../entry.ts'
import { type Labels, labelsOf } from '../labels.ts'
import { type Moment, type Movement, recorded } from '../movement.ts'
import type { Refusal } from '../refusal.ts'
import type { Workspace } from '../workspace.ts'

export interface Use extends Labels {
  workspaceId: string
  key: string
  tokens: number
  onShortfall: 'refuse' | 'drain'
}

/**
 * Takes tokens from the balance. Without `seen` it is built blind, for the usual case where the balance is
 * enough; after a failed condition it is built again from what the workspace turned out to hold.
 */
export function use(
  { workspaceId, key, tokens, onShortfall, ...labels }: Use,
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
      ...labelsOf(labels),
    },
    when: short ? { asRead: { balance: taken } } : { balanceAtLeast: tokens },
    add: taken > 0 ? { balance: -taken, day: { day: moment.day, tokens: taken } } : {},
    set: {},
  }
}
