import type OpenAI from 'openai'
import { type MeteredStream, metered, meteredAnswer } from './metered.ts'
import { Call, type MeteredCall, type MeteringClient } from './metering.ts'
import { readCompletion, readResponse, readResponseEvent } from './openai-answers.ts'
import { usageOf } from './usage.ts'

export type { MeteredStream } from './metered.ts'
export type { EndedBy, MeteredCall, Receipt } from './metering.ts'

type Chat = OpenAI.ChatCompletionCreateParams
type Response = OpenAI.Responses.ResponseCreateParams

/*
 * The calls of the `openai` package, paid for: each sets tokens aside first, throws `TokensRefused` where the
 * workspace cannot pay, before the model is asked, and pays for what the model says it used. What a stream that
 * fails, is aborted or left has used is counted: its prompt, and what has arrived of the answer.
 */

/** A streaming chat completion. Its usage is asked for; a model that does not take that is asked again without. */
export async function streamCompletion(
  client: MeteringClient,
  openai: Pick<OpenAI, 'chat'>,
  request: MeteredCall,
  body: Omit<OpenAI.ChatCompletionCreateParamsStreaming, 'stream'>,
): Promise<MeteredStream<OpenAI.ChatCompletionChunk>> {
  const { signal } = request
  const call = await start(client, request, body)
  const capped = withinChat(call, openai, body)
  const ask = (options: Pick<Chat, 'stream_options'>) =>
    openai.chat.completions.create({ ...capped, ...options, stream: true }, { signal })
  const asked = { include_usage: true, ...body.stream_options }
  const stream = await call.opened(() =>
    ask({ stream_options: asked }).catch((error) => {
      if (!refusesStreamOptions(error)) throw error
      return ask({ stream_options: undefined })
    }),
  )
  return metered(call, stream, readCompletion, signal)
}

/** A chat completion in one piece. */
export async function createCompletion(
  client: MeteringClient,
  openai: Pick<OpenAI, 'chat'>,
  request: MeteredCall,
  body: Omit<OpenAI.ChatCompletionCreateParamsNonStreaming, 'stream'>,
): Promise<OpenAI.ChatCompletion> {
  const { signal } = request
  const call = await start(client, request, body)
  const capped = withinChat(call, openai, body)
  const ask = () => openai.chat.completions.create({ ...capped, stream: false }, { signal })
  return meteredAnswer(call, ask, readCompletion)
}

/** A streaming answer of the Responses API. */
export async function streamResponse(
  client: MeteringClient,
  openai: Pick<OpenAI, 'responses'>,
  request: MeteredCall,
  body: Omit<OpenAI.Responses.ResponseCreateParamsStreaming, 'stream'>,
): Promise<MeteredStream<OpenAI.Responses.ResponseStreamEvent>> {
  const { signal } = request
  const call = await start(client, request, body)
  const asked = { ...withinResponse(call, body), stream: true } as const
  const stream = await call.opened(() => openai.responses.create(asked, { signal }))
  return metered(call, stream, readResponseEvent, signal)
}

/** An answer of the Responses API in one piece. */
export async function createResponse(
  client: MeteringClient,
  openai: Pick<OpenAI, 'responses'>,
  request: MeteredCall,
  body: Omit<OpenAI.Responses.ResponseCreateParamsNonStreaming, 'stream'>,
): Promise<OpenAI.Responses.Response> {
  const { signal } = request
  const call = await start(client, request, body)
  const asked = { ...withinResponse(call, body), stream: false } as const
  return meteredAnswer(call, () => openai.responses.create(asked, { signal }), readResponse)
}

/** Embeddings. */
export async function createEmbeddings(
  client: MeteringClient,
  openai: Pick<OpenAI, 'embeddings'>,
  request: MeteredCall,
  body: OpenAI.EmbeddingCreateParams,
): Promise<OpenAI.CreateEmbeddingResponse> {
  const { signal } = request
  const call = await Call.start(
    client,
    { model: body.model, ...request },
    { prompt: body.input, answers: false },
  )
  return meteredAnswer(
    call,
    () => openai.embeddings.create(body, { signal }),
    (answer, tally) => tally.told(usageOf(answer.usage)),
  )
}

function start(
  client: MeteringClient,
  request: MeteredCall,
  body: Omit<Chat, 'stream'> | Omit<Response, 'stream'>,
): Promise<Call> {
  const prompt =
    'messages' in body
      ? [body.messages, body.tools, body.functions, body.response_format]
      : [body.instructions, body.input, body.tools, body.text]
  const outputMax =
    'messages' in body ? (body.max_completion_tokens ?? body.max_tokens) : body.max_output_tokens
  return Call.start(client, { model: body.model, ...request }, { prompt, outputMax })
}

/** Only OpenAI itself insists on the newer name; most that speak its interface know only the older one. */
function withinChat<Body extends Omit<Chat, 'stream'>>(
  { cap }: Call,
  openai: Pick<OpenAI, 'chat'> & { baseURL?: string },
  body: Body,
): Body {
  if (cap === undefined) return body
  const { max_tokens: older, max_completion_tokens: newer } = body
  const isOpenAi = /\b(openai\.com|azure\.com)\b/.test(openai.baseURL ?? '')
  const name = newer != null || (isOpenAi && older == null) ? 'max_completion_tokens' : 'max_tokens'
  return { ...body, [name]: Math.min(cap, newer ?? older ?? cap) }
}

function withinResponse<Body extends Omit<Response, 'stream'>>({ cap }: Call, body: Body): Body {
  if (cap === undefined) return body
  return { ...body, max_output_tokens: Math.min(cap, body.max_output_tokens ?? cap) }
}

function refusesStreamOptions(error: unknown): boolean {
  const { status, message, param } = error as { status?: number; message?: string; param?: string }
  const isRefusal = status === 400 || status === 422
  return isRefusal && /stream_options|include_usage/.test(`${message} ${param}`)
}
