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
  /** What it set aside. */
  tokens: number
  /** The word of the try that opened it. */
  holder?: string
  month: string
  /** Epoch milliseconds, by the clock of whoever opened or extended it. */
  opened: number
  until: number
  /** `ended` by a reset, and still to be settled; the others are closed. */
  state: 'open' | 'ended' | 'settled' | 'released' | 'expired'
  /** What its settlement said was used; for an expired hold, what a late one said. */
  used?: number
  /** Its item is gone: kept too long for anybody to come back to it. */
  forgotten?: boolean
}

/** What somebody asks to have set aside, and what would do. */
export interface Wanted {
  tokens: number
  atLeast: number
}

/** What a hold is to somebody who would open it again. */
export interface HoldStanding {
  as: 'open' | 'ended' | 'settled' | 'released' | 'expired'
  used?: number
  holder?: string
}

export interface Closing {
  charged: number
  uncovered: number
  returned: number
  impounded?: number
}

/** What Stripe says of one purchase. */
export interface Truth {
  paid: boolean
  /** Tokens that are to be lost again, by refunds and disputes. */
  reversed: number
  /** It begins or ends to keep its workspace from buying, which moves no token. */
  blocks?: boolean
}

export interface Order {
  id: string
  tokens: number
  credited: boolean
  reversed: number
  taken: number
  pending: number
  shortfall: number
  /** When something became pending, by the clock of whoever settled; epoch milliseconds. */
  pendingSince?: number
}

/** What reversals are still owed by holds that were open at the last of them. */
export interface Owed {
  tokens: number
  since: number
  held: number
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
  owed: Owed | undefined
  /** Returned for a reversal and not taken yet; counted among what was topped up. */
  impounded = 0
  /** The time of the last write, by the clock of whoever wrote it. */
  writtenAt: number
  readonly holds = new Map<string, Hold>()
  #lots: Lot[] = []

  constructor(plan: PlanId, quota: number, now: number) {
    this.plan = plan
    this.quota = quota
    this.month = monthOf(now)
    this.writtenAt = now
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
    return this.quota + this.toppedUp - this.used - this.held - this.impounded
  }

  /** The quota is used first, over the whole month and whatever the quota was when something was used. */
  get topUpsUnused(): number {
    return this.toppedUp - Math.max(0, this.used - this.quota)
  }

