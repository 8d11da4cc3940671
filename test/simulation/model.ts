import { catalog, type PlanId } from '../../shared/catalog.ts'

/*
 * The rules once more, from the words of the design and from nothing of shared/domain but the catalog's
 * figures. It keeps other numbers than the service on purpose: what was used, and the top-ups as lots, where the
 * service keeps a balance. A slip in the one is then not repeated in the other.
 */

/** Tokens that were bought or granted, under what they came from. */
interface Lot {
  from: string
  tokens: number
}

export interface Hold {
  id: string
  tokens: number
  month: string
  /** Epoch milliseconds. */
  until: number
  /** `ended` by a reset, and still to be settled; the others are closed. */
  state: 'open' | 'ended' | 'settled' | 'released' | 'expired'
  /** What its settlement said was used; for an expired hold, what a late one said. */
  used?: number
}

export interface Closing {
  charged: number
  uncovered: number
  returned: number
}

/** What Stripe says of one purchase. */
export interface Truth {
  paid: boolean
  /** Tokens that are to be lost again, by refunds and disputes. */
  reversed: number
}

export interface Order {
  id: string
  tokens: number
  credited: boolean
  reversed: number
  taken: number
}

/** A broken rule: the service did what the rules do not allow, or something else than they ask. */
export class Broken extends Error {}

export function rule(holds: boolean, what: () => string): void {
  if (!holds) throw new Broken(what())
}

/** One workspace by the rules. */
export class Book {
  plan: PlanId
  quota: number
  month: string
  used = 0
  usedOn: Record<string, number> = {}
  next: { plan: PlanId; quota: number } | undefined
  readonly holds = new Map<string, Hold>()
  #lots: Lot[] = []

  constructor(plan: PlanId, quota: number, now: number) {
    this.plan = plan
    this.quota = quota
    this.month = monthOf(now)
  }

  get toppedUp(): number {
    return this.#lots.reduce((sum, { tokens }) => sum + tokens, 0)
  }

  get openHolds(): Hold[] {
    return [...this.holds.values()].filter(({ state }) => state === 'open')
  }

  get held(): number {
    return this.openHolds.reduce((sum, { tokens }) => sum + tokens, 0)
  }

  get balance(): number {
    return this.quota + this.toppedUp - this.used - this.held
  }

  /** The quota is used first, over the whole month and whatever the quota was when something was used. */
  get topUpsUnused(): number {
    return this.toppedUp - Math.max(0, this.used - this.quota)
  }

  /** What an operation at `now` may count on: a month that has begun and holds that have expired included. */
  availableAt(now: number): number {
    if (this.month < monthOf(now)) {
      const { plan, quota } = this.#planNextMonth()
      return quotaOf(plan, quota) + this.topUpsUnused
    }
    return this.balance + this.#expiredBy(now)
  }

  planAt(now: number): PlanId {
    return this.month < monthOf(now) ? this.#planNextMonth().plan : this.plan
  }

  use(tokens: number, drain: boolean, now: number): number {
    this.#isIn(now)
    rule(drain || tokens <= this.balance, () => `${tokens} used of ${this.balance}`)
    const taken = Math.min(tokens, this.balance)
    const stranded = taken < tokens && this.#expiredBy(now) > 0
    rule(!stranded, () => 'a drain came short while holds had expired')
    this.#spend(taken, now)
    return taken
  }

  open(hold: Omit<Hold, 'state' | 'month'>, now: number): void {
    this.#isIn(now)
    rule(!this.holds.has(hold.id), () => `${hold.id} opened twice`)
    rule(hold.tokens <= this.balance, () => `${hold.tokens} held of ${this.balance}`)
    this.holds.set(hold.id, { ...hold, state: 'open', month: this.month })
  }

  /** `used` is what the work needed; a release needed nothing. */
  close(id: string, state: 'settled' | 'released', used: number, now: number): Closing {
    this.#isIn(now)
    const hold = this.#hold(id)
    rule(hold.state === 'open' || hold.state === 'ended', () => `${id} closed when ${hold.state}`)
    const setAside = hold.state === 'open' ? hold.tokens : 0
    hold.state = state
    hold.used = used
    return this.#charge(setAside, used, now)
  }

  chargeLate(id: string, used: number, now: number): Closing {
    this.#isIn(now)
    const hold = this.#hold(id)
    rule(hold.state === 'expired', () => `${id} charged late when ${hold.state}`)
    rule(hold.used === undefined, () => `${id} charged late twice`)
    hold.used = used
    return this.#charge(0, used, now)
  }

