import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import Anthropic from '@anthropic-ai/sdk'
import {
  embedMany,
  generateImage,
  generateText,
  isStepCount,
  jsonSchema,
  Output,
  streamText,
  tool,
  wrapEmbeddingModel,
  wrapImageModel,
  wrapLanguageModel,
} from 'ai'
import OpenAI from 'openai'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  embeddingTokensMiddleware,
  imageTokensMiddleware,
  tokensMiddleware,
} from '../../client/src/ai-sdk.ts'
import { createMessage } from '../../client/src/anthropic.ts'
import type { Receipt } from '../../client/src/metering.ts'
import {
  createCompletion,
  createEmbeddings,
  createResponse,
  streamCompletion,
} from '../../client/src/openai.ts'
import { type ReplayingModel, startReplayingModel } from '../support/replaying-model.ts'
import { tokensInMemory } from '../support/tokens-in-memory.ts'
import { prompt } from './streams/reading.ts'

/* What people call besides a stream, through the real packages: each is a hold, and pays for what it used. */
let model: ReplayingModel
beforeAll(async () => {
  model = await startReplayingModel()
})
afterAll(() => model.stop())

const options = { apiKey: 'x', maxRetries: 0, logLevel: 'off' as const }
const openai = () => new OpenAI({ baseURL: `${model.url}/v1`, ...options })
const messages = [{ role: 'user' as const, content: prompt }]

function metering(left?: number) {
  const tokens = tokensInMemory({ left })
  const receipts: Receipt[] = []
  const onSettled = (receipt: Receipt) => receipts.push(receipt)
  return { ...tokens, receipts, request: { workspace: 'acme', onSettled } }
}

const completion = (over: object = {}) => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1,
  model: 'any',
  choices: [
    { index: 0, message: { role: 'assistant', content: 'A short answer.' }, finish_reason: 'stop' },
  ],
  usage: {
    prompt_tokens: 300,
    completion_tokens: 450,
    total_tokens: 750,
    prompt_tokens_details: { cached_tokens: 120 },
    completion_tokens_details: { reasoning_tokens: 50 },
  },
  ...over,
})

describe('a chat completion in one piece', () => {
  it('is handed on as it came, and paid for as told, by kind', async () => {
    const { client, request, holds, receipts } = metering()
    const body = completion({ unknown: { kept: true } })
    model.answer(body)
    const answer = await createCompletion(client, openai(), request, { model: 'any', messages })
    expect(answer).toMatchObject(body)
    // The prompt as counted and the answer that may come: nobody had said how much to set aside.
    expect(holds).toMatchObject([{ tokens: 100 + 4_096, settled: [750] }])
    expect(receipts).toEqual([
      {
        workspace: 'acme',
        holdId: 'hold_1',
        model: 'any',
        held: 4_196,
        used: 750,
        charged: 750,
        uncovered: 0,
        usage: { input: 300, cachedInput: 120, output: 450, reasoning: 50, total: 750 },
        by: 'provider',
        endedBy: 'model',
      },
    ])
  })

  it('sets aside the most that it may answer', async () => {
    const { client, request, holds } = metering()
    model.answer(completion())
    await createCompletion(client, openai(), request, { model: 'any', messages, max_tokens: 200 })
    expect(holds).toMatchObject([{ tokens: 300 }])
  })

  it('costs nothing where the model fails', async () => {
    const { client, request, holds } = metering()
    model.replay({ api: 'chat', events: [], end: 'done' })
    const failing = createCompletion(client, openai(), request, { model: 'any', messages })
    await expect(failing).rejects.toMatchObject({ status: 400 })
    expect(holds).toMatchObject([{ settled: [], released: 1 }])
  })

  it('is counted where the model does not tell', async () => {
    const { client, request, holds } = metering()
    model.answer(completion({ usage: undefined }))
    await createCompletion(client, openai(), request, { model: 'any', messages })
    expect(holds).toMatchObject([{ settled: [100 + 4] }])
  })
})