  /** What an operation at `now` may count on: a month that has begun and holds that have expired included. */
  availableAt(now: number): number {
    if (this.month < monthOf(now)) {
      const { plan, quota } = this.#planNextMonth()
      return quotaOf(plan, quota) + this.topUpsUnused - this.impounded - this.#paidByReset()
    }
    const expired = this.openHolds.filter(({ until }) => until <= now)
    return this.balance + this.#expiredBy(now) - this.#paidBy(expired.map(returningAll)).paid
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

  /** Sets aside what is asked for, or what there is where that will do; answers with how much. */
  open(
    { tokens: asked, atLeast, ...hold }: Pick<Hold, 'id' | 'until' | 'holder'> & Wanted,
    now: number,
  ): number {
    this.#isIn(now)
    rule(!this.holds.has(hold.id), () => `${hold.id} opened twice`)
    const tokens = Math.min(asked, this.balance)
    rule(tokens >= atLeast, () => `${tokens} held, and ${atLeast} were the least`)
    const stranded = tokens < asked && this.#expiredBy(now) > 0
    rule(!stranded, () => 'a hold made do with less while others had expired')
    this.holds.set(hold.id, { ...hold, tokens, state: 'open', month: this.month, opened: now })
    return tokens
  }

  /** Only what is open, of a month and a time that are not over, may be worked on. */
  standingOf(id: string, now: number): HoldStanding | undefined {
    const hold = this.holds.get(id)
    if (!hold) return undefined
    const { state, used, holder } = hold
    if (state === 'settled') return { as: state, used }
    if (state !== 'open') return { as: state }
    if (hold.month < monthOf(now)) return { as: 'ended' }
    return hold.until <= now ? { as: 'expired' } : { as: 'open', holder }
  }

  /** `used` is what the work needed; a release needed nothing. */
  close(id: string, state: 'settled' | 'released', used: number, now: number): Closing {
    this.#isIn(now)
    const hold = this.#hold(id)
    rule(hold.state === 'open' || hold.state === 'ended', () => `${id} closed when ${hold.state}`)
    const setAside = hold.state === 'open' ? hold.tokens : 0
    const returned = Math.max(0, setAside - used)
    const { paid, owed } = this.#paidBy(setAside > 0 ? [{ hold, returned }] : [])
    hold.state = state
    hold.used = used
    const charge = this.#charge(used, now)
    this.owed = owed
    this.impounded += paid
    return { ...charge, returned: returned - paid, impounded: paid || undefined }
  }

  chargeLate(id: string, used: number, now: number): Closing {
    this.#isIn(now)
    const hold = this.#hold(id)
    rule(hold.state === 'expired', () => `${id} charged late when ${hold.state}`)
    rule(hold.used === undefined, () => `${id} charged late twice`)
    hold.used = used
    return { ...this.#charge(used, now), returned: 0 }
  }

  returnExpired(ids: string[], now: number): { tokens: number; impounded: number } {
    const holds = ids.map((id) => this.#hold(id))
    const { paid, owed } = this.#paidBy(holds.map(returningAll))
    for (const hold of holds) {
      rule(hold.state === 'open', () => `${hold.id} returned when ${hold.state}`)
      rule(hold.until <= now, () => `${hold.id} returned before it expired`)
      hold.state = 'expired'
    }
    this.owed = owed
    this.impounded += paid
    return { tokens: holds.reduce((sum, { tokens }) => sum + tokens, 0), impounded: paid }
  }

  /** Nobody can come back to it. What it set aside must have been returned before. */
  forget(id: string, month: string): void {
    const hold = this.#hold(id)
    const ended = hold.state !== 'open' || this.month < month
    rule(ended, () => `${id} was forgotten while it still held tokens`)
    hold.forgotten = true
    if (hold.state !== 'open') this.holds.delete(id)
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

  /**
   * Brings an order to where Stripe says it stands; answers with what that moved and could not move. `others`
   * are all orders of the workspace: who was reversed first is served first.
   */
  settle(order: Order, truth: Truth, others: Order[], now: number) {
    this.#isIn(now)
    rule(truth.paid, () => `${order.id} settled without having been paid`)
    if (!order.credited) {
      this.#lots.push({ from: order.id, tokens: order.tokens })
      order.credited = true
      order.reversed = truth.reversed
      // Nobody can have used it yet, so all of it can be taken back again.
      this.#takeBack(order, truth.reversed)
      return { tokens: order.tokens - truth.reversed, shortfall: 0 }
    }
    const shortfallBefore = order.shortfall
    const { share, waiting } = this.#shareOf(order, others)
    const moves =
      truth.reversed !== order.reversed || waiting !== order.pending || truth.blocks === true
    rule(moves, () => `${order.id} settled twice`)
    this.impounded -= share
    this.#takeBack(order, share)
    order.pending = waiting
    const wanted = truth.reversed - order.reversed
    order.reversed = truth.reversed
    let tokens = 0 - share
    if (wanted > 0) tokens -= this.#reverse(order, wanted, now)
    else tokens += this.#forgive(order)
    order.shortfall = order.reversed - order.taken - order.pending
    if (order.pending === 0) order.pendingSince = undefined
    else order.pendingSince ??= now
    return {
      tokens,
      shortfall: Math.max(0, order.shortfall - shortfallBefore),
      pending: order.pending || undefined,
      impounded: share || undefined,
    }
  }

  /** What is impounded, and then what is owed, goes down the queue. */
  #shareOf(order: Order, others: Order[]): { share: number; waiting: number } {
    let { impounded } = this
    let owed = this.owed?.tokens ?? 0
    const queue = others
      .filter(({ pending }) => pending > 0)
      .sort((one, other) => placeOf(one) - placeOf(other) || (one.id < other.id ? -1 : 1))
    for (const one of queue) {
      const share = Math.min(one.pending, impounded)
      const waiting = Math.min(one.pending - share, owed)
      if (one === order) return { share, waiting }
      impounded -= share
      owed -= waiting
    }
    return { share: 0, waiting: 0 }
  }

  /** Takes what is free; what only holds have is owed by them. Answers with what was taken. */
  #reverse(order: Order, wanted: number, now: number): number {
    rule(this.#expiredBy(now) === 0 || wanted <= this.balance, () => 'expired holds still held')
    const taken = Math.min(wanted, this.topUpsUnused - this.impounded, this.balance)
    this.#takeBack(order, taken)
    const left = this.topUpsUnused - this.impounded
    const before = this.owed?.tokens ?? 0
    const later = Math.min(wanted - taken, Math.max(0, Math.min(this.held, left) - before))
    order.pending += later
    if (later > 0) {
      const since = Math.max(now, this.writtenAt)
      this.owed = { tokens: before + later, since, held: this.held }
    }
    this.#owes(Math.min(this.owed?.tokens ?? 0, left))
    return taken
  }

  /** Forgives first what is spent, then what is pending, and gives back only what was taken. */
  #forgive(order: Order): number {
    const kept = Math.min(order.taken, order.reversed)
    const givenBack = order.taken - kept
    if (givenBack > 0) this.#lots.push({ from: order.id, tokens: givenBack })
    order.taken = kept
    const pending = Math.min(order.pending, order.reversed - kept)
    if (this.owed) this.#owes(this.owed.tokens - (order.pending - pending))
    order.pending = pending
    return givenBack
  }

  #owes(tokens: number): void {
    this.owed = this.owed && tokens > 0 ? { ...this.owed, tokens } : undefined
  }

  /**
   * What holds pay as they close, and what is owed then. Those opened up to the last reversal pay, and those
   * that must have been open then: less stays held than such holds should still hold.
   */
  #paidBy(closing: { hold: Hold; returned: number }[]): { paid: number; owed: Owed | undefined } {
    let { owed, held } = this
    let paid = 0
    for (const { hold, returned } of closing) {
      held -= hold.tokens
      if (!owed) continue
      const dated = hold.opened <= owed.since
      const stays = dated ? Math.max(0, owed.held - hold.tokens) : Math.min(owed.held, held)
      const pays = Math.min(owed.tokens, returned, dated ? returned : owed.held - stays)
      const tokens = Math.min(owed.tokens - pays, stays)
      owed = tokens > 0 ? { ...owed, tokens, held: stays } : undefined
      paid += pays
    }
    return { paid, owed }
  }

