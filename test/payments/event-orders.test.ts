import { BatchWriteCommand, PutCommand } from '@aws-sdk/lib-dynamodb'
import type Stripe from 'stripe'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  type CheckoutAction,
  checkoutActions,
  type PaymentAction,
} from '../../local/stripe/state.ts'
import { momentOf } from '../../shared/domain/movement.ts'
import { payment } from '../../shared/domain/movements/payment.ts'
import { periodOf } from '../../shared/domain/period.ts'
import { isPaid, type Purchase } from '../../shared/domain/purchase.ts'
import { isRefusal } from '../../shared/domain/refusal.ts'
import {
  atStanding,
  movesTokens,
  type PaymentFacts,
  standingOf,
  stands,
} from '../../shared/domain/standing.ts'
import { topUpsLeftOf, type Workspace } from '../../shared/domain/workspace.ts'
import { followEvent } from '../../shared/operations/follow-event.ts'
import { readFacts } from '../../shared/payments/checkout.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import { readPurchase } from '../../shared/store/purchases.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { apply } from '../support/apply.ts'
import { entriesOf, expectBooksToBalance } from '../support/books.ts'
import { purchaseWith } from '../support/purchase.ts'
import { openOrder, type Sale } from '../support/shop.ts'
import { openTestStore, workspaceWith } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'

const now = new Date('2026-07-14T09:00:00Z')

let store: Store
let stripe: TestStripe
beforeAll(async () => {
  store = await openTestStore()
  stripe = await openTestStripe(() => now)
})
afterAll(() => stripe.stop())

/** What the buyer or the bank does, of an amount in cents where one is given, and as what. */
type Step =
  | CheckoutAction
  | PaymentAction
  | `${PaymentAction} ${number}`
  | `dispute ${number} ${string}`

/** What may happen to one order of $2.50 in five steps, and where the order stands at the end. */
const lives: { steps: Step[]; status: Purchase['status']; credited: number }[] = [
  { steps: ['pay'], status: 'paid', credited: 1_000_000 },
  { steps: ['expire'], status: 'expired', credited: 0 },
  { steps: ['pay-later', 'fail'], status: 'failed', credited: 0 },
  {
    steps: ['pay-later', 'settle', 'refund 100', 'dispute'],
    status: 'disputed',
    credited: 0,
  },
  {
    steps: ['pay', 'refund 50', 'refund-fail'],
    status: 'paid',
    credited: 1_000_000,
  },
  {
    steps: ['pay', 'dispute 150', 'win', 'dispute 100', 'lose'],
    status: 'disputed',
    credited: 600_000,
  },
  {
    steps: ['pay', 'refund 25', 'refund 100', 'refund-fail', 'refund 75'],
    status: 'refunded',
    credited: 600_000,
  },
  // Of 96 % of the order, and so of all of it.
  { steps: ['pay', 'dispute 240', 'lose', 'appeal', 'win'], status: 'paid', credited: 1_000_000 },
  {
    steps: ['decline', 'pay', 'dispute 100 warning_needs_response', 'escalate', 'lose'],
    status: 'disputed',
    credited: 600_000,
  },
]

const named = (life: (typeof lives)[number]) => ({ ...life, life: life.steps.join(', ') })

/** Events that Stripe sends beside others of the same change. They would only multiply the orders. */
const saidTwice = [
  'charge.refund.updated',
  'charge.dispute.funds_withdrawn',
  'charge.dispute.funds_reinstated',
]

/** One life of five events and the short ones: for the others, the rules alone are asked below. */
const delivered = lives.filter(({ steps }) => steps.length < 3 || steps.includes('settle'))

/** Takes the steps, and answers with the events they made, oldest first, and Stripe's facts after each step. */
async function live(sale: Sale, steps: Step[]) {
  const facts: PaymentFacts[] = []
  let paymentIntent = ''
  for (const step of steps) {
    const [action, amount, status] = step.split(' ') as [
      CheckoutAction | PaymentAction,
      string?,
      string?,
    ]
    const touched = isOf(checkoutActions, action)
      ? await stripe.buyer(sale.session, action)
      : await stripe.bank(
          paymentIntent,
          action as PaymentAction,
          amount ? { amount: Number(amount), status } : undefined,
        )
    paymentIntent = touched.paymentIntent
    facts.push((await readFacts(stripe.account, sale.session))!)
  }
  const events = (await stripe.events()).filter(({ type, data }) => {
    if (saidTwice.includes(type)) return false
    const object = data.object as { id: string; payment_intent?: string | null }
    return object.id === sale.session || object.payment_intent === paymentIntent
  })
  return { events, facts }
}

function isOf<Name extends string>(names: readonly Name[], name: string): name is Name {
  return (names as readonly string[]).includes(name)
}

