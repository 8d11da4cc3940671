import fc from 'fast-check'
import type { PlanId } from '../../shared/catalog.ts'
import { topUpsMax } from '../../shared/domain/workspace.ts'
import type { PromotionCode } from './stripe.ts'

/**
 * Something that happens in a history. Numbers that choose among what there is are taken modulo its count,
 * and count from the newest.
 */
export type Act =
  | { do: 'consume'; at: number; tokens: number; drain: boolean }
  /** `leastTenths`: of the tokens, what would do. `holder`: the word that this try sends, if any. */
  | {
      do: 'hold'
      at: number
      tokens: number
      ttlSeconds: number
      leastTenths?: number
      holder?: Holder
    }
  /** Another try asks under the key of a hold that was asked for, and for the same. */
  | { do: 'hold by another'; hold: number; holder?: Holder }
  /** `tenths` of what the hold set aside. */
  | { do: 'settle hold'; hold: number; tenths: number }
  | { do: 'release hold'; hold: number }
  | { do: 'extend hold'; hold: number; ttlSeconds: number }
  | { do: 'grant'; at: number; tokens: number }
  | { do: 'plan'; at: number; plan: PlanId; quota: number }
  | { do: 'buy'; at: number; steps: number }
  | { do: 'look at purchase'; purchase: number }
  | { do: 'settle again'; purchase: number }
  | { do: 'read meter'; at: number }
  /** The same request under the same key; or another one under it. */
  | { do: 'again'; earlier: number }
  | { do: 'reuse key'; earlier: number; tokens: number }
  | { do: 'buyer'; purchase: number; action: BuyerAction; code?: PromotionCode }
  | { do: 'bank'; purchase: number; action: BankAction; tenths: number; kind?: BankKind }
  /** Stripe's session says something else than was ordered. */
  | { do: 'tamper'; purchase: number; fact: TamperedFact }
  | { do: 'forget customers' }
  /** The service gets the key of Stripe's live or test mode, or other options for its checkouts. */
  | { do: 'key'; live: boolean }
  | { do: 'allow codes'; allowed: boolean }
  /** What Stripe adds to what is paid from now on, or finds to be in it. */
  | { do: 'tax'; percent: number; behavior: 'exclusive' | 'inclusive' }
  | { do: 'deliver'; event: number; again: boolean }
  | { do: 'drop webhook'; event: number }
  | { do: 'reconcile'; minutesLate: number }
  | { do: 'sweep'; monthsLate: number; looks: number }
  | { do: 'wait'; seconds: number }
  | { do: 'wait for the month to end'; secondsBefore: number }

export type Holder = 'one' | 'another' | 'a third'
export type BuyerAction = 'pay' | 'decline' | 'pay-later' | 'settle' | 'fail' | 'expire'
export type BankAction =
  | 'refund'
  | 'refund-fail'
  | 'refund-succeed'
  | 'refund-cancel'
  | 'dispute'
  | 'escalate'
  | 'close'
  | 'review'
  | 'win'
  | 'lose'
  | 'appeal'
export type TamperedFact = 'amount' | 'discount' | 'currency' | 'workspace' | 'deployment'
/** What a new refund or dispute is like: `early` moves no money yet, and `other` may never do. */
export type BankKind = 'plain' | 'foreign' | 'early' | 'other'

export interface Step {
  act: Act
  /** Decides the step's bad luck and its interleaving, so that it keeps both when others are taken away. */
  luck: number
  /** How likely one request of it goes wrong. */
  faultRate: number
  /** Turns that everything under way gets after it. */
  turns: number
  /** Seconds that the clock of whoever acts is ahead, negative when behind. */
  skewSeconds: number
  /** Whoever acts is overtaken by others between any two of its awaits. */
  slow?: boolean
}

export type History = readonly Step[]

