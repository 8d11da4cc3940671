import { BatchWriteCommand, PutCommand } from '@aws-sdk/lib-dynamodb'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import type { Workspace } from '../../shared/domain/workspace.ts'
import { consumeTokens } from '../../shared/operations/consume-tokens.ts'
import { resetWorkspaces, type Sweep } from '../../shared/operations/reset-workspaces.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readEntry } from '../../shared/store/ledger.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { entriesOf, everythingIn, expectBooksToBalance } from '../support/books.ts'
import { openWorkspace, useUp } from '../support/shop.ts'
import { listenForSignals } from '../support/signals.ts'
import { addWorkspace, openTestStore, workspaceWith } from '../support/store.ts'
import { behind, cancelled, throughWire, type Wire } from '../support/wire.ts'

const july = new Date('2026-07-14T09:00:00Z')
const segments = 8
const signals = listenForSignals()

let store: Store
beforeEach(async () => {
  signals.forget()
  store = await openTestStore()
})

const add = (...workspaces: Partial<Workspace>[]) =>
  Promise.all(workspaces.map((over) => addWorkspace(store, over)))

const many = (count: number, over: Partial<Workspace> = {}) =>
  add(...Array.from({ length: count }, (_, n) => ({ workspaceId: `w${n}`, ...over })))

const sweeping = (over: Partial<Sweep> = {}) =>
  resetWorkspaces(store, {
    segment: 0,
    segments: 1,
    period: '2026-08',
    pacePerSecond: 10_000,
    timeLeftMs: () => 900_000,
    ...over,
  })

const sweepingAll = (over: Partial<Sweep> = {}) =>
  Promise.all(
    Array.from({ length: segments }, (_, segment) => sweeping({ ...over, segment, segments })),
  )

const total = (swept: { rolledOver: number }[]) =>
  swept.reduce((sum, { rolledOver }) => sum + rolledOver, 0)

async function resetsOf(workspaceId: string) {
  const entries = await entriesOf(store, workspaceId)
  return entries.filter(({ type }) => type === 'reset').map(({ entryId }) => entryId)
}

