import { randomUUID } from 'node:crypto'
import { QueryCommand } from '@aws-sdk/lib-dynamodb'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { grant } from '../../shared/domain/movements/grant.ts'
import { type Use, use } from '../../shared/domain/movements/use.ts'
import { workspaceChange } from '../../shared/domain/movements/workspace-change.ts'
import { Unavailable } from '../../shared/domain/refusal.ts'
import type { Workspace } from '../../shared/domain/workspace.ts'
import { consumeTokens } from '../../shared/operations/consume-tokens.ts'
import { grantTokens } from '../../shared/operations/grant-tokens.ts'
import { backoff, commit, rollOver } from '../../shared/store/commit.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { takeTurn } from '../../shared/store/events-cursor.ts'
import { readEntry } from '../../shared/store/ledger.ts'
import { placeOrder } from '../../shared/store/orders.ts'
import { addRetry } from '../../shared/store/retries.ts'
import { schema } from '../../shared/store/schema.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { entriesOf, everythingIn, expectBooksToBalance } from '../support/books.ts'
import { purchaseWith } from '../support/purchase.ts'
import { openTestStore } from '../support/store.ts'
import {
  behind,
  cancelled,
  failing,
  lostRequest,
  lostResponse,
  stalledResponse,
  throughWire,
  type Wire,
} from '../support/wire.ts'

const july = new Date('2026-07-14T09:00:00Z')
const august = new Date('2026-08-02T09:00:00Z')

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

const transactions = () => wire.sent.filter(({ operation }) => operation === 'TransactWriteItems')

/** The id of the entry that a transaction was to record. */
function entryIdOf(body: Record<string, unknown>): string {
  const [, { Put }] = body.TransactItems as [object, { Put: { Item: { entryId: { S: string } } } }]
  return Put.Item.entryId.S
}

/** A workspace of 100,000 tokens. */
async function starter(): Promise<string> {
  const workspaceId = `w-${randomUUID()}`
  const creation = { workspaceId, key: 'create', plan: 'starter' as const, quota: 100_000, by: 't' }
  await commit(beside, { workspaceId, now: july, decide: (at) => workspaceChange(creation, at) })
  return workspaceId
}

function consuming(workspaceId: string, over: Partial<Use> = {}, now = july, seen?: Workspace) {
  const request: Use = { workspaceId, key: 'k', tokens: 400, onShortfall: 'refuse', ...over }
  return commit(store, {
    workspaceId,
    now,
    seen,
    decide: (moment, workspace) => use(request, moment, workspace),
  })
}

const grantBeside = (workspaceId: string, tokens: number, now = july) =>
  grantTokens(beside, { workspaceId, key: randomUUID(), tokens, reason: 'r', by: 'rep' }, now)

const consumeBeside = (workspaceId: string, over: Partial<Use> = {}, now = july) =>
  consumeTokens(beside, { workspaceId, key: 'k', tokens: 400, onShortfall: 'refuse', ...over }, now)

describe('a movement', () => {
  it('is one transaction, and nothing else, in the usual case', async () => {
    const workspaceId = await starter()
    expect(await consuming(workspaceId)).toMatchObject({ entry: { taken: 400 }, replayed: false })
    expect(wire.sent.map(({ operation }) => operation)).toEqual(['TransactWriteItems'])
    await expectBooksToBalance(beside, workspaceId)
  })

  it('changes the workspace and its ledger together or not at all', async () => {
    const workspaceId = await starter()
    const before = await everythingIn(beside)
    expect(await consuming(workspaceId, { tokens: 100_001 })).toMatchObject({
      refused: 'insufficient_tokens',
    })
    expect(await everythingIn(beside)).toEqual(before)
  })
})

