import { accountWith, openStripe, type StripeAccount } from '../shared/payments/stripe.ts'

/** The account of a deployment: its functions read the same secret. */
export async function accountIn(secretId: string, api?: string): Promise<StripeAccount> {
  const apiBase = api === undefined ? undefined : URL.parse(api)
  if (apiBase === null) throw new Error(`${api} is no address.`)
  return openStripe({ secretId, ...(apiBase && { apiBase }) }, 'paced')()
}

/**
 * The account of the system that runs on this machine. It tells the address and the key of its stand-in, which
 * are of use to nobody else; a test key of Stripe's own it keeps to itself, and that is read from the variable
 * it was started with.
 */
export async function accountOn(localUrl: string): Promise<StripeAccount> {
  const response = await fetch(`${localUrl}/local/stripe`)
  const told = (await response.json()) as { apiBase?: string; apiKey?: string }
  const apiKey = told.apiKey ?? process.env.STRIPE_SECRET_KEY?.trim() ?? ''
  if (!/^[sr]k_test_/.test(apiKey)) {
    throw new Error(
      `The system at ${localUrl} uses Stripe's test mode: set STRIPE_SECRET_KEY to the test key it was started with.`,
    )
  }
  const at = told.apiBase === undefined ? undefined : new URL(told.apiBase)
  return accountWith({ apiKey }, { apiBase: at, pace: 'paced' })
}
