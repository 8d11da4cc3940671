import type { LanguageModelMiddleware } from 'ai'
import { countTokens } from './count-tokens.ts'
import type { Client } from './server.ts'
import { type StartedWork, startWork, type WorkRequest } from './with-tokens.ts'

export interface MeteredModel extends Omit<WorkRequest, 'signal' | 'key' | 'estimate'> {
  /** Tokens set aside for each call of the model, answer included. */
  estimate: number | ((prompt: Prompt) => number)
  /** Counts what a stream that is cut off has used, which its model never says. */
  countTokens?: (text: string) => number
}

type Streaming = NonNullable<LanguageModelMiddleware['wrapStream']>
type Prompt = Parameters<Streaming>[0]['params']['prompt']
type Streamed = Awaited<ReturnType<Streaming>>['stream']
type Part = Streamed extends ReadableStream<infer Part> ? Part : never
type Usage = Extract<Part, { type: 'finish' }>['usage']

/**
 * Middleware for the Vercel AI SDK's `wrapLanguageModel`: every call of the model sets tokens aside first and
 * pays for what the model says it has used. A stream that fails or is aborted pays for its prompt and for what
 * has arrived of the answer. A call that the workspace cannot pay for throws `TokensRefused` before the model
 * is asked.
 */
export function tokensMiddleware(
  client: Pick<Client, 'hold'>,
  { estimate, countTokens: count = countTokens, ...request }: MeteredModel,
): LanguageModelMiddleware {
  type Call = Pick<Parameters<Streaming>[0], 'params' | 'model'>
  const start = ({ params, model }: Call) =>
    startWork(client, {
      model: model.modelId,
      ...request,
      estimate: typeof estimate === 'number' ? estimate : estimate(params.prompt),
      signal: params.abortSignal,
    })

  return {
    specificationVersion: 'v4',

    async wrapGenerate({ doGenerate, params, model }) {
      const work = await start({ params, model })
      let result: Awaited<ReturnType<typeof doGenerate>>
      try {
        result = await doGenerate()
      } catch (error) {
        await work.failed()
        throw error
      }
      report(work, result.usage)
      await work.finished()
      return result
    },

    async wrapStream({ doStream, params, model }) {
      const work = await start({ params, model })
      try {
        const { stream, ...rest } = await doStream()
        const promptTokens = () => count(textOf(params.prompt))
        return { ...rest, stream: metered(stream, work, { promptTokens, count }) }
      } catch (error) {
        await work.failed()
        throw error
      }
    },
  }
}

/** The same stream; it ends once it is paid for, so that nothing is left to do when its reader is done. */
function metered(
  stream: Streamed,
  work: StartedWork,
  { promptTokens, count }: { promptTokens: () => number; count: (text: string) => number },
): Streamed {
  const reader = stream.getReader()
  let text = ''
  let told = false
  const observe = () => {
    if (!told && text !== '') work.used(promptTokens() + count(text))
  }
  return new ReadableStream<Part>({
    async pull(controller) {
      try {
        const { done, value: part } = await reader.read()
        if (done) {
          observe()
          await work.finished()
          controller.close()
          return
        }
        if ('delta' in part) text += part.delta
        if (part.type === 'finish') told = report(work, part.usage)
        controller.enqueue(part)
      } catch (error) {
        observe()
        await work.failed()
        controller.error(error)
      }
    },
    async cancel(reason) {
      observe()
      await work.failed()
      await reader.cancel(reason)
    },
  })
}

/** Whether the model said what it used. */
function report(work: StartedWork, { inputTokens, outputTokens }: Usage): boolean {
  if (inputTokens.total === undefined && outputTokens.total === undefined) return false
  work.used((inputTokens.total ?? 0) + (outputTokens.total ?? 0))
  return true
}

function textOf(prompt: Prompt): string {
  return prompt
    .map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content)))
    .join('\n')
}
