import { randomUUID } from 'node:crypto'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { holdOpening } from '../../shared/domain/movements/hold-opening.ts'
import { changeWorkspace } from '../../shared/operations/change-workspace.ts'
import { closeHold } from '../../shared/operations/close-hold.ts'
import { consumeTokens } from '../../shared/operations/consume-tokens.ts'
import { extendHold } from '../../shared/operations/extend-hold.ts'
import { getWorkspace } from '../../shared/operations/get-workspace.ts'
import { grantTokens } from '../../shared/operations/grant-tokens.ts'
import { openHold } from '../../shared/operations/open-hold.ts'
import { commit } from '../../shared/store/commit.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { listOpenHolds } from '../../shared/store/holds.ts'
import { readEntry } from '../../shared/store/ledger.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { entriesOf, expectBooksToBalance } from '../support/books.ts'
import { addWorkspace, openTestStore } from '../support/store.ts'
import {
  behind,
  cancelled,
  lostResponse,
  type Step,
  throughWire,
  type Wire,
} from '../support/wire.ts'

const july = new Date('2026-07-14T09:00:00Z')
const later = (seconds: number) => new Date(july.getTime() + seconds * 1_000)
const august = new Date('2026-08-01T00:00:10Z')

let wire: Wire
/** Reaches DynamoDB Local through the wire. */
let store: Store
/** Reaches it directly, for what happens beside the tested call. */
let beside: Store
beforeAll(async () => {
  beside = await openTestStore()
  ;({ wire, store } = await throughWire(beside))
})
beforeEach(() => wire.clear())
afterAll(() => wire.stop())

const sent = (name: string) => wire.sent.filter(({ operation }) => operation === name)

/** A transaction cancelled for something beside the workspace and the entry, which are not named. */
const stale = cancelled('None', 'None', 'ConditionalCheckFailed')

/** DynamoDB need not name the reasons after the first. */
const namingOneReason: Step = async (forward) => {
  const answer = await forward()
  if (!answer || answer.status === 200) return answer
  const { CancellationReasons, ...error } = JSON.parse(answer.body)
  const reasons = CancellationReasons.map((reason: object, at: number) =>
    at === 0 ? reason : { Code: 'None' },
  )
  return { ...answer, body: JSON.stringify({ ...error, CancellationReasons: reasons }) }
}

let made = 0
/** A Starter workspace with its 100,000 tokens. */
async function workspace() {
  const workspaceId = `h${++made}`
  await changeWorkspace(store, { workspaceId, key: 'c', plan: 'starter', by: 't' }, july)
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
  return idOf(await hold(workspaceId, key, tokens, ttlSeconds, now))
}

