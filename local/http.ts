import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** Answers a request whose body has been read whole. `sourceIp` is the caller's address. */
export type RequestHandler = (request: Request, sourceIp: string) => Promise<Response>

export interface HttpServer {
  port: number
  /** Without a slash at the end, on the loopback address. */
  url: string
  stop(): Promise<void>
}

/** API Gateway's limit for an HTTP API. */
const bodyBytesMax = 10 * 1024 * 1024
/** How long requests that are under way may take to finish when the server stops. */
const drainMs = 2_000

/**
 * Serves web-standard requests on the loopback address only, since what runs here signs anyone in as anybody.
 * Port 0 is any free one. Throws Node's own error, with its `code`, when the port cannot be had.
 */
export async function serve(handler: RequestHandler, port = 0): Promise<HttpServer> {
  const server = createServer((incoming, outgoing) => {
    answer(handler, incoming)
      .catch((cause: unknown) => {
        console.error(cause)
        return message(500, 'Internal Server Error')
      })
      .then((response) => write(response, outgoing))
      .catch(() => outgoing.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  const bound = (server.address() as AddressInfo).port
  return {
    port: bound,
    url: `http://127.0.0.1:${bound}`,
    async stop() {
      const closed = new Promise((resolve) => server.close(resolve))
      server.closeIdleConnections()
      const late = setTimeout(() => server.closeAllConnections(), drainMs)
      await closed
      clearTimeout(late)
    },
  }
}

/** The body of API Gateway's own answers, used for everything that no function answered. */
export function message(status: number, text: string, headers: Record<string, string> = {}) {
  return Response.json({ message: text }, { status, headers })
}

async function answer(handler: RequestHandler, incoming: IncomingMessage): Promise<Response> {
  const body = await readBody(incoming)
  if (body === 'too large') return message(413, 'Request Entity Too Large')
  let request: Request
  try {
    request = toRequest(incoming, body)
  } catch {
    return message(400, 'Bad Request')
  }
  return handler(request, incoming.socket.remoteAddress ?? '127.0.0.1')
}

/** Reads on beyond the limit without keeping anything: many clients lose an answer given mid-upload. */
async function readBody(incoming: IncomingMessage): Promise<Buffer | 'too large'> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes <= bodyBytesMax) chunks.push(chunk)
  }
  return bytes > bodyBytesMax ? 'too large' : Buffer.concat(chunks)
}

function toRequest(incoming: IncomingMessage, body: Buffer): Request {
  const headers = new Headers()
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    headers.append(incoming.rawHeaders[at]!, incoming.rawHeaders[at + 1]!)
  }
  const url = new URL(incoming.url ?? '/', `http://${incoming.headers.host ?? 'localhost'}`)
  const method = incoming.method ?? 'GET'
  const carriesBody = body.length > 0 && method !== 'GET' && method !== 'HEAD'
  return new Request(url, { method, headers, body: carriesBody ? new Uint8Array(body) : null })
}

async function write(response: Response, outgoing: ServerResponse) {
  const body = Buffer.from(await response.arrayBuffer())
  outgoing.writeHead(response.status, [...response.headers].flat())
  outgoing.end(body)
}