/** Steps of every kind in any order, and now and then a few that are known to meet in awkward ways. */
export const historyOf = (steps: number): fc.Arbitrary<History> =>
  fc
    .array(
      fc.oneof(
        { weight: 300, arbitrary: step().map((one) => [one]) },
        { weight: 1, arbitrary: scene(overtakenDrain) },
        { weight: 1, arbitrary: scene(overtakenExpiry) },
        { weight: 3, arbitrary: scene(overtakenSmallHold) },
        { weight: 1, arbitrary: scene(twoTriesAtOnce) },
        { weight: 1, arbitrary: scene(openedAgainAfterwards) },
        { weight: 1, arbitrary: scene(overtakenPayment) },
        { weight: 1, arbitrary: scene(overtakenLook) },
        { weight: 1, arbitrary: scene(overtakenRefund) },
        { weight: 1, arbitrary: scene(refundedWhileHeld) },
        { weight: 1, arbitrary: scene(disputedWhileHeld) },
        { weight: 1, arbitrary: scene(twoRefundedWhileHeld) },
        { weight: 1, arbitrary: scene(refundedBeforeTheReset) },
        { weight: 1, arbitrary: scene(appealedDispute) },
        { weight: 1, arbitrary: scene(lostAfterUse) },
        { weight: 1, arbitrary: scene(manyOrders) },
        { weight: 1, arbitrary: scene(paidAtTheCeiling) },
        { weight: 1, arbitrary: scene(paidWithACode) },
        { weight: 1, arbitrary: scene(paidWithNothing) },
        { weight: 1, arbitrary: scene(manyOrdersBeforeGoingLive) },
        { weight: 1, arbitrary: scene(wrongKeyForAWhile) },
      ),
      { minLength: steps, maxLength: steps },
    )
    .map((parts) => parts.flat().slice(0, steps))

const step = (): fc.Arbitrary<Step> =>
  fc.record({
    act: act(),
    luck: fc.integer({ min: 0, max: 0xffffffff }),
    faultRate: often([5, 0], [3, 0.06], [2, 0.3]),
    turns: often([3, 0], [4, 3], [4, 8], [1, 1_000]),
    skewSeconds: often([12, 0], [1, -2], [1, 2], [1, -100], [1, 100], [1, -259_200], [1, 259_200]),
    slow: often([4, false], [1, true]),
  })

/** One act after another, the slow ones left under way by the others. `0` chooses the newest. */
type Scene = { act: Act; slow?: true }[]

function scene(acts: (at: number) => Scene): fc.Arbitrary<Step[]> {
  return fc
    .record({ at, luck: fc.integer({ min: 0, max: 0xffff }), turns: fc.nat({ max: 12 }) })
    .map(({ at, luck, turns }) =>
      acts(at).map(({ act, slow = false }, place) => ({
        act,
        luck: luck + place,
        faultRate: 0,
        turns: slow ? turns : 1_000,
        skewSeconds: 0,
        slow,
      })),
    )
}

/** Somebody uses some of what a drain has seen and is about to take. */
function overtakenDrain(at: number): Scene {
  return [
    { act: { do: 'grant', at, tokens: 5_000 } },
    { act: { do: 'consume', at, tokens: 9_000_000, drain: true }, slow: true },
    { act: { do: 'consume', at, tokens: 4_000, drain: false } },
  ]
}

/** A hold is extended while its expiry is being returned. */
function overtakenExpiry(at: number): Scene {
  return [
    { act: { do: 'grant', at, tokens: 5_000 } },
    { act: { do: 'hold', at, tokens: 5_000, ttlSeconds: 1 } },
    { act: { do: 'wait', seconds: 1 } },
    { act: { do: 'hold', at, tokens: 1, ttlSeconds: 60 }, slow: true },
    { act: { do: 'extend hold', hold: 0, ttlSeconds: 60 } },
  ]
}

/** Somebody uses some of what a hold that makes do with less has seen, and later its try asks again. */
function overtakenSmallHold(at: number): Scene {
  return [
    { act: { do: 'grant', at, tokens: 5_000 } },
    {
      act: { do: 'hold', at, tokens: 900_000_000, ttlSeconds: 60, leastTenths: 0 },
      slow: true,
    },
    { act: { do: 'consume', at, tokens: 4_000, drain: false } },
    { act: { do: 'release hold', hold: 0 } },
    { act: { do: 'hold by another', hold: 0 } },
  ]
}

