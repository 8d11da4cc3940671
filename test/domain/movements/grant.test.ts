import { describe, expect, it } from 'vitest'
import { momentOf } from '../../../shared/domain/movement.ts'
import { grant } from '../../../shared/domain/movements/grant.ts'
import { topUpsMax } from '../../../shared/domain/workspace.ts'
import { allowed, apply } from '../../support/apply.ts'
import { workspaceWith } from '../../support/store.ts'

const moment = momentOf(new Date('2026-07-14T09:00:00.000Z'))
const recorded = { workspaceId: 'acme', at: '2026-07-14T09:00:00.000Z', period: '2026-07' }

describe('a grant', () => {
  const request = {
    workspaceId: 'acme',
    key: 'k',
    tokens: 5_000,
    reason: 'goodwill',
    reference: 'po-1',
    by: 'rep',
  }

  it('adds tokens to the top-ups and the balance, and says who gave them and why', () => {
    const { entry, when, add, set } = allowed(grant(request, moment))
    expect(entry).toEqual({
      type: 'grant',
      ...recorded,
      entryId: 'grant#k',
      tokens: 5_000,
      reason: 'goodwill',
      reference: 'po-1',
      by: 'rep',
    })
    expect(when).toEqual({ topUpsAtMost: topUpsMax - 5_000 })
    expect(add).toEqual({ topUps: 5_000, balance: 5_000 })
    expect(set).toEqual({})
  })

  it('fills a workspace up to the most it can count, and not beyond', () => {
    const room = workspaceWith({ topUps: topUpsMax - 5_000 })
    expect(apply(room, allowed(grant(request, moment, room))).topUps).toBe(topUpsMax)
    const workspace = workspaceWith({ topUps: topUpsMax - 4_999 })
    expect(grant(request, moment, workspace)).toEqual({ refused: 'top_ups_limit', workspace })
  })
})
