import { isDeepStrictEqual } from 'node:util'
import type Stripe from 'stripe'
import type { Account } from '../../local/stripe/state.ts'
import type { Purchase } from '../../shared/domain/purchase.ts'
import { topUpsMax, type Workspace } from '../../shared/domain/workspace.ts'
import type { Ask, Call } from './call.ts'
import type { Written } from './engine.ts'
import { type Plain, plainItem } from './expressions.ts'
import { Book, Broken, type HoldStanding, monthOf, type Order, rule } from './model.ts'

/** An order as the witness knows it: by the rules, and by what Stripe has said of it and when. */
interface FollowedOrder extends Order {
  workspaceId: string
  /** In which of Stripe's modes it was ordered, and whether its checkout takes codes. */
  live: boolean
  codes: boolean
  /** It was closed to make room for one of the other mode, whose key cannot ask about it. */
  madeRoom?: boolean
  sessionId?: string
  /** Stripe's session contradicts the order, so nothing may ever be given for it. */
  tampered: boolean
  /** Tokens that were to be taken back had been used, at one time or another. */
  wasShort: boolean
  said: ({ at: number } & Said)[]
  amount: number
}

/** Amounts in cents: `listed` are the refunds that Stripe lists and that have not failed. */
interface Said {
  paid: boolean
  total: number
  refunded: number
  listed: number
  disputed: number
}

interface Version {
  at: number
  shows: Plain
}

/**
 * Watches every write in the order they happen, carries the same thing out by the rules, and compares. What a
 * write is about it knows from what was asked, never from what the service wrote.
 */
export class Witness {
  readonly books = new Map<string, Book>()
  readonly orders = new Map<string, FollowedOrder>()
  readonly underWay = new Set<Call>()
  /** The first thing that was not as it should be. */
  failure: unknown
  /** Rises with everything that happens, to tell before from after. */
  #moment = 0
  readonly #workspacesTable: string
  readonly #accountIn: (live: boolean) => Account
  /** Every entry, with who wrote it and what had been asked. */
  readonly #recorded = new Map<string, { entry: Plain; by: Call }>()
  readonly #versions = new Map<string, Version[]>()
  /** Whether a workspace is kept from buying: whether it should be is looked at in the end. */
  readonly #blocked = new Map<string, boolean>()

  constructor(workspacesTable: string, accountIn: (live: boolean) => Account) {
    this.#workspacesTable = workspacesTable
    this.#accountIn = accountIn
  }

  began(call: Call): void {
    call.since = ++this.#moment
    call.knownBefore = this.#isKnown(call.ask)
    for (const other of this.underWay) {
      other.overlapped = true
      call.overlapped = true
    }
    this.underWay.add(call)
    this.#seeRefusals(call)
  }

  written(written: Written[], by: Call): void {
    this.#moment++
    try {
      this.#follow(written, by)
    } catch (error) {
      this.failure ??= error
    }
  }