/** Two workers take up the same work, and the first of them asks again. */
function twoTriesAtOnce(at: number): Scene {
  return [
    { act: { do: 'grant', at, tokens: 5_000 } },
    { act: { do: 'hold', at, tokens: 5_000, ttlSeconds: 60, holder: 'one' }, slow: true },
    { act: { do: 'hold by another', hold: 0, holder: 'another' } },
    { act: { do: 'hold by another', hold: 0, holder: 'one' } },
  ]
}

/** A try that has been away asks again while its hold is closed, and once more when it is. */
function openedAgainAfterwards(at: number): Scene {
  return [
    { act: { do: 'grant', at, tokens: 5_000 } },
    { act: { do: 'hold', at, tokens: 5_000, ttlSeconds: 60, holder: 'one' } },
    { act: { do: 'hold by another', hold: 0, holder: 'one' }, slow: true },
    { act: { do: 'settle hold', hold: 0, tenths: 5 } },
    { act: { do: 'hold by another', hold: 0, holder: 'one' } },
    { act: { do: 'hold', at, tokens: 1_000, ttlSeconds: 1, holder: 'one' } },
    { act: { do: 'wait', seconds: 1 } },
    { act: { do: 'hold by another', hold: 0, holder: 'one' } },
  ]
}

/** Money arrives while somebody who has seen that it had not is about to say so. */
function overtakenPayment(at: number): Scene {
  return [
    { act: { do: 'plan', at, plan: 'teams', quota: 10_000_000 } },
    { act: { do: 'buy', at, steps: 1 } },
    { act: { do: 'buyer', purchase: 0, action: 'pay-later' } },
    { act: { do: 'deliver', event: 0, again: false }, slow: true },
    { act: { do: 'buyer', purchase: 0, action: 'settle' } },
    { act: { do: 'deliver', event: 0, again: false } },
  ]
}

/** A hold comes while somebody puts off the next look at holds to the end of another one. */
function overtakenLook(at: number): Scene {
  return [
    { act: { do: 'grant', at, tokens: 5_000 } },
    { act: { do: 'hold', at, tokens: 1_000, ttlSeconds: 900 } },
    { act: { do: 'hold', at, tokens: 1_000, ttlSeconds: 1 } },
    { act: { do: 'release hold', hold: 0 } },
    { act: { do: 'wait', seconds: 1 } },
    { act: { do: 'consume', at, tokens: 1, drain: false }, slow: true },
    { act: { do: 'hold', at, tokens: 1_000, ttlSeconds: 30 } },
  ]
}

/** Somebody uses all that a refund has seen and is about to take. */
function overtakenRefund(at: number): Scene {
  return [
    ...paidOrder(at),
    { act: { do: 'bank', purchase: 0, action: 'refund', tenths: 15 } },
    { act: { do: 'deliver', event: 0, again: false }, slow: true },
    { act: { do: 'consume', at, tokens: 900_000_000, drain: true } },
  ]
}

function paidOrder(at: number): Scene {
  return [
    { act: { do: 'plan', at, plan: 'teams', quota: 10_000_000 } },
    { act: { do: 'buy', at, steps: 1 } },
    { act: { do: 'buyer', purchase: 0, action: 'pay' } },
    { act: { do: 'deliver', event: 0, again: false } },
  ]
}

/** So many paid orders of 1,000,000, and nothing left but twice as much, all of it held. */
function heldAfterPayment(at: number, orders: number): Scene {
  return [
    ...Array.from({ length: orders }, () => paidOrder(at)).flat(),
    { act: { do: 'consume', at, tokens: 900_000_000, drain: true } },
    { act: { do: 'grant', at, tokens: 2_000_000 } },
    { act: { do: 'hold', at, tokens: 2_000_000, ttlSeconds: 900 } },
  ]
}

/** The bank moves one of the last orders, and Stripe tells. */
function bankMoves(purchase: number, action: BankAction): Scene {
  return [
    { act: { do: 'bank', purchase, action, tenths: 15 } },
    { act: { do: 'deliver', event: 0, again: false } },
  ]
}