describe('the order of outcomes', () => {
  it('finds the entry before the shortfall: a replay though the balance is gone', async () => {
    const workspaceId = await starter()
    await consuming(workspaceId, { tokens: 100_000 })
    const again = await consuming(workspaceId, { tokens: 100_000 })
    expect(again).toMatchObject({ entry: { taken: 100_000 }, replayed: true })
  })

  it('finds the entry before a new month: a replay that opens nothing', async () => {
    const workspaceId = await starter()
    await consuming(workspaceId)
    expect(await consuming(workspaceId, {}, august)).toMatchObject({
      entry: { period: '2026-07' },
      replayed: true,
    })
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ period: '2026-07' })
  })

  it('finds the entry before a conflict, without trying again', async () => {
    const workspaceId = await starter()
    await consuming(workspaceId)
    wire.clear()
    const entry = {
      workspaceId: { S: workspaceId },
      entryId: { S: 'use#k' },
      type: { S: 'use' },
      requested: { N: '400' },
      taken: { N: '400' },
      onShortfall: { S: 'refuse' },
    }
    wire.next(
      'TransactWriteItems',
      failing('TransactionCanceledException', {
        CancellationReasons: [
          { Code: 'TransactionConflict' },
          { Code: 'ConditionalCheckFailed', Item: entry },
        ],
      }),
    )
    expect(await consuming(workspaceId)).toMatchObject({ replayed: true })
    expect(transactions()).toHaveLength(1)
  })

  it('refuses a key that belongs to another request, whatever else is wrong with it', async () => {
    const workspaceId = await starter()
    await consuming(workspaceId)
    for (const other of [{ tokens: 401 }, { tokens: 999_999 }, { onShortfall: 'drain' as const }]) {
      expect(await consuming(workspaceId, other)).toEqual({ refused: 'idempotency_key_reused' })
    }
    expect(await consuming(workspaceId, { tokens: 1 }, august)).toEqual({
      refused: 'idempotency_key_reused',
    })
  })

  it('takes a conflict before a missing workspace or a small balance: it tries again', async () => {
    const workspaceId = await starter()
    wire.next('TransactWriteItems', cancelled('ConditionalCheckFailed', 'TransactionConflict'))
    expect(await consuming(workspaceId)).toMatchObject({ replayed: false })
    expect(transactions()).toHaveLength(2)
  })

  it('answers a missing workspace before its period or balance, and writes nothing', async () => {
    const before = await everythingIn(beside)
    expect(await consuming('nobody')).toEqual({ refused: 'workspace_not_found' })
    expect(await everythingIn(beside)).toEqual(before)
  })

  it('opens the month before it refuses: July’s empty balance is no reason in August', async () => {
    const workspaceId = await starter()
    await consuming(workspaceId, { key: 'all', tokens: 100_000 })
    expect(await consuming(workspaceId, { key: 'next' }, august)).toMatchObject({
      entry: { period: '2026-08', taken: 400 },
    })
    await expectBooksToBalance(beside, workspaceId)
  })

  it('refuses with August’s balance, after opening August', async () => {
    const workspaceId = await starter()
    expect(await consuming(workspaceId, { tokens: 100_001 }, august)).toMatchObject({
      refused: 'insufficient_tokens',
      workspace: { period: '2026-08', balance: 100_000 },
    })
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ period: '2026-08' })
  })

  it('looks for the entry once more before it refuses', async () => {
    const workspaceId = await starter()
    // The same request is carried out elsewhere after our transaction failed and before we refuse.
    wire.next('TransactWriteItems', async (forward) => {
      await consumeBeside(workspaceId, { key: 'other', tokens: 60_000 })
      const reply = await forward()
      await grantBeside(workspaceId, 500_000)
      await consumeBeside(workspaceId, { tokens: 50_000 })
      return reply
    })
    expect(await consuming(workspaceId, { tokens: 50_000 })).toMatchObject({
      entry: { taken: 50_000 },
      replayed: true,
    })
    expect(wire.sent.map(({ operation }) => operation)).toEqual(['TransactWriteItems', 'GetItem'])
    await expectBooksToBalance(beside, workspaceId)
  })

  it('says that a purchase is stale before it looks at the workspace', async () => {
    const workspaceId = await starter()
    const purchase = purchaseWith({ workspaceId, version: 7 })
    await placeOrder(beside, purchase)
    const before = await everythingIn(beside)
    const outcome = await commit(store, {
      workspaceId,
      now: july,
      decide: (moment) => ({
        entry: {
          type: 'payment',
          workspaceId,
          entryId: 'payment#pur_1#7',
          at: moment.at,
          period: moment.period,
          purchaseId: 'pur_1',
          status: 'paid',
          tokens: 1_000_000,
          shortfall: 0,
        },
        when: { topUpsAtMost: -1 },
        add: { topUps: 1_000_000, balance: 1_000_000 },
        set: {},
        also: [{ purchase: { ...purchase, version: 7 }, replacesVersion: 6 }],
      }),
    })
    expect(outcome).toEqual({ stale: true })
    expect(await everythingIn(beside)).toEqual(before)
  })
})