function idOf(outcome: Awaited<ReturnType<typeof openHold>>): string {
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
    expect(holdId).toMatch(/^hold_[\w-]{22}$/)
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

/** With all that a request may say, at the usual time. */
const holdAs = (
  workspaceId: string,
  request: Partial<Parameters<typeof openHold>[1]> = {},
  now = july,
) => openHold(store, { workspaceId, key: 'k', tokens: 70_000, ttlSeconds: 60, ...request }, now)

describe('opening a hold that may be smaller', () => {
  const modest = { tokens: 70_000, atLeast: 20_000 }

  it('costs a fresh one that finds enough what any other costs: one transaction and one read', async () => {
    const id = await workspace()
    // One that expires first lets the others be written blind.
    await opened(id, 'first', 10, 5)
    wire.clear()
    expect(await holdAs(id, { ...modest, holder: 'one' })).toMatchObject({
      hold: { tokens: 70_000 },
      replayed: false,
    })
    expect(wire.sent.map(({ operation }) => operation)).toEqual(['TransactWriteItems', 'GetItem'])
  })

  it('sets aside what there is, down to the least that would do', async () => {
    const id = await workspace()
    await consume(id, 'u', 80_000)
    expect(await holdAs(id, { ...modest, atLeast: 20_001 })).toMatchObject({
      refused: 'insufficient_tokens',
      workspace: { balance: 20_000 },
    })
    expect(await holdAs(id, modest)).toMatchObject({
      hold: { tokens: 20_000 },
      replayed: false,
      workspace: { balance: 0, held: 20_000, holds: 1 },
    })
    await expectBooksToBalance(beside, id)
  })

  it('counts on what expired holds give back before it makes do with less', async () => {
    const id = await workspace()
    await opened(id, 'expiring', 60_000, 5)
    expect(await holdAs(id, modest, later(6))).toMatchObject({ hold: { tokens: 70_000 } })
  })

  it('holds what is there when it is written, not what it saw', async () => {
    const id = await workspace()
    await consume(id, 'u', 50_000)
    wire.clear()
    const between = () =>
      consumeTokens(
        beside,
        { workspaceId: id, key: 'v', tokens: 10_000, onShortfall: 'refuse' },
        july,
      )
    // The first try is blind, the second has seen 50,000.
    wire.next('TransactWriteItems', (forward) => forward(), behind(between))
    expect(await holdAs(id, modest)).toMatchObject({
      hold: { tokens: 40_000 },
      workspace: { balance: 0, held: 40_000 },
    })
    expect(sent('TransactWriteItems')).toHaveLength(3)
    await expectBooksToBalance(beside, id)
  })

  it('finds the same amount under its key, whatever the balance is by then; another request is none', async () => {
    const id = await workspace()
    await consume(id, 'u', 60_000)
    const first = await holdAs(id, modest)
    expect(first).toMatchObject({ hold: { tokens: 40_000 }, replayed: false })
    const holdId = idOf(first)
    const others = [
      { ...modest, tokens: 40_000 },
      { ...modest, atLeast: 19_999 },
      { tokens: modest.tokens },
    ]
    const expectTheSame = async (now: Date) => {
      expect(await holdAs(id, modest, now)).toMatchObject({
        hold: { holdId, tokens: 40_000 },
        replayed: true,
      })
      for (const other of others) {
        expect(await holdAs(id, other, now)).toEqual({ refused: 'idempotency_key_reused' })
      }
    }
    await expectTheSame(july)
    await grantTokens(
      store,
      { workspaceId: id, key: 'g', tokens: 500_000, reason: 'r', by: 't' },
      july,
    )
    await expectTheSame(july)
    await settle(id, holdId, 1_000)
    await expectTheSame(later(1))
  })

  it('never holds more than the balance for 12 racers, and leaves none of it', async () => {
    const id = await workspace()
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, n) => holdAs(id, { ...modest, key: `r${n}` })),
    )
    const amounts = outcomes.flatMap((one) => ('hold' in one ? [one.hold.tokens] : []))
    expect(amounts.sort()).toEqual([30_000, 70_000])
    expect(await readWorkspace(store, id)).toMatchObject({ balance: 0, held: 100_000, holds: 2 })
  })
})