/** Half of what a refund should have taken comes back, after a later hold has come and gone. */
function refundedWhileHeld(at: number): Scene {
  return [
    ...heldAfterPayment(at, 1),
    ...bankMoves(0, 'refund'),
    { act: { do: 'wait', seconds: 20 } },
    { act: { do: 'grant', at, tokens: 400_000 } },
    { act: { do: 'hold', at, tokens: 400_000, ttlSeconds: 60 } },
    { act: { do: 'release hold', hold: 0 } },
    { act: { do: 'settle hold', hold: 1, tenths: 8 } },
    { act: { do: 'settle again', purchase: 0 } },
  ]
}

/** A dispute is won before what it should have taken comes back. */
function disputedWhileHeld(at: number): Scene {
  return [
    ...heldAfterPayment(at, 1),
    ...bankMoves(0, 'dispute'),
    ...bankMoves(0, 'win'),
    { act: { do: 'release hold', hold: 0 } },
    { act: { do: 'settle again', purchase: 0 } },
  ]
}

/** There is enough for the first of two, and the second asks first. */
function twoRefundedWhileHeld(at: number): Scene {
  return [
    ...heldAfterPayment(at, 2),
    ...bankMoves(1, 'refund'),
    { act: { do: 'wait', seconds: 1 } },
    ...bankMoves(0, 'refund'),
    { act: { do: 'settle hold', hold: 0, tenths: 3 } },
    { act: { do: 'settle again', purchase: 0 } },
    { act: { do: 'settle again', purchase: 1 } },
  ]
}

/** The month ends before the hold does. */
function refundedBeforeTheReset(at: number): Scene {
  return [
    ...heldAfterPayment(at, 1),
    ...bankMoves(0, 'refund'),
    { act: { do: 'wait for the month to end', secondsBefore: -5 } },
    { act: { do: 'consume', at, tokens: 1_000, drain: true } },
    { act: { do: 'settle again', purchase: 0 } },
  ]
}

/** All of an order is used before its bank takes the money for good. */
function lostAfterUse(at: number): Scene {
  return [
    ...paidOrder(at),
    { act: { do: 'consume', at, tokens: 900_000_000, drain: true } },
    ...bankMoves(0, 'dispute'),
    ...bankMoves(0, 'lose'),
  ]
}

/** Somebody orders and orders, and pays what has waited longest. */
function manyOrders(at: number): Scene {
  return [
    { act: { do: 'plan', at, plan: 'teams', quota: 10_000_000 } },
    ...Array.from({ length: 22 }, () => ({ act: { do: 'buy' as const, at, steps: 1 } })),
    { act: { do: 'buyer', purchase: 2, action: 'pay' } },
    { act: { do: 'buy', at, steps: 1 } },
  ]
}

/** An order is placed below what a workspace may hold, and by the time it is paid there is no room. */
function paidAtTheCeiling(at: number): Scene {
  return [
    { act: { do: 'plan', at, plan: 'teams', quota: 10_000_000 } },
    { act: { do: 'buy', at, steps: 1 } },
    { act: { do: 'grant', at, tokens: topUpsMax - 500_000 } },
    { act: { do: 'buyer', purchase: 0, action: 'pay' } },
    { act: { do: 'deliver', event: 0, again: false } },
  ]
}

/** Codes are no longer given when it is paid, and half of what was really paid goes back. */
function paidWithACode(at: number): Scene {
  return [
    ...orderThatTakesCodes(at),
    { act: { do: 'buyer', purchase: 0, action: 'pay', code: 'FIFTH' } },
    { act: { do: 'deliver', event: 0, again: false } },
    { act: { do: 'bank', purchase: 0, action: 'refund', tenths: 5 } },
    { act: { do: 'deliver', event: 0, again: false } },
  ]
}

/** There is no payment, and so nothing that a bank could take back. */
function paidWithNothing(at: number): Scene {
  return [
    ...orderThatTakesCodes(at),
    { act: { do: 'buyer', purchase: 0, action: 'pay', code: 'ALL' } },
    { act: { do: 'deliver', event: 0, again: false } },
    { act: { do: 'bank', purchase: 0, action: 'refund', tenths: 5 } },
    { act: { do: 'settle again', purchase: 0 } },
  ]
}

