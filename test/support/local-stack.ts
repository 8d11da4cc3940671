import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import Stripe from 'stripe'
import { isServicePersona, type TokenChanges } from '../../local/identity/issuer.ts'
import { type Stack, type StackOptions, startStack } from '../../local/stack.ts'
import type { StripeSecret } from '../../local/stripe/keys.ts'
import { synthesisIn } from './synthesis.ts'

/** The whole local system on a free port, in memory unless told otherwise, with what tests do to it. */
export interface LocalStack extends Stack {
  token(persona: string, changes?: TokenChanges): Promise<string>
  call(request: Call): Promise<Answer>
  /** Moves the clock; without a moment, back to real time. */
  moveClock(to?: string): Promise<void>
}

export interface Call {
  /** `POST /v1/workspaces/acme/consume` */
  to: string
  /** A persona to sign in as. Without one the call carries no token, unless `headers` do. */
  as?: string
  /** The Idempotency-Key. */
  key?: string
  /** Sent as JSON; a string is sent as it is. */
  body?: unknown
  headers?: Record<string, string>
}

export interface Answer {
  status: number
  headers: Headers
  // biome-ignore lint/suspicious/noExplicitAny: a test reads what it expects, and fails where that is not there.
  body: any
}

export async function startLocalStack(options: StackOptions = {}): Promise<LocalStack> {
  // Set for a run of tests, and for nothing else.
  const { SYNTHESIS_FOLDER: folder } = process.env
  const stack = await startStack({ ...options, ...(folder && { synthesize: synthesisIn(folder) }) })

  const token = async (persona: string, changes?: TokenChanges) => {
    const identity = isServicePersona(persona) ? stack.servicesIdentity : stack.identity
    const signed = await identity.token(persona, changes)
    if (!signed) throw new Error(`there is no persona ${persona}`)
    return signed
  }

  const call = async ({ to, as, key, body, headers }: Call): Promise<Answer> => {
    const [method, path] = to.split(' ') as [string, string]
    const response = await fetch(stack.url + path, {
      method,
      headers: {
        ...(as && { authorization: `Bearer ${await token(as)}` }),
        ...(key && { 'idempotency-key': key }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      headers: response.headers,
      body: isJson ? await response.json() : await response.text(),
    }
  }

  const moveClock = async (to?: string) => {
    const { status, body } = await call({ to: 'POST /local/clock', body: to ? { now: to } : {} })
    if (status !== 200) throw new Error(JSON.stringify(body))
  }

  return { ...stack, token, call, moveClock }
}

/** The Stripe keys of a stack whose data is kept in `folder`. */
export function stripeSecretIn(folder: string): StripeSecret {
  const secrets: Record<string, StripeSecret> = JSON.parse(
    readFileSync(join(folder, 'secrets.json'), 'utf8'),
  )
  return Object.values(secrets)[0]!
}

/** Makes a `Stripe-Signature` for these bytes, by the stack's clock unless told otherwise. */
export function signer(folder: string, { clock }: Stack) {
  const { webhookSecrets } = stripeSecretIn(folder)
  return (
    payload: string,
    { secret = webhookSecrets[0]!, ageSeconds = 0 }: { secret?: string; ageSeconds?: number } = {},
  ): string => {
    const timestamp = Math.floor(clock.now().getTime() / 1000) - ageSeconds
    return Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp })
  }
}
