import { isDeepStrictEqual } from 'node:util'
import type Stripe from 'stripe'
import { meterOf } from '../../shared/domain/meter.ts'
import type { Period } from '../../shared/domain/period.ts'
import { changeWorkspace } from '../../shared/operations/change-workspace.ts'
import { closeHold } from '../../shared/operations/close-hold.ts'
import { consumeTokens } from '../../shared/operations/consume-tokens.ts'
import { extendHold } from '../../shared/operations/extend-hold.ts'
import { followEvent } from '../../shared/operations/follow-event.ts'
import { getPurchase } from '../../shared/operations/get-purchase.ts'
import { getWorkspace } from '../../shared/operations/get-workspace.ts'
import { grantTokens } from '../../shared/operations/grant-tokens.ts'
import { openHold } from '../../shared/operations/open-hold.ts'
import { type Reconciled, reconcile } from '../../shared/operations/reconcile.ts'
import { resetWorkspaces } from '../../shared/operations/reset-workspaces.ts'
import { settlePurchase } from '../../shared/operations/settle-purchase.ts'
import { startPurchase } from '../../shared/operations/start-purchase.ts'
import { verifyEvent } from '../../shared/payments/events.ts'
import { leaseMs, readEventsCursor } from '../../shared/store/events-cursor.ts'
import { readPurchase } from '../../shared/store/purchases.ts'
import { pageOfDue, type Retry } from '../../shared/store/retries.ts'
import { ownPartitions, schema } from '../../shared/store/schema.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'
import { auditWorkspace } from './books.ts'
import type { Ask, Call } from './call.ts'
import { chanceFrom } from './chance.ts'
import { openSimulatedStore, type Tamper, tableKeys, type WireOptions } from './dynamodb.ts'
import { Engine, type Written } from './engine.ts'
import { type Item, plainItem } from './expressions.ts'
import { count, Faults, type Tally } from './faults.ts'
import type { Act, History, Step } from './history.ts'
import { Broken, monthOf, rule } from './model.ts'
import { Scheduler, slowPace } from './scheduler.ts'
import { openSimulatedStripe, type SimulatedStripe, webhookSecret } from './stripe.ts'
import { Witness } from './witness.ts'

export interface WorldOptions {
  /** Counts the faults that were really brought about. */
  tally?: Tally
  tamper?: Tamper
  tables?: WireOptions['tables']
  onAnswer?: WireOptions['onAnswer']
  pageItemsMax?: number
  /** Nothing is deleted for its age. */
  keepsAll?: boolean
}

/** What a history came to that kept all the rules. */
export interface Lived {
  calls: number
  turns: number
  /** Both tables at the end. */
  items: Item[]
}

/**
 * Lives through a history against the real operations, and throws at the first thing that is not as the rules
 * say: after any step, or once the faults have stopped and everything has been asked for again.
 */
export async function live(history: History, options: WorldOptions = {}): Promise<Lived> {
  const world = new World(options)
  const { warn } = console
  console.warn = () => undefined
  try {
    await world.open()
    for (const [number, step] of history.entries()) {
      try {
        await world.take(step)
      } catch (error) {
        throw new Failure(`step ${number + 1}`, error)
      }
    }
    try {
      return await world.close()
    } catch (error) {
      throw new Failure('after the faults had stopped', error)
    }
  } finally {
    console.warn = warn
  }
}

export class Failure extends Error {
  constructor(when: string, cause: unknown) {
    super(
      `${when}: ${cause instanceof Broken ? cause.message : String((cause as Error)?.stack ?? cause)}`,
    )
  }
}

/** An id and a key may together be the same text as another id and key. */
const workspaceIds = ['ada', 'bea', 'ada1', 'dot']
const opening: Extract<Act, { do: 'plan' }>[] = [
  { do: 'plan', at: 0, plan: 'pro', quota: 2_000_000 },
  { do: 'plan', at: 1, plan: 'starter', quota: 100_000 },
  { do: 'plan', at: 2, plan: 'teams', quota: 10_000_000 },
  { do: 'plan', at: 3, plan: 'enterprise', quota: 300_000 },
]
const start = Date.parse('2026-07-14T09:00:00Z')
const attemptsAfterwards = 3
const eventsListedMs = 29 * 86_400_000
/** Longer than any hold that a clock three days ahead has opened. */
const allHoldsMs = 4 * 86_400_000

