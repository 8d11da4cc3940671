import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { grantTokens } from '../../shared/operations/grant-tokens.ts'
import {
  type Activity,
  type ActivityQuery,
  listActivity,
} from '../../shared/operations/list-activity.ts'
import { settlePurchase } from '../../shared/operations/settle-purchase.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { openOrder, openWorkspace, useUp } from '../support/shop.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'

const at = (time: string) => new Date(`2026-${time}Z`)

let store: Store
let stripe: TestStripe
beforeAll(async () => {
  store = await openTestStore()
  stripe = await openTestStripe(() => at('07-20T12:00:00'))
})
afterAll(() => stripe.stop())

async function activityOf(
  workspaceId: string,
  now: Date,
  over: Partial<ActivityQuery> = {},
): Promise<Activity> {
  const query = { workspaceId, months: 1, withMoney: false, limit: 50, ...over }
  const outcome = await listActivity(store, query, now)
  if ('refused' in outcome) throw new Error(outcome.refused)
  return outcome
}

const granting = (workspaceId: string, key: string, now: Date) =>
  grantTokens(store, { workspaceId, key, tokens: 5, reason: 'r', by: 'rep' }, now)

describe('usage per day', () => {
  it('lists the days of the current month on which tokens were used, in order', async () => {
    const workspaceId = await openWorkspace(store, at('07-01T00:00:00'))
    await useUp(store, { workspaceId }, 30, at('07-14T09:00:00'))
    await useUp(store, { workspaceId }, 20, at('07-02T09:00:00'))
    await useUp(store, { workspaceId }, 5, at('07-14T23:59:59'))
    const { months } = await activityOf(workspaceId, at('07-20T00:00:00'))
    expect(months).toEqual([
      {
        period: '2026-07',
        quota: 2_000_000,
        topUps: 0,
        used: 55,
        days: [
          { date: '2026-07-02', tokens: 20 },
          { date: '2026-07-14', tokens: 35 },
        ],
      },
    ])
  })

  it('shows an ended month the same before and after its reset is written', async () => {
    const workspaceId = await openWorkspace(store, at('07-01T00:00:00'))
    await useUp(store, { workspaceId }, 30, at('07-14T09:00:00'))
    const now = at('08-02T00:00:00')
    const before = await activityOf(workspaceId, now, { months: 2 })
    expect(before.months.map(({ period, used }) => [period, used])).toEqual([
      ['2026-08', 0],
      ['2026-07', 30],
    ])
    expect(await activityOf(workspaceId, now)).toMatchObject({ months: [{ period: '2026-08' }] })
    await useUp(store, { workspaceId }, 1, now)
    const after = await activityOf(workspaceId, now, { months: 2 })
    expect(after.months[1]).toEqual(before.months[1])
    expect(after.months[0]).toMatchObject({ period: '2026-08', used: 1 })
  })

  it('goes back as many months as asked, newest first', async () => {
    const workspaceId = await openWorkspace(store, at('03-01T00:00:00'))
    for (const month of ['03', '04', '05', '06']) {
      await useUp(store, { workspaceId }, Number(month), at(`${month}-10T00:00:00`))
    }
    const { months } = await activityOf(workspaceId, at('06-11T00:00:00'), { months: 3 })
    expect(months.map(({ period, used }) => [period, used])).toEqual([
      ['2026-06', 6],
      ['2026-05', 5],
      ['2026-04', 4],
    ])
  })

  it('is all a member sees', async () => {
    const workspaceId = await openWorkspace(store, at('07-01T00:00:00'))
    expect(await activityOf(workspaceId, at('07-02T00:00:00'))).not.toMatchObject({
      entries: expect.anything(),
    })
  })
})

describe('the history of tokens and money', () => {
  it('lists orders, credits, grants, plans and resets, newest first, and leaves usage out', async () => {
    const workspaceId = await openWorkspace(store, at('07-01T00:00:00'))
    await useUp(store, { workspaceId }, 10, at('07-02T00:00:00'))
    await granting(workspaceId, 'g', at('07-03T00:00:00'))
    const sale = await openOrder(store, stripe, at('07-20T12:00:00'), { workspaceId })
    await stripe.buyer(sale.session, 'pay')
    await settlePurchase(store, stripe.account, sale, at('07-20T12:01:00'))
    await useUp(store, { workspaceId }, 10, at('08-01T00:00:05'))
    const { entries } = await activityOf(workspaceId, at('08-02T00:00:00'), { withMoney: true })
    expect(entries).toMatchObject([
      { type: 'reset', at: '2026-08-01T00:00:00.000Z', expired: 1_999_990 },
      { type: 'payment', tokens: 1_000_000, status: 'paid' },
      { type: 'purchase', status: 'paid', tokens: 1_000_000, credited: 1_000_000, amount: 250 },
      { type: 'grant', tokens: 5, reason: 'r' },
      { type: 'plan', effect: 'created', plan: 'pro', planName: 'Pro' },
    ])
    for (const entry of entries!) {
      for (const field of ['workspaceId', 'entryId', 'listedAt', 'sessionId', 'closed']) {
        expect(entry).not.toHaveProperty(field)
      }
    }
  })

  it('comes in pages that neither repeat nor miss an entry, though more arrive between', async () => {
    const workspaceId = await openWorkspace(store, at('07-01T00:00:00'))
    for (let day = 10; day < 17; day++) {
      // Two at the same instant, so that time alone does not say where a page ended.
      await granting(workspaceId, `${day}a`, at(`07-${day}T00:00:00`))
      await granting(workspaceId, `${day}b`, at(`07-${day}T00:00:00`))
    }
    const now = at('07-20T00:00:00')
    const seen: string[] = []
    let cursor: ActivityQuery['cursor']
    do {
      const page = await activityOf(workspaceId, now, { withMoney: true, limit: 4, cursor })
      seen.push(...page.entries!.map((entry) => entry.at))
      cursor = page.cursor
      await granting(workspaceId, `new-${seen.length}`, now)
    } while (cursor)
    expect(seen).toHaveLength(15)
    expect(seen).toEqual(seen.toSorted().reverse())
  })

  it('says so where there is no such workspace', async () => {
    const query = { workspaceId: 'nobody', months: 1, withMoney: true, limit: 50 }
    expect(await listActivity(store, query, at('07-20T00:00:00'))).toEqual({
      refused: 'workspace_not_found',
    })
  })
})
