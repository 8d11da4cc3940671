import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { inject } from 'vitest'
import { openStore, type Store } from '../../shared/store/dynamodb.ts'
import { readWorkspace } from '../../shared/store/workspaces.ts'

/** An answer of DynamoDB's, or undefined where the connection breaks before one arrives. */
type Reply = { status: number; body: string } | undefined

/** What happens to one request on its way; `forward` hands it to DynamoDB and answers with what that said. */
export type Step = (forward: () => Promise<Reply>) => Promise<Reply>

/** DynamoDB does what it was asked, and nobody hears of it. */
export const lostResponse: Step = async (forward) => {
  await forward()
  return undefined
}

/** The request never arrives. */
export const lostRequest: Step = async () => undefined

/** DynamoDB does what it was asked, and the connection stays open without a word. */
export const stalledResponse: Step = async (forward) => {
  await forward()
  return new Promise(() => {})
}

/** Something else happens first. */
export const behind =
  (interloper: () => Promise<unknown>): Step =>
  async (forward) => {
    await interloper()
    return forward()
  }

/** DynamoDB answers with an error in place of doing what it was asked. */
export const failing =
  (type: string, fields: object = {}, status = 400): Step =>
  async () => ({
    status,
    body: JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${type}`, ...fields }),
  })

/** A transaction that DynamoDB cancels, with the reason for each of its items in turn. */
export const cancelled = (...codes: string[]) =>
  failing('TransactionCanceledException', {
    Message: 'Transaction cancelled',
    CancellationReasons: codes.map((Code) => ({ Code })),
  })

export interface Wire {
  endpoint: string
  /** Lets these steps happen to the next requests of the operation, one each. */
  next(operation: string, ...steps: Step[]): void
  /** Lets this step happen to every further request of the operation. */
  always(operation: string, step: Step): void
  /** Forgets all steps, and what was sent. */
  clear(): void
  /** The requests since then, in order. */
  sent: { operation: string; body: Record<string, unknown> }[]
  stop(): Promise<void>
}

/**
 * The same tables, reached through a wire. The store given stays connected directly, for what happens beside the
 * tested call: a client takes its endpoint from the environment once, with its first request.
 */
export async function throughWire(direct: Store): Promise<{ wire: Wire; store: Store }> {
  await readWorkspace(direct, 'nobody')
  const wire = await startWire(inject('dynamoDbEndpoint'))
  process.env.AWS_ENDPOINT_URL_DYNAMODB = wire.endpoint
  const store = openStore(direct)
  await readWorkspace(store, 'nobody')
  wire.clear()
  return { wire, store }
}

/**
 * The network between the SDK and DynamoDB Local, where things go wrong that DynamoDB Local never raises. What
 * the SDK makes of them, its own retries included, stays real.
 */
export async function startWire(target: string): Promise<Wire> {
  const queued = new Map<string, Step[]>()
  const lasting = new Map<string, Step>()
  const server = createServer(async (request, response) => {
    const body = await bodyOf(request)
    const operation = String(request.headers['x-amz-target']).split('.').at(-1)!
    wire.sent.push({ operation, body: JSON.parse(body) })
    const forward = async () => {
      const headers = {
        'content-type': String(request.headers['content-type']),
        'x-amz-target': String(request.headers['x-amz-target']),
        authorization: String(request.headers.authorization),
        'x-amz-date': String(request.headers['x-amz-date']),
      }
      const answer = await fetch(target, { method: 'POST', headers, body })
      return { status: answer.status, body: await answer.text() }
    }
    const step = queued.get(operation)?.shift() ?? lasting.get(operation) ?? ((go) => go())
    const reply = await step(forward)
    if (!reply) {
      response.destroy()
      return
    }
    response.writeHead(reply.status, { 'content-type': 'application/x-amz-json-1.0' })
    response.end(reply.body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const wire: Wire = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    next: (operation, ...steps) => {
      queued.set(operation, [...(queued.get(operation) ?? []), ...steps])
    },
    always: (operation, step) => {
      lasting.set(operation, step)
    },
    clear: () => {
      queued.clear()
      lasting.clear()
      wire.sent.length = 0
    },
    sent: [],
    stop: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return wire
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  return Buffer.concat(chunks).toString('utf8')
}
