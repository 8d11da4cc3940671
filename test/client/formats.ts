import type Anthropic from '@anthropic-ai/sdk'
import type OpenAI from 'openai'
import { tokensMiddleware } from '../../client/src/ai-sdk.ts'
import { streamMessage } from '../../client/src/anthropic.ts'
import type { MeteredCall } from '../../client/src/metering.ts'
import { streamCompletion, streamResponse } from '../../client/src/openai.ts'
import type { Client } from '../../client/src/server.ts'

/** How one adapter's streams say what any model may say. */
export interface Format {
  name: string
  text(text: string): unknown
  reasoning(text: string): unknown
  call(name: string, given: string): unknown[]
  /** The end as it usually is, with what was used. */
  end(usage: unknown, reason?: string): unknown[]
  /** In this format's names; whatever is given for the numbers. */
  usage(input: unknown, output: unknown): object
  /** Pieces that say nothing, as they are really sent or could be. */
  odd: unknown[]
  /** Opens a metered stream over one that sends what `source` does. */
  open(
    client: Pick<Client, 'hold' | 'consume'>,
    request: MeteredCall,
    source: () => AsyncIterableIterator<unknown>,
  ): Promise<Reader>
}

/** What a reader of a stream can do. */
export interface Reader {
  next(): Promise<{ done?: boolean; value?: unknown }>
  leave(): Promise<unknown>
}

/** 400 characters: 100 tokens as they are counted here. */
export const prompt = 'q'.repeat(400)
export const promptTokens = 100

const anything = [null, 0, '', 'text', [], {}, { error: null }, { type: null }, { type: 'ping' }]

function withController(stream: AsyncIterableIterator<unknown>) {
  return Object.assign(stream, { controller: new AbortController() })
}

function reading(stream: AsyncIterator<unknown>): Reader {
  return { next: () => stream.next(), leave: async () => stream.return?.() }
}

const chat: Format = {
  name: 'openai chat completions',
  text: (content) => ({ choices: [{ index: 0, delta: { content } }] }),
  reasoning: (reasoning_content) => ({ choices: [{ index: 0, delta: { reasoning_content } }] }),
  call: (name, given) => [
    { choices: [{ delta: { tool_calls: [{ index: 0, id: 'c', function: { name } }] } }] },
    { choices: [{ delta: { tool_calls: [{ index: 0, function: { arguments: given } }] } }] },
  ],
  end: (usage, finish_reason = 'stop') => [
    { choices: [{ index: 0, delta: {}, finish_reason }] },
    ...(usage ? [{ choices: [], usage }] : []),
  ],
  usage: (prompt_tokens, completion_tokens) => ({ prompt_tokens, completion_tokens }),
  odd: [
    ...anything,
    { choices: null },
    { choices: [null] },
    { choices: [{}] },
    { choices: [{ delta: null }] },
    { choices: [{ delta: { content: null, tool_calls: null } }] },
    { choices: [{ delta: { tool_calls: [{ function: null }, null] } }] },
    { choices: [], prompt_filter_results: [{}] },
    { choices: [{ delta: { role: 'assistant' } }], usage: null },
  ],
  async open(client, request, source) {
    const create = async () => withController(source())
    const openai = { chat: { completions: { create } } } as unknown as OpenAI
    const messages = [{ role: 'user' as const, content: prompt }]
    return reading(await streamCompletion(client, openai, request, { model: 'm', messages }))
  },
}

const responses: Format = {
  name: 'openai responses',
  text: (delta) => ({ type: 'response.output_text.delta', delta }),
  reasoning: (delta) => ({ type: 'response.reasoning_summary_text.delta', delta }),
  call: (name, delta) => [
    { type: 'response.output_item.added', item: { type: 'function_call', name, arguments: '' } },
    { type: 'response.function_call_arguments.delta', delta },
  ],
  end: (usage) => [{ type: 'response.completed', response: { status: 'completed', usage } }],
  usage: (input_tokens, output_tokens) => ({ input_tokens, output_tokens }),
  odd: [
    ...anything,
    { type: 'response.created', response: { usage: null } },
    { type: 'response.output_item.added', item: null },
    { type: 'response.output_text.delta', delta: null },
    { type: 'response.audio.transcript.delta' },
  ],
  async open(client, request, source) {
    const create = async () => withController(source())
    const openai = { responses: { create } } as unknown as OpenAI
    return reading(await streamResponse(client, openai, request, { model: 'm', input: prompt }))
  },
}

const messages: Format = {
  name: 'anthropic messages',
  text: (text) => ({ type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } }),
  reasoning: (thinking) => ({
    type: 'content_block_delta',
    delta: { type: 'thinking_delta', thinking },
  }),
  call: (name, partial_json) => [
    { type: 'content_block_start', content_block: { type: 'tool_use', name, input: {} } },
    { type: 'content_block_delta', delta: { type: 'input_json_delta', partial_json } },
  ],
  end: (usage, stop_reason = 'end_turn') => [
    { type: 'message_delta', delta: { stop_reason }, usage },
    { type: 'message_stop' },
  ],
  usage: (input_tokens, output_tokens) => ({ input_tokens, output_tokens }),
  odd: [
    ...anything,
    { type: 'message_start', message: null },
    { type: 'content_block_start', content_block: null },
    { type: 'content_block_delta', delta: { type: 'signature_delta', signature: 'x' } },
    { type: 'content_block_delta', delta: null },
    { type: 'message_delta' },
  ],
  async open(client, request, source) {
    const create = async () => withController(source())
    const anthropic = { messages: { create } } as unknown as Anthropic
    const body = { model: 'm', max_tokens: 500, messages: [{ role: 'user', content: prompt }] }
    return reading(await streamMessage(client, anthropic, request, body as never))
  },
}

const aiSdk: Format = {
  name: 'the AI SDK',
  text: (delta) => ({ type: 'text-delta', id: '0', delta }),
  reasoning: (delta) => ({ type: 'reasoning-delta', id: '1', delta }),
  call: (toolName, delta) => [
    { type: 'tool-input-start', id: 'call', toolName },
    { type: 'tool-input-delta', id: 'call', delta },
    { type: 'tool-call', toolCallId: 'call', toolName, input: delta },
  ],
  end: (usage, unified = 'stop') => [
    { type: 'finish', finishReason: { unified, raw: unified }, usage: usage ?? {} },
  ],
  usage: (input, output) => ({ inputTokens: { total: input }, outputTokens: { total: output } }),
  odd: [
    ...anything.filter((one) => one !== null && one !== undefined),
    { type: 'stream-start', warnings: [] },
    { type: 'text-delta', id: '0' },
    { type: 'raw', rawValue: { usage: { total_tokens: 1e6 } } },
    { type: 'finish', usage: null },
    { type: 'file', mediaType: null },
  ].slice(0, -1),
  async open(client, { signal: abortSignal, key: _, ...request }, source) {
    const middleware = tokensMiddleware(client, request)
    const params = {
      abortSignal,
      prompt: [{ role: 'user', content: [{ type: 'text', text: prompt }] }],
    }
    const doStream = async () => ({ stream: ReadableStream.from(source()) })
    const { stream } = await middleware.wrapStream!({
      doStream,
      doGenerate: doStream,
      params,
      model: { modelId: 'm' },
    } as never)
    const reader = (stream as ReadableStream).getReader()
    return { next: () => reader.read(), leave: () => reader.cancel() }
  },
}

export const formats = [chat, responses, messages, aiSdk]
