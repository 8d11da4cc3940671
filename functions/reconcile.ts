import type { Context } from 'aws-lambda'
import { stripeConfig, tablesConfig } from '../shared/config.ts'
import { reconcile } from '../shared/operations/reconcile.ts'
import { openStripe } from '../shared/payments/stripe.ts'
import { openStore } from '../shared/store/dynamodb.ts'

const store = openStore(tablesConfig())
const stripe = openStripe(stripeConfig(), 'paced')

/** Every 15 minutes: settles what Stripe's events name, whether or not their webhooks arrived. */
export async function handler({ scheduledTime }: { scheduledTime: string }, context: Context) {
  const timeLeftMs = () => context.getRemainingTimeInMillis()
  return reconcile(store, await stripe(), new Date(scheduledTime), { timeLeftMs })
}
