import { randomBytes } from 'node:crypto'
import type { DataFolder } from '../data-folder.ts'
import { SetupError } from '../setup-error.ts'

/** The value of the Stripe secret, in the shape it has in Secrets Manager. */
export interface StripeSecret {
  apiKey: string
  webhookSecrets: string[]
}

/** Keys of Stripe's test mode, given by whoever runs the system. */
export interface StripeTestKeys {
  apiKey: string
  webhookSecret?: string
}

/** The name of the secret: the functions ask for it, the stand-in answers to it. */
export const stripeSecretName = 'token-top-up/stripe'

const fileName = 'secrets.json'

/**
 * The Stripe secret of this machine. Without test keys it is made up at random once and kept in `folder`;
 * test keys stay in memory. In test mode without a webhook secret no webhook verifies, and reconciliation
 * settles what it would have.
 */
export function openStripeSecret(folder: DataFolder, testKeys?: StripeTestKeys): StripeSecret {
  if (testKeys) {
    return {
      apiKey: testKeys.apiKey,
      webhookSecrets: [testKeys.webhookSecret || randomKey('whsec_')],
    }
  }
  const kept = folder.read<Record<string, StripeSecret>>(fileName)?.[stripeSecretName]
  if (kept) return kept
  const made = { apiKey: randomKey('sk_test_local_'), webhookSecrets: [randomKey('whsec_')] }
  folder.write(fileName, { [stripeSecretName]: made })
  return made
}

/** Throws one line for a key that could move real money, or that is none. */
export function parseTestKeys(environment: NodeJS.ProcessEnv): StripeTestKeys | undefined {
  const apiKey = environment.STRIPE_SECRET_KEY?.trim()
  if (!apiKey) return undefined
  if (!/^[sr]k_test_/.test(apiKey)) {
    throw new SetupError(
      /^[sr]k_live_/.test(apiKey)
        ? 'STRIPE_SECRET_KEY is a live key, which could move real money: use one that starts with sk_test_, or leave it out to use the Stripe stand-in.'
        : 'STRIPE_SECRET_KEY is not a Stripe test key: use one that starts with sk_test_, or leave it out to use the Stripe stand-in.',
    )
  }
  const webhookSecret = environment.STRIPE_WEBHOOK_SECRET?.trim()
  return { apiKey, ...(webhookSecret && { webhookSecret }) }
}

function randomKey(prefix: string): string {
  return prefix + randomBytes(24).toString('hex')
}
