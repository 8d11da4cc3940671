import { createServer, request as send } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What one kind of request cost: how often it was made, and the capacity units and bytes the engine reports. */
export interface Cost {
  requests: number
  writeUnits: number
  readUnits: number
  bytesSent: number
  bytesReceived: number
}

export interface MeteringProxy {
  endpoint: string
  /** What was spent since the last call, by DynamoDB operation. */
  take(): Record<string, Cost>
  stop(): void
}

interface Consumed {
  CapacityUnits?: number
}

/**
 * Stands between a client and the engine, asks the engine to report what each request consumed, and keeps
 * the sums. So the figures are the engine's own, for the bundled code as it is.
 *
 * `conflictShare` of the transactions are turned away as if another one were under way, which DynamoDB does
 * to a hot item and DynamoDB Local never does; they count as `conflict`.
 */
export async function startMeteringProxy(
  endpoint: string,
  { conflictShare = 0 } = {},
): Promise<MeteringProxy> {
  const engine = new URL(endpoint)
  let costs: Record<string, Cost> = {}
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const asked = JSON.parse(Buffer.concat(chunks).toString())
    const operation = String(request.headers['x-amz-target']).split('.')[1] ?? 'unknown'
    const body = JSON.stringify({ ...asked, ReturnConsumedCapacity: 'TOTAL' })
    if (operation === 'TransactWriteItems' && Math.random() < conflictShare) {
      count('conflict', body.length, Buffer.alloc(0))
      response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' }).end(conflict)
      return
    }
    const headers = { ...request.headers, 'content-length': String(Buffer.byteLength(body)) }
    const target = { host: engine.hostname, port: engine.port, method: 'POST', path: '/', headers }
    const forwarded = send(target, async (answer) => {
      const parts: Buffer[] = []
      for await (const part of answer) parts.push(part)
      const text = Buffer.concat(parts)
      count(operation, body.length, text)
      const { connection, 'transfer-encoding': _, ...kept } = answer.headers
      response.writeHead(answer.statusCode ?? 500, { ...kept, 'content-length': text.length })
      response.end(text)
    })
    forwarded.end(body)
  })

  function count(operation: string, bytesSent: number, answer: Buffer) {
    costs[operation] ??= {
      requests: 0,
      writeUnits: 0,
      readUnits: 0,
      bytesSent: 0,
      bytesReceived: 0,
    }
    const cost = costs[operation]
    const { ConsumedCapacity = [] } = JSON.parse(answer.toString() || '{}')
    const units = ([ConsumedCapacity].flat() as Consumed[]).reduce(
      (sum, { CapacityUnits = 0 }) => sum + CapacityUnits,
      0,
    )
    cost.requests++
    cost.bytesSent += bytesSent
    cost.bytesReceived += answer.length
    if (/^(Get|Query|Scan)/.test(operation)) cost.readUnits += units
    else cost.writeUnits += units
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    take() {
      const taken = costs
      costs = {}
      return taken
    },
    stop() {
      server.close()
      server.closeAllConnections()
    },
  }
}

const conflict = JSON.stringify({
  __type: 'com.amazonaws.dynamodb.v20120810#TransactionCanceledException',
  Message: 'Transaction cancelled, please refer cancellation reasons for specific reasons',
  CancellationReasons: [{ Code: 'TransactionConflict' }, { Code: 'None' }],
})
