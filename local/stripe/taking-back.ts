import type Stripe from 'stripe'
import { type Made, newDispute, newRefund } from './objects.ts'

export const refundActions = ['refund', 'refund-succeed', 'refund-fail', 'refund-cancel'] as const
export const disputeActions = [
  'dispute',
  'escalate',
  'close',
  'review',
  'appeal',
  'win',
  'lose',
] as const
export type TakingBackAction = (typeof refundActions | typeof disputeActions)[number]

/** What a refund or dispute is to be; without an amount, all that is left. */
export interface Wanted {
  /** Minor units of the charge's currency, or of the dispute's own. */
  amount?: number
  currency?: string
  /** A new one's: it succeeds at once, or wants an answer, unless this says otherwise. */
  status?: string
}

/** A charge and what has been taken back of it, oldest first. */
export interface Charged {
  charge: Stripe.Charge
  refunds: readonly Stripe.Refund[]
  disputes: readonly Stripe.Dispute[]
}

/** What was made or changed, and the events that tell of it. */
export interface Change {
  refund?: Stripe.Refund
  dispute?: Stripe.Dispute
  events: [type: Stripe.Event['type'], object: object, previous?: object][]
}

/** Carries an action out on the newest refund or dispute it is about, or says why it cannot be. */
export function takeBack(
  charged: Charged,
  action: TakingBackAction,
  wanted: Wanted,
  made: Made,
): Change | string {
  switch (action) {
    case 'refund':
      return openRefund(charged, wanted, made)
    case 'refund-succeed':
      return endRefund(charged, 'succeeded', ['pending', 'requires_action'])
    case 'refund-fail':
      return endRefund(charged, 'failed', ['pending', 'requires_action', 'succeeded'])
    case 'refund-cancel':
      return endRefund(charged, 'canceled', ['pending', 'requires_action'])
    case 'dispute':
      return openDispute(charged, wanted, made)
    default:
      return moveDispute(charged, disputeMoves[action])
  }
}

/** What one unit of a charge's currency is worth in any other, so that the two never read the same. */
const foreignRate = 2

function openRefund({ charge, disputes }: Charged, wanted: Wanted, made: Made): Change | string {
  const status = wanted.status ?? 'succeeded'
  if (!['succeeded', 'pending', 'requires_action'].includes(status)) {
    return `a new refund is not ${status}.`
  }
  const open = disputes.find((one) => !over.includes(one.status) && !isInquiry(one))
  if (open) return `the charge is disputed (${open.id} is ${open.status}).`
  const left = charge.amount - charge.amount_refunded
  if (left === 0) return 'the charge has already been refunded.'
  const amount = wanted.amount ?? left
  if (amount > left) return `${amount} is more than the ${left} left to refund.`

  const currency = wanted.currency ?? charge.currency
  const rate = currency === charge.currency ? 1 : foreignRate
  const refund = newRefund(charge, { amount: amount * rate, currency, status }, made)
  const events: Change['events'] = [['refund.created', refund]]
  if (isCounted(status)) events.push(count(charge, amount))
  return { refund, events }
}

/**
 * Whether the charge's `amount_refunded` has it. Stripe documents no moment for refunds that are under way, so
 * the stand-in shows both: a pending one is counted at once, one that waits for the buyer when it succeeds.
 */
function isCounted(status: string): boolean {
  return status === 'pending' || status === 'succeeded'
}

function count(charge: Stripe.Charge, amount: number): Change['events'][number] {
  const { amount_refunded, refunded } = charge
  charge.amount_refunded += amount
  charge.refunded = charge.amount_refunded === charge.amount
  return ['charge.refunded', charge, { amount_refunded, refunded }]
}

