import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DynamoDBClient } from '@aws-sdk/client-dynamodb'
import { DynamoDBDocumentClient, GetCommand, PutCommand, QueryCommand } from '@aws-sdk/lib-dynamodb'
import Stripe from 'stripe'
import { expect, inject, vi } from 'vitest'
import type { TokenChanges } from '../../local/identity/issuer.ts'
import type { PlanId } from '../../shared/domain/plan.ts'
import type { PurchaseView } from '../../shared/domain/purchase.ts'
import { openStore } from '../../shared/store/dynamodb.ts'
import { startDynamoDbProxy } from '../support/dynamodb-proxy.ts'
import { type Answer, signer, startLocalStack, stripeSecretIn } from '../support/local-stack.ts'

/**
 * The one running system all journeys share: what would be deployed, on this machine, reached over HTTP.
 * Journeys keep apart by using workspaces of their own, and run one after another because the clock, the
 * outages and the webhooks belong to all of them.
 */

const folder = mkdtempSync(join(tmpdir(), 'token-top-up-journeys-'))
const engine = inject('dynamoDbEndpoint')
export const dynamoDb = await startDynamoDbProxy(engine)

/** What the functions told their operator, oldest first. */
export const signals: Record<string, unknown>[] = []

/** All that they logged. */
export const logLines: string[] = []

export const stack = await startLocalStack({
  dataFolder: folder,
  dynamoDb: { endpoint: dynamoDb.endpoint },
  log({ function: name, line }) {
    // The Stripe stand-in is none of our functions.
    if (name === 'stripe') return
    logLines.push(line)
    const message = /"signal":/.test(line) ? JSON.parse(line).message : undefined
    if (message) signals.push(message)
  },
})

export async function stopWorld(): Promise<void> {
  await stack.stop()
  await dynamoDb.stop()
  tables.destroy()
  rmSync(folder, { recursive: true, force: true })
}

/** A quiet day in the middle of the month of the product document's example, and the month after it. */
const july = '2026-07-14T09:00:00Z'
export const august = '2026-08-01T00:00:00Z'
await stack.moveClock(july)

/** Moves time for the whole system, until the journey is over. */
export async function moveClock(to: string): Promise<void> {
  await stack.moveClock(to)
  moved.set('clock', () => stack.moveClock(july))
}

/** Makes Stripe fail, or its webhooks not arrive, until the journey is over. */
export async function setStripe(
  what: 'outage' | 'webhooks',
  mode: 'none' | 'down' | 'error' | 'lost-response' | 'deliver' | 'drop' | 'hold',
): Promise<void> {
  const { status } = await ask(`POST /local/stripe/${what}`, undefined, { body: { mode } })
  expect(status).toBe(200)
  moved.set(what, () => setStripe(what, what === 'outage' ? 'none' : 'deliver'))
}

/** Lets Stripe tax every payment by so much, until the journey is over. */
export async function setTax(percent: number, behavior: 'inclusive' | 'exclusive'): Promise<void> {
  const set = async (body: object) =>
    expect((await ask('POST /local/stripe/tax', undefined, { body })).status).toBe(200)
  await set({ percent, behavior, unasked: true })
  moved.set('tax', async () => set({ percent: 19, behavior: 'exclusive' }))
}

/** Puts back what a journey has moved, so that each begins on the same day and with Stripe well. */
export async function restoreWorld(): Promise<void> {
  await Promise.all([...moved.values()].map((putBack) => putBack()))
  moved.clear()
}
const moved = new Map<string, () => Promise<void>>()

/** Somebody with a token: a persona, with claims changed where the test says so, or a ready-made token. */
export type Caller = { persona: string; changes?: TokenChanges } | { token: string }

export const assistant: Caller = { persona: 'assistant' }
export const rep: Caller = { persona: 'rep' }
export const hostApp: Caller = { persona: 'host-app' }

export interface Customer {
  id: string
  /** `/v1/workspaces/{id}` */
  path: string
  admin: Caller
  member: Caller
}

export const person = (
  workspaceId: string,
  role: string | string[] | null,
  claims: Record<string, unknown> = {},
): Caller => ({
  persona: 'acme-admin',
  changes: {
    claims: { workspace_id: workspaceId, role, sub: `${workspaceId}-${role}`, ...claims },
  },
})

let made = 0

/** An id no other test has. */
export const fresh = (kind: string) => `${kind}-${process.pid}-${Date.now().toString(36)}-${++made}`

export async function newCustomer(plan: PlanId, quota?: number): Promise<Customer> {
  const id = fresh(plan)
  const path = `/v1/workspaces/${id}`
  const created = await ask(`PUT ${path}`, hostApp, { key: 'create', body: { plan, quota } })
  expect(created.status).toBe(200)
  return { id, path, admin: person(id, 'admin'), member: person(id, 'member') }
}

/** Every problem code that any answer has carried. */
export const codesSeen = new Set<string>()

export async function ask(
  to: string,
  by?: Caller,
  sent: { key?: string; body?: unknown; headers?: Record<string, string> } = {},
): Promise<Answer> {
  const headers = { ...(by && { authorization: `Bearer ${await tokenOf(by)}` }), ...sent.headers }
  const answer = await stack.call({ to, ...sent, headers })
  if (answer.body?.code) codesSeen.add(answer.body.code)
  return answer
}

export async function tokenOf(by: Caller): Promise<string> {
  return 'token' in by ? by.token : stack.token(by.persona, by.changes)
}

