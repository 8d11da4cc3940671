import type { EmbeddingModelMiddleware, ImageModelMiddleware, LanguageModelMiddleware } from 'ai'
import { kindOfMedia } from './count-tokens.ts'
import { meteredAnswer } from './metered.ts'
import { type MeteredCall as AnyCall, Call, type MeteringClient } from './metering.ts'
import type { Tally } from './tally.ts'
import { merged, recordOf, type TokenUsage, usageOf } from './usage.ts'

export type { EndedBy, Receipt } from './metering.ts'

export interface MeteredModel extends Omit<AnyCall, 'signal' | 'key' | 'estimate'> {
  /** Tokens set aside for each call of the model, answer included; unless told, see `docs/client.md`. */
  estimate?: number | ((prompt: Prompt) => number)
}

export interface MeteredCalls extends Omit<AnyCall, 'signal' | 'key'> {}

type Streaming = NonNullable<LanguageModelMiddleware['wrapStream']>
type Params = Parameters<Streaming>[0]['params']
type Prompt = Params['prompt']
type Streamed = Awaited<ReturnType<Streaming>>['stream']
type Part = Streamed extends ReadableStream<infer Part> ? Part : never

/**
 * Middleware for the Vercel AI SDK's `wrapLanguageModel`: every call of the model, of each step of a tool loop
 * too, sets tokens aside first and pays for what the model says it has used. A stream that fails, is aborted or
 * is left pays for its prompt and for what has arrived of the answer. A call that the workspace cannot pay for
 * throws `TokensRefused` before the model is asked.
 */
export function tokensMiddleware(
  client: MeteringClient,
  { estimate, ...request }: MeteredModel,
): LanguageModelMiddleware {
  const start = async ({ params, model }: { params: Params; model: { modelId: string } }) => {
    const { prompt, tools, responseFormat, maxOutputTokens, abortSignal: signal } = params
    const call = await Call.start(
      client,
      {
        model: model.modelId,
        ...request,
        estimate: typeof estimate === 'function' ? estimate(prompt) : estimate,
        signal,
      },
      { prompt: [prompt, tools, responseFormat], outputMax: maxOutputTokens },
    )
    const { cap } = call
    const capped = cap !== undefined && {
      ...params,
      maxOutputTokens: Math.min(cap, maxOutputTokens ?? cap),
    }
    return { call, capped }
  }

  return {
    specificationVersion: 'v4',

    async wrapGenerate({ doGenerate, params, model }) {
      const { call, capped } = await start({ params, model })
      const ask = () => (capped ? model.doGenerate(capped) : doGenerate())
      return meteredAnswer(call, ask, ({ content, usage, finishReason }, tally) => {
        for (const part of content) readPart(part, tally)
        tally.told(usageFrom(usage))
        tally.stopped(finishReason?.unified)
      })
    },

    async wrapStream({ doStream, params, model }) {
      const { call, capped } = await start({ params, model })
      const ask = () => (capped ? model.doStream(capped) : doStream())
      const { stream, ...rest } = await call.opened(ask)
      return { ...rest, stream: meteredParts(call, stream) }
    },
  }
}

/** Middleware for `wrapEmbeddingModel`: what is embedded is paid for as the model says, or as it is counted. */
export function embeddingTokensMiddleware(
  client: MeteringClient,
  request: MeteredCalls,
): EmbeddingModelMiddleware {
  return {
    specificationVersion: 'v4',

    async wrapEmbed({ doEmbed, params, model }) {
      const call = await Call.start(
        client,
        { model: model.modelId, ...request, signal: params.abortSignal },
        { prompt: params.values, answers: false },
      )
      return meteredAnswer(call, doEmbed, ({ usage }, tally) => {
        const total = usage?.tokens
        tally.told(merged({}, { input: total, total }))
      })
    },
  }
}

/** Middleware for `wrapImageModel`: paid for as the provider says, or by what an image counts. */
export function imageTokensMiddleware(
  client: MeteringClient,
  request: MeteredCalls,
): ImageModelMiddleware {
  return {
    specificationVersion: 'v4',

    async wrapGenerate({ doGenerate, params, model }) {
      const { prompt, files, n, abortSignal: signal } = params
      const call = await Call.start(
        client,
        { model: model.modelId, ...request, signal },
        { prompt: [prompt, files], images: n },
      )
      return meteredAnswer(call, doGenerate, ({ images, usage }, tally) => {
        for (const _ of images) tally.media('image')
        const { inputTokens: input, outputTokens: output, totalTokens: total } = usage ?? {}
        tally.told(merged({}, { input, output, total }))
      })
    },
  }
}

/** The same parts; the stream ends once it is paid for, so that nothing is left to do when its reader is done. */
function meteredParts(call: Call, stream: Streamed): Streamed {
  const reader = stream.getReader()
  call.answered()
  return new ReadableStream<Part>(
    {
      async pull(controller) {
        call.asked()
        let result: Awaited<ReturnType<typeof reader.read>>
        try {
          result = await reader.read()
        } catch (error) {
          call.answered()
          await call.endStream('error')
          controller.error(error)
          return
        }
        call.answered()
        if (result.done) {
          await call.endStream('model')
          controller.close()
          return
        }
        call.read(readPart, result.value)
        controller.enqueue(result.value)
      },
      async cancel(reason) {
        const left = reader.cancel(reason)
        await call.endStream('reader')
        await left
      },
    },
    // With any more, the stream would ask ahead of its reader, and seem read when nobody reads it.
    { highWaterMark: 0 },
  )
}

/** A part of a stream, or of a whole answer. */
function readPart(part: unknown, tally: Tally): void {
  const { type, delta, text, toolName, input, mediaType, usage, finishReason, toolCallId, id } =
    (recordOf(part) ?? {}) as Record<string, unknown>
  switch (type) {
    case 'text-delta':
    case 'reasoning-delta':
      tally.text(delta)
      return
    case 'tool-input-start':
      tally.called(id, toolName)
      return
    case 'tool-input-delta':
      tally.text(delta)
      return
    case 'text':
    case 'reasoning':
      tally.text(text)
      return
    case 'tool-call':
      // One that came in pieces is told of once more when it is whole.
      if (!tally.called(toolCallId, toolName)) return
      tally.text(typeof input === 'string' ? input : JSON.stringify(input))
      return
    case 'file':
    case 'reasoning-file':
      tally.media(kindOfMedia(mediaType) ?? 'file')
      return
    case 'finish':
      tally.told(usageFrom(usage))
      tally.stopped(recordOf(finishReason)?.unified ?? finishReason)
  }
}

/** As the provider told it, where the SDK hands that on; it makes less of what it does not know. */
function usageFrom(usage: unknown): TokenUsage {
  const { inputTokens, outputTokens, raw } = recordOf(usage) ?? {}
  const { total: input, cacheRead } = recordOf(inputTokens) ?? {}
  const { total: output, reasoning } = recordOf(outputTokens) ?? {}
  const told = { input, cachedInput: cacheRead, output, reasoning } as TokenUsage
  return merged(merged({}, told), usageOf(raw))
}