describe('the monthly sweep', () => {
  it('opens the month of every workspace once, over all its segments', async () => {
    await many(60, { topUps: 500_000, balance: 700_000, days: { 3: 1_800_000 } })
    const swept = await sweepingAll()
    expect(total(swept)).toBe(60)
    expect(swept.every(({ startAfter }) => startAfter === undefined)).toBe(true)
    const items = await everythingIn(store)
    expect(items.filter(({ type }) => type === 'reset')).toHaveLength(60)
    const workspaces = items.filter(({ entryId }) => entryId === undefined)
    expect(workspaces).toHaveLength(60)
    for (const workspace of workspaces) {
      expect(workspace).toMatchObject({ period: '2026-08', topUps: 500_000, balance: 2_500_000 })
    }
  })

  it('is harmless twice, and beside itself', async () => {
    await many(20)
    await Promise.all([sweepingAll(), sweepingAll()])
    const before = await everythingIn(store)
    expect(total(await sweepingAll())).toBe(0)
    expect(await everythingIn(store)).toEqual(before)
    expect(before.filter(({ type }) => type === 'reset')).toHaveLength(20)
    expect(signals.heard()).toEqual([])
  })

  it('leaves be what a movement has opened already, and the use in it', async () => {
    const workspaceId = await openWorkspace(store, july)
    await useUp(store, { workspaceId }, 300_000, july)
    const august = new Date('2026-08-01T00:00:03Z')
    await useUp(store, { workspaceId }, 1_000, august)
    expect(await sweeping()).toEqual({ rolledOver: 0, failed: 0, startAfter: undefined })
    expect(await readWorkspace(store, workspaceId)).toMatchObject({ balance: 1_999_000 })
    await expectBooksToBalance(store, workspaceId)
  })

  it('loses no token to the traffic of midnight', async () => {
    const ids = await Promise.all(Array.from({ length: 12 }, () => openWorkspace(store, july)))
    const using = (workspaceId: string, n: number, now: Date) =>
      consumeTokens(store, { workspaceId, key: `k${n}`, tokens: 700, onShortfall: 'refuse' }, now)
    await Promise.all([
      sweepingAll(),
      ...ids.flatMap((workspaceId) => [
        using(workspaceId, 1, new Date('2026-07-31T23:59:59.999Z')),
        using(workspaceId, 2, new Date('2026-08-01T00:00:00.000Z')),
      ]),
    ])
    for (const workspaceId of ids) {
      expect(await resetsOf(workspaceId)).toEqual(['reset#2026-08'])
      await expectBooksToBalance(store, workspaceId)
    }
  })

  it('run late opens the month it was due for, not the one the clock has reached', async () => {
    await add({ workspaceId: 'behind' }, { workspaceId: 'ahead', period: '2026-09' })
    // August's run, held up until some time in September.
    expect(await sweeping({ period: '2026-08' })).toMatchObject({ rolledOver: 1 })
    expect(await readWorkspace(store, 'behind')).toMatchObject({ period: '2026-08' })
    expect(await readWorkspace(store, 'ahead')).toMatchObject({ period: '2026-09' })
    expect(await resetsOf('ahead')).toEqual([])
    await sweeping({ period: '2026-09' })
    expect(await resetsOf('behind')).toEqual(['reset#2026-08', 'reset#2026-09'])
  })

  it('dates the reset at the first instant of its month, whenever it runs', async () => {
    await many(1)
    await sweeping()
    expect(await readEntry(store, 'w0', 'reset#2026-08')).toMatchObject({
      at: '2026-08-01T00:00:00.000Z',
    })
  })

  it('goes on past an item that is broken, and says which', async () => {
    await many(30)
    const Item = { ...workspaceWith({ workspaceId: 'broken' }), balance: 'a lot' }
    await store.client.send(new PutCommand({ TableName: store.workspacesTable, Item }))
    expect(await sweeping()).toEqual({ rolledOver: 30, failed: 1, startAfter: undefined })
    expect(signals.heard()).toMatchObject([{ signal: 'reset_item_failed', workspaceId: 'broken' }])
    expect(await readWorkspace(store, 'broken')).toEqual(Item)
    expect(await sweeping()).toMatchObject({ rolledOver: 0, failed: 1 })
  })

  it('hands over where it got to when its time is up, and the next run finishes without gaps', async () => {
    await many(35)
    let startAfter: string | undefined
    let runs = 0
    let rolledOver = 0
    do {
      // Each run has time for one batch only.
      const swept = await sweeping({ startAfter, pacePerSecond: 10, timeLeftMs: () => 29_999 })
      rolledOver += swept.rolledOver
      startAfter = swept.startAfter
      expect(++runs).toBeLessThan(9)
    } while (startAfter !== undefined)
    expect(runs).toBeGreaterThanOrEqual(4)
    expect(rolledOver).toBe(35)
    expect((await everythingIn(store)).filter(({ type }) => type === 'reset')).toHaveLength(35)
  })

  it('is finished by a run from the start, after a crash half-way', async () => {
    await many(25)
    let batches = 0
    const crash = () => {
      if (++batches === 2) throw new Error('out of memory')
      return 900_000
    }
    await expect(sweeping({ pacePerSecond: 10, timeLeftMs: crash })).rejects.toThrow('memory')
    const { rolledOver } = await sweeping()
    expect(rolledOver).toBe(5)
    expect((await everythingIn(store)).filter(({ type }) => type === 'reset')).toHaveLength(25)
  })

  it('keeps its pace, over small pages as over large ones', async () => {
    // Items of 300 KB, far larger than any workspace, so that a page holds three of them.
    const padding = 'x'.repeat(300_000)
    const Item = (n: number) => ({ ...workspaceWith({ workspaceId: `w${n}` }), padding })
    for (let n = 0; n < 9; n++) {
      await store.client.send(new PutCommand({ TableName: store.workspacesTable, Item: Item(n) }))
    }
    const startedAt = performance.now()
    expect(await sweeping({ pacePerSecond: 6 })).toMatchObject({ rolledOver: 9 })
    expect(performance.now() - startedAt).toBeGreaterThan(1_000)
  })

  it('has its time when just the reserve is left, and stops within the page when less is', async () => {
    await many(3)
    const exactly = { pacePerSecond: 2, timeLeftMs: () => 30_000 }
    expect(await sweeping(exactly)).toMatchObject({ rolledOver: 3, startAfter: undefined })
  })

  it('looks at its time after each page too, also where nobody is behind', async () => {
    const ids = Array.from({ length: 525 }, (_, n) => `c${n}`)
    for (let start = 0; start < ids.length; start += 25) {
      const requests = ids.slice(start, start + 25).map((workspaceId) => ({
        PutRequest: { Item: workspaceWith({ workspaceId, period: '2026-08' }) },
      }))
      await store.client.send(
        new BatchWriteCommand({ RequestItems: { [store.workspacesTable]: requests } }),
      )
    }
    const { startAfter } = await sweeping({ timeLeftMs: () => 29_999 })
    expect(ids).toContain(startAfter)
    expect(await sweeping({ timeLeftMs: () => 30_000 })).toMatchObject({ startAfter: undefined })
    expect(await sweeping({ startAfter, timeLeftMs: () => 29_999 })).toMatchObject({
      startAfter: undefined,
    })
  })
})