describe('a stream', () => {
  const events = [
    { choices: [{ index: 0, delta: { content: 'abcdefgh' }, finish_reason: null }] },
    { choices: [{ index: 0, delta: {}, finish_reason: 'length' }] },
  ]

  it('is asked for without its usage where the model does not take that', async () => {
    const { client, request, holds } = metering()
    model.replay({ api: 'chat', events, end: 'done' })
    model.refuse('include_usage', 'Unrecognized request argument supplied: stream_options')
    const body = { model: 'any', messages }
    for await (const _ of await streamCompletion(client, openai(), request, body));
    expect(model.asked.map(({ stream_options }) => stream_options)).toEqual([
      { include_usage: true },
      undefined,
    ])
    expect(holds).toMatchObject([{ settled: [102] }])
  })

  it('is not asked for twice where the model refuses something else', async () => {
    const { client, request, holds } = metering()
    model.replay({ api: 'chat', events, end: 'done' })
    model.refuse('any', 'The model any does not exist.')
    const body = { model: 'any', messages }
    const opening = streamCompletion(client, openai(), request, body)
    await expect(opening).rejects.toMatchObject({ status: 400 })
    expect(model.asked).toHaveLength(1)
    expect(holds).toMatchObject([{ settled: [], released: 1 }])
  })

  it('is kept as short as there are tokens, and says why it ended', async () => {
    const { client, request, holds, receipts } = metering(150)
    model.replay({ api: 'chat', events, end: 'done' })
    const some = { ...request, estimate: 2_000, atLeast: 120 }
    const stream = await streamCompletion(client, openai(), some, { model: 'any', messages })
    for await (const _ of stream);
    expect(model.asked).toMatchObject([{ max_tokens: 50 }])
    expect(stream.endedBy).toBe('tokens')
    expect(receipts).toMatchObject([{ held: 150, endedBy: 'tokens' }])
    expect(holds).toMatchObject([{ tokens: 150, settled: [102] }])
  })

  it('says nothing of tokens where its own bound ended it', async () => {
    const { client, request, receipts } = metering()
    model.replay({ api: 'chat', events, end: 'done' })
    const body = { model: 'any', messages, max_tokens: 2 }
    for await (const _ of await streamCompletion(client, openai(), request, body));
    expect(receipts).toMatchObject([{ endedBy: 'model' }])
  })

  it('can be handed on as bytes, as the package’s own', async () => {
    const { client, request, holds } = metering()
    model.replay({ api: 'chat', events, end: 'done' })
    const stream = await streamCompletion(client, openai(), request, { model: 'any', messages })
    const text = await new Response(stream.toReadableStream()).text()
    expect(
      text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line)),
    ).toEqual(events)
    expect(holds).toMatchObject([{ settled: [102] }])
  })
})

describe('the Responses API and embeddings of OpenAI', () => {
  const response = {
    id: 'resp_1',
    object: 'response',
    status: 'completed',
    output: [
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'abcdefgh' }] },
      { type: 'function_call', name: 'find', arguments: '{"q":1}' },
    ],
    usage: {
      input_tokens: 30,
      output_tokens: 20,
      total_tokens: 50,
      input_tokens_details: { cached_tokens: 10 },
    },
  }

  it('pay for a response as told', async () => {
    const { client, request, holds, receipts } = metering()
    model.answer(response)
    const body = { model: 'any', input: prompt, max_output_tokens: 500 }
    await createResponse(client, openai(), request, body)
    expect(holds).toMatchObject([{ tokens: 600, settled: [50] }])
    expect(receipts).toMatchObject([{ usage: { input: 30, cachedInput: 10, output: 20 } }])
  })

  it('count a response that does not tell', async () => {
    const { client, request, holds } = metering()
    model.answer({ ...response, usage: null })
    await createResponse(client, openai(), request, { model: 'any', input: prompt })
    // 8 characters of text, and 11 of a call.
    expect(holds).toMatchObject([{ settled: [100 + 5] }])
  })

  it('pay for embeddings as told, or as counted', async () => {
    const { client, request, holds } = metering()
    const embedded = {
      object: 'list',
      model: 'any',
      data: [{ object: 'embedding', index: 0, embedding: [0.5] }],
    }
    model.answer({ ...embedded, usage: { prompt_tokens: 7, total_tokens: 7 } })
    const body = { model: 'any', input: [prompt, 'abcd'], encoding_format: 'float' as const }
    await createEmbeddings(client, openai(), request, body)
    model.answer(embedded)
    await createEmbeddings(client, openai(), request, body)
    expect(holds).toMatchObject([
      { tokens: 101, settled: [7] },
      { tokens: 101, settled: [101] },
    ])
  })
})

describe('a message of Anthropic’s in one piece', () => {
  it('pays for what its cache read and wrote, too', async () => {
    const { client, request, holds, receipts } = metering()
    model.answer({
      id: 'msg_1',
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: 'A short answer.' }],
      stop_reason: 'end_turn',
      usage: {
        input_tokens: 12,
        cache_creation_input_tokens: 1_500,
        cache_read_input_tokens: 640,
        output_tokens: 45,
      },
    })
    const anthropic = new Anthropic({ baseURL: model.url, ...options })
    await createMessage(client, anthropic, request, { model: 'any', max_tokens: 300, messages })
    expect(holds).toMatchObject([{ tokens: 400, settled: [2_197] }])
    expect(receipts).toMatchObject([{ usage: { input: 2_152, cachedInput: 640, output: 45 } }])
  })
})

