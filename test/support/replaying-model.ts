import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Shape } from '../client/streams/shape.ts'

type Stream = Pick<Shape, 'api' | 'events' | 'end'>

export interface ReplayingModel {
  /** Without `/v1`. */
  url: string
  /** What every stream is from now on. */
  replay(shape: Stream): void
  /** What everything else is answered from now on, one after the other and the last again and again. */
  answer(...bodies: object[]): void
  /** Turns away the next request that has this in its body. */
  refuse(part: string, message: string): void
  /** The bodies of the requests since then. */
  // biome-ignore lint/suspicious/noExplicitAny: each API's bodies are its own.
  asked: any[]
  stop(): void
}

const paths: Record<Shape['api'], RegExp> = {
  chat: /\/chat\/completions$/,
  responses: /\/responses$/,
  messages: /\/messages$/,
}

/** A model that answers with the stream or the bodies last given, in the format of the API that was asked. */
export async function startReplayingModel(): Promise<ReplayingModel> {
  let shape: Stream = { api: 'chat', events: [], end: 'done' }
  let answers: object[] = []
  let refused: { part: string; message: string } | undefined
  const server = createServer(async (request, response) => {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString() || '{}')
    model.asked.push(body)
    if (refused && JSON.stringify(body).includes(refused.part)) {
      refuse(response, 400, refused.message)
      refused = undefined
      return
    }
    if (!body.stream && answers.length > 0) {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(answers.length > 1 ? answers.shift() : answers[0]))
      return
    }
    const path = new URL(request.url!, model.url).pathname
    if (request.method !== 'POST' || !paths[shape.api].test(path)) {
      refuse(response, 404, `The stream to replay is one of ${shape.api}.`)
    } else if (!body.stream) {
      refuse(response, 400, 'Only streams are replayed.')
    } else await send(response, shape)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const { port } = server.address() as AddressInfo
  const model: ReplayingModel = {
    url: `http://127.0.0.1:${port}`,
    replay(wanted) {
      shape = wanted
      answers = []
      model.asked = []
    },
    answer(...bodies) {
      answers = bodies
      model.asked = []
    },
    refuse(part, message) {
      refused = { part, message }
    },
    asked: [],
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
  return model
}

function refuse(response: ServerResponse, status: number, message: string): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: { type: 'invalid_request_error', message } }))
}

async function send(response: ServerResponse, { api, events, end }: Stream): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.flushHeaders()
  for (const event of events) {
    // A reader that has left takes nothing any more.
    if (response.destroyed) return
    await new Promise<void>((written) => response.write(asSent(api, event), () => written()))
  }
  if (end === 'broken') {
    // What was sent is read before the connection is seen to be torn.
    await sleep(20)
    response.destroy()
  } else response.end(end === 'done' ? 'data: [DONE]\n\n' : '')
}

function asSent(api: Shape['api'], event: object | string): string {
  if (typeof event === 'string')
    return event.startsWith(':') ? `${event}\n\n` : `data: ${event}\n\n`
  const name = api !== 'chat' && 'type' in event ? `event: ${event.type}\n` : ''
  return `${name}data: ${JSON.stringify(event)}\n\n`
}