describe('opening a hold for one try', () => {
  it('gives it to one of 12 that ask under one key at the same moment, and to its retries', async () => {
    const id = await workspace()
    const tries = Array.from({ length: 12 }, (_, n) => `try ${n}`)
    const outcomes = await Promise.all(tries.map((holder) => holdAs(id, { holder })))
    const winners = tries.filter((_, n) => 'hold' in outcomes[n]!)
    expect(winners).toHaveLength(1)
    expect(outcomes.filter((one) => 'refused' in one)).toEqual(
      Array.from({ length: 11 }, () => ({ refused: 'hold_taken' })),
    )
    expect(await readWorkspace(store, id)).toMatchObject({
      balance: 30_000,
      held: 70_000,
      holds: 1,
    })
    expect(await holdAs(id, { holder: winners[0] })).toMatchObject({ replayed: true })
    await expectBooksToBalance(beside, id)
  })

  it('gives it to nobody who names another, or none, or the only one', async () => {
    const id = await workspace()
    const holdId = idOf(await holdAs(id, { holder: 'one' }))
    const stood = await readWorkspace(store, id)
    expect(await holdAs(id, { holder: 'another' })).toEqual({ refused: 'hold_taken' })
    expect(await holdAs(id)).toEqual({ refused: 'hold_taken' })
    expect(await holdAs(id, { holder: 'one' })).toMatchObject({ hold: { holdId }, replayed: true })
    expect(await readWorkspace(store, id)).toEqual(stood)
    const another = await workspace()
    await holdAs(another)
    expect(await holdAs(another, { holder: 'one' })).toEqual({ refused: 'hold_taken' })
  })

  it('tells another request under the key from another try of it', async () => {
    const id = await workspace()
    await holdAs(id, { holder: 'one' })
    expect(await holdAs(id, { holder: 'another', tokens: 1 })).toEqual({
      refused: 'idempotency_key_reused',
    })
  })

  it('finds its own hold where nobody heard that it was opened', async () => {
    const id = await workspace()
    await opened(id, 'first', 10, 5)
    wire.next('TransactWriteItems', lostResponse)
    expect(await holdAs(id, { holder: 'one' })).toMatchObject({ hold: { tokens: 70_000 } })
    expect(await holdAs(id, { holder: 'one' })).toMatchObject({ replayed: true })
    expect(await readWorkspace(store, id)).toMatchObject({ held: 70_010, holds: 2 })
  })
})

describe('a hold that is opened again', () => {
  async function openedBy(holder: string, now = july) {
    const id = await workspace()
    return { id, holdId: idOf(await holdAs(id, { holder, ttlSeconds: 30 }, now)) }
  }
  /** As the same try, as another and as none: closed is closed. */
  async function expectClosed(id: string, closed: object, now: Date) {
    for (const holder of ['one', 'another', undefined]) {
      const again = await holdAs(id, { holder, ttlSeconds: 30 }, now)
      expect(again).toMatchObject({ hold: { tokens: 70_000 }, closed, replayed: true })
      expect((again as { closed: object }).closed).toEqual(closed)
    }
  }

  it('says nothing of its end while it is open', async () => {
    const { id } = await openedBy('one')
    const again = await holdAs(id, { holder: 'one', ttlSeconds: 30 }, later(29))
    expect(again).toMatchObject({ replayed: true, workspace: { held: 70_000 } })
    expect((again as { closed?: object }).closed).toBeUndefined()
  })

  it('says that it was settled, and for how much', async () => {
    const { id, holdId } = await openedBy('one')
    await settle(id, holdId, 1_234)
    await expectClosed(id, { outcome: 'settled', used: 1_234 }, later(1))
  })

  it('says that it was released', async () => {
    const { id, holdId } = await openedBy('one')
    await release(id, holdId)
    await expectClosed(id, { outcome: 'released' }, later(1))
  })

  it('says that its time is over, before and after its tokens went back', async () => {
    const { id, holdId } = await openedBy('one')
    // The look afterwards returns it, so the first of these finds it stored as open.
    expect(await readEntry(store, id, `open#${holdId}`)).toBeDefined()
    await expectClosed(id, { outcome: 'expired' }, later(30))
    expect(await readEntry(store, id, `open#${holdId}`)).toBeUndefined()
    await expectClosed(id, { outcome: 'expired' }, later(31))
    // What was used all the same is charged, and does not bring it back.
    await settle(id, holdId, 10, later(32))
    await expectClosed(id, { outcome: 'expired' }, later(33))
  })

  it('says that its month is over, before and after the reset, until it is settled', async () => {
    const lastMoments = new Date('2026-07-31T23:59:55Z')
    const { id, holdId } = await openedBy('one', lastMoments)
    await expectClosed(id, { outcome: 'ended' }, august)
    expect(await readWorkspace(store, id)).toMatchObject({ period: '2026-07' })
    await consume(id, 'u', 1, august)
    await expectClosed(id, { outcome: 'ended' }, august)
    // By a clock that is behind it is over too: another one has opened the next month.
    await expectClosed(id, { outcome: 'ended' }, lastMoments)
    await settle(id, holdId, 5, august)
    await expectClosed(id, { outcome: 'settled', used: 5 }, august)
  })

  it('is nobody’s any more for a try that comes as it is closed', async () => {
    const { id, holdId } = await openedBy('one')
    const closing = { outcome: 'released' as const }
    wire.next(
      'TransactWriteItems',
      behind(() => closeHold(beside, { workspaceId: id, holdId, closing }, july)),
    )
    expect(await holdAs(id, { holder: 'another', ttlSeconds: 30 })).toMatchObject({
      closed: { outcome: 'released' },
    })
  })
})

