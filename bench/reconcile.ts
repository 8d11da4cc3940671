import { createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { PutCommand } from '@aws-sdk/lib-dynamodb'
import Stripe from 'stripe'
import type { Stack } from '../local/stack.ts'
import { startStripeStandIn } from '../local/stripe/index.ts'
import { quotaOf } from '../shared/domain/plan.ts'
import { isRefusal } from '../shared/domain/refusal.ts'
import { changeWorkspace } from '../shared/operations/change-workspace.ts'
import { type Reconciled, reconcile } from '../shared/operations/reconcile.ts'
import { startPurchase } from '../shared/operations/start-purchase.ts'
import { pacedHttpClient, requestsPerSecond } from '../shared/payments/paced.ts'
import type { StripeAccount } from '../shared/payments/stripe.ts'
import { openStore } from '../shared/store/dynamodb.ts'
import { ownPartitions } from '../shared/store/schema.ts'
import { environment, table } from './handlers.ts'

/** What Stripe takes for a call. */
const latencyMs = Number(process.env.BENCH_STRIPE_MS ?? 300)
/** Measured; the day of the backlog is this many times as long. */
const purchaseCount = Number(process.env.BENCH_PURCHASES ?? 1_000)

/** The worst case of the design: so many purchases an hour, and no webhook for a day. */
const purchasesPerHour = 10_000
const backlogHours = 24

const backlogMs = (purchaseCount / purchasesPerHour) * 3_600_000
const apiKey = 'sk_test_bench'
const webhookSecret = 'whsec_bench'

/**
 * How fast reconciliation catches up where no webhook arrived and Stripe takes its time. Some minutes of
 * purchases at the rate of the worst case are made and reconciled, at the pace that live mode allows; a run
 * works on them for as long as it takes, so its pace is that of any longer one.
 */
export async function measureReconcile(stack: Stack): Promise<string> {
  Object.assign(process.env, environment(stack, stack.dynamoDbEndpoint))
  const { WORKSPACES_TABLE, LEDGER_TABLE } = process.env
  const store = openStore({
    workspacesTable: WORKSPACES_TABLE!,
    ledgerTable: LEDGER_TABLE!,
    usageRetentionDays: 400,
  })
  // The stack reconciles by itself; this one has a place of its own to begin from, and says so.
  let now = new Date(Date.now() - 2 * 3_600_000 - backlogMs)
  const cursor = { workspaceId: ownPartitions.stripeIn(false), entryId: 'cursor' }
  const begin = { ...cursor, reconciledUntil: Math.floor(now.getTime() / 1000) }
  await store.client.send(new PutCommand({ TableName: store.ledgerTable, Item: begin }))

  const standIn = await startStripeStandIn({
    now: () => now,
    publicUrl: 'http://localhost:4000',
    webhookUrl: 'http://localhost:4000/v1/stripe/webhook',
    apiKey,
    webhookSecret,
  })
  const control = (path: string, body: object = {}) =>
    standIn.handle(
      new Request(`http://localhost:4000/local/stripe/${path}`, {
        method: 'POST',
        body: JSON.stringify(body),
      }),
    )
  await control('webhooks', { mode: 'drop' })
  const proxy = await startDelayingProxy(standIn.apiBase)
  try {
    const direct = accountAt(standIn.apiBase)
    const stepMs = backlogMs / purchaseCount
    for (let number = 0; number < purchaseCount; number++) {
      // A few hundred customers who buy again and again.
      const workspaceId = `bench-reconcile-${number % 300}`
      if (number < 300) {
        const creation = { key: 'create', plan: 'pro' as const, quota: quotaOf('pro', 0) }
        await changeWorkspace(store, { ...creation, workspaceId, by: 'bench' }, now)
      }
      const order = {
        workspaceId,
        key: `order-${number}`,
        role: 'admin' as const,
        by: 'bench',
        tokens: 1_000_000,
        returnUrl: 'https://app.example.com/',
      }
      const outcome = await startPurchase(store, direct, order, now)
      if (isRefusal(outcome)) throw new Error(outcome.refused)
      await control(`checkout/${outcome.purchase.sessionId}/pay`)
      now = new Date(now.getTime() + stepMs)
    }
    now = new Date()
    const account = accountAt(proxy.url, pacedHttpClient(requestsPerSecond.live))
    const start = performance.now()
    const first = await reconcile(store, account, now)
    const seconds = (performance.now() - start) / 1000
    const calls = proxy.take()
    if (first.looked !== purchaseCount || first.failed > 0) {
      throw new Error(`the run came to ${JSON.stringify(first)}`)
    }
    const again = await timed(() => reconcile(store, account, now))
    return report({ seconds, calls, again, againCalls: proxy.take() })
  } finally {
    proxy.stop()
    await standIn.stop()
  }
}

function report(measured: {
  seconds: number
  calls: number
  again: { seconds: number; result: Reconciled }
  againCalls: number
}): string {
  const { seconds, calls, again, againCalls } = measured
  const perHour = (purchaseCount / seconds) * 3_600
  // While a day is caught up, purchases go on being made.
  const catchUpHours = (purchasesPerHour * backlogHours) / (perHour - purchasesPerHour)
  const whole = (value: number) => Math.round(value).toLocaleString('en-US')
  return [
    '## Reconciliation',
    `${whole(purchaseCount)} purchases, made at ${whole(purchasesPerHour)} an hour, all webhooks lost; Stripe answers each call after ${latencyMs} ms; at most ${requestsPerSecond.live} calls a second, as in live mode. A day of that is not run but computed from this pace, with new purchases coming in meanwhile at the same rate and no webhook for those either.`,
    table(
      [
        'purchases/hour',
        'calls each',
        `${backlogHours} h caught up in`,
        'again, nothing new: calls · looks · s',
      ],
      [
        [
          whole(perHour),
          (calls / purchaseCount).toFixed(2),
          `${catchUpHours.toFixed(1)} h`,
          `${againCalls} · ${again.result.looked} · ${again.seconds.toFixed(1)}`,
        ],
      ],
    ),
  ].join('\n\n')
}

async function timed<T>(work: () => Promise<T>): Promise<{ seconds: number; result: T }> {
  const start = performance.now()
  const result = await work()
  return { seconds: (performance.now() - start) / 1000, result }
}

function accountAt(url: string, httpClient = Stripe.createNodeHttpClient()): StripeAccount {
  const { hostname, port } = new URL(url)
  const client = new Stripe(apiKey, {
    protocol: 'http',
    host: hostname,
    port,
    telemetry: false,
    maxNetworkRetries: 1,
    timeout: 5_000,
    httpClient,
  })
  return { client, livemode: false, webhookSecrets: [webhookSecret] }
}

/** Hands every request on after a while, and counts them. */
async function startDelayingProxy(target: string) {
  const { hostname, port } = new URL(target)
  let count = 0
  const server = createServer(async (request, response) => {
    count++
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    await sleep(latencyMs)
    const { method, url: path, headers } = request
    const forwarded = send({ host: hostname, port, method, path, headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    forwarded.on('error', () => response.destroy())
    forwarded.end(Buffer.concat(chunks))
  })
  server.keepAliveTimeout = 60_000
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** How many since the last call. */
    take() {
      const taken = count
      count = 0
      return taken
    },
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}