const bankKinds = {
  refund: {
    plain: {},
    foreign: { currency: 'eur' },
    early: { status: 'requires_action' },
    other: { status: 'pending' },
  },
  dispute: {
    plain: {},
    foreign: { currency: 'eur' },
    early: { status: 'warning_needs_response' },
    other: { status: 'prevented' },
  },
}

class World {
  readonly #tables: WireOptions['tables']
  readonly #tally: Tally
  readonly #engine: Engine
  readonly #store
  /** Stripe's modes know nothing of each other. */
  readonly #stripes: { live: SimulatedStripe; test: SimulatedStripe }
  /** Which of Stripe's keys the service has at present, and whether its checkouts take codes. */
  #live = false
  #codes = false
  readonly #witness: Witness
  readonly #scheduler = new Scheduler()
  /** The true time, which nobody's clock need agree with. */
  #time = start
  #calls = 0
  #turns = 0
  /** How many keys each workspace has used: the same keys in all of them. */
  readonly #keys = new Map<string, number>()
  readonly #keepsAll: boolean
  /** What the last reconciling came to. */
  #reconciled: Reconciled | undefined
  readonly #asked: Ask[] = []
  readonly #unanswered: Ask[] = []
  readonly #holds: { workspaceId: string; holdId: string; tokens: number }[] = []
  readonly #underWay = new Set<Call>()
  /** Events that Stripe has still to deliver. */
  #outbox: Stripe.Event[] = []
  /** The items of each workspace when they were last looked at: the stored objects themselves. */
  readonly #seen = new Map<string, readonly (Item | undefined)[]>()
  readonly #touched = new Set<string>()