describe('opening a hold while it is closed, or cannot be', () => {
  it('is a replay, or a reused key, whichever reason DynamoDB names', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 500)
    await release(id, holdId)
    await consume(id, 'u', 100_000)
    wire.next('TransactWriteItems', namingOneReason)
    expect(await hold(id, 'k', 500)).toMatchObject({
      hold: { holdId, tokens: 500, heldUntil: july.toISOString() },
      replayed: true,
      workspace: { balance: 0 },
    })
    wire.next('TransactWriteItems', namingOneReason)
    expect(await hold(id, 'k', 501)).toEqual({ refused: 'idempotency_key_reused' })
    expect(await hold(id, 'k', 501)).toEqual({ refused: 'idempotency_key_reused' })
  })

  it('is refused where the workspace has as many as it may, or does not exist', async () => {
    const workspaceId = `full-${randomUUID()}`
    await addWorkspace(store, { workspaceId, held: 1_000, holds: 1_000, balance: 1_999_000 })
    expect(await hold(workspaceId, 'k', 5)).toMatchObject({ refused: 'holds_limit' })
    expect(await hold('nobody', 'k', 5)).toEqual({ refused: 'workspace_not_found' })
  })

  it('is busy where something stood in its way that is not there any more', async () => {
    const id = await workspace()
    wire.next('TransactWriteItems', stale)
    expect(await hold(id, 'k', 500)).toEqual({ refused: 'busy' })
    expect(await readWorkspace(store, id)).toMatchObject({ balance: 100_000, held: 0 })
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

  it('of nothing is not a release, nor a release a settling of nothing', async () => {
    const id = await workspace()
    const [settled, released] = [await opened(id, 'a', 10), await opened(id, 'b', 10)]
    await settle(id, settled, 0)
    await release(id, released)
    expect(await release(id, settled)).toEqual({ refused: 'hold_closed' })
    expect(await settle(id, released, 0)).toEqual({ refused: 'hold_closed' })
  })

  it('looks again where the hold changed in between, and gives up after four looks', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 10_000)
    wire.clear()
    wire.next('TransactWriteItems', stale, stale, stale)
    expect(await settle(id, holdId, 4_000)).toMatchObject({ entry: { charged: 4_000 } })

    const other = await opened(id, 'other', 10_000)
    wire.clear()
    wire.always('TransactWriteItems', stale)
    expect(await settle(id, other, 4_000)).toEqual({ refused: 'busy' })
    expect(sent('TransactWriteItems')).toHaveLength(4)
    await expectBooksToBalance(beside, id)
  })

  it('in a workspace too busy for it is given up with that, and not begun anew', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 10_000)
    wire.clear()
    wire.always('TransactWriteItems', cancelled('TransactionConflict', 'None', 'None'))
    expect(await settle(id, holdId, 4_000)).toEqual({ refused: 'busy' })
    expect(sent('TransactWriteItems')).toHaveLength(12)
  })

  it('that meets the hold’s expiry on its way is charged all the same', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 70_000, 5)
    const expiry = () =>
      consumeTokens(
        beside,
        { workspaceId: id, key: 'u', tokens: 60_000, onShortfall: 'refuse' },
        later(6),
      )
    // Its own clock is a little behind.
    wire.next('TransactWriteItems', behind(expiry))
    expect(await settle(id, holdId, 30_000, later(4))).toMatchObject({
      entry: { entryId: `late#${holdId}`, charged: 30_000, returned: 0 },
      workspace: { balance: 10_000, held: 0 },
    })
    await expectBooksToBalance(beside, id)
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

