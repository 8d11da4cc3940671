import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI from 'openai'
import { afterAll, afterEach, beforeAll, expect, it, vi } from 'vitest'
import type { Receipt } from '../../client/src/metering.ts'
import { streamCompletion } from '../../client/src/openai.ts'
import { createClient } from '../../client/src/server.ts'
import { type LocalStack, startLocalStack } from '../support/local-stack.ts'

let stack: LocalStack
beforeAll(async () => {
  stack = await startLocalStack()
}, 60_000)
afterEach(() => {
  vi.useRealTimers()
})
afterAll(() => stack.stop())

const prompt = 'q'.repeat(400)
const begun = Date.parse('2026-07-14T09:00:00Z')

/** Thinks until it is told to speak, and then says as many tokens as it may. */
async function startThinkingModel() {
  const speak = Promise.withResolvers<void>()
  const asked: { max_tokens: number }[] = []
  const server = createServer(async (request, response) => {
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString())
    asked.push(body)
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const send = (event: object) => response.write(`data: ${JSON.stringify(event)}\n\n`)
    send({ choices: [{ index: 0, delta: { role: 'assistant' }, finish_reason: null }] })
    await speak.promise
    const tokens = body.max_tokens
    send({
      choices: [{ index: 0, delta: { content: 'word '.repeat(tokens) }, finish_reason: null }],
    })
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'length' }] })
    const total = 100 + tokens
    send({
      choices: [],
      usage: { prompt_tokens: 100, completion_tokens: tokens, total_tokens: total },
    })
    response.end('data: [DONE]\n\n')
  })
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const { port } = server.address() as AddressInfo
  const stop = () => {
    server.closeAllConnections()
    server.close()
  }
  return { url: `http://127.0.0.1:${port}/v1`, asked, speak: () => speak.resolve(), stop }
}

it('1,500 tokens left, 2,000 expected, 500 enough, and a model that thinks for 200 s: the answer ends at 1,500, says so, and is charged to the digit', async () => {
  const now = (seconds: number) => new Date(begun + seconds * 1_000).toISOString()
  await stack.moveClock(now(0))
  let underWay = 0
  const tokens = createClient({
    baseUrl: stack.url,
    fetch: (...asked) => {
      underWay++
      return fetch(...asked).finally(() => underWay--)
    },
    token: () =>
      stack.token('host-app', { claims: { scope: 'tokens:consume tokens:read tokens:manage' } }),
  })
  const workspace = 'story'
  await tokens.putWorkspace({ workspace, plan: 'enterprise', quota: 10_000 })
  await tokens.consume({ workspace, tokens: 8_500 })

  const model = await startThinkingModel()
  try {
    // What extends a hold goes by these; the network does not.
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] })
    const receipts: Receipt[] = []
    const openai = new OpenAI({ baseURL: model.url, apiKey: 'x', maxRetries: 0 })
    const answer = await streamCompletion(
      tokens,
      openai,
      {
        workspace,
        estimate: 2_000,
        atLeast: 500,
        ttlSeconds: 60,
        onSettled: (receipt) => receipts.push(receipt),
      },
      { model: 'assistant-1', messages: [{ role: 'user', content: prompt }] },
    )
    const reading = (async () => {
      let text = ''
      for await (const chunk of answer) text += chunk.choices[0]?.delta.content ?? ''
      return text
    })()

    for (let seconds = 10; seconds <= 200; seconds += 10) {
      await stack.moveClock(now(seconds))
      vi.advanceTimersByTime(10_000)
      // An extension is on its way now and then.
      while (underWay > 0) await sleep(5)
      expect(await tokens.meter({ workspace })).toMatchObject({ held: 1_500, remaining: 0 })
    }
    model.speak()
    expect(await reading).toBe('word '.repeat(1_400))
    expect(model.asked).toMatchObject([{ max_tokens: 1_400 }])
    expect(answer.endedBy).toBe('tokens')
    expect(receipts).toMatchObject([
      { held: 1_500, used: 1_500, charged: 1_500, uncovered: 0, by: 'provider', endedBy: 'tokens' },
    ])
    expect(await tokens.meter({ workspace })).toMatchObject({
      text: '[10,000/10,000 used]',
      held: 0,
      remaining: 0,
    })
  } finally {
    model.stop()
    await stack.moveClock()
  }
})
