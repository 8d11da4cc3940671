import { describe, expect, it } from 'vitest'
import { momentOf } from '../../../shared/domain/movement.ts'
import { use } from '../../../shared/domain/movements/use.ts'
import { allowed } from '../../support/apply.ts'
import { workspaceWith } from '../../support/store.ts'

const moment = momentOf(new Date('2026-07-14T09:00:00.000Z'))
const recorded = { workspaceId: 'acme', at: '2026-07-14T09:00:00.000Z', period: '2026-07' }

describe('a use', () => {
  const request = {
    workspaceId: 'acme',
    key: 'k',
    tokens: 1_200,
    onShortfall: 'refuse',
    member: 'u_1',
    feature: 'chat',
    model: 'm',
  } as const

  it('takes what was asked, if the balance is enough when it is written', () => {
    const movement = {
      entry: {
        type: 'use',
        ...recorded,
        entryId: 'use#k',
        requested: 1_200,
        taken: 1_200,
        onShortfall: 'refuse',
        member: 'u_1',
        feature: 'chat',
        model: 'm',
      },
      when: { balanceAtLeast: 1_200 },
      add: { balance: -1_200, day: { day: '14', tokens: 1_200 } },
      set: {},
    }
    expect(use(request, moment)).toEqual(movement)
    expect(use(request, moment, workspaceWith({ balance: 1_200 }))).toEqual(movement)
  })

  it('is refused where the balance is one token short, with the workspace as it stood', () => {
    const workspace = workspaceWith({ balance: 1_199 })
    expect(use(request, moment, workspace)).toEqual({ refused: 'insufficient_tokens', workspace })
  })

  it('that may drain takes what is left, and only if just that is left still', () => {
    const drain = { ...request, onShortfall: 'drain' } as const
    const seen = workspaceWith({ balance: 1_199 })
    const movement = allowed(use(drain, moment, seen))
    expect(movement.entry).toMatchObject({ requested: 1_200, taken: 1_199, onShortfall: 'drain' })
    expect(movement.when).toEqual({ asRead: { balance: 1_199 } })
    expect(movement.add).toEqual({ balance: -1_199, day: { day: '14', tokens: 1_199 } })

    const enough = allowed(use(drain, moment, workspaceWith({ balance: 1_200 })))
    expect(enough.when).toEqual({ balanceAtLeast: 1_200 })
    expect(enough.entry.taken).toBe(1_200)
  })

  it('of nothing that is left is recorded, and counts on no day', () => {
    const drain = { ...request, onShortfall: 'drain' } as const
    const movement = allowed(use(drain, moment, workspaceWith({ balance: 0 })))
    expect(movement.entry).toMatchObject({ requested: 1_200, taken: 0 })
    expect(movement.when).toEqual({ asRead: { balance: 0 } })
    expect(movement.add).toEqual({})
  })
})