describe('the events of one order', () => {
  it.each(delivered.map(named))(
    'of “$life” come to the same in every order, each of them more than once',
    { timeout: 120_000 },
    async ({ steps, status, credited }) => {
      const sale = await openOrder(store, stripe, now)
      const untouched = await storedOf(sale)
      const { events } = await live(sale, steps)
      expect(events.length).toBeLessThanOrEqual(5)

      for (const order of permutations(events)) {
        // After each order, its first event once more.
        for (const event of [...order, order[0]!]) {
          expect(await followEvent(store, stripe.account, event, now)).toBe('settled')
        }
        const { purchase, workspace } = await storedOf(sale)
        expect(purchase).toMatchObject({ status, taken: isPaid(status) ? 1_000_000 - credited : 0 })
        expect(workspace).toMatchObject({ topUps: credited, balance: 2_000_000 + credited })
        await putBack(sale, untouched)
      }
      await followEvent(store, stripe.account, events[0]!, now)
      await expectBooksToBalance(store, sale.workspaceId)
    },
  )

  async function storedOf({ workspaceId, purchaseId }: Sale) {
    const purchase = (await readPurchase(store, workspaceId, purchaseId))!
    return { purchase, workspace: (await readWorkspace(store, workspaceId))! }
  }

  /** As it was before the first event, so that one life at Stripe serves every order. */
  async function putBack(
    { workspaceId }: Sale,
    { purchase, workspace }: Awaited<ReturnType<typeof storedOf>>,
  ): Promise<void> {
    const payments = (await entriesOf(store, workspaceId)).filter(({ type }) => type === 'payment')
    const gone = payments.map(({ entryId }) => ({
      DeleteRequest: { Key: { workspaceId, entryId } },
    }))
    const again = { PutRequest: { Item: { ...purchase } } }
    await store.client.send(
      new BatchWriteCommand({ RequestItems: { [store.ledgerTable]: [...gone, again] } }),
    )
    await store.client.send(new PutCommand({ TableName: store.workspacesTable, Item: workspace }))
  }
})

/*
 * Events do not only come in any order, they also come at any time: while the next thing is already happening
 * at Stripe. What one finds then is Stripe's state of that moment. The rules are pure, so every way in which
 * five changes and five deliveries can be shuffled is gone through here, 945 for each life, and for each with
 * the tokens unspent, partly spent and all spent at each point.
 */
describe('deliveries between the changes they tell of', () => {
  it.each(lives.map(named))(
    'of “$life” end where Stripe does',
    async ({ steps, status, credited }) => {
      const sale = await openOrder(store, stripe, now)
      const { facts } = await live(sale, steps)
      const start = purchaseWith({ ...sale, sessionId: sale.session })

      let shuffles = 0
      for (const moments of deliveryTimes(steps.length)) {
        shuffles++
        for (const spendAt of [undefined, ...moments.keys()]) {
          let [purchase, workspace] = [start, workspaceWith({ workspaceId: sale.workspaceId })]
          for (const [at, moment] of moments.entries()) {
            ;({ purchase, workspace } = follow(purchase, workspace, facts[moment]!))
            if (at === spendAt) workspace = spend(workspace, 2_300_000)
            expectSound(purchase, workspace)
          }
          expect(purchase.status).toBe(status)
          expect(purchase.reversed).toBe(isPaid(status) ? 1_000_000 - credited : 0)
          if (spendAt === undefined) {
            expect(purchase.taken).toBe(purchase.reversed)
            expect(workspace.topUps).toBe(credited)
          }
        }
      }
      expect(shuffles).toBe([1, 3, 15, 105, 945][steps.length - 1])
    },
  )

  /** What `settlePurchase` does, without the writes. */
  function follow(purchase: Purchase, workspace: Workspace, facts: PaymentFacts) {
    const standing = standingOf(purchase, facts)
    if (stands(purchase, standing)) return { purchase, workspace }
    if (!movesTokens(purchase, standing)) {
      return { purchase: atStanding(purchase, standing, now.toISOString()), workspace }
    }
    const movement = payment(purchase, standing, momentOf(now), workspace)
    if (isRefusal(movement)) throw new Error(movement.refused)
    const [also] = movement.also!
    if (!('purchase' in also!)) throw new Error('the movement leaves the purchase as it is')
    return { purchase: also.purchase, workspace: apply(workspace, movement) }
  }

  function spend(workspace: Workspace, tokens: number): Workspace {
    const taken = Math.min(tokens, workspace.balance)
    return { ...workspace, balance: workspace.balance - taken }
  }

  function expectSound(purchase: Purchase, workspace: Workspace): void {
    const { balance, topUps, quota, period } = workspace
    expect(period).toBe(periodOf(now))
    expect(Math.min(balance, topUps, topUpsLeftOf(workspace))).toBeGreaterThanOrEqual(0)
    expect(balance).toBeLessThanOrEqual(quota + topUps)
    expect(purchase.taken).toBeLessThanOrEqual(purchase.reversed)
    expect(topUps).toBe(isPaid(purchase.status) ? purchase.tokens - purchase.taken : 0)
  }
})

/** Each order of the events, once. */
function* permutations(events: Stripe.Event[]): Generator<Stripe.Event[]> {
  if (events.length === 0) yield []
  for (const [at, first] of events.entries()) {
    for (const rest of permutations(events.toSpliced(at, 1))) yield [first, ...rest]
  }
}

/**
 * Every way to deliver the event of each of `count` changes after it happened: for each delivery in turn, the
 * last change that had happened by then, counted from 0.
 */
function* deliveryTimes(count: number): Generator<number[]> {
  yield* continued([], new Set(), 0)

  function* continued(
    moments: number[],
    waiting: Set<number>,
    happened: number,
  ): Generator<number[]> {
    if (moments.length === count) {
      yield moments
      return
    }
    if (happened < count) {
      yield* continued(moments, new Set([...waiting, happened]), happened + 1)
    }
    for (const event of waiting) {
      const left = new Set(waiting)
      left.delete(event)
      yield* continued([...moments, happened - 1], left, happened)
    }
  }
}
