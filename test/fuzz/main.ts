import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startDynamoDb } from '../../local/aws/dynamodb.ts'
import { openStore } from '../../shared/store/dynamodb.ts'
import { startDynamoDbProxy } from '../support/dynamodb-proxy.ts'
import { signer, startLocalStack } from '../support/local-stack.ts'
import { fuzz } from './fuzz.ts'

/** `npm run fuzz -- --requests N --seed S`: generated requests against the whole system, started for it. */

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '50000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000_000) },
  },
})
const [requests, seed] = [Number(values.requests), Number(values.seed)]
if (!Number.isSafeInteger(requests) || requests < 1 || !Number.isSafeInteger(seed)) {
  console.error('--requests and --seed must be whole numbers.')
  process.exit(2)
}
console.log(`${requests} requests, seed ${seed}`)

const folder = mkdtempSync(join(tmpdir(), 'token-top-up-fuzz-'))
const engine = await startDynamoDb()
const dynamoDb = await startDynamoDbProxy(engine.endpoint)
const stack = await startLocalStack({
  dataFolder: folder,
  dynamoDb: { endpoint: dynamoDb.endpoint },
})
try {
  const { body: tables } = await stack.call({ to: 'GET /local/tables' })
  process.env.AWS_ENDPOINT_URL_DYNAMODB = engine.endpoint
  process.env.AWS_REGION = tables.region
  process.env.AWS_ACCESS_KEY_ID = 'local'
  process.env.AWS_SECRET_ACCESS_KEY = 'local'
  await stack.moveClock('2026-07-14T09:00:00Z')
  await stack.call({ to: 'POST /local/stripe/webhooks', body: { mode: 'drop' } })
  const startedAt = performance.now()
  const report = await fuzz(
    {
      stack,
      dynamoDb,
      store: openStore({ ...tables, usageRetentionDays: 400 }),
      sign: signer(folder, stack),
      moveClock: stack.moveClock,
    },
    { requests, seed },
  )
  const { violations, ...figures } = report
  console.log(JSON.stringify(figures, null, 2))
  console.log(`${((performance.now() - startedAt) / 1_000).toFixed(0)} s`)
  for (const violation of violations) console.error(`\n${violation}`)
  console.log(violations.length === 0 ? 'Nothing was found.' : `Again: --seed ${seed}`)
  process.exitCode = violations.length === 0 ? 0 : 1
} finally {
  await stack.stop()
  await dynamoDb.stop()
  await engine.stop()
  rmSync(folder, { recursive: true, force: true })
}
