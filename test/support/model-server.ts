import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/** What the next answers are like. */
export interface ModelBehaviour {
  words: string[]
  /** What the last event says was used; undefined where the model keeps it to itself. */
  usage?: { prompt_tokens: number; completion_tokens: number }
  /** After this many words the connection breaks, or nothing more comes. */
  breaksAfter?: number
  stallsAfter?: number
  /** Why it stops: `stop` unless told. */
  finish?: 'stop' | 'length'
}

export interface ModelServer {
  url: string
  behave(behaviour: ModelBehaviour): void
  /** The bodies of the requests so far. */
  asked: { stream?: boolean; stream_options?: { include_usage?: boolean }; max_tokens?: number }[]
  /** Whether the client has left a stream before its end. */
  left: boolean
  stop(): void
}

/** A model that speaks OpenAI's chat completions, streamed as server-sent events. */
export async function startModelServer(): Promise<ModelServer> {
  let behaviour: ModelBehaviour = { words: [] }
  const server = createServer(async (request, response) => {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString())
    model.asked.push(body)
    response.on('close', () => {
      if (!response.writableFinished) model.left = true
    })
    if (body.stream) await stream(response, behaviour, body.stream_options?.include_usage === true)
    else answer(response, behaviour)
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const { port } = server.address() as AddressInfo
  const model: ModelServer = {
    url: `http://127.0.0.1:${port}/v1`,
    behave(wanted) {
      behaviour = wanted
      model.asked = []
      model.left = false
    },
    asked: [],
    left: false,
    stop() {
      server.closeAllConnections()
      server.close()
    },
  }
  return model
}

const about = { id: 'answer-1', created: 1, model: 'assistant-1' }

async function stream(
  response: ServerResponse,
  { words, usage, breaksAfter, stallsAfter }: ModelBehaviour,
  withUsage: boolean,
): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const send = (event: object) => response.write(`data: ${JSON.stringify(event)}\n\n`)
  const chunk = { ...about, object: 'chat.completion.chunk' }
  for (const [at, content] of words.entries()) {
    if (at === breaksAfter) {
      response.destroy()
      return
    }
    if (at === stallsAfter) return
    const delta = { role: 'assistant', content }
    send({ ...chunk, choices: [{ index: 0, delta, finish_reason: null }] })
    await sleep(5)
  }
  send({ ...chunk, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
  if (usage && withUsage) send({ ...chunk, choices: [], usage: totalled(usage) })
  response.end('data: [DONE]\n\n')
}

function answer(response: ServerResponse, { words, usage, finish = 'stop' }: ModelBehaviour): void {
  const message = { role: 'assistant', content: words.join('') }
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({
      ...about,
      object: 'chat.completion',
      choices: [{ index: 0, message, finish_reason: finish }],
      ...(usage && { usage: totalled(usage) }),
    }),
  )
}

function totalled(usage: NonNullable<ModelBehaviour['usage']>) {
  return { ...usage, total_tokens: usage.prompt_tokens + usage.completion_tokens }
}