  /**
   * Whoever has heard that its entry is recorded knows what happened, whatever else it heard beside that. Only
   * reconciling looks at several purchases of a workspace at once, and each may find its month
   * not begun, and holds that have expired.
   */
  tries(call: Call, entry: string): void {
    if (!call.told.has(entry)) return
    if (call.ask.kind === 'reconcile' && / (reset|expire)#/.test(entry)) return
    this.failure ??= new Broken(`${call.ask.kind} tried ${entry} again, told that it was recorded`)
  }

  /** Stripe's side of an order may have changed: notes what it says now. */
  stripeMoved(): void {
    this.#moment++
    for (const order of this.orders.values()) this.#hear(order)
  }

  #hear(order: FollowedOrder): void {
    const said = this.stripeSays(order)
    if (said) order.said.push({ at: this.#moment, ...said })
  }

  /** Undefined as long as there is no checkout. */
  stripeSays(order: FollowedOrder): Said | undefined {
    const session = this.#sessionOf(order)
    if (!session) return undefined
    const account = this.#accountIn(order.live)
    const intent = String(session.payment_intent)
    const refunds = account.refundsOf(intent)
    const counted = refunds.filter(({ status }) => status === 'succeeded' || status === 'pending')
    const alive = refunds.filter(({ status }) => status !== 'failed' && status !== 'canceled')
    const foreign = alive.some(({ currency }) => currency !== 'usd')
    // With the tax, of which the bank takes its part as well.
    const total = session.amount_total ?? order.amount
    return {
      // A code may have left nothing to pay.
      paid: session.payment_status !== 'unpaid',
      total,
      // In another currency the stand-in says twice the figure.
      refunded: sum(counted.map((one) => (one.currency === 'usd' ? one.amount : one.amount / 2))),
      listed: foreign ? Number.POSITIVE_INFINITY : sum(alive.map((one) => one.amount)),
      disputed: disputedOf(account.disputesOf(intent), total),
    }
  }

  #sessionOf({ sessionId, live }: FollowedOrder): Stripe.Checkout.Session | undefined {
    return this.#accountIn(live).checkouts.get(sessionId ?? '')?.session
  }

  /** Checks an answer; false where it leaves open what happened, so that whoever asked must ask again. */
  answered(call: Call, answer: unknown): boolean {
    this.underWay.delete(call)
    if (answer instanceof Error) {
      // Stripe repeats a 500 it remembers to whoever asks next, and only then does the attempt rise.
      const remembered = call.ask.kind === 'buy'
      const excused = call.faults.met > 0 || call.overlapped || remembered
      if (answer.name !== 'Unavailable' || !excused) throw answer
      return false
    }
    if (isRefusal(answer)) {
      if (answer.refused === 'busy') {
        rule(call.faults.met > 0 || call.overlapped, () => 'busy without a reason')
        return false
      }
      this.#refused(call, answer.refused)
    } else this.#granted(call, answer as Plain)
    return true
  }

  /** Forgets a call that nobody will hear of again. */
  ended(call: Call): void {
    this.underWay.delete(call)
  }

  /** An order is where Stripe says it should be. */
  settledAsStripeSays(purchase: Purchase): void {
    const order = this.orders.get(purchase.purchaseId)!
    const said = this.stripeSays(order)
    const { status, reversed } = purchase
    if (order.tampered) {
      rule(!order.credited, () => `${order.id} was credited against the facts`)
      return
    }
    if (!said?.paid) {
      rule(!isPaid(status), () => `${order.id} is ${status} and was not paid`)
      const session = this.#sessionOf(order)
      const state = session && this.#accountIn(order.live).stateOf(session)
      const gaveWay = order.madeRoom && status === 'expired' && state === 'open'
      rule(
        !state || state === status || gaveWay === true,
        () => `${order.id} is ${status}, at Stripe ${state}`,
      )
      return
    }
    const [should] = standings(order, [said])
    rule(
      status === should!.status && reversed === should!.reversed,
      () =>
        `${order.id} is ${status} less ${reversed}, should be ${should!.status} less ${should!.reversed}`,
    )
  }

  /**
   * A workspace is kept from buying by the orders whose tokens were used and whose money is lost, and by no others.
   * One that was short when it was lost goes on doing so where a refund fails and leaves it nothing short.
   */
  blocksAsStripeSays({ workspaceId, blockedBy = {} }: Workspace): void {
    for (const order of this.orders.values()) {
      if (order.workspaceId !== workspaceId || order.tampered) continue
      const intent = this.#sessionOf(order)?.payment_intent
      const disputes = intent ? this.#accountIn(order.live).disputesOf(String(intent)) : []
      const lost = disputes.some(({ status }) => /^(lost|appeal_.*)$/.test(status))
      const may = lost && order.credited && order.wasShort
      const must = may && order.shortfall > 0
      const does = order.id in blockedBy
      rule(does ? may : !must, () => `${order.id} blocks: ${does}, may: ${may}, must: ${must}`)
    }
  }

  #isKnown(ask: Ask): boolean {
    return this.#firstOf(ask) !== undefined
  }