  constructor({
    tally = new Map(),
    tables,
    pageItemsMax = 3,
    keepsAll = false,
    ...wire
  }: WorldOptions) {
    this.#keepsAll = keepsAll
    this.#tally = tally
    this.#tables = tables ?? { workspacesTable: 'workspaces', ledgerTable: 'ledger' }
    this.#engine = new Engine({
      tables: tableKeys(this.#tables),
      pageItemsMax,
      onWritten: (written, by) => this.#written(written, by as Call | undefined),
    })
    this.#store = openSimulatedStore({
      engine: this.#engine,
      tables: this.#tables,
      onTry: (by, entry) => this.#witness.tries(by as Call, entry),
      onTold: (by, entry) => (by as Call).told.add(entry),
      ...wire,
    })
    const open = (live: boolean) =>
      openSimulatedStripe(
        live,
        () => new Date(this.#time),
        (event) => this.#outbox.push(event),
      )
    this.#stripes = { live: open(true), test: open(false) }
    this.#witness = new Witness(
      this.#tables.workspacesTable,
      (live) => this.#stripeIn(live).account,
    )
  }

  /** Four workspaces, one on each plan, and a cursor for each mode to reconcile from. */
  async open(): Promise<void> {
    for (const { ours } of Object.values(this.#stripes)) {
      await reconcile(this.#store, ours, new Date(this.#time))
    }
    const calm = { luck: 0, faultRate: 0, turns: 1_000, skewSeconds: 0 }
    for (const act of opening) await this.take({ act, ...calm })
  }

  async take(step: Step): Promise<void> {
    const chance = chanceFrom(step.luck)
    await this.#do(step)
    for (let turn = 0; turn < step.turns && !this.#scheduler.isIdle; turn++) {
      await this.#turn(chance())
    }
    this.#check()
  }

  /** From here on everything works: what was left open is asked for again, and all must come right. */
  async close(): Promise<Lived> {
    const chance = chanceFrom(1)
    for (const call of this.#underWay) call.faults.stop()
    while (!this.#scheduler.isIdle) await this.#turn(chance())
    for (const call of this.#underWay) {
      if (!call.crashed) throw new Broken(`${call.ask.kind} never came to an end`)
    }
    this.#check()

    await this.#askAgain()
    await this.#inBothModes(() => this.#reconcileAll())
    for (const order of this.#witness.orders.values()) {
      const purchase = await readPurchase(this.#store, order.workspaceId, order.id)
      this.#witness.settledAsStripeSays(purchase!)
    }
    await this.#settlePending()
    for (const workspaceId of this.#witness.books.keys()) {
      this.#witness.blocksAsStripeSays((await readWorkspace(this.#store, workspaceId))!)
    }
    await this.#finish({ kind: 'sweep', month: monthOf(this.#time), looks: 99 })
    for (const [workspaceId, { month }] of this.#witness.books) {
      rule(month >= monthOf(this.#time), () => `${workspaceId} was left in ${month}`)
      await this.#finish({ kind: 'read meter', workspaceId })
    }
    const { workspacesTable, ledgerTable } = this.#tables
    return {
      calls: this.#calls,
      turns: this.#turns,
      items: [...this.#engine.all(workspacesTable), ...this.#engine.all(ledgerTable)],
    }
  }

  async #do(step: Step): Promise<void> {
    const { act } = step
    const workspaceId = 'at' in act ? workspaceIds[act.at]! : ''
    const begin = (ask: Ask | undefined) => ask && this.#begin(ask, step)
    switch (act.do) {
      case 'consume': {
        const { tokens, drain } = act
        return begin({ kind: 'consume', workspaceId, key: this.#key(workspaceId), tokens, drain })
      }
      case 'hold': {
        const { tokens, ttlSeconds, leastTenths, holder } = act
        const atLeast =
          leastTenths === undefined ? undefined : Math.ceil((tokens * leastTenths) / 10) || 1
        const key = this.#key(workspaceId)
        return begin({ kind: 'hold', workspaceId, key, tokens, atLeast, ttlSeconds, holder })
      }
      case 'hold by another': {
        const earlier = chosen(this.#asked.filter(isForHold).slice(-3), act.hold)
        return begin(earlier && { ...earlier, holder: act.holder })
      }
      case 'settle hold': {
        const hold = chosen(this.#holds.slice(-5), act.hold)
        if (!hold) return
        const { workspaceId, holdId, tokens } = hold
        const used = Math.floor((tokens * act.tenths) / 10)
        return begin({ kind: 'settle hold', workspaceId, holdId, tokens: used })
      }
      case 'release hold': {
        const hold = chosen(this.#holds.slice(-5), act.hold)
        const { workspaceId, holdId } = hold ?? { workspaceId: 'ada', holdId: 'hold_unknown' }
        return begin({ kind: 'release hold', workspaceId, holdId })
      }
      case 'extend hold': {
        const hold = chosen(this.#holds.slice(-5), act.hold)
        if (!hold) return
        const { workspaceId, holdId } = hold
        const { ttlSeconds } = act
        return begin({
          kind: 'extend hold',
          workspaceId,
          key: this.#key(workspaceId),
          holdId,
          ttlSeconds,
        })
      }
      case 'grant':
        return begin({
          kind: 'grant',
          workspaceId,
          key: this.#key(workspaceId),
          tokens: act.tokens,
        })
      case 'plan': {
        const { plan, quota } = act
        return begin({ kind: 'plan', workspaceId, key: this.#key(workspaceId), plan, quota })
      }
      case 'buy':
        return begin({
          kind: 'buy',
          workspaceId,
          key: this.#key(workspaceId),
          tokens: act.steps * 1_000_000,
          live: this.#live,
        })
      case 'look at purchase': {
        const order = chosen([...this.#witness.orders.values()].slice(-4), act.purchase)
        if (!order) return
        const { workspaceId, id: purchaseId } = order
        return begin({ kind: 'look at purchase', workspaceId, purchaseId })
      }
      case 'settle again': {
        const order = chosen([...this.#witness.orders.values()].slice(-4), act.purchase)
        if (!order) return
        const { workspaceId, id: purchaseId } = order
        return begin({ kind: 'settle again', workspaceId, purchaseId })
      }
      case 'read meter':
        return begin({ kind: 'read meter', workspaceId })
      case 'again':
        return begin(this.#askedNow(chosen(this.#asked.slice(-12), act.earlier)))
      case 'reuse key': {
        const earlier = chosen(this.#asked, act.earlier)
        if (!earlier || !('key' in earlier) || !('tokens' in earlier)) return
        const tokens = earlier.kind === 'buy' ? earlier.tokens + 1_000_000 : act.tokens
        if (earlier.kind !== 'hold') return begin(this.#askedNow({ ...earlier, tokens }))
        const atLeast = earlier.atLeast && Math.min(earlier.atLeast, tokens)
        return begin({ ...earlier, tokens, atLeast })
      }
      case 'buyer':
      case 'bank':
      case 'tamper':
      case 'forget customers':
      case 'tax':
        this.#atStripe(act)
        this.#witness.stripeMoved()
        return
      case 'key':
        if (act.live !== this.#live) count(this.#tally, 'stripe: a key of the other mode')
        this.#live = act.live
        return
      case 'allow codes':
        this.#codes = act.allowed
        return
      case 'deliver':
        return this.#deliver(act, step)
      case 'drop webhook': {
        if (this.#outbox.length === 0) return
        count(this.#tally, 'webhook: dropped')
        this.#outbox.splice(act.event % this.#outbox.length, 1)
        return
      }
      case 'reconcile':
        // The schedule says what time it is, late though it may come.
        return this.#begin(
          { kind: 'reconcile' },
          {
            ...step,
            skewSeconds: -60 * act.minutesLate,
            refusedObject: this.#orderToRefuse(step.luck),
          },
        )
      case 'sweep': {
        if (act.monthsLate > 0) count(this.#tally, 'sweep: late')
        const date = new Date(this.#time)
        const month = monthOf(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() - act.monthsLate))
        return begin({ kind: 'sweep', month, looks: act.looks })
      }
      case 'wait':
        return this.#waitUntil(this.#time + act.seconds * 1_000)
      case 'wait for the month to end': {
        const date = new Date(this.#time)
        const end = Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1)
        return this.#waitUntil(end - act.secondsBefore * 1_000)
      }
    }
  }

  /** Stripe lists events for thirty days; the schedule that reads them is never that late. */
  async #waitUntil(time: number): Promise<void> {
    await this.#inBothModes(async () => {
      const cursor = (await readEventsCursor(this.#store, this.#live))!
      if (time - cursor * 1_000 > eventsListedMs) await this.#reconcileAll()
    })
    this.#time = Math.max(this.#time, time)
    if (!this.#keepsAll && this.#scheduler.isIdle) this.#forgetOld()
  }

  /**
   * The checkout of a recent order, every other time; more often, of one that waits on the list. What is refused
   * must hold nobody else up, nor be forgotten.
   */
  #orderToRefuse(luck: number): string | undefined {
    const withCheckout = [...this.#witness.orders.values()].filter(({ sessionId }) => sessionId)
    const list = this.#engine
      .partition(this.#tables.ledgerTable, ownPartitions.stripeIn(this.#live))
      .map((item) => JSON.stringify(item))
    const waiting = withCheckout.filter(({ id }) => list.some((entry) => entry.includes(id)))
    if (waiting.length > 0) return luck % 4 === 1 ? undefined : chosen(waiting, luck)?.sessionId
    return luck % 2 === 1 ? undefined : chosen(withCheckout.slice(-3), luck)?.sessionId
  }

  /** DynamoDB deletes what has expired when it gets to it. */
  #forgetOld(): void {
    const { ledgerTable } = this.#tables
    const time = Math.floor(this.#time / 1_000)
    const { timeToLive } = schema.ledger
    for (const item of this.#engine.forget(ledgerTable, timeToLive, time).map(plainItem)) {
      // How often Stripe was asked in some ten seconds matters to nobody once they are over.
      if (item.workspaceId.startsWith('#looks#')) continue
      rule(item.type === 'open', () => `${item.entryId} was forgotten`)
      count(this.#tally, 'hold: forgotten')
      this.#witness.forgotten(item, this.#time)
    }
  }

  #key(workspaceId: string): string {
    const key = (this.#keys.get(workspaceId) ?? 0) + 1
    this.#keys.set(workspaceId, key)
    return String(key)
  }

  #atStripe(
    act: Extract<Act, { do: 'buyer' | 'bank' | 'tamper' | 'forget customers' | 'tax' }>,
  ): void {
    for (const { account } of Object.values(this.#stripes)) {
      const { do: what } = act
      if (what === 'tax') {
        account.tax = { percent: act.percent, behavior: act.behavior, unasked: true }
      }
      if (what === 'forget customers') account.customers.clear()
    }
    if (act.do === 'tax' || act.do === 'forget customers') return
    const orders = [...this.#witness.orders.values()].filter(({ sessionId }) => sessionId)
    const order = chosen(orders.slice(-3), act.purchase)
    if (!order) return
    const { account } = this.#stripeIn(order.live)
    const session = account.checkouts.get(order.sessionId ?? '')?.session
    if (!session) return
    if (act.do === 'buyer') {
      // The page does not ask for one where it takes none.
      const promotionCode = session.allow_promotion_codes ? act.code : undefined
      account.checkout(session.id, act.action, { promotionCode })
      if (session.payment_status === 'no_payment_required')
        count(this.#tally, 'stripe: nothing left to pay')
      return
    }
    if (act.do === 'bank') {
      const paid = session.amount_total ?? order.amount
      const amount = act.tenths > 10 ? undefined : Math.ceil((paid * act.tenths) / 10) || 1
      const as = bankKinds[act.action === 'dispute' ? 'dispute' : 'refund'][act.kind ?? 'plain']
      account.payment(String(session.payment_intent), act.action, { amount, ...as })
      return
    }
    if (session.status !== 'open') return
    if (act.fact === 'amount' || act.fact === 'discount') {
      if (act.fact === 'discount' && order.codes) return
      // Paying adds the tax and takes off what a code says, and after that it has to be too little.
      account.checkout(session.id, 'pay')
      if (session.payment_status !== 'paid') return
      const details = session.total_details!
      if (act.fact === 'discount') details.amount_discount = 50
      const short = act.fact === 'amount' ? 1 : 0
      session.amount_total = order.amount - details.amount_discount - short
    }
    order.tampered = true
    if (act.fact === 'currency') session.currency = 'jpy'
    if (act.fact === 'deployment') {
      session.metadata = { ...session.metadata, deploymentId: 'dep_of_others' }
      // Only a checkout that was paid could be mistaken for something.
      account.checkout(session.id, 'pay')
    }
    if (act.fact === 'workspace') {
      session.metadata = {
        ...session.metadata,
        workspaceId: order.workspaceId === 'ada' ? 'bea' : 'ada',
      }
    }
  }

  #deliver(
    { event: index, again }: Extract<Act, { do: 'deliver' }>,
    step: Step,
  ): Promise<void> | undefined {
    if (this.#outbox.length === 0) return undefined
    const place = this.#outbox.length - 1 - (index % this.#outbox.length)
    const event = this.#outbox[place]!
    if (place > 0) count(this.#tally, 'webhook: reordered')
    if (event.created * 1_000 < this.#time - 60_000) count(this.#tally, 'webhook: late')
    if (again) count(this.#tally, 'webhook: duplicated')
    else this.#outbox.splice(place, 1)
    // A signature is refused by a clock that is five minutes off, and that is tested elsewhere.
    const skewSeconds = Math.abs(step.skewSeconds) > 200 ? 0 : step.skewSeconds
    return this.#begin({ kind: 'webhook', eventId: event.id }, { ...step, skewSeconds })
  }

  async #begin(
    ask: Ask,
    {
      luck,
      faultRate,
      skewSeconds,
      slow = false,
      refusedObject,
    }: Omit<Step, 'act' | 'turns'> & { refusedObject?: string },
  ): Promise<void> {
    const now = this.#time + skewSeconds * 1_000
    if (skewSeconds !== 0 && ask.kind !== 'reconcile') {
      count(this.#tally, skewSeconds < 0 ? 'clock: behind' : 'clock: ahead')
      if (monthOf(now) !== monthOf(this.#time)) count(this.#tally, 'clock: in another month')
    }
    const call: Call = {
      ask,
      now,
      live: this.#live,
      codes: this.#codes,
      scheduler: this.#scheduler,
      faults: new Faults(luck, faultRate, this.#tally),
      pace: slow ? slowPace : 1,
      refusedObject,
      crashed: false,
      since: 0,
      overlapped: false,
      knownBefore: false,
      mayRefuse: new Set(),
      holdStood: [],
      told: new Set(),
    }
    this.#calls++
    if ('workspaceId' in ask) this.#asked.push(ask)
    this.#witness.began(call)
    this.#underWay.add(call)
    await this.#scheduler.start(call, async () => {
      const answer = await this.#run(call).catch((error: unknown) =>
        error instanceof Error ? error : new Error(String(error)),
      )
      this.#underWay.delete(call)
      this.#answered(call, answer)
    })
  }

  #answered(call: Call, answer: unknown): void {
    const { ask } = call
    try {
      const settled = this.#witness.answered(call, answer)
      if (!settled) this.#leftOpen(ask)
      const { hold } = answer as { hold?: { holdId: string; tokens: number } }
      if (ask.kind === 'hold' && hold) {
        const { holdId, tokens } = hold
        this.#holds.push({ workspaceId: ask.workspaceId, tokens, holdId })
      }
    } catch (error) {
      this.#witness.failure ??= error
    }
  }

  /** Stripe delivers again what it was not answered; everybody else asks again with the same key. */
  #leftOpen(ask: Ask): void {
    if (ask.kind !== 'webhook') {
      this.#unanswered.push(ask)
      return
    }
    const event = this.#event(ask.eventId)
    if (event) this.#outbox.push(event)
  }

  #stripeIn(live: boolean): SimulatedStripe {
    return this.#stripes[live ? 'live' : 'test']
  }

  #event(id: string): Stripe.Event | undefined {
    const { live, test } = this.#stripes
    return live.account.events.get(id) ?? test.account.events.get(id)
  }

  /** The same under the key that the service has by now. */
  #askedNow(ask: Ask | undefined): Ask | undefined {
    return ask?.kind === 'buy' ? { ...ask, live: this.#live } : ask
  }

  /** With each key in turn; the service has the one it had when it is done. */
  async #inBothModes(work: () => Promise<void>): Promise<void> {
    const live = this.#live
    for (const mode of [!live, live]) {
      this.#live = mode
      await work()
    }
  }

  #run({ ask, now: epoch, live, codes, ...call }: Call): Promise<unknown> {
    const store = this.#store
    const { ours } = this.#stripeIn(live)
    const now = new Date(epoch)
    switch (ask.kind) {
      case 'consume': {
        const { kind: _, drain, ...use } = ask
        return consumeTokens(store, { ...use, onShortfall: drain ? 'drain' : 'refuse' }, now)
      }
      case 'hold':
        return openHold(store, without(ask, 'kind'), now)
      case 'settle hold':
      case 'release hold': {
        const { workspaceId, holdId } = ask
        const closing =
          ask.kind === 'settle hold'
            ? { outcome: 'settled' as const, tokens: ask.tokens }
            : { outcome: 'released' as const }
        return closeHold(store, { workspaceId, holdId, closing }, now)
      }
      case 'extend hold':
        return extendHold(store, without(ask, 'kind'), now)
      case 'grant':
        return grantTokens(store, { ...without(ask, 'kind'), reason: 'goodwill', by: 'rep' }, now)
      case 'plan':
        return changeWorkspace(store, { ...without(ask, 'kind'), by: 'ops' }, now)
      case 'buy': {
        const { workspaceId, key, tokens } = ask
        const who = { workspaceId, role: 'admin' as const, by: 'admin' }
        const checkout = codes ? { allow_promotion_codes: true } : undefined
        const returnUrl = 'https://app.example.com/'
        return startPurchase(store, ours, { ...who, key, tokens, returnUrl, checkout }, now)
      }
      case 'look at purchase':
        return getPurchase(store, async () => ours, without(ask, 'kind'), now)
      case 'settle again':
        return settlePurchase(store, ours, without(ask, 'kind'), now)
      case 'read meter':
        return this.#readMeter(ask.workspaceId, now)
      case 'webhook': {
        const payload = JSON.stringify(this.#event(ask.eventId))
        const timestamp = Math.floor(this.#time / 1_000)
        const signature = ours.client.webhooks.generateTestHeaderString({
          payload,
          secret: webhookSecret,
          timestamp,
        })
        const event = verifyEvent(ours, Buffer.from(payload), signature, now)
        return followEvent(store, ours, event!, now)
      }
      case 'reconcile':
        this.#reconciled = undefined
        return reconcile(store, ours, now).then((reconciled) => {
          this.#reconciled = reconciled
          return reconciled
        })
      case 'sweep':
        return this.#sweep(ask, call.faults)
    }
  }

  async #readMeter(workspaceId: string, now: Date): Promise<object> {
    const book = this.#witness.books.get(workspaceId)
    const before = JSON.stringify(this.#engine.partition(this.#tables.workspacesTable, workspaceId))
    const shown = await getWorkspace(this.#store, workspaceId, now)
    const after = JSON.stringify(this.#engine.partition(this.#tables.workspacesTable, workspaceId))
    if ('refused' in shown || !book || before !== after) return {}
    const meter = meterOf(shown, now, 'admin')
    const { remaining, used, limit, quota, topUps, held } = meter
    const available = book.availableAt(now.getTime())
    rule(
      remaining === available,
      () => `the meter of ${workspaceId} shows ${remaining}, not ${available}`,
    )
    rule(used + remaining + held === limit, () => `the meter of ${workspaceId} does not add up`)
    const parts = [quota.used + topUps.used, quota.limit + topUps.limit]
    rule(isDeepStrictEqual(parts, [used, limit]), () => `the parts of ${workspaceId} do not add up`)
    rule(topUps.used === 0 || quota.remaining === 0, () => 'top-ups used before the quota')
    const plan = book.planAt(now.getTime())
    rule(meter.plan === plan, () => `the meter of ${workspaceId} is of ${meter.plan}, not ${plan}`)
    return {}
  }

  /** `looks` times it may look at the clock before its time is over; what is left goes on in another run. */
  async #sweep(ask: Extract<Ask, { kind: 'sweep' }>, faults: Faults): Promise<object> {
    let looks = ask.looks
    const swept = await resetWorkspaces(this.#store, {
      segment: 0,
      segments: 1,
      startAfter: ask.startAfter,
      period: ask.month as Period,
      pacePerSecond: 2,
      timeLeftMs: () => (looks-- > 0 ? 60_000 : 0),
    })
    if (swept.startAfter !== undefined) {
      faults.happened('sweep: stopped half-way')
      this.#unanswered.push({ ...ask, startAfter: swept.startAfter, looks: 99 })
    }
    return swept
  }

  async #turn(chance: number): Promise<void> {
    this.#turns++
    await this.#scheduler.pick(chance)
    for (const call of this.#underWay) {
      if (!call.crashed) continue
      this.#underWay.delete(call)
      this.#witness.ended(call)
      this.#leftOpen(call.ask)
    }
    if (this.#witness.failure) throw this.#witness.failure
  }

  #written(written: Written[], by: Call | undefined): void {
    for (const { before, after } of written) {
      const owner = (after ?? before)!.workspaceId
      if (owner && 'S' in owner) this.#touched.add(owner.S)
    }
    if (by) this.#witness.written(written, by)
  }

  /** After every step: the books of whoever was touched, and not a byte of anybody else. */
  #check(): void {
    if (this.#witness.failure) throw this.#witness.failure
    const { workspacesTable, ledgerTable } = this.#tables
    for (const workspaceId of workspaceIds) {
      const [stored] = this.#engine.partition(workspacesTable, workspaceId)
      const ledger = this.#engine.partition(ledgerTable, workspaceId)
      const items = [stored, ...ledger]
      const before = this.#seen.get(workspaceId)
      this.#seen.set(workspaceId, items)
      if (this.#touched.has(workspaceId)) {
        if (stored) auditWorkspace(stored, ledger, monthOf(this.#time))
      } else if (before) {
        const same =
          before.length === items.length && items.every((item, at) => item === before[at])
        rule(same, () => `${workspaceId} changed, and nobody had written there`)
      }
    }
    this.#touched.clear()
  }

  async #askAgain(): Promise<void> {
    for (let attempt = 1; this.#unanswered.length > 0; attempt++) {
      rule(attempt <= attemptsAfterwards, () => `${this.#unanswered[0]!.kind} does not settle`)
      for (const ask of this.#unanswered.splice(0)) {
        if (ask.kind === 'buy') this.#live = ask.live
        await this.#finish(ask)
      }
    }
  }

  /** What is pending is on the list, and nothing stays so once all holds have ended. */
  async #settlePending(): Promise<void> {
    const pending = [...this.#witness.orders.values()].filter((order) => order.pending > 0)
    for (const { workspaceId, id, live } of pending) {
      const list = ownPartitions.stripeIn(live)
      const listed = this.#engine.partition(this.#tables.ledgerTable, list).map(plainItem)
      const isListed = listed.some(({ entryId }) => entryId === `retry#${workspaceId}#${id}`)
      rule(isListed, () => `${id} has tokens pending and is not on the list`)
    }
    await this.#waitUntil(this.#time + allHoldsMs)
    for (const { workspaceId, id: purchaseId, live } of pending) {
      this.#live = live
      await this.#finish({ kind: 'settle again', workspaceId, purchaseId })
    }
    await this.#inBothModes(async () => {
      await this.#reconcileAll()
      const { retries } = await pageOfDue(this.#store, this.#live, '9999', 1)
      rule(retries.length === 0, () => `${retries[0]?.entryId} is never taken off the list`)
    })
    for (const { workspaceId, id } of this.#witness.orders.values()) {
      const purchase = (await readPurchase(this.#store, workspaceId, id))!
      rule(purchase.pending === 0, () => `${id} has ${purchase.pending} pending for ever`)
    }
    for (const [workspaceId, { owed, impounded }] of this.#witness.books) {
      const waits = (owed?.tokens ?? 0) + impounded
      rule(waits === 0, () => `${workspaceId} has ${waits} owed or impounded, and nobody waits`)
    }
  }

  async #finish(ask: Ask): Promise<void> {
    await this.#begin(ask, { luck: 1, faultRate: 0, skewSeconds: 0 })
    while (!this.#scheduler.isIdle) await this.#turn(0)
    this.#check()
  }

  /** On the list only for tokens that holds have, and those may have been opened by a clock that was days ahead. */
  #waitsForHolds(retry: Retry): boolean {
    const order = 'purchase' in retry && this.#witness.orders.get(retry.purchase.purchaseId)
    return order !== undefined && order !== false && order.pending > 0
  }

  /**
   * Reconciles up to now, and then as often as anything waits on the list. One that crashed may still have the
   * turn; it loses it in a while.
   */
  async #reconcileAll(): Promise<void> {
    for (let runs = 1; ; runs++) {
      rule(runs <= 12, () => 'reconciling comes to no end')
      await this.#finish({ kind: 'reconcile' })
      const { retries } = await pageOfDue(this.#store, this.#live, '9999', 100)
      const next = retries.find((retry) => !this.#waitsForHolds(retry))
      const { ended } = this.#reconciled!
      if (ended === 'caught_up' && !next) return
      const free = ended === 'elsewhere' ? this.#time + leaseMs : this.#time
      this.#time = Math.max(free, next ? Date.parse(next.nextAt) : 0)
    }
  }
}

function isForHold(ask: Ask): ask is Extract<Ask, { kind: 'hold' }> {
  return ask.kind === 'hold'
}

/** Counted from the newest; undefined where there is nothing to choose from. */
function chosen<T>(from: readonly T[], index: number): T | undefined {
  return from.at(-1 - (index % from.length))
}

function without<T extends object, Key extends keyof T>(given: T, name: Key): Omit<T, Key> {
  const { [name]: _, ...rest } = given
  return rest
}
