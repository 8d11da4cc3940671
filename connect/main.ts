import { parseArgs } from 'node:util'
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import Stripe from 'stripe'
import { connectStripe } from './connect-stripe.ts'
import { keyFromFile, keyFromPrompt } from './key.ts'
import { readSecret, storeSecret } from './secret.ts'
import { SetupError } from './setup-error.ts'
import { readStack } from './stack.ts'

/**
 * `npm run connect-stripe`: makes Stripe send our events to a deployment, and lets it verify them. Exit code 0
 * where all is connected, 1 where it could not be, 2 for a command that says too little, 3 where all works and
 * another run is to remove what is replaced.
 */

const usage = `npm run connect-stripe -- --stack NAME | --url URL --secret NAME

Makes the webhook endpoint at Stripe and stores its signing secret beside the API key. Run again, it changes
nothing. AWS is reached with the usual environment (credentials, AWS_REGION, AWS_PROFILE).

  --stack NAME       the deployed stack, whose outputs name the address and the secret
  --url URL          the address that takes webhooks, in place of the stack's
  --secret NAME      the secret in Secrets Manager, in place of the stack's; made where there is none
  --key-file FILE    holds the Stripe key to store; without it the stored one is used, or you are asked
  --rotate           replaces the signing secret: run again when told to, to end it
  --stripe-api URL   another address of Stripe's API, for a stand-in

A new key's endpoints are those of its own mode: test and live are connected one after the other.`

try {
  process.exitCode = await run()
} catch (cause) {
  const known = cause instanceof SetupError
  console.error(known ? cause.message : cause)
  process.exitCode = 1
}

async function run(): Promise<number> {
  const values = readArguments()
  if (typeof values === 'string') {
    console.error(`${values}\n\n${usage}`)
    return 2
  }
  if (values.help) {
    console.log(usage)
    return 0
  }
  const stack = values.stack === undefined ? undefined : await readStack(values.stack)
  const [url, secretName] = [values.url ?? stack?.url, values.secret ?? stack?.secret]
  if (!url || !secretName) {
    console.error(`Give --stack, or both --url and --secret.\n\n${usage}`)
    return 2
  }
  checkAddress(url)

  const secrets = new SecretsManagerClient()
  const kept = await readSecret(secrets, secretName)
  const apiKey = values['key-file']
    ? await keyFromFile(values['key-file'])
    : (kept?.secret.apiKey ?? (await keyFromPrompt()))
  const mode = /^[rs]k_live_/.test(apiKey) ? 'live' : 'test'
  console.log(`Connecting ${url} in Stripe's ${mode} mode; the secret is ${secretName}.`)
  const { runAgainAt } = await connectStripe({
    url,
    kept,
    apiKey,
    client: stripeClient(apiKey, values['stripe-api']),
    rotate: values.rotate ?? false,
    now: new Date(),
    store: (secret) => storeSecret(secrets, secretName, secret, kept !== undefined),
    print: (line) => console.log(line),
  })
  if (!runAgainAt) return 0
  console.log(
    `Both signing secrets are accepted. Run this again after ${runAgainAt.toISOString()}, without --rotate, to remove what is replaced.`,
  )
  return 3
}

/** The values, or what is wrong with them. */
function readArguments() {
  try {
    return parseArgs({
      options: {
        stack: { type: 'string' },
        url: { type: 'string' },
        secret: { type: 'string' },
        'key-file': { type: 'string' },
        'stripe-api': { type: 'string' },
        rotate: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    return (error as Error).message
  }
}

/** Stripe sends to https alone; a stand-in on this machine may take less. */
function checkAddress(text: string): void {
  const url = URL.parse(text)
  const onThisMachine = url?.hostname === 'localhost' || url?.hostname === '127.0.0.1'
  if (url && (url.protocol === 'https:' || (url.protocol === 'http:' && onThisMachine))) return
  throw new SetupError(`${text} is no https address. Nothing was changed.`)
}

function stripeClient(apiKey: string, api?: string): Stripe {
  const at = api === undefined ? undefined : URL.parse(api)
  if (at === null) throw new SetupError(`${api} is no address. Nothing was changed.`)
  return new Stripe(apiKey, {
    maxNetworkRetries: 2,
    timeout: 10_000,
    telemetry: false,
    ...(at && {
      protocol: at.protocol === 'http:' ? 'http' : 'https',
      host: at.hostname,
      port: at.port || (at.protocol === 'http:' ? 80 : 443),
    }),
  })
}