  /** How the hold stands that was opened under a key. */
  #holdUnder(ask: Extract<Ask, { kind: 'hold' }>, now: number): HoldStanding | undefined {
    const opened = this.#recorded.get(`${ask.workspaceId} ${firstIdOf(ask)}`)?.entry
    return opened && this.books.get(ask.workspaceId)?.standingOf(opened.holdId, now)
  }

  #hold({ workspaceId, holdId }: { workspaceId: string; holdId: string }) {
    return this.books.get(workspaceId)?.holds.get(holdId)
  }

  /** Notes what the call might be told if it looked now. */
  #seeRefusals(call: Call): void {
    const { ask, now, mayRefuse } = call
    const book = this.books.get(workspaceOf(ask) ?? '')
    if (!book) {
      mayRefuse.add('workspace_not_found')
      return
    }
    if (ask.kind === 'consume' && !ask.drain && book.availableAt(now) < ask.tokens) {
      mayRefuse.add('insufficient_tokens')
    }
    if (ask.kind === 'hold') {
      if (book.availableAt(now) < leastOf(ask)) mayRefuse.add('insufficient_tokens')
      const stands = this.#holdUnder(ask, now)
      if (stands) call.holdStood.push(stands)
      if (stands?.as === 'open' && stands.holder !== ask.holder) mayRefuse.add('hold_taken')
    }
    if (ask.kind === 'buy' || ask.kind === 'grant') {
      if (book.toppedUp + ask.tokens > topUpsMax) mayRefuse.add('top_ups_limit')
    }
    if (ask.kind === 'buy') {
      const plan = book.planAt(now)
      if (plan === 'starter') mayRefuse.add('upgrade_required')
      if (plan === 'enterprise') mayRefuse.add('contact_account_representative')
      if (this.#blocked.get(ask.workspaceId)) mayRefuse.add('purchases_blocked')
    }
  }

  #refused(call: Call, refusal: string): void {
    const { ask } = call
    const tell = () => `${ask.kind} was refused with ${refusal}`
    switch (refusal) {
      case 'insufficient_tokens':
      case 'upgrade_required':
      case 'contact_account_representative':
      case 'purchases_blocked':
      case 'top_ups_limit':
        rule(!call.knownBefore, () => `${tell()}, though it had been done`)
        rule(call.mayRefuse.has(refusal), tell)
        return
      case 'workspace_not_found':
      case 'hold_taken':
        rule(call.mayRefuse.has(refusal), tell)
        return
      case 'idempotency_key_reused': {
        const first = this.#firstOf(ask)
        rule(first !== undefined && !sameAsked(first, ask), tell)
        return
      }
      case 'hold_not_found': {
        const hold = this.#hold(ask as Extract<Ask, { holdId: string }>)
        rule(!hold || hold.forgotten === true, tell)
        return
      }
      case 'hold_closed':
        this.#refusedAsClosed(call, ask as Extract<Ask, { holdId: string }>, tell)
        return
      default:
        throw new Broken(tell())
    }
  }

  #refusedAsClosed(call: Call, ask: Extract<Ask, { holdId: string }>, tell: () => string): void {
    const hold = this.#hold(ask)
    switch (ask.kind) {
      case 'extend hold':
        rule(hold?.state !== 'open' || hold.month < monthOf(call.now), tell)
        return
      case 'release hold':
        rule(hold?.state === 'settled', tell)
        return
      case 'settle hold': {
        const other = hold?.used !== undefined && hold.used !== ask.tokens
        rule(hold?.state === 'released' || other, tell)
      }
    }
  }

  #firstOf(ask: Ask): Ask | undefined {
    return this.#recorded.get(`${workspaceOf(ask)} ${firstIdOf(ask)}`)?.by.ask
  }

  #granted(call: Call, answer: Plain): void {
    const { ask } = call
    if (answer.workspace) this.#showsSomethingTrue(call, answer.workspace)
    switch (ask.kind) {
      case 'consume':
      case 'grant':
      case 'plan':
      case 'extend hold': {
        const entry = this.#entryOf(call, answer)
        const first = this.#firstOf(ask)!
        rule(sameAsked(first, ask), () => `${entry.entryId} answers another request`)
        return
      }
      case 'settle hold': {
        const { outcome, used } = this.#entryOf(call, answer)
        rule(outcome === 'settled' && used === ask.tokens, () => `settled ${ask.tokens} as ${used}`)
        return
      }
      case 'release hold': {
        const { outcome } = this.#entryOf(call, answer)
        rule(outcome !== 'settled', () => `released, but ${outcome}`)
        return
      }
      case 'hold': {
        this.#heldAsAnswered(call, ask, answer)
        return
      }
      case 'buy': {
        const { purchase } = answer
        rule(purchase.tokens === ask.tokens, () => `ordered ${ask.tokens}, got ${purchase.tokens}`)
        // One that got none in a day will get none.
        const opened = this.#accountIn(ask.live).checkouts.has(purchase.sessionId)
        rule(opened || purchase.status === 'expired', () => 'ordered without a checkout')
        return
      }
      case 'webhook': {
        // `ignored`: what another deployment sold.
        const expected = ['settled', 'mismatch', 'unknown', 'ignored']
        rule(expected.includes(String(answer)), () => `an event was ${answer}`)
        return
      }
      case 'reconcile':
        rule(
          answer.failed === 0 || call.faults.met > 0 || call.overlapped,
          () => 'reconciling failed for a purchase',
        )
        return
      case 'sweep':
        rule(answer.failed === 0 || call.faults.met > 0 || call.overlapped, () => 'a sweep failed')
    }
  }

  /** A hold is given out to the try that opened it, as long as it is open; afterwards everybody is told how it ended. */
  #heldAsAnswered(call: Call, ask: Extract<Ask, { kind: 'hold' }>, answer: Plain): void {
    const { holdId, tokens, heldUntil } = answer.hold
    const hold = this.#hold({ workspaceId: ask.workspaceId, holdId })
    rule(hold?.tokens === tokens, () => `answered ${tokens} held, and ${hold?.tokens} are`)
    const first = this.#firstOf(ask)
    const same = first !== undefined && sameAsked(first, ask)
    rule(same, () => `${holdId} answers another request`)
    const until = new Date(call.now + ask.ttlSeconds * 1_000).toISOString()
    rule(answer.replayed || heldUntil === until, () => 'held until another time')
    const own = this.#recorded.get(`${ask.workspaceId} ${firstIdOf(ask)}`)?.by === call
    rule(answer.replayed || own, () => `${holdId} is another call's, and not told so`)

    const { outcome: as = 'open', used } = answer.closed ?? {}
    const stood = call.holdStood.filter((one) => one.as === as && one.used === used)
    rule(stood.length > 0, () => `${holdId} was answered as ${as} of ${used}, and never was`)
    const may = as !== 'open' || stood.some(({ holder }) => holder === ask.holder)
    rule(may, () => `${holdId} is held by another try, and was given to ${ask.holder}`)
  }

  /** The entry of an answer is the one that was recorded, and says rightly whether it was there before. */
  #entryOf(call: Call, { entry, replayed }: Plain): Plain {
    const recorded = this.#recorded.get(`${entry.workspaceId} ${entry.entryId}`)
    rule(recorded !== undefined, () => `${entry.entryId} was answered and never recorded`)
    const { entry: stored, by } = recorded!
    for (const [name, value] of Object.entries(entry)) {
      rule(
        isDeepStrictEqual(stored[name], asStored(value)),
        () => `${entry.entryId}: ${name} is ${value}`,
      )
    }
    rule(replayed || by === call, () => `${entry.entryId} is another call's, and not told so`)
    // A release may itself return the hold as expired, and then finds it released already.
    const ownDoing = by === call && entry.outcome !== 'expired' && call.faults.met === 0
    rule(!replayed || !ownDoing, () => `${entry.entryId} is no replay`)
    return entry
  }

  /** The workspace shown beside an answer is one that there was while the call was under way. */
  #showsSomethingTrue(call: Call, shown: Workspace): void {
    const versions = this.#versions.get(shown.workspaceId) ?? []
    const before = versions.findLastIndex(({ at }) => at <= call.since)
    const possible = versions.slice(Math.max(0, before))
    const { balance, held, topUps, quota, period } = shown
    rule(
      possible.some(({ shows }) =>
        isDeepStrictEqual(shows, { balance, held, topUps, quota, period }),
      ),
      () => `showed ${JSON.stringify({ balance, held, topUps, quota, period })}, which never was`,
    )
  }

  #follow(written: Written[], by: Call): void {
    const all = written.map(({ table, before, after }) => ({
      isWorkspace: table === this.#workspacesTable,
      before: before && plainItem(before),
      after: after && plainItem(after),
    }))
    const retries = all.flatMap(({ after }) => (after?.type === 'retry' ? [after] : []))
    const items = all.filter(({ after }) => after?.type !== 'retry')
    if (items.length === 0) {
      rule(by.ask.kind === 'reconcile', () => `${by.ask.kind} put something on the list alone`)
      return
    }
    const owners = new Set(items.map(({ before, after }) => (after ?? before)!.workspaceId))
    const [owner] = owners
    rule(owners.size === 1, () => `one request wrote in ${[...owners].join(' and ')}`)
    if (owner.startsWith('#looks#')) {
      const { looks } = items[0]!.after!
      const watched =
        by.ask.kind === 'look at purchase' && owner === `#looks#${workspaceOf(by.ask)}`
      rule(watched, () => `${by.ask.kind} took a look at Stripe`)
      rule(looks <= 5, () => `Stripe was asked ${looks} times in ten seconds for ${owner}`)
      return
    }
    if (owner === '#deployment') {
      rule(
        items.every(({ before }) => !before),
        () => 'the deployment got another id',
      )
      return
    }
    const own = workspaceOf(by.ask)
    rule(own === undefined || own === owner, () => `${by.ask.kind} of ${own} wrote in ${owner}`)
    this.#retriesPut(retries, items)
    if (owner.startsWith('#stripe#')) {
      rule(by.ask.kind === 'reconcile', () => `${by.ask.kind} moved the cursor`)
      for (const { before, after } of items) {
        movesForward(before, after)
        if (!after) this.#takenOffTheList(before!, by)
      }
      return
    }
    const workspace = items.find(({ isWorkspace }) => isWorkspace)
    const ledger = items.filter(({ isWorkspace }) => !isWorkspace)
    for (const { before, after } of ledger) keepsTheRecord(before, after)

    const purchase = ledger.find(({ after }) => after?.type === 'purchase')
    if (!workspace) {
      rule(purchase !== undefined, () => `${by.ask.kind} wrote to the ledger alone`)
      this.#purchaseWritten(purchase!.before, purchase!.after!, by)
      return
    }
    const entries = ledger
      .map(({ after }) => after)
      .filter((after) => after !== undefined && after.type !== 'purchase') as Plain[]
    if (entries.length === 0) {
      // Neither the next look at holds nor the number of orders that wait is of any token.
      const { holdsExpireFrom: _, openOrders: __, ...before } = workspace.before!
      const { holdsExpireFrom: ___, openOrders: ____, ...after } = workspace.after!
      rule(
        isDeepStrictEqual(before, after),
        () => `${by.ask.kind} changed ${owner} without an entry`,
      )
      if (purchase) this.#purchaseWritten(purchase.before, purchase.after!, by)
      return
    }
    this.#moved(owner!, entries, ledger, by)
    for (const entry of entries) {
      const id = `${owner} ${entry.entryId}`
      const extended = entry.type === 'open' && this.#recorded.has(id)
      rule(extended || !this.#recorded.has(id), () => `${entry.entryId} was recorded twice`)
      this.#recorded.set(id, { entry, by })
      if (entry.type === 'open' && by.ask.kind === 'hold') {
        this.#recorded.set(`${owner} ${firstIdOf(by.ask)}`, { entry, by })
      }
    }
    const { version = 0 } = workspace.before ?? {}
    const counted = workspace.after!.version === version + 1
    rule(counted, () => `${owner}: version ${version} became ${workspace.after!.version}`)
    this.#standsAs(owner!, workspace.after!)
    for (const call of this.underWay) this.#seeRefusals(call)
  }

  /** Nothing may become pending and be forgotten: its purchase is on the list from the same moment. */
  #retriesPut(retries: Plain[], items: { after?: Plain }[]): void {
    const pending = items.flatMap(({ after }) =>
      after?.type === 'purchase' && after.pending > 0 ? [after] : [],
    )
    const moved = items.some(({ after }) => after?.type === 'payment')
    const listed = retries.map(({ purchase }) => purchase.purchaseId)
    const should = moved ? pending.map(({ purchaseId }) => purchaseId) : []
    rule(
      isDeepStrictEqual(listed, should),
      () => `to be settled again are ${should.join()}, listed ${listed.join()}`,
    )
  }

  /** A hold's item was deleted for its age. */
  forgotten({ workspaceId, holdId }: Plain, time: number): void {
    this.#moment++
    this.books.get(workspaceId)?.forget(holdId, monthOf(time))
    // It was recorded under its own id and under that of the request that opened it, whoever extended it since.
    for (const [id, { entry }] of this.#recorded) {
      const isIt = entry.workspaceId === workspaceId && entry.holdId === holdId
      if (isIt && entry.type === 'open') this.#recorded.delete(id)
    }
  }

  #takenOffTheList({ purchase }: Plain, by: Call): void {
    const order = this.orders.get(purchase?.purchaseId)
    rule(!order || order.live === by.live, () => `${order!.id} was taken off the other mode's list`)
    rule(
      !order?.sessionId || order.sessionId !== by.refusedObject,
      () => `${order!.id} was taken off the list, and Stripe had said nothing of it`,
    )
  }

  /** Carries out by the rules what was asked, and holds the entry to it. */
  #moved(
    owner: string,
    entries: Plain[],
    ledger: { before?: Plain; after?: Plain }[],
    by: Call,
  ): void {
    const { ask, now } = by
    const main = entries.find(({ type }) => type === 'expire' || type === 'extend') ?? entries[0]!
    const says = (expected: Plain) => {
      for (const [name, value] of Object.entries(expected)) {
        rule(
          isDeepStrictEqual(main[name], value),
          () =>
            `${main.entryId}: ${name} is ${JSON.stringify(main[name])}, not ${JSON.stringify(value)}`,
        )
      }
    }
    const askedFor = <Kind extends Ask['kind']>(...kinds: Kind[]) => {
      rule(kinds.includes(ask.kind as Kind), () => `${ask.kind} wrote ${main.entryId}`)
      return ask as Extract<Ask, { kind: Kind }>
    }
    if (main.type === 'plan' && main.effect === 'created') {
      const { plan, quota } = askedFor('plan')
      rule(!this.books.has(owner), () => `${owner} was created twice`)
      this.books.set(owner, new Book(plan, quota, now))
      says({ plan, quota, tokens: quota })
      return
    }
    const book = this.books.get(owner)
    if (!book) throw new Broken(`${main.entryId} moved tokens of nobody`)
    const gone = ledger.filter(({ after }) => !after).map(({ before }) => before!.holdId as string)

    switch (main.type) {
      case 'use': {
        const { tokens, drain, key } = askedFor('consume')
        says({ entryId: `use#${key}`, requested: tokens, taken: book.use(tokens, drain, now) })
        break
      }
      case 'grant': {
        const { tokens, key } = askedFor('grant')
        rule(book.toppedUp + tokens <= topUpsMax, () => `${owner} was granted too much`)
        book.grant(key, tokens, now)
        says({ entryId: `grant#${key}`, tokens })
        break
      }
      case 'plan': {
        const { plan, quota, key } = askedFor('plan')
        says({ entryId: `plan#${key}`, plan, quota, ...book.changePlan(plan, quota, now) })
        break
      }
      case 'open': {
        const asked = askedFor('hold')
        const { tokens: requested, atLeast, ttlSeconds, holder } = asked
        const until = now + ttlSeconds * 1_000
        const wanted = { tokens: requested, atLeast: leastOf(asked) }
        const tokens = book.open({ id: main.holdId, ...wanted, until, holder }, now)
        const heldUntil = new Date(until).toISOString()
        says({ tokens, requested, atLeast, heldUntil, holder })
        break
      }
      case 'hold': {
        const asked = askedFor('settle hold', 'release hold')
        const id = asked.holdId
        const used = asked.kind === 'settle hold' ? asked.tokens : 0
        const late = main.entryId === `late#${id}`
        const state = asked.kind === 'settle hold' ? 'settled' : 'released'
        const closing = late ? book.chargeLate(id, used, now) : book.close(id, state, used, now)
        says({ entryId: late ? `late#${id}` : `hold#${id}`, outcome: state, used, ...closing })
        rule(isDeepStrictEqual(gone, late ? [] : [id]), () => `closing ${id} deleted ${gone}`)
        break
      }
      case 'extend': {
        const { holdId, ttlSeconds, key } = askedFor('extend hold')
        const until = book.extend(holdId, now + ttlSeconds * 1_000, now)
        says({ entryId: `extend#${key}`, holdId, heldUntil: new Date(until).toISOString() })
        break
      }
      case 'expire': {
        const { tokens, impounded } = book.returnExpired(gone, now)
        says({ holds: gone.length, tokens })
        const kept = entries.reduce((sum, entry) => sum + (entry.impounded ?? 0), 0)
        rule(kept === impounded, () => `${main.entryId} impounds ${kept}, not ${impounded}`)
        const closed = entries.filter(({ type }) => type === 'hold').map(({ holdId }) => holdId)
        rule(isDeepStrictEqual(closed.sort(), gone.sort()), () => 'holds expired without an entry')
        break
      }
      case 'payment': {
        // An order for which there is no room settles the one that has waited longest.
        askedFor('webhook', 'reconcile', 'look at purchase', 'settle again', 'buy')
        const { before, after } = ledger.find((one) => one.after?.type === 'purchase') ?? {}
        rule(before !== undefined, () => `${main.entryId} leaves the purchase as it is`)
        says(this.#paymentOf(book, before!, after!, by))
        this.#purchaseWritten(before, after!, by)
        break
      }
      case 'reset': {
        const month = ask.kind === 'sweep' ? ask.month : monthOf(now)
        const closed = book.turnTo(month)
        const { plan, quota, toppedUp: topUps } = book
        const impounded = book.impounded || undefined
        says({ entryId: `reset#${month}`, period: month, plan, quota, topUps, impounded, closed })
        book.writtenAt = Date.parse(`${month}-01`)
        return
      }
      default:
        throw new Broken(`${by.ask.kind} wrote ${main.entryId}`)
    }
    says({ period: book.month, at: new Date(now).toISOString() })
    book.writtenAt = now
  }

  #paymentOf(book: Book, before: Plain, after: Plain, by: Call): Plain {
    const order = this.orders.get(after.purchaseId)
    if (!order) throw new Broken(`${after.purchaseId} was paid and never ordered`)
    rule(!order.tampered, () => `${order.id} was settled against the facts`)
    rule(order.live === by.live, () => `${order.id} was settled with a key of the other mode`)
    const heard = order.said.findLastIndex(({ at }) => at <= by.since)
    const possible = standings(order, order.said.slice(Math.max(0, heard)))
    const { status, reversed } = after
    const told = possible.some((one) => one.status === status && one.reversed === reversed)
    rule(told, () => `${order.id} became ${status} less ${reversed}, which Stripe never said`)
    const others = [...this.orders.values()].filter(
      ({ workspaceId }) => workspaceId === order.workspaceId,
    )
    const blocks = before.blocked !== after.blocked
    const expected = book.settle(order, { paid: true, reversed, blocks }, others, by.now)
    order.wasShort ||= order.shortfall > 0
    rule(before.version + 1 === after.version, () => `${order.id} skipped a version`)
    return { ...expected, purchaseId: order.id, status }
  }

  #purchaseWritten(before: Plain | undefined, after: Plain, by: Call): void {
    if (!before) {
      rule(by.ask.kind === 'buy', () => `${by.ask.kind} created a purchase`)
      const { tokens, workspaceId } = by.ask as Extract<Ask, { kind: 'buy' }>
      const { purchaseId: id, amount } = after
      rule(after.tokens === tokens && after.status === 'open', () => `${id} is not as ordered`)
      rule(!this.orders.has(id), () => `${id} is the id of two orders`)
      const nothing = { reversed: 0, taken: 0, pending: 0, shortfall: 0 }
      const { live, codes } = by
      rule(after.livemode === live, () => `${id} was ordered in the other mode`)
      const order = { id, tokens, workspaceId, amount, live, codes, credited: false, ...nothing }
      this.orders.set(id, { ...order, tampered: false, wasShort: false, said: [] })
      this.#recorded.set(`${workspaceId} ${firstIdOf(by.ask)}`, { entry: after, by })
      return
    }
    const order = this.orders.get(after.purchaseId)!
    const { credited } = order
    // By then Stripe may have forgotten the key, and would open a second checkout for the same order.
    const ageMs = by.now - Date.parse(after.createdAt)
    const opened = before.status === 'open' && !before.sessionId && after.sessionId !== undefined
    rule(!opened || ageMs < aDayMs, () => `${order.id} got a checkout when it was ${ageMs} ms old`)
    const changes = Object.keys({ ...before, ...after }).filter(
      (name) => !isDeepStrictEqual(before[name], after[name]),
    )
    if (changes.every((name) => ['checkedAt', 'seenUpTo', 'seenEvent'].includes(name))) return
    rule(before.version + 1 === after.version, () => `${order.id} skipped a version`)
    for (const name of ['tokens', 'amount', 'currency', 'workspaceId', 'by']) {
      rule(!changes.includes(name), () => `${order.id}: ${name} changed`)
    }
    rule(
      isPaid(after.status) === credited,
      () => `${order.id} is ${after.status}, credited ${credited}`,
    )
    for (const name of ['reversed', 'taken', 'pending', 'shortfall'] as const) {
      rule(
        after[name] === order[name],
        () => `${order.id}: ${name} is ${after[name]}, not ${order[name]}`,
      )
    }
    rule(
      !before.sessionId || before.sessionId === after.sessionId,
      () => `${order.id} changed checkout`,
    )
    if (by.live !== order.live && by.ask.kind === 'buy' && after.status === 'expired') {
      order.madeRoom = true
    }
    if (order.sessionId === undefined && after.sessionId) {
      rule(order.live === by.live, () => `${order.id} was opened with a key of the other mode`)
      order.sessionId = after.sessionId
      const takesCodes = this.#sessionOf(order)?.allow_promotion_codes === true
      rule(takesCodes === order.codes, () => `${order.id} takes codes: ${takesCodes}`)
      this.#hear(order)
    }
  }

  /** The stored workspace is, number by number, what the rules come to. */
  #standsAs(owner: string, item: Plain): void {
    const book = this.books.get(owner)!
    const { plan, quota, toppedUp: topUps, balance, held, month: period, usedOn: days } = book
    const expected = {
      ...{ plan, quota, topUps, balance, held, period, days, next: book.next },
      owed: book.owed && { ...book.owed, since: new Date(book.owed.since).toISOString() },
      impounded: book.impounded || undefined,
    }
    for (const [name, value] of Object.entries({ ...expected, holds: book.openHolds.length })) {
      rule(
        isDeepStrictEqual(item[name], value),
        () => `${owner}: ${name} is ${JSON.stringify(item[name])}, not ${JSON.stringify(value)}`,
      )
    }
    this.#blocked.set(owner, item.blockedBy !== undefined)
    const versions = this.#versions.get(owner) ?? []
    versions.push({ at: this.#moment, shows: { balance, held, topUps, quota, period } })
    this.#versions.set(owner, versions)
  }
}