  #paidByReset(): number {
    const tokens = this.owed?.tokens ?? 0
    return Math.min(tokens, this.held, this.topUpsUnused - this.impounded)
  }

  /** Opens a month; answers with how the one before ended. */
  turnTo(month: string) {
    rule(month > this.month, () => `reset from ${this.month} to ${month}`)
    const { quota, toppedUp, used, usedOn } = this
    const paid = this.#paidByReset()
    const closed = {
      ...(this.impounded > 0 && { impounded: this.impounded }),
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
    this.impounded += paid
    this.owed = undefined
    for (const hold of this.openHolds) {
      hold.state = 'ended'
      if (hold.forgotten) this.holds.delete(hold.id)
    }
    return closed
  }

  #planNextMonth() {
    return this.next ?? { plan: this.plan, quota: this.quota }
  }

  #expiredBy(now: number): number {
    return this.openHolds.reduce((sum, { until, tokens }) => sum + (until <= now ? tokens : 0), 0)
  }

  /** The hold is closed by now, so the balance has back what it had set aside. */
  #charge(used: number, now: number): Omit<Closing, 'returned'> {
    const charged = Math.min(used, this.balance)
    const stranded = charged < used && this.#expiredBy(now) > 0
    rule(!stranded, () => 'use was left uncovered while holds had expired')
    this.#spend(charged, now)
    return { charged, uncovered: used - charged }
  }

  #spend(tokens: number, now: number): void {
    this.used += tokens
    if (tokens === 0) return
    const day = this.month === monthOf(now) ? String(new Date(now).getUTCDate()) : '1'
    this.usedOn = { ...this.usedOn, [day]: (this.usedOn[day] ?? 0) + tokens }
  }

  #takeBack(order: Order, tokens: number): void {
    order.taken += tokens
    this.#burn(tokens)
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

function placeOf({ pendingSince = 0 }: Order): number {
  return pendingSince
}

function returningAll(hold: Hold) {
  return { hold, returned: hold.tokens }
}

export function quotaOf(plan: PlanId, own: number): number {
  const { monthlyQuota } = catalog.plans[plan]
  return monthlyQuota === 'per_workspace' ? own : monthlyQuota
}

export function monthOf(now: number): string {
  const date = new Date(now)
  return `${date.getUTCFullYear()}-${String(date.getUTCMonth() + 1).padStart(2, '0')}`
}
