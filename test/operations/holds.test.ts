import { beforeAll, describe, expect, it } from 'vitest'
import { changePlan } from '../../shared/operations/change-plan.ts'
import { closeHold } from '../../shared/operations/close-hold.ts'
import { consumeTokens } from '../../shared/operations/consume-tokens.ts'
import { extendHold } from '../../shared/operations/extend-hold.ts'
import { openHold } from '../../shared/operations/open-hold.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { listOpenHolds, readForDisplay } from '../../shared/store/holds.ts'
import { readEntry } from '../../shared/store/ledger.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { openTestStore } from '../support/store.ts'

const july = new Date('2026-07-14T09:00:00Z')
const later = (seconds: number) => new Date(july.getTime() + seconds * 1_000)
const august = new Date('2026-08-01T00:00:10Z')

let store: Store
beforeAll(async () => {
  store = await openTestStore()
})

let made = 0
/** A Starter workspace with its 100,000 tokens. */
async function workspace() {
  const workspaceId = `h${++made}`
  await changePlan(store, { workspaceId, key: 'c', plan: 'starter', quota: 100_000, by: 't' }, july)
  return workspaceId
}

function hold(workspaceId: string, key: string, tokens: number, ttlSeconds = 60, now = july) {
  return openHold(store, { workspaceId, key, tokens, ttlSeconds }, now)
}

async function opened(
  workspaceId: string,
  key: string,
  tokens: number,
  ttlSeconds = 60,
  now = july,
) {
  const outcome = await hold(workspaceId, key, tokens, ttlSeconds, now)
  if ('refused' in outcome) throw new Error(outcome.refused)
  return outcome.hold.holdId
}

const settle = (workspaceId: string, holdId: string, tokens: number, now = july) =>
  closeHold(store, { workspaceId, holdId, closing: { outcome: 'settled', tokens } }, now)
const release = (workspaceId: string, holdId: string, now = july) =>
  closeHold(store, { workspaceId, holdId, closing: { outcome: 'released' } }, now)
const consume = (workspaceId: string, key: string, tokens: number, now = july) =>
  consumeTokens(store, { workspaceId, key, tokens, onShortfall: 'refuse' }, now)

describe('opening a hold', () => {
  it('sets tokens aside, so that nobody else can use them', async () => {
    const id = await workspace()
    await opened(id, 'k', 70_000)
    expect(await consume(id, 'u', 30_001)).toMatchObject({ refused: 'insufficient_tokens' })
    expect(await readWorkspace(store, id)).toMatchObject({
      balance: 30_000,
      held: 70_000,
      holds: 1,
    })
  })

  it('happens once for a key, also after the hold was closed', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 500)
    expect(await hold(id, 'k', 500)).toMatchObject({ hold: { holdId }, replayed: true })
    expect(await hold(id, 'k', 501)).toEqual({ refused: 'idempotency_key_reused' })
    await settle(id, holdId, 100)
    expect(await hold(id, 'k', 500)).toMatchObject({ hold: { holdId }, replayed: true })
    expect(await readWorkspace(store, id)).toMatchObject({ balance: 99_900, held: 0, holds: 0 })
  })

  it('never holds more than the balance for 30 racers', async () => {
    const id = await workspace()
    const outcomes = await Promise.all(
      Array.from({ length: 30 }, (_, racer) => hold(id, `r${racer}`, 5_000)),
    )
    expect(outcomes.filter((outcome) => 'hold' in outcome)).toHaveLength(20)
    expect(await readWorkspace(store, id)).toMatchObject({ balance: 0, held: 100_000, holds: 20 })
  })
})

describe('settling a hold', () => {
  it('charges what was used and returns the rest', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 10_000)
    expect(await settle(id, holdId, 4_000)).toMatchObject({
      entry: { charged: 4_000, uncovered: 0, returned: 6_000 },
      workspace: { balance: 96_000, held: 0, holds: 0, days: { 14: 4_000 } },
    })
  })

  it('takes the excess from the balance as far as it goes, and says what is uncovered', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 10_000)
    expect(await settle(id, holdId, 100_500)).toMatchObject({
      entry: { charged: 100_000, uncovered: 500, returned: 0 },
      workspace: { balance: 0, held: 0, days: { 14: 100_000 } },
    })
  })

  it('happens once: again repeats it, otherwise it is closed', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 10_000)
    const racers = await Promise.all(Array.from({ length: 8 }, () => settle(id, holdId, 4_000)))
    expect(racers.filter((outcome) => 'entry' in outcome && !outcome.replayed)).toHaveLength(1)
    expect(racers.every((outcome) => 'entry' in outcome)).toBe(true)
    expect(await settle(id, holdId, 4_001)).toEqual({ refused: 'hold_closed' })
    expect(await release(id, holdId)).toEqual({ refused: 'hold_closed' })
    expect(await readWorkspace(store, id)).toMatchObject({ balance: 96_000, held: 0, holds: 0 })
  })

  it('is refused for a hold that does not exist', async () => {
    expect(await settle(await workspace(), 'hold_nobody', 1)).toEqual({ refused: 'hold_not_found' })
  })
})

