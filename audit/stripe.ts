import { setTimeout as sleep } from 'node:timers/promises'
import { grouped } from '../shared/domain/grouped.ts'
import { isAbandoned, isPaid, type Purchase } from '../shared/domain/purchase.ts'
import { Unavailable } from '../shared/domain/refusal.ts'
import {
  blockOf,
  mismatchOf,
  type PaymentFacts,
  type Standing,
  standingOf,
  stands,
} from '../shared/domain/standing.ts'
import { sideBySide } from '../shared/operations/side-by-side.ts'
import { readFacts } from '../shared/payments/checkout.ts'
import { failureOf, type StripeAccount } from '../shared/payments/stripe.ts'
import type { Store } from '../shared/store/dynamodb.ts'
import { readPurchase } from '../shared/store/purchases.ts'
import { readWorkspace } from '../shared/store/workspaces.ts'
import { purchasesOf, workspaceIds } from './read.ts'

export interface StripeAuditOptions {
  /** One workspace; without it, all of them. */
  workspaceId?: string
  now: Date
  print: (line: string) => void
  /** How long a webhook that is on its way is waited for, before anything is said to differ. */
  againAfterMs?: number
}

/** What a look at a purchase and at Stripe comes to. */
type Verdict =
  | 'stands'
  /** Stands, with tokens still to be taken from what holds return. */
  | 'pending'
  /** Stripe has moved on, and nobody here has followed. */
  | 'differs'
  /** A fact of Stripe's that cannot be of this order: no look will ever settle it. */
  | 'contradicts'
  /** Stripe does not know its checkout. */
  | 'unknown'
  | 'notAsked'
  /** Ordered with a test key, and this one is live: there is no money in it. */
  | 'passedOver'

export type StripeAudited = Record<Verdict, number> & {
  /** Stripe answered nobody any more, so the rest was not looked at. */
  stopped: boolean
}

interface Finding {
  verdict: Verdict
  /** For whoever has to see to it. */
  lines: string[]
}

/** Looks under way at once. Stripe's pace is kept by the client; this bounds memory and sockets. */
const lanes = 24
const pageSize = 240
/** After so many looks in a row that nobody answered, the rest is spared the try. */
const outageAfter = 20
/** A paid order is to be credited within these, so what still differs then was not about to be mended. */
const usualAgainAfterMs = 5_000

/**
 * Compares the purchases of one workspace or of all with what Stripe says of them now, by the rule that settles
 * them, and prints what an operator should know. Only reads, here and at Stripe.
 *
 * What seems to differ is looked at twice, some seconds apart: a webhook may have been on its way.
 */
export async function auditStripe(
  store: Store,
  account: StripeAccount,
  options: StripeAuditOptions,
): Promise<StripeAudited> {
  const { print, now, againAfterMs = usualAgainAfterMs } = options
  const counts = { stands: 0, pending: 0, differs: 0, contradicts: 0, unknown: 0, notAsked: 0 }
  const audited: StripeAudited = { ...counts, passedOver: 0, stopped: false }
  const conclude = ({ workspaceId, purchaseId }: Purchase, { verdict, lines }: Finding) => {
    audited[verdict]++
    if (lines.length === 0) return
    print(`${workspaceId} ${purchaseId}: ${headings[verdict]}`)
    for (const line of lines) print(`  ${line}`)
  }

  let unanswered = 0
  const lookAt = async (purchase: Purchase) => {
    const finding = await look(account, purchase, now)
    unanswered = finding.verdict === 'notAsked' ? unanswered + 1 : 0
    return finding
  }
  const goesOn = () => unanswered < outageAfter
  const doubtful: { purchase: Purchase; first: Finding }[] = []
  for await (const page of pagesOf(purchasesIn(store, options.workspaceId))) {
    const work = async (purchase: Purchase) => {
      const first = await lookAt(purchase)
      if (isDoubtful(first)) doubtful.push({ purchase, first })
      else conclude(purchase, first)
    }
    await sideBySide(page, { lanes, goesOn, work })
    audited.stopped = !goesOn()
    if (audited.stopped) break
  }

  if (doubtful.length > 0 && !audited.stopped) await sleep(againAfterMs)
  const second = async ({ purchase, first }: (typeof doubtful)[number]) => {
    const { workspaceId, purchaseId } = purchase
    const stored = audited.stopped ? undefined : await readPurchase(store, workspaceId, purchaseId)
    const again = stored && (await look(account, stored, now))
    // What was seen the first time counts where nobody answers the second.
    conclude(purchase, again && again.verdict !== 'notAsked' ? again : first)
  }
  await sideBySide(doubtful, { lanes, goesOn: () => true, work: second })
  return audited
}

const headings: Record<Verdict, string> = {
  stands: 'stands',
  pending: 'stands, with tokens pending',
  differs: 'DIFFERS',
  contradicts: 'CONTRADICTS STRIPE',
  unknown: 'UNKNOWN TO STRIPE',
  notAsked: 'could not be asked',
  passedOver: 'passed over',
}

function isDoubtful({ verdict }: Finding): boolean {
  return verdict !== 'stands' && verdict !== 'pending' && verdict !== 'passedOver'
}