function orderThatTakesCodes(at: number): Scene {
  return [
    { act: { do: 'plan', at, plan: 'teams', quota: 10_000_000 } },
    { act: { do: 'allow codes', allowed: true } },
    { act: { do: 'buy', at, steps: 1 } },
    { act: { do: 'allow codes', allowed: false } },
  ]
}

/** Whoever tried it out with test cards has as many orders open as may be, and Stripe's live mode knows none. */
function manyOrdersBeforeGoingLive(at: number): Scene {
  return [
    { act: { do: 'plan', at, plan: 'teams', quota: 10_000_000 } },
    { act: { do: 'key', live: false } },
    ...Array.from({ length: 21 }, () => ({ act: { do: 'buy' as const, at, steps: 1 } })),
    { act: { do: 'key', live: true } },
    { act: { do: 'buy', at, steps: 1 } },
    { act: { do: 'buyer', purchase: 0, action: 'pay' } },
    { act: { do: 'deliver', event: 0, again: false } },
    { act: { do: 'buyer', purchase: 1, action: 'pay' } },
  ]
}

/** A payment's webhook is lost, and before anything makes up for it the key is that of the other mode. */
function wrongKeyForAWhile(at: number): Scene {
  return [
    { act: { do: 'plan', at, plan: 'teams', quota: 10_000_000 } },
    { act: { do: 'key', live: true } },
    { act: { do: 'buy', at, steps: 1 } },
    { act: { do: 'buyer', purchase: 0, action: 'pay' } },
    { act: { do: 'drop webhook', event: 0 } },
    { act: { do: 'key', live: false } },
    { act: { do: 'settle again', purchase: 0 } },
    { act: { do: 'wait', seconds: 86_400 } },
    { act: { do: 'reconcile', minutesLate: 0 } },
    { act: { do: 'key', live: true } },
  ]
}

/** A bank asks, takes, decides, and is asked again, with somebody looking in between. */
function appealedDispute(at: number): Scene {
  return [
    { act: { do: 'plan', at, plan: 'teams', quota: 10_000_000 } },
    { act: { do: 'buy', at, steps: 1 } },
    { act: { do: 'buyer', purchase: 0, action: 'pay' } },
    { act: { do: 'bank', purchase: 0, action: 'dispute', tenths: 10, kind: 'early' } },
    { act: { do: 'deliver', event: 0, again: false } },
    { act: { do: 'bank', purchase: 0, action: 'escalate', tenths: 10 } },
    { act: { do: 'bank', purchase: 0, action: 'lose', tenths: 10 } },
    { act: { do: 'bank', purchase: 0, action: 'appeal', tenths: 10 } },
    { act: { do: 'deliver', event: 0, again: false } },
    { act: { do: 'bank', purchase: 0, action: 'win', tenths: 10 } },
    { act: { do: 'deliver', event: 1, again: false } },
  ]
}

const index = fc.nat({ max: 999 })
/** Few workspaces, and mostly the same, so that operations meet. */
const at = often([4, 0], [2, 1], [1, 2], [1, 3])
/** Around what plans and steps are made of, so that balances really run out. */
const tokens = fc.oneof(
  fc.constantFrom(1, 99_999, 100_000, 100_001, 400_000, 1_000_000, 1_999_999, 9_000_000),
  fc.integer({ min: 1, max: 3_000_000 }),
  fc.integer({ min: 1, max: 150_000 }),
)
const ttlSeconds = fc.constantFrom(1, 1, 30, 60, 900)
const leastTenths = often<number | undefined>([3, undefined], [3, 0], [2, 3], [1, 10])
const holder = often<Holder | undefined>([3, undefined], [3, 'one'], [2, 'another'], [1, 'a third'])
const tenths = fc.constantFrom(0, 1, 3, 5, 10, 15, 100)
const plans: [PlanId, number][] = [
  ['starter', 100_000],
  ['pro', 2_000_000],
  ['teams', 10_000_000],
  ['enterprise', 300_000],
  ['enterprise', 5_000_000],
]
const buyer = often<BuyerAction>(
  [8, 'pay'],
  [1, 'decline'],
  [3, 'pay-later'],
  [3, 'settle'],
  [1, 'fail'],
  [1, 'expire'],
)
const code = often<PromotionCode | undefined>([4, undefined], [2, 'FIFTH'], [1, 'ALL'])
const bank = often<BankAction>(
  [10, 'refund'],
  [4, 'refund-fail'],
  [1, 'refund-succeed'],
  [1, 'refund-cancel'],
  [7, 'dispute'],
  [2, 'escalate'],
  [1, 'close'],
  [1, 'review'],
  [4, 'win'],
  [4, 'lose'],
  [3, 'appeal'],
)
const bankKind = often<BankKind>([6, 'plain'], [1, 'foreign'], [1, 'early'], [1, 'other'])
/** Parts of an order of which a dispute is: 9.6 are as good as all. */
const bankTenths = fc.constantFrom(0, 1, 3, 5, 9, 9.6, 10, 15, 100)