describe('extending a hold', () => {
  const extend = (workspaceId: string, holdId: string, key: string, now = july) =>
    extendHold(store, { workspaceId, holdId, key, ttlSeconds: 300 }, now)

  it('is found again by its key after the hold was closed; another is refused', async () => {
    const id = await workspace()
    const [holdId, other] = [await opened(id, 'k', 500), await opened(id, 'other', 500)]
    await extend(id, holdId, 'x')
    await extend(id, other, 'y')
    await release(id, holdId)
    expect(await extend(id, holdId, 'x')).toMatchObject({
      entry: { holdId, heldUntil: later(300).toISOString() },
      replayed: true,
      workspace: { workspaceId: id, balance: 99_500 },
    })
    expect(await extend(id, holdId, 'new')).toEqual({ refused: 'hold_closed' })
    expect(await extend(id, holdId, 'y')).toEqual({ refused: 'hold_closed' })
    expect(await extend(id, 'hold_nobody', 'x')).toEqual({ refused: 'hold_not_found' })
  })

  it('looks again where another extended it in between, and gives up after four looks', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 500)
    wire.clear()
    const longer = { workspaceId: id, holdId, key: 'longer', ttlSeconds: 600 }
    wire.next(
      'TransactWriteItems',
      behind(() => extendHold(beside, longer, july)),
    )
    // Never shorter than what the other was promised.
    expect(await extend(id, holdId, 'x')).toMatchObject({
      entry: { heldUntil: later(600).toISOString() },
      replayed: false,
      workspace: { held: 500 },
    })
    wire.clear()
    wire.always('TransactWriteItems', stale)
    expect(await extend(id, holdId, 'z')).toEqual({ refused: 'busy' })
    expect(sent('TransactWriteItems')).toHaveLength(4)
  })

  it('is refused once the month is over, and under a key that extended otherwise', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 500)
    await extend(id, holdId, 'x')
    const other = { workspaceId: id, holdId, key: 'x', ttlSeconds: 301 }
    expect(await extendHold(store, other, july)).toEqual({ refused: 'idempotency_key_reused' })
    expect(await extend(id, holdId, 'y', august)).toEqual({ refused: 'hold_closed' })
  })
})

