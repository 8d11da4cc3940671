import { readdirSync, readFileSync } from 'node:fs'
import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { generateText, wrapLanguageModel } from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { tokensMiddleware } from '../../client/src/ai-sdk.ts'
import { createClient, isRefused } from '../../client/src/server.ts'
import { type LocalStack, startLocalStack } from '../support/local-stack.ts'
import { type ModelServer, startModelServer } from '../support/model-server.ts'
import { type ReplayingModel, startReplayingModel } from '../support/replaying-model.ts'
import { shapes } from './streams/index.ts'
import { printedTable, streamsTable } from './streams/table.ts'

/*
 * The code of docs/client.md, run as it is printed there: against the real packages, a model that streams, and
 * the whole local system.
 */
let stack: LocalStack
let model: ModelServer
let replaying: ReplayingModel
beforeAll(async () => {
  ;[stack, model, replaying] = await Promise.all([
    startLocalStack(),
    startModelServer(),
    startReplayingModel(),
  ])
  process.env.TOKENS_API = stack.url
  process.env.TOKENS_TOKEN_URL = `${stack.servicesIdentity.issuer}/token`
  process.env.TOKENS_CLIENT_ID = 'assistant'
  process.env.TOKENS_CLIENT_SECRET = 'assistant-secret'
  process.env.MODELS_API = model.url
  process.env.MODELS_ORIGIN = replaying.url
  process.env.MODELS_KEY = 'none'
}, 60_000)
afterAll(() => {
  model.stop()
  replaying.stop()
  return stack.stop()
})

async function workspaceOf(quota: number): Promise<string> {
  const workspace = `w-${crypto.randomUUID()}`
  await stack.call({
    to: `PUT /v1/workspaces/${workspace}`,
    as: 'host-app',
    key: 'create',
    body: { plan: 'enterprise', quota },
  })
  return workspace
}

async function meterOf(workspace: string) {
  const { body } = await stack.call({
    to: `GET /v1/workspaces/${workspace}/meter`,
    as: 'assistant',
  })
  return { used: body.used, held: body.held }
}

const words = Array.from({ length: 20 }, (_, n) => `word${String(n).padStart(3, '0')} `)
const usage = { prompt_tokens: 300, completion_tokens: 450 }
const question = 'q'.repeat(400)

/** Both are asked the same and told of in the same way; only what they are made with differs. */
interface Chat {
  name: string
  /** Reads up to `readMax` words of an answer. */
  read(
    workspace: string,
    options?: { readMax?: number; signal?: AbortSignal },
  ): Promise<{ text: string; error?: unknown }>
}

const chats: Chat[] = [
  {
    name: 'the AI SDK',
    async read(workspace, { readMax = Number.POSITIVE_INFINITY, signal } = {}) {
      const { chat } = await import('../../client/examples/ai-sdk.ts')
      let text = ''
      let read = 0
      let failure: unknown
      const { fullStream } = chat(workspace, question, signal)
      try {
        for await (const part of fullStream) {
          if (part.type === 'error') failure = part.error
          if (part.type === 'abort') failure = signal?.reason
          if (part.type === 'text-delta') text += part.text
          if (part.type === 'text-delta' && ++read >= readMax) break
        }
      } catch (error) {
        failure = error
      }
      return { text, error: failure }
    },
  },
  {
    name: 'the openai package',
    async read(workspace, { readMax = Number.POSITIVE_INFINITY, signal } = {}) {
      const { chat } = await import('../../client/examples/openai.ts')
      let text = ''
      let read = 0
      try {
        for await (const word of chat(workspace, question, signal)) {
          text += word
          if (++read >= readMax) break
        }
        return { text }
      } catch (error) {
        return { text, error }
      }
    },
  },
]

