import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/**
 * What happens to the requests on their way to DynamoDB: nothing; the connection breaks before a request
 * arrives; it breaks after the request was carried out; it never answers; or every transaction meets
 * another one, which DynamoDB Local by itself never lets happen.
 */
export type Fault = 'none' | 'refused' | 'answer lost' | 'silence' | 'conflict'

/** One write that was carried out. */
export interface Write {
  workspaceId: string
  /** Of the ledger items it wrote; empty where it wrote to a workspace alone. */
  entryIds: string[]
  operation: string
}

export interface DynamoDbProxy {
  endpoint: string
  /** Tells of every write from now on, until the function it answers with is called. */
  watch(written: (write: Write) => void): () => void
  /** Lets `fault` happen to every request while `act` runs. */
  during<T>(fault: Fault, act: () => Promise<T>): Promise<T>
  stop(): Promise<void>
}

/** Stands between the functions and a real DynamoDB, so that its outages are outages of the network. */
export async function startDynamoDbProxy(target: string): Promise<DynamoDbProxy> {
  let fault: Fault = 'none'
  const watchers = new Set<(write: Write) => void>()
  const written = (operation: string, body: Buffer) => {
    if (watchers.size === 0 || !writes.has(operation)) return
    const write = writeIn(operation, JSON.parse(body.toString()))
    for (const watcher of watchers) watcher(write)
  }
  const server = createServer((request, response) => {
    relay(target, fault, request, response, written).catch(() => response.destroy())
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const { port } = server.address() as AddressInfo
  return {
    endpoint: `http://127.0.0.1:${port}`,
    watch(watcher) {
      watchers.add(watcher)
      return () => void watchers.delete(watcher)
    },
    async during(wanted, act) {
      fault = wanted
      try {
        return await act()
      } finally {
        fault = 'none'
      }
    },
    async stop() {
      const closed = new Promise((done) => server.close(done))
      server.closeAllConnections()
      await closed
    },
  }
}

async function relay(
  target: string,
  fault: Fault,
  request: IncomingMessage,
  response: ServerResponse,
  written: (operation: string, body: Buffer) => void,
): Promise<void> {
  if (fault === 'refused') {
    response.destroy()
    return
  }
  const { host, connection, 'content-length': _length, ...headers } = request.headers
  const body = Buffer.concat(await request.toArray())
  if (fault === 'silence') return
  const isTransaction = headers['x-amz-target'] === 'DynamoDB_20120810.TransactWriteItems'
  if (fault === 'conflict' && isTransaction) {
    response.writeHead(400, { 'content-type': 'application/x-amz-json-1.0' })
    response.end(JSON.stringify(conflict))
    return
  }
  const answer = await fetch(target, {
    method: request.method ?? 'POST',
    headers: headers as Record<string, string>,
    ...(body.length > 0 && { body }),
  })
  const bytes = Buffer.from(await answer.arrayBuffer())
  if (answer.ok) written(String(headers['x-amz-target']).split('.').at(-1)!, body)
  if (fault === 'answer lost') {
    response.destroy()
    return
  }
  response.writeHead(answer.status, {
    'content-type': answer.headers.get('content-type') ?? 'application/x-amz-json-1.0',
  })
  response.end(bytes)
}

const conflict = {
  __type: 'com.amazonaws.dynamodb.v20120810#TransactionCanceledException',
  Message: 'Transaction cancelled, please refer cancellation reasons for specific reasons',
  CancellationReasons: [{ Code: 'TransactionConflict' }, { Code: 'None' }],
}

const writes = new Set(['TransactWriteItems', 'PutItem', 'UpdateItem', 'DeleteItem'])

/** An item, or the key of one, as DynamoDB's protocol has it. */
type Attributes = Record<string, { S?: string }>
interface WriteRequest {
  Key?: Attributes
  Item?: Attributes
  TransactItems?: Record<'Update' | 'Put' | 'Delete' | 'ConditionCheck', WriteRequest>[]
}

function writeIn(operation: string, request: WriteRequest): Write {
  const items = (request.TransactItems ?? [])
    .filter((item) => !item.ConditionCheck)
    .flatMap((item) => Object.values(item))
  const keys = (items.length > 0 ? items : [request]).map(({ Key, Item }) => Key ?? Item ?? {})
  return {
    operation,
    workspaceId: keys[0]?.workspaceId?.S ?? '',
    entryIds: keys.flatMap(({ entryId }) => entryId?.S ?? []),
  }
}