describe('what DynamoDB may do under load', () => {
  it.each([
    ['a conflict', cancelled('TransactionConflict', 'None')],
    ['a throttled item', cancelled('ThrottlingError', 'None')],
    ['a throttled partition', cancelled('None', 'ProvisionedThroughputExceeded')],
    ['a throttle', failing('ThrottlingException')],
    ['a throttled table', failing('ProvisionedThroughputExceededException')],
    ['a request limit', failing('RequestLimitExceeded')],
    ['a transaction in progress', failing('TransactionInProgressException')],
    ['a fault of its own', failing('InternalServerError', {}, 500)],
    ['no answer', lostRequest],
  ])('%s passes: the tokens are taken once', async (_, fault) => {
    const workspaceId = await starter()
    wire.next('TransactWriteItems', fault)
    expect(await consuming(workspaceId)).toMatchObject({ replayed: false })
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ balance: 99_600 })
    await expectBooksToBalance(beside, workspaceId)
  })

  it('conflicts that never end become `busy` after a bounded number of tries, with nothing taken', async () => {
    const workspaceId = await starter()
    const before = await everythingIn(beside)
    wire.always('TransactWriteItems', cancelled('TransactionConflict', 'None'))
    expect(await consuming(workspaceId)).toEqual({ refused: 'busy' })
    expect(transactions()).toHaveLength(12)
    expect(await everythingIn(beside)).toEqual(before)
    wire.clear()
    expect(await consuming(workspaceId)).toMatchObject({ replayed: false })
  })

  it('throttles that never end become `busy` within seconds, while somebody still waits for the answer', async () => {
    const workspaceId = await starter()
    wire.always('TransactWriteItems', failing('ThrottlingException'))
    const startedAt = performance.now()
    expect(await consuming(workspaceId)).toEqual({ refused: 'busy' })
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  it('a month that cannot be opened for conflicts becomes `busy` too', async () => {
    const workspaceId = await starter()
    const seen = await readWorkspace(beside, workspaceId)
    wire.always('TransactWriteItems', cancelled('TransactionConflict', 'None'))
    expect(await consuming(workspaceId, {}, august, seen)).toEqual({ refused: 'busy' })
    // From the picture it has: it need not ask in between what month the workspace is in.
    const entries = transactions().map(({ body }) => entryIdOf(body))
    expect(entries).toEqual(Array.from({ length: 12 }, () => 'reset#2026-08'))
  })

  it('a month that another use came before is opened from what the workspace then is, at once', async () => {
    const workspaceId = await starter()
    const seen = await readWorkspace(beside, workspaceId)
    wire.next(
      'TransactWriteItems',
      behind(() => consumeBeside(workspaceId, { key: 'another' })),
    )
    await consuming(workspaceId, {}, august, seen)
    const entries = transactions().map(({ body }) => entryIdOf(body))
    expect(entries).toEqual(['reset#2026-08', 'reset#2026-08', 'use#k'])
    await expectBooksToBalance(beside, workspaceId)
  })

  it('a cancellation for something that the movement does not have is `busy`, not a wrong answer', async () => {
    const workspaceId = await starter()
    wire.next('TransactWriteItems', cancelled('None', 'None', 'ConditionalCheckFailed'))
    const request: Use = { workspaceId, key: 'k', tokens: 1, onShortfall: 'refuse' }
    expect(await consumeTokens(store, request, july)).toEqual({ refused: 'busy' })
  })

  it('each wait may be twice as long as the one before, up to half a second', async () => {
    const chance = vi.spyOn(Math, 'random').mockReturnValue(1)
    onTestFinished(() => chance.mockRestore())
    const waited = async (attempt: number) => {
      const startedAt = performance.now()
      await backoff(attempt)
      return performance.now() - startedAt
    }
    const longest = await Promise.all([1, 2, 3, 12].map(waited))
    // Timers may be late on a busy machine, and never early.
    for (const [at, ms] of [40, 80, 160, 500].entries()) {
      expect(longest[at]).toBeGreaterThan(ms - 2)
      expect(longest[at]).toBeLessThan(ms + 1_000)
    }
  })

  it('a cancellation for a reason we do not know is a bug, not a retry', async () => {
    const workspaceId = await starter()
    wire.next('TransactWriteItems', cancelled('ValidationError', 'None'))
    await expect(consuming(workspaceId)).rejects.toThrow('Transaction cancelled')
    expect(transactions()).toHaveLength(1)
  })
})