describe('with the AI SDK', () => {
  const provider = () =>
    createOpenAICompatible({
      name: 'any',
      baseURL: `${model.url}/v1`,
      includeUsage: true,
      supportsStructuredOutputs: true,
    })
  const wrapped = ({ client, request }: Pick<ReturnType<typeof metering>, 'client' | 'request'>) =>
    wrapLanguageModel({ model: provider()('any'), middleware: tokensMiddleware(client, request) })

  it('an answer in one piece is paid for as told', async () => {
    const { holds, ...tokens } = metering()
    model.answer(completion())
    const { text } = await generateText({ model: wrapped(tokens), prompt, maxOutputTokens: 500 })
    expect(text).toBe('A short answer.')
    expect(holds).toMatchObject([{ tokens: 600, settled: [750] }])
  })

  it('an object is paid for as any answer', async () => {
    const { holds, ...tokens } = metering()
    const schema = jsonSchema<{ city: string }>({
      type: 'object',
      properties: { city: { type: 'string' } },
      required: ['city'],
      additionalProperties: false,
    })
    const content = '{"city":"Bern"}'
    model.answer(
      completion({
        choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      }),
    )
    const output = Output.object({ schema })
    const asked = await generateText({ model: wrapped(tokens), prompt, output })
    expect(asked.output).toEqual({ city: 'Bern' })
    model.replay({
      api: 'chat',
      end: 'done',
      events: [
        { choices: [{ index: 0, delta: { content }, finish_reason: null }] },
        { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
        { choices: [], usage: { prompt_tokens: 20, completion_tokens: 5, total_tokens: 25 } },
      ],
    })
    const streamed = streamText({ model: wrapped(tokens), prompt, output })
    expect(await streamed.output).toEqual({ city: 'Bern' })
    expect(holds).toMatchObject([{ settled: [750] }, { settled: [25] }])
  })

  it('each step of a tool loop is a hold of its own', async () => {
    const { holds, ...tokens } = metering()
    const call = {
      id: 'call_1',
      type: 'function',
      function: { name: 'weather', arguments: '{"city":"Bern"}' },
    }
    const message = { role: 'assistant', content: null, tool_calls: [call] }
    model.answer(
      completion({ choices: [{ index: 0, message, finish_reason: 'tool_calls' }] }),
      completion({ usage: { prompt_tokens: 400, completion_tokens: 10, total_tokens: 410 } }),
    )
    const weather = tool({
      inputSchema: jsonSchema<{ city: string }>({
        type: 'object',
        properties: { city: { type: 'string' } },
      }),
      execute: async ({ city }) => `It rains in ${city}.`,
    })
    const { text } = await generateText({
      model: wrapped(tokens),
      prompt,
      tools: { weather },
      stopWhen: isStepCount(3),
    })
    expect(text).toBe('A short answer.')
    expect(holds).toMatchObject([{ settled: [750] }, { settled: [410] }])
  })

  it('a model that stops at what the workspace has left is told how much that is', async () => {
    const { holds, receipts, client, request } = metering(150)
    model.answer(
      completion({
        choices: [{ ...completion().choices[0], finish_reason: 'length' }],
        usage: { prompt_tokens: 100, completion_tokens: 50, total_tokens: 150 },
      }),
    )
    const middleware = tokensMiddleware(client, { ...request, estimate: 2_000, atLeast: 120 })
    const capped = wrapLanguageModel({ model: provider()('any'), middleware })
    await generateText({ model: capped, prompt })
    expect(model.asked).toMatchObject([{ max_tokens: 50 }])
    expect(receipts).toMatchObject([{ endedBy: 'tokens' }])
    expect(holds).toMatchObject([{ tokens: 150, settled: [150] }])
  })

  it('embeddings are paid for as told, or as counted', async () => {
    const { holds, client, request } = metering()
    const embedding = () =>
      wrapEmbeddingModel({
        model: provider().embeddingModel('any'),
        middleware: embeddingTokensMiddleware(client, request),
      })
    const embedded = { object: 'list', data: [{ embedding: [0.1] }, { embedding: [0.2] }] }
    model.answer({ ...embedded, usage: { prompt_tokens: 9 } })
    await embedMany({ model: embedding(), values: [prompt, 'abcd'] })
    model.answer(embedded)
    await embedMany({ model: embedding(), values: [prompt, 'abcd'] })
    expect(holds).toMatchObject([
      { tokens: 101, settled: [9] },
      { tokens: 101, settled: [101] },
    ])
  })

  it('pictures are paid for as told, or by what one counts', async () => {
    const { holds, client, request } = metering()
    const pictures = () =>
      wrapImageModel({
        model: provider().imageModel('any'),
        middleware: imageTokensMiddleware(client, { ...request, media: { image: 800 } }),
      })
    const data = [{ b64_json: Buffer.from('a picture').toString('base64') }]
    model.answer({ created: 1, data })
    await generateImage({ model: pictures(), prompt, n: 1 })
    expect(holds).toMatchObject([{ tokens: 900, settled: [900] }])
  })

  it('pictures whose provider tells are paid for as it says', async () => {
    const { holds, client, request, receipts } = metering()
    const usage = { inputTokens: 12, outputTokens: 4_160, totalTokens: 4_172 }
    const painter = {
      specificationVersion: 'v4' as const,
      provider: 'any',
      modelId: 'painter',
      maxImagesPerCall: 4,
      doGenerate: async () => ({
        images: [new Uint8Array([1])],
        warnings: [],
        usage,
        response: { timestamp: new Date(0), modelId: 'painter', headers: undefined },
      }),
    }
    const middleware = imageTokensMiddleware(client, request)
    await generateImage({ model: wrapImageModel({ model: painter, middleware }), prompt, n: 1 })
    expect(holds).toMatchObject([{ tokens: 1_100, settled: [4_172] }])
    expect(receipts).toMatchObject([{ model: 'painter', usage: { input: 12, output: 4_160 } }])
  })
})