  returnExpired(ids: string[], now: number): number {
    const holds = ids.map((id) => this.#hold(id))
    for (const hold of holds) {
      rule(hold.state === 'open', () => `${hold.id} returned when ${hold.state}`)
      rule(hold.until <= now, () => `${hold.id} returned before it expired`)
      hold.state = 'expired'
    }
    return holds.reduce((sum, { tokens }) => sum + tokens, 0)
  }

  /** Never shorter. Answers with the new end. */
  extend(id: string, until: number, now: number): number {
    this.#isIn(now)
    const hold = this.#hold(id)
    rule(hold.state === 'open', () => `${id} extended when ${hold.state}`)
    hold.until = Math.max(hold.until, until)
    return hold.until
  }

  grant(from: string, tokens: number, now: number): void {
    this.#isIn(now)
    this.#lots.push({ from, tokens })
  }

  changePlan(plan: PlanId, quota: number, now: number) {
    this.#isIn(now)
    if (plan === this.plan && (plan !== 'enterprise' || quota === this.quota)) {
      this.next = undefined
      return { effect: 'kept', tokens: 0 }
    }
    if (quota < this.quota) {
      this.next = { plan, quota }
      return { effect: 'waits_for_reset', tokens: 0 }
    }
    const tokens = quota - this.quota
    this.plan = plan
    this.quota = quota
    this.next = undefined
    return { effect: 'applied', tokens }
  }

  /** Brings an order to where Stripe says it stands; answers with what that moved and could not move. */
  settle(order: Order, truth: Truth, now: number): { tokens: number; shortfall: number } {
    this.#isIn(now)
    rule(truth.paid, () => `${order.id} settled without having been paid`)
    const moves = !order.credited || truth.reversed !== order.reversed
    rule(moves, () => `${order.id} settled twice`)
    let tokens = 0
    if (!order.credited) {
      this.#lots.push({ from: order.id, tokens: order.tokens })
      tokens += order.tokens
      order.credited = true
      // Nobody can have used it yet, so all of it can be taken back again.
      return {
        tokens: tokens - this.#takeBack(order, truth.reversed, truth.reversed),
        shortfall: 0,
      }
    }
    if (truth.reversed > order.reversed) {
      const wanted = truth.reversed - order.reversed
      rule(this.#expiredBy(now) === 0 || wanted <= this.balance, () => 'expired holds still held')
      const possible = Math.min(wanted, this.topUpsUnused, this.balance)
      tokens -= this.#takeBack(order, truth.reversed, possible)
      return { tokens, shortfall: wanted - possible }
    }
    const givenBack = Math.max(0, order.taken - truth.reversed)
    this.#lots.push({ from: order.id, tokens: givenBack })
    order.taken -= givenBack
    order.reversed = truth.reversed
    return { tokens: givenBack, shortfall: 0 }
  }

  /** Opens a month; answers with how the one before ended. */
  turnTo(month: string) {
    rule(month > this.month, () => `reset from ${this.month} to ${month}`)
    const { quota, toppedUp, used, usedOn } = this
    const closed = {
      period: this.month,
      quota,
      topUps: toppedUp,
      used,
      expired: Math.max(0, quota - used),
      days: usedOn,
    }
    this.#burn(Math.max(0, used - quota))
    const { plan, quota: own } = this.#planNextMonth()
    this.plan = plan
    this.quota = quotaOf(plan, own)
    this.next = undefined
    this.month = month
    this.used = 0
    this.usedOn = {}
    for (const hold of this.openHolds) hold.state = 'ended'
    return closed
  }

  #planNextMonth() {
    return this.next ?? { plan: this.plan, quota: this.quota }
  }

  #expiredBy(now: number): number {
    return this.openHolds.reduce((sum, { until, tokens }) => sum + (until <= now ? tokens : 0), 0)
  }

  /** The hold is closed by now, so the balance has back what it had set aside. */
  #charge(setAside: number, used: number, now: number): Closing {
    const charged = Math.min(used, this.balance)
    const stranded = charged < used && this.#expiredBy(now) > 0
    rule(!stranded, () => 'use was left uncovered while holds had expired')
    this.#spend(charged, now)
    return { charged, uncovered: used - charged, returned: Math.max(0, setAside - used) }
  }

  #spend(tokens: number, now: number): void {
    this.used += tokens
    if (tokens === 0) return
    const day = this.month === monthOf(now) ? String(new Date(now).getUTCDate()) : '1'
    this.usedOn = { ...this.usedOn, [day]: (this.usedOn[day] ?? 0) + tokens }
  }

  #takeBack(order: Order, reversed: number, tokens: number): number {
    order.taken += tokens
    order.reversed = reversed
    this.#burn(tokens)
    return tokens
  }

  #burn(tokens: number): void {
    for (const lot of this.#lots) {
      const burnt = Math.min(lot.tokens, tokens)
      lot.tokens -= burnt
      tokens -= burnt
    }
    this.#lots = this.#lots.filter((lot) => lot.tokens > 0)
    rule(tokens === 0, () => `${tokens} more top-ups gone than there were`)
  }

  #hold(id: string): Hold {
    const hold = this.holds.get(id)
    if (!hold) throw new Broken(`there is no hold ${id}`)
    return hold
  }

  /** A movement counts in the month of its clock, or in a later one that another clock has opened. */
  #isIn(now: number): void {
    rule(
      this.month >= monthOf(now),
      () => `moved in ${this.month} at ${new Date(now).toISOString()}`,
    )
  }
}

export function quotaOf(plan: PlanId, own: number): number {
  const { monthlyQuota } = catalog.plans[plan]
  return monthlyQuota === 'per_workspace' ? own : monthlyQuota
}

export function monthOf(now: number): string {
  const date = new Date(now)
  return `${date.getUTCFullYear()}-${String(date.getUTCMonth() + 1).padStart(2, '0')}`
}
