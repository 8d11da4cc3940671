import { parseArgs } from 'node:util'
import { openStore, type Store } from '../shared/store/dynamodb.ts'
import { accountIn, accountOn } from './account.ts'
import { audit } from './audit.ts'
import { auditStripe } from './stripe.ts'

/**
 * `npm run audit`: proves on the stored data that no token was lost or made, or, with `--stripe`, that every
 * purchase is where Stripe says. Exit code 0 where all is right, 1 where something differs, 2 where it could
 * not be told.
 */

const usage = `npm run audit -- [--stripe] [--workspace ID]

Checks that the ledger adds up to what is stored, for one workspace or for all; with --stripe, that every
purchase is where Stripe says. It only reads, here and at Stripe.

  --workspace ID             only this workspace
  --workspaces-table NAME    the tables of a deployment, reached with the usual AWS environment
  --ledger-table NAME        (credentials, AWS_REGION, AWS_PROFILE)
  --usage-retention-days N   how long the deployment keeps usage entries (400)
  --stripe                   compare the purchases with Stripe
  --stripe-secret NAME       with --stripe: the deployment's secret in Secrets Manager, which holds the key
  --stripe-api URL           another address of Stripe's API, for a stand-in

Without table names it reads the system that \`npm start\` runs here, on PORT or 4000.`

const localUrl = `http://127.0.0.1:${process.env.PORT ?? '4000'}`

try {
  process.exitCode = await run()
} catch (cause) {
  console.error(cause instanceof Error ? cause.message : cause)
  process.exitCode = 2
}

async function run(): Promise<number> {
  const { values } = parseArgs({
    options: {
      workspace: { type: 'string' },
      'workspaces-table': { type: 'string' },
      'ledger-table': { type: 'string' },
      'usage-retention-days': { type: 'string', default: '400' },
      stripe: { type: 'boolean', default: false },
      'stripe-secret': { type: 'string' },
      'stripe-api': { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    console.log(usage)
    return 0
  }
  const usageRetentionDays = Number(values['usage-retention-days'])
  if (!Number.isSafeInteger(usageRetentionDays) || usageRetentionDays < 1) {
    throw new Error('--usage-retention-days must be a whole number from 1 up.')
  }
  const [workspacesTable, ledgerTable] = [values['workspaces-table'], values['ledger-table']]
  if ((workspacesTable === undefined) !== (ledgerTable === undefined)) {
    throw new Error('Give both --workspaces-table and --ledger-table, or neither.')
  }
  const deployed = workspacesTable && ledgerTable ? { workspacesTable, ledgerTable } : undefined
  const secret = values['stripe-secret']
  if (values.stripe && (deployed === undefined) !== (secret === undefined)) {
    throw new Error('A deployment has tables and a secret: give --stripe-secret with its tables.')
  }
  const store = deployed
    ? openStore({ ...deployed, usageRetentionDays })
    : await localStore(usageRetentionDays)
  if (values.stripe) {
    const account = secret
      ? await accountIn(secret, values['stripe-api'])
      : await accountOn(localUrl)
    const now = secret ? new Date() : await localNow()
    return withStripe(
      await auditStripe(store, account, { workspaceId: values.workspace, now, print }),
    )
  }
  const { checked, differ, moving } = await audit(store, {
    workspaceId: values.workspace,
    usageRetentionDays,
    now: new Date(),
    print,
  })
  print(`\n${checked} checked, ${differ} differ, ${moving} could not be checked.`)
  return differ > 0 ? 1 : moving > 0 ? 2 : 0
}

function print(line: string): void {
  console.log(line)
}

/** The counts in words, and the exit code. */
function withStripe(audited: Awaited<ReturnType<typeof auditStripe>>): number {
  const { stands, pending, differs, contradicts, unknown, notAsked, passedOver, stopped } = audited
  const counts = [
    `${stands + pending} stand (${pending} with tokens pending)`,
    `${differs} differ`,
    `${contradicts} contradict Stripe`,
    `${unknown} unknown to Stripe`,
    `${notAsked} could not be asked`,
    ...(passedOver > 0 ? [`${passedOver} of test mode passed over`] : []),
  ]
  print(`\n${counts.join(', ')}.`)
  if (differs > 0) {
    print('What differs is settled by a look: let GET …/purchases/{purchaseId} or the next event')
    print("of it bring it up to date; resending any of its events from Stripe's dashboard does.")
  }
  if (contradicts + unknown > 0) {
    print('What contradicts Stripe or is unknown to it no look will settle: docs/payments.md.')
  }
  if (stopped) print('Stripe answered nobody any more, so the rest was not looked at.')
  return differs + contradicts + unknown > 0 ? 1 : notAsked > 0 ? 2 : 0
}

/** The tables of the system running on this machine, which says itself where they are. */
async function localStore(usageRetentionDays: number): Promise<Store> {
  const tables = await fetch(`${localUrl}/local/tables`).then(
    async (response) =>
      response.ok ? ((await response.json()) as Record<string, string>) : undefined,
    () => undefined,
  )
  if (!tables) {
    throw new Error(
      `No Token Top-up answers at ${localUrl}: start one with \`npm start\`, or name a deployment's tables (see --help).`,
    )
  }
  const { endpoint, region, workspacesTable = '', ledgerTable = '' } = tables
  process.env.AWS_ENDPOINT_URL_DYNAMODB = endpoint
  process.env.AWS_REGION ??= region
  // DynamoDB Local asks for credentials and does not check them.
  process.env.AWS_ACCESS_KEY_ID ??= 'local'
  process.env.AWS_SECRET_ACCESS_KEY ??= 'local'
  return openStore({ workspacesTable, ledgerTable, usageRetentionDays })
}

/** Orders and sessions on this machine are dated by its clock, which may have been moved. */
async function localNow(): Promise<Date> {
  const response = await fetch(`${localUrl}/local/clock`)
  const { now } = (await response.json()) as { now: string }
  return new Date(now)
}
