import {
  CreateSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  ResourceNotFoundException,
  type SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager'
import { SetupError } from './setup-error.ts'

/** The secret as the service reads it, and what this command remembers beside it. */
export interface StripeSecret {
  apiKey: string
  webhookSecrets: string[]
  /** The endpoints that `webhookSecrets` are of, as far as this command made them. */
  webhookEndpoints?: string[]
}

export interface KeptSecret {
  secret: Partial<StripeSecret>
  /** When it was last stored, by AWS's clock. */
  storedAt: Date
}

/** The secret as it is kept, or undefined where there is none of this name. */
export async function readSecret(
  client: SecretsManagerClient,
  SecretId: string,
): Promise<KeptSecret | undefined> {
  try {
    const { SecretString, CreatedDate } = await client.send(new GetSecretValueCommand({ SecretId }))
    return { secret: parse(SecretString, SecretId), storedAt: CreatedDate ?? new Date(0) }
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined
    if (error instanceof SetupError) throw error
    throw failure(`read the secret ${SecretId}`, error)
  }
}

/** Puts a new value in the place of the old one, or makes the secret. */
export async function storeSecret(
  client: SecretsManagerClient,
  SecretId: string,
  secret: StripeSecret,
  exists: boolean,
): Promise<void> {
  const SecretString = JSON.stringify(secret)
  const command = exists
    ? new PutSecretValueCommand({ SecretId, SecretString })
    : new CreateSecretCommand({
        Name: SecretId,
        SecretString,
        Description: "Token Top-up: Stripe's API key and the signing secrets of its webhooks",
      })
  try {
    // biome-ignore lint/suspicious/noExplicitAny: the client's overloads take one command at a time.
    await client.send(command as any)
  } catch (error) {
    throw failure(`store the secret ${SecretId}`, error)
  }
}

/** Says which part is wrong, and never what was in it. */
function parse(text: string | undefined, name: string): Partial<StripeSecret> {
  const wrong = (problem: string) =>
    new SetupError(
      `The secret ${name} ${problem}; it must be {"apiKey": "…", "webhookSecrets": []}. Nothing was changed. Mend it, or delete it and run this again.`,
    )
  let parsed: unknown
  try {
    parsed = JSON.parse(text ?? '')
  } catch {
    throw wrong('is not JSON')
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    throw wrong('is not an object')
  const { apiKey, webhookSecrets = [], webhookEndpoints = [] } = parsed as Record<string, unknown>
  if (apiKey !== undefined && typeof apiKey !== 'string')
    throw wrong('has an apiKey that is no text')
  if (!isTexts(webhookSecrets)) throw wrong('has webhookSecrets that are no list of texts')
  if (!isTexts(webhookEndpoints)) throw wrong('has webhookEndpoints that are no list of texts')
  return { ...parsed, webhookSecrets, webhookEndpoints }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

/** AWS's words name the action and who may not take it, never a value. */
function failure(what: string, error: unknown): SetupError {
  const { name, message } = error as Error
  return new SetupError(`Could not ${what}: ${name}: ${message}`)
}