describe('a lost response', () => {
  it('is made good by the SDK’s own retry: same token, tokens taken once', async () => {
    const workspaceId = await starter()
    wire.next('TransactWriteItems', lostResponse)
    expect(await consuming(workspaceId)).toMatchObject({ replayed: false })
    const [first, second] = transactions()
    expect(second?.body.ClientRequestToken).toBe(first?.body.ClientRequestToken)
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ balance: 99_600 })
    await expectBooksToBalance(beside, workspaceId)
  })

  it('that stays lost is `Unavailable`, and the same key then finds the tokens taken, once', async () => {
    const workspaceId = await starter()
    wire.always('TransactWriteItems', lostResponse)
    await expect(consuming(workspaceId)).rejects.toBeInstanceOf(Unavailable)
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ balance: 99_600 })
    wire.clear()
    expect(await consuming(workspaceId)).toMatchObject({ entry: { taken: 400 }, replayed: true })
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ balance: 99_600 })
    await expectBooksToBalance(beside, workspaceId)
  })

  it('that hangs is given up within seconds, and made good the same way', async () => {
    const workspaceId = await starter()
    wire.next('TransactWriteItems', stalledResponse)
    const startedAt = performance.now()
    expect(await consuming(workspaceId)).toMatchObject({ replayed: false })
    expect(performance.now() - startedAt).toBeLessThan(6_000)
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ balance: 99_600 })
  })

  it('costs nobody a token when one answer in five is lost, and callers retry with their key', async () => {
    const workspaceId = await starter()
    let requests = 0
    wire.always('TransactWriteItems', (forward) =>
      ++requests % 5 === 0 ? lostResponse(forward) : forward(),
    )
    const persistent = async (key: string): Promise<void> => {
      const outcome = await consuming(workspaceId, { key, tokens: 100 }).catch(() => undefined)
      if (!outcome || 'refused' in outcome) await persistent(key)
    }
    for (let round = 0; round < 10; round++) {
      await Promise.all([0, 1, 2, 3].map((caller) => persistent(`${round}-${caller}`)))
    }
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ balance: 100_000 - 4_000 })
    await expectBooksToBalance(beside, workspaceId)
  })

  it('of the reset opens the month once', async () => {
    const workspaceId = await starter()
    const seen = (await readWorkspace(beside, workspaceId))!
    wire.next('TransactWriteItems', lostResponse)
    expect(await rollOver(store, seen, '2026-08')).toMatchObject({ period: '2026-08' })
    expect(await rollOver(store, seen, '2026-08')).toBeUndefined()
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ balance: 100_000 })
    await expectBooksToBalance(beside, workspaceId)
  })
})

