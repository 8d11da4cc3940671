import { beforeAll, describe, expect, it } from 'vitest'
import { meterOf } from '../../shared/domain/meter.ts'
import { changeWorkspace } from '../../shared/operations/change-workspace.ts'
import { consumeTokens } from '../../shared/operations/consume-tokens.ts'
import { grantTokens } from '../../shared/operations/grant-tokens.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readEntry } from '../../shared/store/ledger.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { openTestStore } from '../support/store.ts'

const july = new Date('2026-07-14T09:00:00Z')
const august = new Date('2026-08-01T00:00:00Z')

let store: Store
beforeAll(async () => {
  store = await openTestStore()
})

let made = 0
async function starter() {
  const workspaceId = `w${++made}`
  await changeWorkspace(store, { workspaceId, key: 'c', plan: 'starter', by: 't' }, july)
  return workspaceId
}

const using = (workspaceId: string, key: string, tokens: number, drain = false) => ({
  workspaceId,
  key,
  tokens,
  onShortfall: drain ? ('drain' as const) : ('refuse' as const),
})

describe('consuming', () => {
  it('never grants more than the balance to 60 racers', async () => {
    const workspaceId = await starter()
    const outcomes = await Promise.all(
      Array.from({ length: 60 }, (_, racer) =>
        consumeTokens(store, using(workspaceId, `racer-${racer}`, 2_500), july),
      ),
    )
    expect(outcomes.filter((outcome) => 'entry' in outcome)).toHaveLength(40)
    expect(
      outcomes.filter(
        (outcome) => 'refused' in outcome && outcome.refused === 'insufficient_tokens',
      ),
    ).toHaveLength(20)
    expect(await readWorkspace(store, workspaceId)).toMatchObject({
      balance: 0,
      days: { 14: 100_000 },
    })
  })

  it('takes once for a retried key, and refuses the key to another request', async () => {
    const workspaceId = await starter()
    const first = await consumeTokens(store, using(workspaceId, 'k', 400), july)
    const again = await consumeTokens(store, using(workspaceId, 'k', 400), july)
    const other = await consumeTokens(store, using(workspaceId, 'k', 401), july)
    expect(first).toMatchObject({ entry: { taken: 400 }, replayed: false })
    expect(again).toMatchObject({ entry: { taken: 400 }, replayed: true })
    expect(other).toEqual({ refused: 'idempotency_key_reused' })
    expect(await readWorkspace(store, workspaceId)).toMatchObject({ balance: 99_600 })
  })

  it('refuses more than is left, with the workspace as it stood, and lets the key succeed later', async () => {
    const workspaceId = await starter()
    const refused = await consumeTokens(store, using(workspaceId, 'k', 100_001), july)
    expect(refused).toMatchObject({
      refused: 'insufficient_tokens',
      workspace: { balance: 100_000 },
    })
    await grantTokens(store, { workspaceId, key: 'g', tokens: 1, reason: 'r', by: 'rep' }, july)
    expect(await consumeTokens(store, using(workspaceId, 'k', 100_001), july)).toMatchObject({
      replayed: false,
    })
  })

  it('drains what is left, records even a drain of nothing, and repeats both on retry', async () => {
    const workspaceId = await starter()
    const drained = await consumeTokens(store, using(workspaceId, 'a', 150_000, true), july)
    const nothing = await consumeTokens(store, using(workspaceId, 'b', 10, true), july)
    expect(drained).toMatchObject({ entry: { requested: 150_000, taken: 100_000 } })
    expect(nothing).toMatchObject({ entry: { taken: 0 } })
    expect(await readEntry(store, workspaceId, 'use#b')).toMatchObject({ taken: 0 })
    await grantTokens(store, { workspaceId, key: 'g', tokens: 500, reason: 'r', by: 'rep' }, july)
    const again = await consumeTokens(store, using(workspaceId, 'a', 150_000, true), july)
    expect(again).toMatchObject({
      entry: { taken: 100_000 },
      replayed: true,
      workspace: { balance: 500 },
    })
  })

  it('rolls the workspace over before the first use of a month, once', async () => {
    const workspaceId = await starter()
    await consumeTokens(store, using(workspaceId, 'k', 60_000), july)
    const outcomes = await Promise.all(
      Array.from({ length: 16 }, (_, n) =>
        consumeTokens(store, using(workspaceId, `a${n}`, 5_000), august),
      ),
    )
    expect(outcomes.every((outcome) => 'entry' in outcome)).toBe(true)
    expect(await readWorkspace(store, workspaceId)).toMatchObject({
      period: '2026-08',
      balance: 20_000,
      days: { 1: 80_000 },
    })
    expect(await readEntry(store, workspaceId, 'reset#2026-08')).toMatchObject({
      closed: { period: '2026-07', used: 60_000, expired: 40_000, days: { 14: 60_000 } },
    })
  })

  it('counts in the later month where another clock has already opened it', async () => {
    const workspaceId = await starter()
    await consumeTokens(store, using(workspaceId, 'a', 1_000), august)
    const late = await consumeTokens(
      store,
      using(workspaceId, 'b', 1_000),
      new Date('2026-07-31T23:59:59Z'),
    )
    expect(late).toMatchObject({
      entry: { period: '2026-08' },
      workspace: { period: '2026-08', days: { 1: 2_000 } },
    })
  })

  it('answers for a workspace that does not exist', async () => {
    expect(await consumeTokens(store, using('nobody', 'k', 1), july)).toEqual({
      refused: 'workspace_not_found',
    })
  })
})

describe('plan changes', () => {
  it('adds the difference of a larger quota at once', async () => {
    const workspaceId = await starter()
    await consumeTokens(store, using(workspaceId, 'k', 70_000), july)
    const pro = { workspaceId, key: 'up', plan: 'pro' as const, quota: 2_000_000, by: 't' }
    const up = await changeWorkspace(store, pro, july)
    expect(up).toMatchObject({
      entry: { effect: 'applied', tokens: 1_900_000 },
      workspace: { plan: 'pro', balance: 1_930_000 },
    })
    const again = await changeWorkspace(store, pro, july)
    expect(again).toMatchObject({ replayed: true, workspace: { balance: 1_930_000 } })
  })

  it('keeps a smaller quota waiting for the reset, and forgets it when the current plan is named', async () => {
    const workspaceId = await starter()
    const change = (key: string, plan: 'pro' | 'starter', quota: number) =>
      changeWorkspace(store, { workspaceId, key, plan, quota, by: 't' }, july)
    await change('1', 'pro', 2_000_000)
    expect(await change('2', 'starter', 100_000)).toMatchObject({
      entry: { effect: 'waits_for_reset' },
      workspace: { plan: 'pro', balance: 2_000_000, next: { plan: 'starter', quota: 100_000 } },
    })
    const waiting = await readWorkspace(store, workspaceId)
    expect(meterOf(waiting!, august).text).toBe('[0/100,000 used]')
    await change('3', 'pro', 2_000_000)
    expect(await readWorkspace(store, workspaceId)).not.toHaveProperty('next')
  })
})
