import type { Purchase } from '../../shared/domain/purchase.ts'
import type { PaymentFacts } from '../../shared/domain/standing.ts'

/** An order of 1,000,000 tokens for $2.50, whose checkout is open. */
export function purchaseWith(over: Partial<Purchase> = {}): Purchase {
  return {
    workspaceId: 'acme',
    purchaseId: 'pur_1',
    deploymentId: 'dep_1',
    status: 'open',
    tokens: 1_000_000,
    amount: 250,
    currency: 'usd',
    livemode: false,
    returnUrl: 'https://app.example.com/usage',
    by: 'acme-admin',
    attempt: 1,
    version: 2,
    sessionId: 'cs_1',
    checkoutUrl: 'https://checkout.example.com/cs_1',
    reversed: 0,
    taken: 0,
    pending: 0,
    shortfall: 0,
    createdAt: '2026-07-14T09:00:00.000Z',
    updatedAt: '2026-07-14T09:00:00.000Z',
    ...over,
  }
}

/** What Stripe says of that order once it has been paid in full. */
export function factsWith(over: Partial<PaymentFacts> = {}): PaymentFacts {
  return {
    deploymentId: 'dep_1',
    workspaceId: 'acme',
    purchaseId: 'pur_1',
    livemode: false,
    currency: 'usd',
    status: 'paid',
    amountSubtotal: 250,
    amountDiscounted: 0,
    amountTotal: 250,
    amountRefunded: 0,
    amountDisputed: 0,
    disputeLost: false,
    ...over,
  }
}