describe('releasing a hold', () => {
  it('returns all of it, once, and closes it to a settle', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 10_000)
    expect(await release(id, holdId)).toMatchObject({
      entry: { returned: 10_000 },
      replayed: false,
    })
    expect(await release(id, holdId)).toMatchObject({ entry: { returned: 10_000 }, replayed: true })
    expect(await settle(id, holdId, 5)).toEqual({ refused: 'hold_closed' })
    expect(await readWorkspace(store, id)).toMatchObject({ balance: 100_000, held: 0, holds: 0 })
  })
})

describe('an expired hold', () => {
  it('is shown as returned without a write', async () => {
    const id = await workspace()
    await opened(id, 'k', 70_000, 5)
    expect(await readForDisplay(store, id, later(4))).toMatchObject({
      balance: 30_000,
      held: 70_000,
    })
    expect(await readForDisplay(store, id, later(5))).toMatchObject({ balance: 100_000, held: 0 })
    expect(await readWorkspace(store, id)).toMatchObject({ balance: 30_000, held: 70_000 })
  })

  it('is returned, once, by the movements that lack its tokens', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 70_000, 5)
    await opened(id, 'longer', 10_000, 60)
    const racers = await Promise.all(
      Array.from({ length: 8 }, (_, racer) => consume(id, `u${racer}`, 40_000, later(6))),
    )
    expect(racers.filter((outcome) => 'entry' in outcome)).toHaveLength(2)
    expect(await readWorkspace(store, id)).toMatchObject({
      balance: 10_000,
      held: 10_000,
      holds: 1,
    })
    expect(await readEntry(store, id, `hold#${holdId}`)).toMatchObject({ outcome: 'expired' })
  })

  it('is charged when its settle arrives late, as far as the balance goes, once', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 70_000, 5)
    await consume(id, 'u', 60_000, later(6))
    expect(await settle(id, holdId, 50_000, later(7))).toMatchObject({
      entry: { charged: 40_000, uncovered: 10_000, returned: 0 },
      workspace: { balance: 0, held: 0 },
    })
    expect(await settle(id, holdId, 50_000, later(8))).toMatchObject({ replayed: true })
    expect(await settle(id, holdId, 1, later(8))).toEqual({ refused: 'hold_closed' })
  })

  it('does not expire when it was extended in time', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 70_000, 5)
    const request = { workspaceId: id, holdId, key: 'x', ttlSeconds: 30 }
    expect(await extendHold(store, request, later(3))).toMatchObject({
      entry: { heldUntil: later(33).toISOString() },
    })
    expect(await extendHold(store, request, later(9))).toMatchObject({ replayed: true })
    expect(await consume(id, 'u', 40_000, later(20))).toMatchObject({
      refused: 'insufficient_tokens',
    })
    expect(await consume(id, 'u', 40_000, later(33))).toMatchObject({ replayed: false })
  })

  it('gives way among many: 120 of them come back to one movement', async () => {
    const id = await workspace()
    for (let n = 0; n < 120; n++) await opened(id, `k${n}`, 800, 5)
    expect(await consume(id, 'u', 100_000, later(6))).toMatchObject({
      workspace: { held: 0, holds: 0 },
    })
    const after = (await readWorkspace(store, id))!
    expect(await listOpenHolds(store, after)).toEqual([])
  })
})

describe('a hold and the month', () => {
  it('ends with the reset, and a late settle is charged to the new month', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 70_000, 900)
    expect(await consume(id, 'u', 100_000, august)).toMatchObject({
      workspace: { period: '2026-08', balance: 0, held: 0, holds: 0 },
    })
    expect(await settle(id, holdId, 20_000, august)).toMatchObject({
      entry: { charged: 0, uncovered: 20_000, returned: 0 },
    })
  })

  it('returns nothing when released after the reset', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 70_000, 900)
    expect(await release(id, holdId, august)).toMatchObject({
      entry: { returned: 0 },
      workspace: { period: '2026-08', balance: 100_000, held: 0, holds: 0 },
    })
  })
})