function endRefund(
  { charge, refunds }: Charged,
  status: 'succeeded' | 'failed' | 'canceled',
  from: string[],
): Change | string {
  const refund = refunds.at(-1)
  if (!refund) return 'the payment has no refund.'
  const previous = { status: refund.status }
  if (!from.includes(String(refund.status))) {
    return `the newest refund ${refund.id} is ${refund.status}, and must be ${from.join(' or ')}.`
  }
  const rate = refund.currency === charge.currency ? 1 : foreignRate
  const amount = refund.amount / rate
  const events: Change['events'] = []
  if (isCounted(status) && !isCounted(String(refund.status))) {
    if (amount > charge.amount - charge.amount_refunded) return 'the charge has been refunded.'
    events.push(count(charge, amount))
  }
  if (!isCounted(status) && isCounted(String(refund.status))) {
    charge.amount_refunded -= amount
    charge.refunded = false
  }
  refund.status = status
  delete refund.pending_reason
  if (status === 'failed') {
    refund.failure_reason = 'expired_or_canceled_card'
    events.push(['refund.failed', refund, previous])
  }
  events.push(['refund.updated', refund, previous], ['charge.refund.updated', refund, previous])
  return { refund, events }
}

const over: string[] = ['won', 'lost', 'warning_closed', 'prevented']

function isInquiry({ status }: Stripe.Dispute): boolean {
  return status.startsWith('warning_')
}

/** A bank may name any amount: of another currency, of money refunded already, or more than was paid. */
function openDispute({ charge, disputes }: Charged, wanted: Wanted, made: Made): Change | string {
  const status = wanted.status ?? 'needs_response'
  if (!['needs_response', 'warning_needs_response', 'prevented'].includes(status)) {
    return `a new dispute is not ${status}.`
  }
  const open = disputes.find((one) => !over.includes(one.status))
  if (open) return `${open.id} is still open.`
  const lost = disputes.reduce((sum, one) => sum + (one.status === 'lost' ? one.amount : 0), 0)
  const amount = wanted.amount ?? charge.amount - lost - charge.amount_refunded
  if (amount <= 0) return 'nothing of the charge is left to dispute.'

  const said = { amount, currency: wanted.currency ?? charge.currency, status }
  const dispute = newDispute(charge, said, made)
  charge.disputed = true
  const events: Change['events'] = [['charge.dispute.created', dispute]]
  if (status === 'needs_response') events.push(['charge.dispute.funds_withdrawn', dispute])
  return { dispute, events }
}

interface DisputeMove {
  from: string[]
  to: (status: string) => string
  tells: Stripe.Event['type'][]
}

const answerable = [
  'needs_response',
  'under_review',
  'appeal_needs_response',
  'appeal_under_review',
]
const inquiries = ['warning_needs_response', 'warning_under_review']

const disputeMoves = {
  /** An inquiry becomes a dispute that takes the money. */
  escalate: {
    from: inquiries,
    to: () => 'needs_response',
    tells: ['charge.dispute.updated', 'charge.dispute.funds_withdrawn'],
  },
  /** An inquiry ends without having become one. */
  close: { from: inquiries, to: () => 'warning_closed', tells: ['charge.dispute.closed'] },
  /** The answer has been sent, and the bank reads it. */
  review: {
    from: ['warning_needs_response', 'needs_response', 'appeal_needs_response'],
    to: (status) => status.replace('needs_response', 'under_review'),
    tells: ['charge.dispute.updated'],
  },
  appeal: {
    from: ['lost'],
    to: () => 'appeal_needs_response',
    tells: ['charge.dispute.updated'],
  },
  win: {
    from: answerable,
    to: () => 'won',
    tells: ['charge.dispute.closed', 'charge.dispute.funds_reinstated'],
  },
  lose: { from: answerable, to: () => 'lost', tells: ['charge.dispute.closed'] },
} as const satisfies Record<Exclude<(typeof disputeActions)[number], 'dispute'>, DisputeMove>

function moveDispute({ disputes }: Charged, { from, to, tells }: DisputeMove): Change | string {
  const dispute = disputes.findLast(({ status }) => from.includes(status))
  if (!dispute) return `the payment has no dispute that is ${from.join(' or ')}.`
  const previous = { status: dispute.status }
  dispute.status = to(dispute.status)
  dispute.is_charge_refundable = isInquiry(dispute)
  return { dispute, events: tells.map((type) => [type, dispute, previous]) }
}