describe('a new month', () => {
  it('is opened once by 12 racers, with the tokens of all of them counted in it', async () => {
    const workspaceId = await starter()
    await consumeBeside(workspaceId, { key: 'j', tokens: 30_000 })
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, n) =>
        consuming(workspaceId, { key: `a${n}`, tokens: 1_000 }, august),
      ),
    )
    expect(outcomes.every((outcome) => 'entry' in outcome)).toBe(true)
    const entries = await entriesOf(beside, workspaceId)
    expect(entries.filter(({ type }) => type === 'reset')).toHaveLength(1)
    await expectBooksToBalance(beside, workspaceId)
  })

  it('is not opened from a picture that has grown old: nothing of the old month is lost', async () => {
    const workspaceId = await starter()
    await grantBeside(workspaceId, 1_000_000)
    // Somebody uses top-ups between our look at July and our reset.
    wire.next(
      'TransactWriteItems',
      async (forward) => forward(),
      behind(() => consumeBeside(workspaceId, { key: 'late', tokens: 300_000 })),
    )
    expect(await consuming(workspaceId, {}, august)).toMatchObject({ entry: { taken: 400 } })
    expect(await readEntry(beside, workspaceId, 'reset#2026-08')).toMatchObject({
      topUps: 800_000,
      closed: { used: 300_000 },
    })
    await expectBooksToBalance(beside, workspaceId)
  })

  it('never goes backwards, whatever the caller’s clock or picture says', async () => {
    const workspaceId = await starter()
    const seen = (await readWorkspace(beside, workspaceId))!
    await consumeBeside(workspaceId, { key: 'a' }, august)
    expect(await consuming(workspaceId, { key: 'late' }, july)).toMatchObject({
      entry: { period: '2026-08' },
    })
    // A sweep for August with a picture from July comes too late to do anything.
    const before = await everythingIn(beside)
    await rollOver(store, seen, '2026-08')
    expect(await everythingIn(beside)).toEqual(before)
    await expectBooksToBalance(beside, workspaceId)
  })

  it('may be several on: each movement counts in exactly one', async () => {
    const workspaceId = await starter()
    await consumeBeside(workspaceId, { key: '1', tokens: 10 }, july)
    await consumeBeside(workspaceId, { key: '2', tokens: 20 }, new Date('2026-11-30T23:59:59Z'))
    await consumeBeside(workspaceId, { key: '3', tokens: 30 }, new Date('2026-12-01T00:00:00Z'))
    const entries = await entriesOf(beside, workspaceId)
    expect(entries.filter(({ type }) => type === 'reset').map((entry) => entry.entryId)).toEqual([
      'reset#2026-11',
      'reset#2026-12',
    ])
    await expectBooksToBalance(beside, workspaceId)
  })
})

describe('amounts that depend on the state', () => {
  it('a drain takes what is left at the moment of the write, not of the look', async () => {
    const workspaceId = await starter()
    wire.next(
      'TransactWriteItems',
      (forward) => forward(),
      behind(() => consumeBeside(workspaceId, { key: 'quick', tokens: 99_000 })),
    )
    const drain = { tokens: 250_000, onShortfall: 'drain' as const }
    expect(await consuming(workspaceId, drain)).toMatchObject({ entry: { taken: 1_000 } })
    expect(await readWorkspace(beside, workspaceId)).toMatchObject({ balance: 0 })
    await expectBooksToBalance(beside, workspaceId)
  })

  it('a drain takes the whole amount when a grant arrives in time', async () => {
    const workspaceId = await starter()
    wire.next(
      'TransactWriteItems',
      (forward) => forward(),
      behind(() => grantBeside(workspaceId, 1_000_000)),
    )
    const drain = { tokens: 250_000, onShortfall: 'drain' as const }
    expect(await consuming(workspaceId, drain)).toMatchObject({ entry: { taken: 250_000 } })
    await expectBooksToBalance(beside, workspaceId)
  })

  it('a grant beyond what a workspace can hold is refused, and the last that fits is not', async () => {
    const workspaceId = await starter()
    const giving = (key: string, tokens: number) =>
      commit(store, {
        workspaceId,
        now: july,
        decide: (at, seen) => grant({ workspaceId, key, tokens, reason: 'r', by: 't' }, at, seen),
      })
    expect(await giving('1', 10 ** 15)).toMatchObject({ replayed: false })
    expect(await giving('2', 1)).toMatchObject({
      refused: 'top_ups_limit',
      workspace: { topUps: 10 ** 15 },
    })
    expect(await giving('1', 10 ** 15)).toMatchObject({ replayed: true })
    await expectBooksToBalance(beside, workspaceId)
  })

  it('a workspace is created once by 8 racers, and the rest are told how it stands', async () => {
    const workspaceId = `w-${randomUUID()}`
    const outcomes = await Promise.all(
      Array.from({ length: 8 }, (_, n) => {
        const creation = { workspaceId, key: `c${n}`, plan: 'pro' as const, quota: 2e6, by: 't' }
        return commit(store, {
          workspaceId,
          now: july,
          decide: (moment, seen) => workspaceChange(creation, moment, seen),
        })
      }),
    )
    const effects = outcomes.map((outcome) => 'entry' in outcome && outcome.entry.effect).sort()
    expect(effects).toEqual(['created', ...Array(7).fill('kept')])
    await expectBooksToBalance(beside, workspaceId)
  })
})