function act(): fc.Arbitrary<Act> {
  const some = <Kind extends Act['do']>(
    weight: number,
    kind: Kind,
    parts: {
      [Part in keyof Omit<Extract<Act, { do: Kind }>, 'do'>]: fc.Arbitrary<
        Extract<Act, { do: Kind }>[Part]
      >
    },
  ) => ({
    weight,
    arbitrary: fc.record({ do: fc.constant(kind), ...parts }) as unknown as fc.Arbitrary<Act>,
  })
  return fc
    .oneof(
      some(16, 'consume', { at, tokens, drain: fc.boolean() }),
      some(7, 'hold', { at, tokens, ttlSeconds, leastTenths, holder }),
      some(3, 'hold by another', { hold: index, holder }),
      some(5, 'settle hold', { hold: index, tenths }),
      some(2, 'release hold', { hold: index }),
      some(2, 'extend hold', { hold: index, ttlSeconds }),
      some(2, 'grant', { at, tokens }),
      some(4, 'plan', { at, plan: fc.constant('pro'), quota: fc.nat() }),
      some(6, 'buy', { at, steps: fc.integer({ min: 1, max: 3 }) }),
      some(3, 'look at purchase', { purchase: index }),
      some(3, 'settle again', { purchase: index }),
      some(2, 'read meter', { at }),
      some(7, 'again', { earlier: index }),
      some(3, 'reuse key', { earlier: index, tokens }),
      some(11, 'buyer', { purchase: index, action: buyer, code }),
      some(9, 'bank', { purchase: index, action: bank, tenths: bankTenths, kind: bankKind }),
      some(2, 'tamper', {
        purchase: index,
        fact: fc.constantFrom('amount', 'discount', 'currency', 'workspace', 'deployment'),
      }),
      some(1, 'forget customers', {}),
      some(1, 'key', { live: fc.boolean() }),
      some(1, 'allow codes', { allowed: fc.boolean() }),
      some(1, 'tax', {
        percent: fc.constantFrom(0, 7, 19),
        behavior: fc.constantFrom('exclusive', 'inclusive'),
      }),
      some(10, 'deliver', { event: index, again: fc.boolean() }),
      some(2, 'drop webhook', { event: index }),
      some(2, 'reconcile', { minutesLate: fc.constantFrom(0, 15, 300) }),
      some(5, 'sweep', {
        monthsLate: fc.constantFrom(0, 0, 0, 1),
        looks: fc.constantFrom(0, 1, 2, 99),
      }),
      some(6, 'wait', { seconds: fc.constantFrom(1, 20, 45, 600, 86_400) }),
      some(3, 'wait for the month to end', {
        secondsBefore: fc.constantFrom(1, 90, -1, -5, -86_400),
      }),
    )
    .map(withPlan)
}

/** A plan and its quota go together. */
function withPlan(act: Act): Act {
  if (act.do !== 'plan') return act
  const [plan, quota] = plans[act.quota % plans.length]!
  return { ...act, plan, quota }
}

function often<T>(...choices: [weight: number, value: T][]): fc.Arbitrary<T> {
  return fc.oneof(
    ...choices.map(([weight, value]) => ({
      weight,
      arbitrary: fc.constant(value) as fc.Arbitrary<T>,
    })),
  )
}
