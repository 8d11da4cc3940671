import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import Anthropic from '@anthropic-ai/sdk'
import { streamText, wrapLanguageModel } from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tokensMiddleware } from '../../client/src/ai-sdk.ts'
import { streamMessage } from '../../client/src/anthropic.ts'
import { streamCompletion, streamResponse } from '../../client/src/openai.ts'
import { type ReplayingModel, startReplayingModel } from '../support/replaying-model.ts'
import { type TokensInMemory, tokensInMemory } from '../support/tokens-in-memory.ts'
import { shapes } from './streams/index.ts'
import { contentOf, prompt } from './streams/reading.ts'
import type { Shape } from './streams/shape.ts'

/*
 * The streams that providers really send, through the real packages and our adapters: each costs what was computed
 * by hand, and its reader gets what it would have got without us.
 */
let model: ReplayingModel
beforeAll(async () => {
  model = await startReplayingModel()
})
afterAll(() => model.stop())

const request = { workspace: 'acme', estimate: 5_000 }
const options = { apiKey: 'x', maxRetries: 0, logLevel: 'off' as const }
const messages = [{ role: 'user' as const, content: prompt }]

type Opened = PromiseLike<AsyncIterable<unknown>>
const adapters: Record<Shape['api'], (client: TokensInMemory['client']) => Opened> = {
  chat: (client) => {
    const openai = new OpenAI({ baseURL: `${model.url}/v1`, ...options })
    return streamCompletion(client, openai, request, { model: 'any', messages })
  },
  responses: (client) => {
    const openai = new OpenAI({ baseURL: `${model.url}/v1`, ...options })
    return streamResponse(client, openai, request, { model: 'any', input: prompt })
  },
  messages: (client) => {
    const anthropic = new Anthropic({ baseURL: model.url, ...options })
    return streamMessage(client, anthropic, request, { model: 'any', max_tokens: 1_000, messages })
  },
}

/** What the one hold of a call was charged. */
function chargeOf({ holds }: TokensInMemory): number {
  expect(holds).toHaveLength(1)
  const [{ settled, released }] = holds as [(typeof holds)[number]]
  expect(settled.length + released).toBe(1)
  return settled[0] ?? 0
}

describe('with the packages of OpenAI and Anthropic', () => {
  it.each(shapes)('$provider: $name: $charge', async (shape) => {
    model.replay(shape)
    const tokens = tokensInMemory()
    let text = ''
    let error: unknown
    try {
      for await (const event of await adapters[shape.api](tokens.client)) {
        text += contentOf[shape.api](event)
      }
    } catch (thrown) {
      error = thrown
    }
    expect({ text, fails: error !== undefined }).toEqual({
      text: shape.text,
      fails: shape.fails ?? false,
    })
    expect(chargeOf(tokens), shape.why).toBe(shape.charge)
  })
})

describe('with the AI SDK', () => {
  const models = {
    chat: () =>
      createOpenAICompatible({ name: 'any', baseURL: `${model.url}/v1`, includeUsage: true })(
        'any',
      ),
    messages: () => createAnthropic({ baseURL: `${model.url}/v1`, apiKey: 'x' })('any'),
  }
  const read = shapes.flatMap((shape) =>
    shape.api === 'responses' ? [] : [{ ...shape, api: shape.api }],
  )

  it.each(read)('$provider: $name: $charge', async (shape) => {
    model.replay(shape)
    const tokens = tokensInMemory()
    const middleware = tokensMiddleware(tokens.client, request)
    const wrapped = wrapLanguageModel({ model: models[shape.api](), middleware })
    const { fullStream } = streamText({ model: wrapped, prompt, maxRetries: 0, onError: () => {} })
    try {
      for await (const _ of fullStream);
    } catch {}
    expect(chargeOf(tokens), shape.why).toBe(shape.bySdk ?? shape.charge)
  })
})
