import { beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { isRefusal, Unavailable } from '../../shared/domain/refusal.ts'
import { closeHold } from '../../shared/operations/close-hold.ts'
import { consumeTokens } from '../../shared/operations/consume-tokens.ts'
import { openHold } from '../../shared/operations/open-hold.ts'
import { resetWorkspaces } from '../../shared/operations/reset-workspaces.ts'
import { startPurchase } from '../../shared/operations/start-purchase.ts'
import { rollOver } from '../../shared/store/commit.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { entriesOf, everythingIn, expectBooksToBalance } from '../support/books.ts'
import { openWorkspace, useUp } from '../support/shop.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe } from '../support/stripe.ts'

/*
 * What many callers at once come to on a real engine. DynamoDB Local runs transactions one after another and
 * never lets two of them conflict; what conflicts do is in commit.test.ts and in the simulation.
 */

const july = new Date('2026-07-14T09:00:00Z')
const julysEnd = new Date('2026-07-31T23:59:59.999Z')
const august = new Date('2026-08-01T00:00:00.000Z')

let store: Store
beforeAll(async () => {
  store = await openTestStore()
})

const times = <T>(count: number, act: (n: number) => Promise<T>) =>
  Promise.all(Array.from({ length: count }, (_, n) => act(n)))

/** As many at once as the SDK opens connections for; the others would only wait for one, and give up. */
async function inTurns<T>(count: number, act: (n: number) => Promise<T>): Promise<T[]> {
  const outcomes: T[] = []
  let next = 0
  await times(50, async () => {
    while (next < count) {
      const n = next++
      outcomes[n] = await act(n)
    }
  })
  return outcomes
}

const consume = (workspaceId: string, key: string, tokens: number, now: Date) =>
  consumeTokens(store, { workspaceId, key, tokens, onShortfall: 'refuse' }, now)

const sum = (numbers: number[]) => numbers.reduce((total, number) => total + number, 0)

describe('a thousand who each want one token', () => {
  it('of 500 that are left: exactly 500 get one, and each refusal saw none left', {
    timeout: 120_000,
  }, async () => {
    const workspaceId = await openWorkspace(store, july)
    await useUp(store, { workspaceId }, 1_999_500, july)
    const outcomes = await inTurns(1_000, (n) => consume(workspaceId, `k${n}`, 1, july))

    const refused = outcomes.filter(isRefusal)
    expect(outcomes.length - refused.length).toBe(500)
    for (const { refused: code, workspace } of refused) {
      expect([code, workspace?.balance]).toEqual(['insufficient_tokens', 0])
    }
    const entries = await entriesOf(store, workspaceId)
    expect(entries.filter((entry) => entry.type === 'use' && entry.taken === 1)).toHaveLength(500)
    expect(await readWorkspace(store, workspaceId)).toMatchObject({ balance: 0 })
    await expectBooksToBalance(store, workspaceId)
  })
})

describe('a new month', () => {
  it('is opened once by 64 who open it from the same picture', async () => {
    const workspaceId = await openWorkspace(store, july)
    await useUp(store, { workspaceId }, 300_000, july)
    const seen = (await readWorkspace(store, workspaceId))!
    await times(64, () => rollOver(store, seen, '2026-08'))

    const entries = await entriesOf(store, workspaceId)
    const resets = entries.filter(({ type }) => type === 'reset')
    expect(resets).toMatchObject([{ entryId: 'reset#2026-08', closed: { used: 300_000 } }])
    expect(await readWorkspace(store, workspaceId)).toMatchObject({ balance: 2_000_000, days: {} })
    await expectBooksToBalance(store, workspaceId)
  })

  it('swept twice in the middle of its traffic counts every use once, on its side of midnight', async () => {
    const ids = await times(6, () => openWorkspace(store, july))
    // Clocks of different instances: each use is sent as of the last moment of July, or the first of August.
    const uses = ids.flatMap((workspaceId) =>
      Array.from({ length: 24 }, (_, n) => ({
        workspaceId,
        key: `k${n}`,
        tokens: 1_000 + n,
        now: n % 2 === 0 ? julysEnd : august,
      })),
    )
    const sweep = (segment: number) =>
      resetWorkspaces(store, {
        segment,
        segments: 4,
        period: '2026-08',
        pacePerSecond: 1_000,
        timeLeftMs: () => 900_000,
      })
    const [outcomes] = await Promise.all([
      Promise.all(
        uses.map(({ workspaceId, key, tokens, now }) =>
          untilAnswered(() => consume(workspaceId, key, tokens, now)),
        ),
      ),
      times(4, sweep),
      times(4, sweep),
    ])

    expect(outcomes.filter(isRefusal)).toEqual([])
    for (const workspaceId of ids) {
      const entries = await entriesOf(store, workspaceId)
      const used = entries.filter((entry) => entry.type === 'use')
      expect(sum(used.map(({ taken }) => taken))).toBe(24 * 1_000 + (23 * 24) / 2)
      // Nobody's August is counted in July; July's latecomers count in the month they found open.
      for (const { at, period } of used) expect(period >= at.slice(0, 7)).toBe(true)
      expect(entries.filter(({ type }) => type === 'reset')).toHaveLength(1)
      expect(await readWorkspace(store, workspaceId)).toMatchObject({ period: '2026-08' })
      await expectBooksToBalance(store, workspaceId)
    }
  })
})

describe('a hold that expires', () => {
  it.each([
    ['settled', 4_000],
    ['settled for more than it held', 15_000],
    ['released', undefined],
  ])(
    'in the very moment it is %s comes back once, and its use is charged once',
    async (_how, used) => {
      const workspaceId = await openWorkspace(store, july)
      const opened = await times(12, (n) =>
        openHold(store, { workspaceId, key: `h${n}`, tokens: 10_000, ttlSeconds: 60 }, july),
      )
      const holdIds = opened.map((outcome) => {
        if (isRefusal(outcome)) throw new Error(outcome.refused)
        return outcome.hold.holdId
      })
      await useUp(store, { workspaceId }, 1_500_000, july)

      // At this instant the holds have expired, so that a use which finds them gives them back.
      const instant = new Date(july.getTime() + 60_000)
      const closing =
        used === undefined
          ? ({ outcome: 'released' } as const)
          : ({ outcome: 'settled', tokens: used } as const)
      const [closed, usedBeside] = await Promise.all([
        Promise.all(
          [...holdIds, ...holdIds].map((holdId) =>
            closeHold(store, { workspaceId, holdId, closing }, instant),
          ),
        ),
        times(12, (n) => consume(workspaceId, `beside${n}`, 100, instant)),
      ])

      expect([...closed, ...usedBeside].filter(isRefusal)).toEqual([])
      const entries = await entriesOf(store, workspaceId)
      const charged = sum(entries.map((entry) => (entry.type === 'hold' ? entry.charged : 0)))
      expect(charged).toBe(12 * (used ?? 0))
      expect(await readWorkspace(store, workspaceId)).toMatchObject({
        held: 0,
        holds: 0,
        balance: 500_000 - charged - 12 * 100,
      })
      await expectBooksToBalance(store, workspaceId)
    },
  )
})

describe('two admins who order at once', () => {
  it('and click twice each have one purchase and one checkout each; four clicks of one have one', async () => {
    const stripe = await openTestStripe(() => july)
    onTestFinished(() => stripe.stop())
    const workspaceId = await openWorkspace(store, july)
    const click = (by: string, key: string) =>
      startPurchase(
        store,
        stripe.account,
        {
          workspaceId,
          key,
          by,
          role: 'admin',
          tokens: 1_000_000,
          returnUrl: 'https://app.example.com/usage',
        },
        july,
      )
    const distinct = async (clicks: ReturnType<typeof click>[]) => {
      const outcomes = (await Promise.all(clicks)).map((outcome) => {
        if (isRefusal(outcome)) throw new Error(outcome.refused)
        return outcome
      })
      expect(outcomes.filter(({ replayed }) => !replayed)).toHaveLength(
        new Set(outcomes.map(({ purchase }) => purchase.purchaseId)).size,
      )
      return new Set(outcomes.map(({ purchase }) => `${purchase.purchaseId} ${purchase.sessionId}`))
        .size
    }

    expect(
      await distinct([click('ann', 'a'), click('bob', 'b'), click('ann', 'a'), click('bob', 'b')]),
    ).toBe(2)
    expect(
      await distinct([click('ann', 'c'), click('ann', 'c'), click('ann', 'c'), click('ann', 'c')]),
    ).toBe(1)
    const purchases = (await everythingIn(store)).filter(
      (item) => item.workspaceId === workspaceId && item.type === 'purchase',
    )
    expect(purchases).toHaveLength(3)
    const { data } = await stripe.account.client.checkout.sessions.list({ limit: 100 })
    expect(data).toHaveLength(3)
  })
})

/** As a caller does who hears 503: the same again, under the same key. */
async function untilAnswered<T>(ask: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof Unavailable) || attempt === 5) throw error
    }
  }
}
