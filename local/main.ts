import { createWriteStream, type WriteStream } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { DynamoDbConnection } from './aws/dynamodb.ts'
import type { LogLine } from './aws/lambda-host.ts'
import { SetupError } from './setup-error.ts'
import { type Stack, startStack } from './stack.ts'
import { parseTestKeys } from './stripe/keys.ts'

/** `npm start`: the whole system in the foreground, until Ctrl-C. */

const startedAt = performance.now()
const folder = fileURLToPath(new URL('../.local', import.meta.url))
const kept = process.env.LOCAL_DATA !== 'memory'

let stopping = false
const starting = start()
stopOn(['SIGINT', 'SIGTERM', 'SIGHUP'])
try {
  welcome(await starting)
} catch (cause) {
  // Ctrl-C reaches the programs that a start waits for, too; that they ended is what was asked for.
  if (stopping) process.exit(0)
  // What can be mended from outside is one line; anything else is a fault of ours and shows where it is.
  console.error(cause instanceof SetupError ? cause.message : cause)
  process.exit(1)
}

async function start(): Promise<Stack> {
  const stripeTestKeys = parseTestKeys(process.env)
  const dynamoDb = parseDynamoDb(process.env)
  return startStack({
    port: parsePort(process.env.PORT),
    ...(kept && { dataFolder: folder }),
    ...(dynamoDb && { dynamoDb }),
    ...(stripeTestKeys && { stripeTestKeys }),
    log: openLog(),
    progress: (text) => console.log(text),
  })
}

function parsePort(text = '4000'): number {
  const port = Number(text)
  if (Number.isInteger(port) && port > 0 && port < 65_536) return port
  throw new SetupError(`PORT=${text} is not a port: choose a number from 1024 to 65535.`)
}

/** Another DynamoDB is used with the credentials of whoever starts this, where there are any. */
function parseDynamoDb(environment: NodeJS.ProcessEnv): DynamoDbConnection | undefined {
  const endpoint = environment.DYNAMODB_ENDPOINT?.trim()
  if (!endpoint) return undefined
  if (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)) {
    throw new SetupError(
      `DYNAMODB_ENDPOINT=${endpoint} is not an address: write it as http://127.0.0.1:8000.`,
    )
  }
  const { AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN } = environment
  return {
    endpoint,
    ...(AWS_REGION && { region: AWS_REGION }),
    ...(AWS_ACCESS_KEY_ID &&
      AWS_SECRET_ACCESS_KEY && {
        credentials: {
          accessKeyId: AWS_ACCESS_KEY_ID,
          secretAccessKey: AWS_SECRET_ACCESS_KEY,
          ...(AWS_SESSION_TOKEN && { sessionToken: AWS_SESSION_TOKEN }),
        },
      }),
  }
}

/**
 * Everything functions log goes to `.local/functions.log`, afresh at each start. The terminal shows the
 * warnings and errors, or all of it with LOCAL_LOGS=1.
 */
function openLog(): (line: LogLine) => void {
  let file: WriteStream | undefined
  const all = process.env.LOCAL_LOGS === '1'
  return ({ function: name, line }) => {
    // Opened at the first line: by then no other start can be using the folder.
    if (kept) file ??= createWriteStream(join(folder, 'functions.log'))
    file?.write(`${name} ${line}\n`)
    if (all || /"level":"(WARN|ERROR|FATAL)"/.test(line)) console.log(`${name} ${line}`)
  }
}

function stopOn(signals: readonly NodeJS.Signals[]): void {
  for (const signal of signals) {
    process.on(signal, async () => {
      // npm passes on the Ctrl-C that the terminal has already sent: the second one says nothing new.
      if (stopping) return
      stopping = true
      console.log('\nStopping …')
      const stack = await starting.catch(() => undefined)
      if (!stack) return
      await stack.stop()
      console.log(kept ? `Stopped. The data stays in ${relative('.', folder)}/.` : 'Stopped.')
      process.exit(0)
    })
  }
}

function welcome({ url, clock, stripe }: Stack): void {
  if (stopping) return
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
  console.log(`\nToken Top-up is up at ${url} (${seconds} s). Ctrl-C stops it.`)
  console.log(
    kept
      ? `Data is kept in ${relative('.', folder)}/; npm run reset-local clears it.`
      : 'Data is in memory only.',
  )
  console.log(stripe ? 'Stripe: the stand-in.' : 'Stripe: test mode, with your key.')
  if (!clock.isReal()) {
    console.log(`The clock was moved: it is ${clock.now().toISOString()} here. Back to real time:`)
    console.log(`  curl -s -X POST ${url}/local/clock`)
  }
  console.log(`
Open ${url} in a browser to see the whole story, ${url}/local/api to read the API and try it, or try in another terminal:

  token() { curl -s ${url}/local/token -d "{\\"persona\\":\\"$1\\"}" | cut -d'"' -f4; }

  # acme's meter, as a member of acme sees it
  curl -s ${url}/v1/workspaces/acme/meter -H "authorization: Bearer $(token acme-member)"

  # use 500,000 tokens, as the product's backend
  curl -s ${url}/v1/workspaces/acme/consume -H "authorization: Bearer $(token assistant)" -H 'idempotency-key: use-1' --json '{"tokens":500000}'

  # buy 1,000,000, as acme's admin: open the checkoutUrl in a browser and pay, then look at the meter again
  curl -s ${url}/v1/workspaces/acme/purchases -H "authorization: Bearer $(token acme-admin)" -H 'idempotency-key: buy-1' --json '{"tokens":1000000}'

docs/local.md tells the rest.
`)
}
