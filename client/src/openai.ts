import type OpenAI from 'openai'
import { countTokens } from './count-tokens.ts'
import type { Client } from './server.ts'
import { startWork, type WorkRequest } from './with-tokens.ts'

type Body = OpenAI.ChatCompletionCreateParamsStreaming
type Chunk = OpenAI.ChatCompletionChunk

export interface MeteredCompletion extends WorkRequest {
  /** Counts what a stream that is cut off has used, which the model never says. */
  countTokens?: (text: string) => number
}

/**
 * A streaming chat completion with the `openai` package: sets tokens aside, asks for the stream with its usage,
 * and pays for it when the stream ends. A stream that fails, or whose reader leaves it or aborts `signal`, pays
 * for its prompt and for what has arrived of the answer. Where the workspace cannot pay it throws
 * `TokensRefused`, and the model is not asked.
 */
export async function streamCompletion(
  client: Pick<Client, 'hold'>,
  openai: Pick<OpenAI, 'chat'>,
  { countTokens: count = countTokens, ...request }: MeteredCompletion,
  body: Omit<Body, 'stream' | 'stream_options'>,
): Promise<AsyncIterable<Chunk>> {
  const { signal } = request
  const work = await startWork(client, { model: body.model, ...request })
  const asked = { ...body, stream: true, stream_options: { include_usage: true } } as const
  let stream: AsyncIterable<Chunk> & { controller: AbortController }
  try {
    stream = await openai.chat.completions.create(asked, { signal })
  } catch (error) {
    await work.failed()
    throw error
  }

  let text = ''
  let told = false
  const observe = () => {
    if (!told && text !== '') work.used(count(JSON.stringify(body.messages)) + count(text))
  }
  async function* metered(): AsyncGenerator<Chunk> {
    try {
      for await (const chunk of stream) {
        for (const { delta } of chunk.choices) text += textOf(delta)
        if (chunk.usage) {
          told = true
          work.used(chunk.usage.total_tokens)
        }
        yield chunk
      }
      // The package ends an aborted stream as if it had come to its end.
      signal?.throwIfAborted()
      observe()
      await work.finished()
    } finally {
      stream.controller.abort()
      observe()
      await work.failed()
    }
  }
  return metered()
}

function textOf({
  content,
  refusal,
  tool_calls: calls = [],
}: Chunk['choices'][0]['delta']): string {
  return [content, refusal, ...calls.map((call) => call.function?.arguments)].join('')
}