describe('a workspace in the sweep', () => {
  let wire: Wire
  /** Reaches DynamoDB Local directly, for what happens beside the sweep. */
  let beside: Store
  beforeEach(async () => {
    beside = store
    ;({ wire, store } = await throughWire(beside))
    onTestFinished(() => wire.stop())
  })

  const sent = () => wire.sent.map(({ operation }) => operation)
  const useBeside = (workspaceId: string) => useUp(beside, { workspaceId }, 1_000, july)

  it('costs one transaction and no read; where the run stopped is the last it sent', async () => {
    await many(4)
    wire.clear()
    const { startAfter } = await sweeping({ pacePerSecond: 3, timeLeftMs: () => 0 })
    const resets = wire.sent.filter(({ operation }) => operation === 'TransactWriteItems')
    expect(sent()).toEqual(['Scan', ...Array.from({ length: 3 }, () => 'TransactWriteItems')])
    const last = resets.at(-1)!.body as { TransactItems: [{ Update: { Key: object } }] }
    expect(last.TransactItems[0].Update.Key).toEqual({ workspaceId: { S: startAfter } })
  })

  it('that other writes conflict with is tried again, after a while', async () => {
    const workspaceId = await openWorkspace(beside, july)
    const conflict = cancelled('TransactionConflict', 'None')
    wire.next('TransactWriteItems', conflict, conflict)
    expect(await sweeping()).toEqual({ rolledOver: 1, failed: 0, startAfter: undefined })
    expect(sent()).toEqual(['Scan', ...Array.from({ length: 3 }, () => 'TransactWriteItems')])
    await expectBooksToBalance(beside, workspaceId)
  })

  it('that is used between the look and the write is reset from what it then is', async () => {
    const workspaceId = await openWorkspace(beside, july)
    wire.next(
      'TransactWriteItems',
      behind(() => useBeside(workspaceId)),
    )
    expect(await sweeping()).toEqual({ rolledOver: 1, failed: 0, startAfter: undefined })
    // The write that failed brought back what it is now, so no further read is made.
    expect(sent()).toEqual(['Scan', 'TransactWriteItems', 'TransactWriteItems'])
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ period: '2026-08' })
    expect(await readEntry(beside, workspaceId, 'reset#2026-08')).toMatchObject({
      closed: { used: 1_000 },
    })
    await expectBooksToBalance(beside, workspaceId)
  })

  it('that is used before every write is left to its next movement after five, and said to be', async () => {
    const workspaceId = await openWorkspace(beside, july)
    wire.always(
      'TransactWriteItems',
      behind(() => useBeside(workspaceId)),
    )
    expect(await sweeping()).toEqual({ rolledOver: 0, failed: 1, startAfter: undefined })
    expect(wire.sent.filter(({ operation }) => operation === 'TransactWriteItems')).toHaveLength(5)
    expect(signals.heard()).toEqual([
      {
        signal: 'reset_item_failed',
        workspaceId,
        cause: 'Error: other writes kept coming between',
      },
    ])
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ period: '2026-07' })
  })
})
