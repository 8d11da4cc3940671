import { entryId, type GrantEntry } from '../entry.ts'
import { type Moment, type Movement, recorded } from '../movement.ts'
import type { Refusal } from '../refusal.ts'
import { topUpsMax, type Workspace } from '../workspace.ts'

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