describe.each(chats)('$name', ({ read }) => {
  // The AI SDK prints what goes wrong, besides saying it.
  beforeEach(() => {
    const silenced = vi.spyOn(console, 'error').mockImplementation(() => {})
    return () => silenced.mockRestore()
  })

  it('pays for what the model says it used', async () => {
    const workspace = await workspaceOf(10_000)
    model.behave({ words, usage })
    expect(await read(workspace)).toEqual({ text: words.join('') })
    expect(await meterOf(workspace)).toEqual({ used: 750, held: 0 })
    expect(model.asked).toMatchObject([{ stream: true, stream_options: { include_usage: true } }])
  })

  it('holds the estimate while the answer streams', async () => {
    const workspace = await workspaceOf(10_000)
    model.behave({ words, stallsAfter: 3 })
    const controller = new AbortController()
    const reading = read(workspace, { signal: controller.signal })
    await vi.waitFor(async () => expect(await meterOf(workspace)).toEqual({ used: 0, held: 2_000 }))
    controller.abort()
    await reading
  })

  it('pays for prompt and words so far when it is aborted, and leaves the model', async () => {
    const workspace = await workspaceOf(10_000)
    model.behave({ words, usage, stallsAfter: 8 })
    const controller = new AbortController()
    setTimeout(() => controller.abort(), 400)
    const { text, error } = await read(workspace, { signal: controller.signal })
    expect(text).toBe(words.slice(0, 8).join(''))
    expect(error).toMatchObject({ name: expect.stringMatching(/Abort/) })
    await vi.waitFor(async () => expect((await meterOf(workspace)).held).toBe(0))
    // 400 characters of question in some JSON, and 8 words of 8 characters, at 4 to a token.
    const { used } = await meterOf(workspace)
    expect(used).toBeGreaterThanOrEqual(100 + 16)
    expect(used).toBeLessThan(150)
    await vi.waitFor(() => expect(model.left).toBe(true))
  })

  it('pays for what has arrived when the model breaks off', async () => {
    const workspace = await workspaceOf(10_000)
    model.behave({ words, usage, breaksAfter: 4 })
    const { error } = await read(workspace)
    expect(error).toBeDefined()
    const { used, held } = await meterOf(workspace)
    expect(held).toBe(0)
    expect(used).toBeGreaterThanOrEqual(100 + 8)
    expect(used).toBeLessThan(150)
  })

  it('returns everything when the model never began', async () => {
    const workspace = await workspaceOf(10_000)
    model.behave({ words, breaksAfter: 0 })
    const { error } = await read(workspace)
    expect(error).toBeDefined()
    expect(await meterOf(workspace)).toEqual({ used: 0, held: 0 })
  })

  it('does not ask the model what the workspace cannot pay for', async () => {
    const workspace = await workspaceOf(1_000)
    model.behave({ words, usage })
    const { error } = await read(workspace)
    expect(isRefused(error, 'insufficient_tokens')).toBe(true)
    expect(model.asked).toEqual([])
  })
})

describe('the openai package', () => {
  it('pays when its reader leaves early', async () => {
    const workspace = await workspaceOf(10_000)
    model.behave({ words, usage })
    const { text } = await chats[1]!.read(workspace, { readMax: 5 })
    expect(text).toBe(words.slice(0, 5).join(''))
    const { used, held } = await meterOf(workspace)
    expect(held).toBe(0)
    expect(used).toBeGreaterThanOrEqual(100 + 10)
  })
})

describe('the AI SDK without a stream', () => {
  it('pays for what the model says it used', async () => {
    const workspace = await workspaceOf(10_000)
    const client = createClient({ baseUrl: stack.url, token: () => stack.token('assistant') })
    const wrapped = wrapLanguageModel({
      model: createOpenAICompatible({ name: 'models', baseURL: model.url })('assistant-1'),
      middleware: tokensMiddleware(client, { workspace, estimate: 1_000 }),
    })
    model.behave({ words, usage })
    const { text } = await generateText({ model: wrapped, prompt: question })
    expect(text).toBe(words.join(''))
    expect(await meterOf(workspace)).toEqual({ used: 750, held: 0 })
  })
})