/** By the statuses that Stripe names: in another currency, or of 95 % and more, it is all of the order. */
function disputedOf(disputes: Stripe.Dispute[], amount: number): number {
  const taking = disputes.filter(({ status }) =>
    /^(needs_response|under_review|lost|appeal_(needs_response|under_review))$/.test(status),
  )
  const whole = taking.some((one) => one.currency !== 'usd' || one.amount / amount >= 0.95)
  return whole ? amount : Math.min(amount, sum(taking.map((one) => one.amount)))
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}

/** Where Stripe's words put an order; what it says is read apart, so any of it may have been seen together. */
function standings(order: FollowedOrder, said: Said[]) {
  if (!said.some(({ paid }) => paid)) return []
  return said.flatMap((charge) =>
    said.flatMap(({ listed }) =>
      said.map(({ disputed }) => {
        const refunded = Math.min(charge.refunded, listed)
        const kept = BigInt(Math.max(0, charge.total - refunded - disputed))
        // Where nothing was paid, nothing can be missing of it.
        const part = charge.total === 0 ? 1n : kept
        const whole = charge.total === 0 ? 1n : BigInt(charge.total)
        const tokens = Number((BigInt(order.tokens) * part) / whole)
        const status = disputed > 0 ? 'disputed' : refunded > 0 ? 'refunded' : 'paid'
        return { status, reversed: order.tokens - tokens }
      }),
    ),
  )
}

