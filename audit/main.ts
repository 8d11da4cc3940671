import { parseArgs } from 'node:util'
import { openStore, type Store } from '../shared/store/dynamodb.ts'
import { audit } from './audit.ts'

/**
 * `npm run audit`: proves on the stored data that no token was lost or made. Exit code 0 where all adds up,
 * 1 where something differs, 2 where it could not be told.
 */

const usage = `npm run audit -- [--workspace ID]

Checks that the ledger adds up to what is stored, for one workspace or for all. It only reads.

  --workspace ID             only this workspace
  --workspaces-table NAME    the tables of a deployment, reached with the usual AWS environment
  --ledger-table NAME        (credentials, AWS_REGION, AWS_PROFILE)
  --usage-retention-days N   how long the deployment keeps usage entries (400)

Without table names it reads the system that \`npm start\` runs here, on PORT or 4000.`

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
  const store =
    workspacesTable && ledgerTable
      ? openStore({ workspacesTable, ledgerTable, usageRetentionDays })
      : await localStore(usageRetentionDays)
  const { checked, differ, moving } = await audit(store, {
    workspaceId: values.workspace,
    usageRetentionDays,
    now: new Date(),
    print: console.log,
  })
  console.log(`\n${checked} checked, ${differ} differ, ${moving} could not be checked.`)
  return differ > 0 ? 1 : moving > 0 ? 2 : 0
}

/** The tables of the system running on this machine, which says itself where they are. */
async function localStore(usageRetentionDays: number): Promise<Store> {
  const url = `http://127.0.0.1:${process.env.PORT ?? '4000'}`
  const tables = await fetch(`${url}/local/tables`).then(
    async (response) =>
      response.ok ? ((await response.json()) as Record<string, string>) : undefined,
    () => undefined,
  )
  if (!tables) {
    throw new Error(
      `No Token Top-up answers at ${url}: start one with \`npm start\`, or name a deployment's tables (see --help).`,
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