describe('the other examples', () => {
  it('take what a piece of work costs, or say that there is too little', async () => {
    const { translate } = await import('../../client/examples/consume.ts')
    const workspace = await workspaceOf(10)
    expect(await translate(workspace, 'hello')).toEqual({ translated: 'HELLO' })
    expect(await translate(workspace, 'x'.repeat(40))).toEqual({
      sorry: 'No tokens left: [3/10 used]',
    })
  })

  it('pay for what a document took', async () => {
    const { summarize } = await import('../../client/examples/with-tokens.ts')
    const workspace = await workspaceOf(10_000)
    expect(await summarize(workspace, ['a'.repeat(400), 'b'.repeat(80)])).toHaveLength(2)
    expect(await meterOf(workspace)).toEqual({ used: 120, held: 0 })
  })

  it('serve many from one lease, and settle when the process ends', async () => {
    const { autocomplete, shutDown } = await import('../../client/examples/lease.ts')
    expect(await Promise.all(['ab', 'abc', 'abcd'].map(autocomplete))).toHaveLength(3)
    await shutDown()
    expect(await meterOf('acme')).toEqual({ used: 9, held: 0 })
    process.removeAllListeners('SIGTERM')
  })

  it('stream a message of Anthropic’s', async () => {
    const { chat } = await import('../../client/examples/anthropic.ts')
    const workspace = await workspaceOf(10_000)
    const shape = shapes.find(({ api, charge }) => api === 'messages' && charge > 0)!
    replaying.replay(shape)
    let text = ''
    for await (const word of chat(workspace, question)) text += word
    expect(text).toBe(shape.text)
    expect(await meterOf(workspace)).toEqual({ used: shape.charge, held: 0 })
  })

  it('answer as long as there are tokens, and say where that is why they stop', async () => {
    const { answer } = await import('../../client/examples/scarce.ts')
    model.behave({ words, usage })
    const rich = await workspaceOf(10_000)
    expect(await answer(rich, question)).toEqual({ text: words.join(''), cutShort: false })
    const poor = await workspaceOf(499)
    await expect(answer(poor, question)).rejects.toMatchObject({ code: 'insufficient_tokens' })
    const scarce = await workspaceOf(600)
    model.behave({ words, usage: { prompt_tokens: 100, completion_tokens: 500 }, finish: 'length' })
    expect(await answer(scarce, question)).toMatchObject({ cutShort: true })
    expect(model.asked).toMatchObject([{ max_tokens: 500 }])
    expect(await meterOf(scarce)).toEqual({ used: 600, held: 0 })
  })

  it('go on in an outage, and say so', async () => {
    const { tokens } = await import('../../client/examples/outage.ts')
    const workspace = await workspaceOf(100)
    expect(await tokens.consume({ workspace, tokens: 5 })).toMatchObject({ unreported: false })
  })

  it('send an admin to the page to pay on, and nobody else', async () => {
    const { buy } = await import('../../client/examples/page.ts')
    expect(await buy(stack.url, () => stack.token('acme-admin'), 'acme')).toMatch(/^http/)
    expect(await buy(stack.url, () => stack.token('acme-member'), 'acme')).toBe('admin_required')
  })
})

describe('docs/client.md', () => {
  const folder = new URL('../../client/examples/', import.meta.url)
  const guide = readFileSync(new URL('../../docs/client.md', import.meta.url), 'utf8')
  const printed = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, code]) => code)

  it('prints the examples as they are run here, all of them and no other code', () => {
    const examples = readdirSync(folder).map((name) => readFileSync(new URL(name, folder), 'utf8'))
    expect(printed.sort()).toEqual(examples.sort())
  })

  it('prints what each stream of the conformance set costs, as it is tested', () => {
    expect(printedTable()).toBe(streamsTable())
  })
})