/** Where reconciling has got to only ever moves forward. */
function movesForward(before: Plain | undefined, after: Plain | undefined): void {
  if (after?.entryId !== 'cursor') return
  rule(
    !before || before.reconciledUntil <= after.reconciledUntil,
    () => 'the cursor of reconciling went back',
  )
}

/** Entries are never changed; a hold's item only by its end, and a purchase may change. */
function keepsTheRecord(before: Plain | undefined, after: Plain | undefined): void {
  if (!before || before.type === 'purchase') return
  rule(before.type === 'open', () => `${before.entryId} was changed`)
  if (!after) return
  const { heldUntil: _, ...kept } = before
  const { heldUntil: __, ...now } = after
  rule(isDeepStrictEqual(kept, now), () => `${before.entryId} changed more than its end`)
}

/** Under what the first request of a key is found again; undefined where nothing is keyed. */
function firstIdOf(ask: Ask): string | undefined {
  switch (ask.kind) {
    case 'consume':
      return `use#${ask.key}`
    case 'grant':
    case 'plan':
      return `${ask.kind}#${ask.key}`
    case 'extend hold':
      return `extend#${ask.key}`
    case 'hold':
      return `key of hold#${ask.key}`
    case 'buy':
      return `key of purchase#${ask.key}`
    default:
      return undefined
  }
}

function workspaceOf(ask: Ask): string | undefined {
  return 'workspaceId' in ask ? ask.workspaceId : undefined
}

/** Another try asks for the same. */
function sameAsked(one: Ask, other: Ask): boolean {
  const [first, second] = [one, other].map((ask) => asStored({ ...ask, holder: undefined }))
  return isDeepStrictEqual(first, second)
}

function leastOf({ tokens, atLeast = tokens }: Extract<Ask, { kind: 'hold' }>): number {
  return atLeast
}

function isPaid(status: string): boolean {
  return status === 'paid' || status === 'refunded' || status === 'disputed'
}

function isRefusal(answer: unknown): answer is { refused: string } {
  return typeof answer === 'object' && answer !== null && 'refused' in answer
}

/** A value as a table gives it back: without what is undefined. */
function asStored(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value))
}

const aDayMs = 24 * 3_600_000