async function look(account: StripeAccount, purchase: Purchase, now: Date): Promise<Finding> {
  const { sessionId, livemode } = purchase
  if (!sessionId) return withoutCheckout(purchase, now)
  if (livemode !== account.livemode) {
    return livemode
      ? { verdict: 'notAsked', lines: ['ordered with a live key, and this one is a test key'] }
      : { verdict: 'passedOver', lines: [] }
  }
  let facts: PaymentFacts | undefined
  try {
    facts = await readFacts(account, sessionId)
  } catch (error) {
    if (!(error instanceof Unavailable) || error.service !== 'stripe') throw error
    return { verdict: 'notAsked', lines: [failureOf(error)?.message ?? error.message] }
  }
  if (!facts) {
    return { verdict: 'unknown', lines: [`Stripe's account of this key has no ${sessionId}`] }
  }
  const mismatch = mismatchOf(purchase, facts)
  if (mismatch) {
    return { verdict: 'contradicts', lines: [contradiction(purchase, facts, mismatch)] }
  }
  const standing = standingOf(purchase, facts)
  if (!stands(purchase, standing)) {
    return { verdict: 'differs', lines: differences(purchase, facts, standing) }
  }
  if (purchase.pending === 0) return { verdict: 'stands', lines: [] }
  const line = `${grouped(purchase.pending)} tokens will be taken from what open holds return`
  return { verdict: 'pending', lines: [line] }
}

/** Such an order could not be paid, so there is nothing at Stripe to compare it with. */
function withoutCheckout(purchase: Purchase, now: Date): Finding {
  const { status, createdAt } = purchase
  if (isAbandoned(purchase, now)) {
    const line = `status: open is stored, and it should be expired: it has had no checkout since ${createdAt}`
    return { verdict: 'differs', lines: [line] }
  }
  if (!isPaid(status) && status !== 'processing') return { verdict: 'stands', lines: [] }
  const line = `status: ${status} is stored, and no checkout that it could have been paid at`
  return { verdict: 'contradicts', lines: [line] }
}

function differences(purchase: Purchase, facts: PaymentFacts, standing: Standing): string[] {
  const { status, tokens, reversed } = purchase
  const lines: string[] = []
  if (status !== standing.status) {
    lines.push(`status: ${status} is stored, Stripe says ${standing.status}`)
  }
  if (!isPaid(status) && isPaid(standing.status)) {
    lines.push(`credited: nothing of its ${grouped(tokens)} tokens, and Stripe says it is paid`)
  }
  if (reversed !== standing.reversed) {
    const { amountTotal, amountRefunded, amountDisputed } = facts
    const money = (amount: number) => inWords(amount, purchase.currency)
    lines.push(
      `tokens to lose: ${grouped(reversed)} is stored, Stripe makes it ${grouped(standing.reversed)} (${money(amountTotal)} paid, ${money(amountRefunded)} refunded, ${money(amountDisputed)} disputed)`,
    )
  }
  const block = blockOf(purchase, standing, purchase.shortfall)
  if (block === 'blocks') {
    lines.push(
      `purchasing: allowed, and a lost dispute left ${grouped(purchase.shortfall)} tokens that were spent: it should be blocked`,
    )
  } else if (block === 'clears') {
    lines.push('purchasing: blocked by this purchase, and no dispute of it is lost any more')
  }
  return lines
}

/** The fact, as it is stored and as Stripe has it. */
function contradiction(purchase: Purchase, facts: PaymentFacts, field: keyof PaymentFacts): string {
  const { deploymentId, workspaceId, purchaseId, amount, currency, livemode, status } = purchase
  const { amountSubtotal, amountDiscounted, amountTotal } = facts
  const ours = (minor: number) => inWords(minor, currency)
  const mode = (live: boolean) => (live ? 'live' : 'test')
  const theirs = (id: string | undefined) => id ?? 'none'
  switch (field) {
    case 'livemode':
      return `mode: ${mode(livemode)} is stored, Stripe says ${mode(facts.livemode)}`
    case 'deploymentId':
      return `deployment: ${deploymentId} is stored, Stripe says ${theirs(facts.deploymentId)}`
    case 'workspaceId':
      return `workspace: ${workspaceId} is stored, Stripe says ${theirs(facts.workspaceId)}`
    case 'purchaseId':
      return `purchase: ${purchaseId} is stored, Stripe says ${theirs(facts.purchaseId)}`
    case 'currency':
      return `currency: ${currency} is stored, Stripe says ${facts.currency}`
    case 'amountSubtotal':
      return `price: ${ours(amount)} is stored, Stripe says ${ours(amountSubtotal)}`
    case 'amountDiscounted':
      return `discount: no code was allowed for this order, Stripe took off ${ours(amountDiscounted)}`
    case 'amountTotal':
      return `paid: at least ${ours(amountSubtotal - amountDiscounted)} is due, Stripe says ${ours(amountTotal)}`
    default:
      return `status: ${status} is stored, Stripe says ${facts.status}`
  }
}

/** `5.95 USD`: with as many decimals as the currency has. */
function inWords(amount: number, currency: string): string {
  const code = currency.toUpperCase()
  const format = new Intl.NumberFormat('en-US', { style: 'currency', currency: code })
  const digits = format.resolvedOptions().maximumFractionDigits ?? 2
  return `${(amount / 10 ** digits).toFixed(digits)} ${code}`
}

async function* purchasesIn(
  store: Store,
  workspaceId: string | undefined,
): AsyncGenerator<Purchase> {
  if (workspaceId !== undefined && !(await readWorkspace(store, workspaceId))) {
    throw new Error(`there is no workspace ${workspaceId}`)
  }
  for await (const id of workspaceId === undefined ? workspaceIds(store) : [workspaceId]) {
    yield* purchasesOf(store, id)
  }
}

async function* pagesOf<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item[]> {
  let page: Item[] = []
  for await (const item of items) {
    page.push(item)
    if (page.length < pageSize) continue
    yield page
    page = []
  }
  if (page.length > 0) yield page
}