/** `403 admin_required`, `401 Unauthorized` from the gateway itself, `200`. */
export function inShort({ status, body }: Answer): string {
  return `${status} ${body?.code ?? body?.message ?? ''}`.trim()
}

/** Checks all that holds for every problem document, and gives its fields. */
export function problemIn(answer: Answer, code: string) {
  expect(inShort(answer)).toBe(`${answer.status} ${code}`)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.headers.get('cache-control')).toBe('no-store')
  expect(answer.body).toMatchObject({
    type: `/docs/errors.md#${code}`,
    title: expect.stringMatching(/^[A-Z].+[^.]$/),
    status: answer.status,
    detail: expect.stringMatching(/^[A-Z].+\.$/),
    requestId: expect.stringMatching(/.+/),
  })
  expect(JSON.stringify(answer.body)).not.toMatch(
    /stack|\bat .+:\d+|Error:|node_modules|\.m?[jt]s\b/,
  )
  return answer.body
}

export async function meterOf(customer: Customer) {
  const { status, body } = await ask(`GET ${customer.path}/meter`, customer.member)
  expect(status).toBe(200)
  return body
}

export const meterText = async (customer: Customer) => (await meterOf(customer)).text

export function use(customer: Customer, tokens: number, key = fresh('use')): Promise<Answer> {
  return ask(`POST ${customer.path}/consume`, assistant, { key, body: { tokens } })
}

export interface Order extends PurchaseView {
  path: string
  session: string
}

/** Orders tokens as the customer's admin, up to where the checkout page is open. */
export async function order(customer: Customer, tokens = 1_000_000): Promise<Order> {
  const key = fresh('buy')
  const answer = await ask(`POST ${customer.path}/purchases`, customer.admin, {
    key,
    body: { tokens },
  })
  expect(answer.status).toBe(201)
  return orderIn(customer, answer)
}

export function orderIn(customer: Customer, { body }: Answer): Order {
  const path = `${customer.path}/purchases/${body.purchaseId}`
  return { ...body, path, session: body.checkoutUrl.split('/').at(-1) }
}

/** What a buyer does on the checkout page; answers the payment it made, if any. */
export async function atCheckout({ session }: Order, action: string): Promise<string> {
  const { status, body } = await ask(`POST /local/stripe/checkout/${session}/${action}`)
  expect(status).toBe(200)
  return body.paymentIntent
}

/** What happens to a payment later, wholly or for an amount in cents. */
export async function toPayment(id: string, action: string, amount?: number): Promise<void> {
  const { status } = await ask(`POST /local/stripe/payments/${id}/${action}`, undefined, {
    body: { amount },
  })
  expect(status).toBe(200)
}

/** Waits no longer than our own target for a paid top-up: 5 seconds. */
export function within5s(check: () => Promise<unknown>): Promise<unknown> {
  return vi.waitFor(check, { timeout: 5_000, interval: 25 })
}

export const stripeSecret = stripeSecretIn(folder)

/** Our own look into the Stripe account. */
const { hostname, port } = new URL(stack.stripe!.apiBase)
export const stripe = new Stripe(stripeSecret.apiKey, {
  protocol: 'http',
  host: hostname,
  port,
})

/** A `Stripe-Signature` for these bytes, by the local clock unless told otherwise. */
export const sign = signer(folder, stack)

const tables = DynamoDBDocumentClient.from(
  new DynamoDBClient({
    endpoint: engine,
    region: 'eu-west-1',
    credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
  }),
)
const tableNamed = (word: string) =>
  stack.deployment.tables.find(({ create }) => create.TableName.includes(word))!.create.TableName
const workspacesTable = tableNamed('Workspaces')
const ledgerTable = tableNamed('Ledger')

process.env.AWS_ENDPOINT_URL_DYNAMODB = engine
process.env.AWS_REGION = 'eu-west-1'
process.env.AWS_ACCESS_KEY_ID = 'local'
process.env.AWS_SECRET_ACCESS_KEY = 'local'
/** The tables as the service's own code reads them, past the outages. */
export const store = openStore({ workspacesTable, ledgerTable, usageRetentionDays: 400 })

/** Everything stored for a workspace, to see that nothing has changed. */
export async function stored(workspaceId: string) {
  const [{ Item: workspace }, { Items: ledger = [] }] = await Promise.all([
    tables.send(
      new GetCommand({ TableName: workspacesTable, Key: { workspaceId }, ConsistentRead: true }),
    ),
    tables.send(
      new QueryCommand({
        TableName: ledgerTable,
        KeyConditionExpression: 'workspaceId = :id',
        ExpressionAttributeValues: { ':id': workspaceId },
        ConsistentRead: true,
      }),
    ),
  ])
  return { workspace, ledger }
}

/** Writes past the service, as damage to the data would. */
export async function damage(workspaceId: string, fields: Record<string, unknown>): Promise<void> {
  const { workspace } = await stored(workspaceId)
  await tables.send(
    new PutCommand({ TableName: workspacesTable, Item: { ...workspace, ...fields, workspaceId } }),
  )
}

/** Writes past the service what an order says of itself, such as another price than Stripe was asked for. */
export async function amend(
  { id }: Customer,
  { purchaseId }: Pick<Order, 'purchaseId'>,
  fields: Record<string, unknown>,
): Promise<void> {
  const { ledger } = await stored(id)
  const purchase = ledger.find(({ entryId }) => entryId === `purchase#${purchaseId}`)
  await tables.send(new PutCommand({ TableName: ledgerTable, Item: { ...purchase, ...fields } }))
}