describe('an expired hold', () => {
  it('is returned by any movement that finds it, though the balance was enough', async () => {
    const id = await workspace()
    await opened(id, 'k', 70_000, 5)
    expect(await consume(id, 'u', 1_000, later(6))).toMatchObject({
      workspace: { balance: 99_000, held: 0, holds: 0 },
    })
    expect(await readWorkspace(store, id)).toMatchObject({ balance: 99_000, held: 0, holds: 0 })
  })

  it('is released already', async () => {
    const id = await workspace()
    const holdId = await opened(id, 'k', 70_000, 5)
    await consume(id, 'u', 1_000, later(6))
    expect(await release(id, holdId, later(7))).toMatchObject({
      entry: { outcome: 'expired', entryId: `hold#${holdId}` },
      replayed: true,
    })
    const ids = (await entriesOf(store, id)).map(({ entryId }) => entryId)
    expect(ids).not.toContain(`late#${holdId}`)
  })

  it('is looked for again when the first of those left may expire, and not sooner', async () => {
    const id = await workspace()
    const soon = await opened(id, 'soon', 10, 5)
    // Whatever order their ids come in, the earliest counts.
    const ends = [60, 20, 40, 30, 50]
    for (const seconds of ends) await opened(id, `h${seconds}`, 1_000, seconds)
    await release(id, soon)
    expect(await readWorkspace(store, id)).toMatchObject({
      holdsExpireFrom: later(5).toISOString(),
    })

    wire.clear()
    expect(await consume(id, 'u', 95_001, later(6))).toMatchObject({
      refused: 'insufficient_tokens',
      workspace: { balance: 95_000, held: 5_000 },
    })
    // One try: the look found nothing to return, and so the workspace is as it was seen.
    expect(sent('TransactWriteItems')).toHaveLength(1)
    expect(await readWorkspace(store, id)).toMatchObject({
      holdsExpireFrom: later(20).toISOString(),
    })
  })

  it('is looked for in time though holds came and went within the millisecond of a look', async () => {
    const id = await workspace()
    await release(id, await opened(id, 'soon', 10, 5))
    /** As by a caller that crashed before it looked at the workspace again. */
    const open = (holdId: string, ttlSeconds: number) =>
      commit(beside, {
        workspaceId: id,
        now: later(6),
        decide: (moment, seen) =>
          holdOpening({ workspaceId: id, holdId, tokens: 1_000, ttlSeconds }, moment, seen),
      })
    await open('leaving', 60)
    wire.next(
      'UpdateItem',
      behind(async () => {
        const closing = { outcome: 'released' as const }
        await closeHold(beside, { workspaceId: id, holdId: 'leaving', closing }, later(6))
        await open('coming', 14)
      }),
    )
    await consume(id, 'u', 99_001, later(6))
    await expectBooksToBalance(store, id)
    expect(await consume(id, 'u', 99_001, later(20))).toMatchObject({ entry: { taken: 99_001 } })
  })

  it('is shown as returned without a write', async () => {
    const id = await workspace()
    await opened(id, 'k', 70_000, 5)
    expect(await getWorkspace(store, id, later(4))).toMatchObject({
      balance: 30_000,
      held: 70_000,
    })
    expect(await getWorkspace(store, id, later(5))).toMatchObject({ balance: 100_000, held: 0 })
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

describe('as many expired holds as a workspace may have', () => {
  it('come back to the first use, which is not told to try again', async () => {
    const id = await workspace()
    await openedAtOnce(id, 1_000, 100)
    wire.clear()
    expect(await consume(id, 'u', 100_000, later(61))).toMatchObject({
      entry: { taken: 100_000 },
      workspace: { balance: 0, held: 0, holds: 0 },
    })
    expect(await listOpenHolds(store, (await readWorkspace(store, id))!)).toEqual([])
    // They are listed twice: once to return them, and once to see that none is left to wait for.
    expect(sent('Query')).toHaveLength(2)
    await expectBooksToBalance(store, id)
  }, 60_000)

  it('come back once to twelve who find them at the same moment', async () => {
    const id = await workspace()
    await openedAtOnce(id, 300, 300)
    // Whoever is told that it is busy, as on a machine that is, asks again under its key.
    const race = async (racer: number) => {
      for (let asked = 1; ; asked++) {
        const outcome = await consume(id, `u${racer}`, 5_000, later(61))
        if (!('refused' in outcome) || outcome.refused !== 'busy' || asked === 5) return outcome
      }
    }
    const racers = await Promise.all(Array.from({ length: 12 }, (_, racer) => race(racer)))
    expect(racers.filter((outcome) => 'entry' in outcome)).toHaveLength(12)
    expect(await readWorkspace(store, id)).toMatchObject({ balance: 40_000, held: 0, holds: 0 })
    await expectBooksToBalance(store, id)
  }, 60_000)

  /** Opens them a few at a time: DynamoDB Local does not let transactions conflict. */
  async function openedAtOnce(id: string, count: number, tokens: number) {
    for (let from = 0; from < count; from += 50) {
      await Promise.all(Array.from({ length: 50 }, (_, n) => opened(id, `k${from + n}`, tokens)))
    }
  }
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