describe('the books', () => {
  it('balance after a mixed run of racing uses, drains, grants and plan changes over three months', async () => {
    const workspaceId = await starter()
    const months = [july, august, new Date('2026-09-30T12:00:00Z')]
    for (const [month, now] of months.entries()) {
      await Promise.all(
        Array.from({ length: 24 }, (_, n) => {
          const key = `${month}-${n}`
          if (n % 6 === 0) {
            const given = { workspaceId, key, tokens: 70_000, reason: 'r', by: 'rep' }
            return grantTokens(store, given, now)
          }
          if (n === 7) {
            const pro = { workspaceId, key, plan: 'pro' as const, quota: 2_000_000, by: 't' }
            return commit(store, {
              workspaceId,
              now,
              decide: (moment, seen) => workspaceChange(pro, moment, seen),
            })
          }
          const onShortfall = n % 4 === 0 ? ('drain' as const) : ('refuse' as const)
          return consuming(workspaceId, { key, tokens: 9_000 + 17_000 * n, onShortfall }, now)
        }),
      )
      await expectBooksToBalance(beside, workspaceId)
    }
  })
})

describe('the shelves of the ledger', () => {
  it('expire usage 400 days after it happened, and nothing else ever', async () => {
    const workspaceId = await starter()
    await consumeBeside(workspaceId)
    await grantBeside(workspaceId, 5)
    await consumeBeside(workspaceId, { key: 'august' }, august)
    await placeOrder(beside, purchaseWith({ workspaceId }))
    await takeTurn(beside, false, 1)
    await addRetry(beside, false, { paymentIntent: 'pi_1' }, '2026-07-01', '2026-07-02')
    const items = await everythingIn(beside)
    for (const item of items) {
      const expected =
        item.type === 'use' ? Date.parse(String(item.at)) / 1000 + 400 * 86_400 : undefined
      expect(item[schema.ledger.timeToLive]).toBe(expected)
    }
    expect(items.filter((item) => item.workspaceId === workspaceId && item.expiresAt)).toHaveLength(
      2,
    )
  })

  it('list everything by time but usage', async () => {
    const workspaceId = await starter()
    await consumeBeside(workspaceId)
    await grantBeside(workspaceId, 5)
    await consumeBeside(workspaceId, { key: 'august' }, august)
    await placeOrder(beside, purchaseWith({ workspaceId, createdAt: '2026-07-20T00:00:00.000Z' }))
    const { Items = [] } = await beside.client.send(
      new QueryCommand({
        TableName: beside.ledgerTable,
        IndexName: schema.ledger.byTimeIndex.name,
        KeyConditionExpression: 'workspaceId = :workspaceId',
        ExpressionAttributeValues: { ':workspaceId': workspaceId },
        ScanIndexForward: false,
      }),
    )
    const types = Items.map(({ type }) => type)
    expect(types.slice(0, 2)).toEqual(['reset', 'purchase'])
    // These two happened at the same instant.
    expect(types.slice(2).sort()).toEqual(['grant', 'plan'])
  })
})
