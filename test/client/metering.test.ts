import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Counter, countPrompt } from '../../client/src/count-tokens.ts'
import type { Receipt } from '../../client/src/metering.ts'
import { type Hold, withTokens } from '../../client/src/server.ts'
import { type TokensInMemory, tokensInMemory } from '../support/tokens-in-memory.ts'
import { formats, promptTokens } from './formats.ts'

/* How long a hold lives and what becomes of it, by a clock that a test moves. */

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

/** A stream that sends what it is told to, when it is told to. */
function openSource() {
  const waiting: PromiseWithResolvers<IteratorResult<unknown>>[] = []
  const ready: IteratorResult<unknown>[] = []
  const give = (result: IteratorResult<unknown>) => {
    const reader = waiting.shift()
    if (reader) reader.resolve(result)
    else ready.push(result)
  }
  const state = { left: false }
  const iterator: AsyncIterableIterator<unknown> = {
    [Symbol.asyncIterator]: () => iterator,
    next: () => {
      const result = ready.shift()
      if (result) return Promise.resolve(result)
      const reader = Promise.withResolvers<IteratorResult<unknown>>()
      waiting.push(reader)
      return reader.promise
    },
    return: async () => {
      state.left = true
      return { done: true, value: undefined }
    },
  }
  return {
    state,
    source: () => iterator,
    send: (...pieces: unknown[]) => {
      for (const value of pieces) give({ done: false, value })
    },
    end: () => give({ done: true, value: undefined }),
  }
}

const ttlSeconds = 60
const seconds = (n: number) => vi.advanceTimersByTimeAsync(n * 1_000)
const settledOf = ({ holds }: TokensInMemory) => holds.map(({ settled }) => settled)

describe.each(formats)('a stream of $name', (format) => {
  const opened = async (tokens: TokensInMemory, over: object = {}) => {
    const receipts: Receipt[] = []
    const { source, ...model } = openSource()
    const onSettled = (receipt: Receipt) => receipts.push(receipt)
    const request = { workspace: 'acme', estimate: 2_000, ttlSeconds, onSettled, ...over }
    return { ...model, receipts, reader: await format.open(tokens.client, request, source) }
  }
  const eight = format.text('abcdefgh')

  it('is paid for as soon as its reader leaves it, and the model is left', async () => {
    const tokens = tokensInMemory()
    const { reader, send, state, receipts } = await opened(tokens)
    send(eight, eight)
    await reader.next()
    await reader.leave()
    expect(settledOf(tokens)).toEqual([[promptTokens + 2]])
    expect(receipts).toMatchObject([{ endedBy: 'reader', used: promptTokens + 2, by: 'count' }])
    expect(state.left).toBe(true)
  })

  it('returns everything when nobody ever reads it', async () => {
    const tokens = tokensInMemory()
    const { send, receipts } = await opened(tokens)
    send(eight)
    await seconds(29)
    expect(tokens.holds).toMatchObject([{ released: 0 }])
    await seconds(2)
    expect(tokens.holds).toMatchObject([{ settled: [], released: 1 }])
    expect(receipts).toMatchObject([{ endedBy: 'idle', used: 0 }])
  })

  it('is paid for when nobody has asked for more for half the life of its hold', async () => {
    const tokens = tokensInMemory()
    const { reader, send } = await opened(tokens)
    send(eight)
    await reader.next()
    await seconds(20)
    send(eight)
    await reader.next()
    await seconds(29)
    expect(settledOf(tokens)).toEqual([[]])
    await seconds(2)
    expect(settledOf(tokens)).toEqual([[promptTokens + 4]])
    const { extended } = tokens.holds[0]!
    await seconds(600)
    expect(tokens.holds[0]!.extended).toBe(extended)
  })

  it('goes on for a reader who comes back, and the rest is paid from what there is', async () => {
    const tokens = tokensInMemory()
    const { reader, send, end } = await opened(tokens)
    send(eight)
    await reader.next()
    await seconds(40)
    expect(settledOf(tokens)).toEqual([[promptTokens + 2]])
    send(eight, eight)
    expect((await reader.next()).value).toBe(eight)
    expect((await reader.next()).value).toBe(eight)
    end()
    expect((await reader.next()).done).toBe(true)
    expect(settledOf(tokens)).toEqual([[promptTokens + 2]])
    expect(tokens.consumed).toEqual([4])
  })

  it('holds its tokens for as long as somebody waits, however long the model thinks', async () => {
    const tokens = tokensInMemory()
    const { reader, send, end } = await opened(tokens)
    const waiting = reader.next()
    for (let minute = 1; minute <= 300; minute++) {
      await seconds(60)
      // Never longer ago than half of its life.
      expect(tokens.holds[0]!.extended).toBeGreaterThanOrEqual(2 * minute - 1)
    }
    expect(tokens.holds).toMatchObject([{ settled: [], released: 0 }])
    send(eight)
    await waiting
    end()
    await reader.next()
    expect(settledOf(tokens)).toEqual([[promptTokens + 2]])
  })

  it('does not wait for a service that does not answer, and hands on the end', async () => {
    const tokens = tokensInMemory()
    const { reader, send, end } = await opened({
      ...tokens,
      client: {
        ...tokens.client,
        hold: async (...given) => neverSettling(await tokens.client.hold(...given)),
      },
    })
    send(eight)
    end()
    await reader.next()
    const ending = reader.next()
    await seconds(2)
    expect((await ending).done).toBe(true)
  })

  it('costs nothing where the model fails before its first word', async () => {
    const tokens = tokensInMemory()
    const { reader, send, end } = await opened(tokens)
    send(...format.end(undefined, 'error'))
    end()
    while (!(await reader.next()).done);
    expect(tokens.holds).toMatchObject([{ settled: [], released: 1 }])
  })

  it('costs nothing where the model refuses without a word, whatever it says that took', async () => {
    const tokens = tokensInMemory()
    const { reader, send, end } = await opened(tokens)
    const refused = format.name.includes('responses')
      ? [
          {
            type: 'response.incomplete',
            response: {
              status: 'incomplete',
              incomplete_details: { reason: 'content_filter' },
              usage: format.usage(100, 3),
            },
          },
        ]
      : format.end(
          format.usage(100, 3),
          format.name.includes('anthropic') ? 'refusal' : 'content_filter',
        )
    send(...refused)
    end()
    while (!(await reader.next()).done);
    expect(tokens.holds).toMatchObject([{ settled: [], released: 1 }])
  })

  it('is paid for as soon as it is aborted, though nobody asks for more', async () => {
    const tokens = tokensInMemory()
    const abort = new AbortController()
    const { reader, send, receipts } = await opened(tokens, { signal: abort.signal })
    send(eight)
    await reader.next()
    abort.abort()
    await seconds(0)
    expect(settledOf(tokens)).toEqual([[promptTokens + 2]])
    expect(receipts).toMatchObject([{ endedBy: 'abort' }])
  })

  it('is aborted, and pays for what came', async () => {
    const tokens = tokensInMemory()
    const abort = new AbortController()
    const { reader, send, receipts } = await opened(tokens, { signal: abort.signal })
    send(eight)
    await reader.next()
    abort.abort()
    await reader.leave()
    expect(receipts).toMatchObject([{ endedBy: 'abort', used: promptTokens + 2 }])
  })
})

const neverSettling = (hold: Hold): Hold => ({ ...hold, settle: () => new Promise(() => {}) })

describe('a hold that is on its way', () => {
  it('goes back as soon as it is known, when the work is aborted before', async () => {
    const tokens = tokensInMemory()
    const arrives = Promise.withResolvers<void>()
    const hold: typeof tokens.client.hold = async (...given) => {
      const opened = await tokens.client.hold(...given)
      await arrives.promise
      return opened
    }
    const abort = new AbortController()
    const work = vi.fn(async () => {})
    const request = { workspace: 'acme', estimate: 100, signal: abort.signal }
    const working = withTokens({ hold }, request, work)
    const reason = new Error('gone')
    abort.abort(reason)
    await expect(working).rejects.toBe(reason)
    expect(tokens.holds).toMatchObject([{ released: 0 }])
    arrives.resolve()
    await seconds(0)
    expect(tokens.holds).toMatchObject([{ settled: [], released: 1 }])
    expect(work).not.toHaveBeenCalled()
  })
})

describe('withTokens', () => {
  it('refuses what is no number once, where it is said, and the work goes on', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
    const tokens = tokensInMemory()
    const request = { workspace: 'acme', estimate: 100 }
    const done = await withTokens(tokens.client, request, async ({ used }) => {
      used(10.2)
      for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, -1, '50']) used(wrong as number)
      return 'done'
    })
    expect(done).toBe('done')
    expect(settledOf(tokens)).toEqual([[11]])
    expect(warn).toHaveBeenCalledTimes(1)
  })

  it('rounds an estimate up', async () => {
    const tokens = tokensInMemory()
    await withTokens(tokens.client, { workspace: 'acme', estimate: 10.2 }, async () => {})
    expect(tokens.holds).toMatchObject([{ tokens: 11, settled: [11] }])
  })

  it('gives back its result, whatever becomes of the settle', async () => {
    const tokens = tokensInMemory()
    tokens.failing.push(new TypeError('anything'))
    const request = { workspace: 'acme', estimate: 100 }
    expect(await withTokens(tokens.client, request, async () => 'done')).toBe('done')
  })

  it('throws what the work throws, whatever becomes of the release', async () => {
    const tokens = tokensInMemory()
    tokens.failing.push(new TypeError('anything'))
    const failure = new Error('the work failed')
    const failing = withTokens(tokens.client, { workspace: 'acme', estimate: 100 }, async () => {
      throw failure
    })
    await expect(failing).rejects.toBe(failure)
  })

  it('tells of what could not be charged', async () => {
    const tokens = tokensInMemory({ left: 150 })
    const told: unknown[] = []
    const request = {
      workspace: 'acme',
      estimate: 100,
      onUncovered: (event: object) => told.push(event),
    }
    await withTokens(tokens.client, request, async ({ used }) => used(170))
    expect(told).toEqual([
      { workspace: 'acme', holdId: 'hold_1', used: 170, charged: 150, uncovered: 20 },
    ])
  })

  it('works with less than its estimate, down to what it needs', async () => {
    const tokens = tokensInMemory({ left: 150 })
    const request = { workspace: 'acme', estimate: 200, atLeast: 100 }
    await withTokens(tokens.client, request, async ({ hold, used }) => used(hold.tokens))
    expect(tokens.holds).toMatchObject([{ tokens: 150, settled: [150] }])
  })

  it('numbers its tries under a key: one that ended is followed by another, each with a holder of its own', async () => {
    const asked: { key?: string; holder?: string }[] = []
    const tokens = tokensInMemory()
    const hold: typeof tokens.client.hold = async (request, options) => {
      const { holder } = request as { holder?: string }
      asked.push({ key: options?.key, holder })
      const opened = await tokens.client.hold(request, options)
      return asked.length < 3 ? { ...opened, closed: { outcome: 'settled', used: 5 } } : opened
    }
    const request = { workspace: 'acme', estimate: 100, key: 'step-7' }
    const worked = vi.fn(async () => {})
    await withTokens({ hold }, request, worked)
    expect(asked.map(({ key }) => key)).toEqual(['step-7', 'step-7~2', 'step-7~3'])
    expect(new Set(asked.map(({ holder }) => holder)).size).toBe(1)
    expect(worked).toHaveBeenCalledTimes(1)
    expect(tokens.holds.map(({ settled }) => settled)).toEqual([[], [], [100]])
  })
})

describe('what is sent to a model', () => {
  const countedIn = (prompt: unknown, counting = {}) => {
    const counter = new Counter(counting)
    countPrompt(counter, prompt)
    return counter.tokens
  }
  const base64 = Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 7_919) % 256)).toString(
    'base64',
  )
  const picture = `data:image/png;base64,${base64}`

  it.each([
    ['a data URL', { type: 'image_url', image_url: { url: picture } }, 1_000],
    ['a data URL that is all there is', { type: 'input_image', image_url: picture }, 1_000],
    [
      'base64 with a type',
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: base64 } },
      1_000,
    ],
    [
      'base64 of the AI SDK',
      { type: 'file', mediaType: 'image/png', data: { type: 'data', data: base64 } },
      1_000,
    ],
    [
      'bytes',
      { type: 'file', mediaType: 'image', data: { type: 'data', data: Buffer.from(base64) } },
      1_000,
    ],
    [
      'an address',
      {
        type: 'file',
        mediaType: 'image/*',
        data: { type: 'url', url: new URL('https://example.com/a.png') },
      },
      1_000,
    ],
    ['a reference', { type: 'input_image', file_id: 'file_1' }, 1_000],
    ['Gemini’s inline data', { inlineData: { mimeType: 'image/png', data: base64 } }, 1_000],
    ['sound', { type: 'input_audio', input_audio: { data: base64, format: 'wav' } }, 1_500],
    ['a file', { type: 'file', file: { filename: 'a.pdf', file_data: base64 } }, 3_000],
    [
      'a document',
      { type: 'document', source: { type: 'url', url: 'https://example.com/a.pdf' } },
      3_000,
    ],
    ['base64 with no name at all', { custom: base64 }, 3_000],
    ['bytes with no name at all', { custom: new Uint8Array(300_000) }, 3_000],
  ])('counts %s by its kind, and not by its bytes', (_, part, tokens) => {
    expect(countedIn([{ role: 'user', content: [{ type: 'text', text: 'abcd' }, part] }])).toBe(
      tokens + 1,
    )
  })

  it('counts a document that is text as text', () => {
    const source = { type: 'text', media_type: 'text/plain', data: 'x y '.repeat(100) }
    expect(countedIn({ type: 'document', source })).toBe(100)
  })

  it('counts text wherever it stands, and a tool with its arguments', () => {
    const call = { type: 'function', id: 'c', function: { name: 'find', arguments: '{"q":"ab"}' } }
    expect(countedIn([{ role: 'assistant', content: null, tool_calls: [call] }])).toBe(4)
  })

  it('takes what a kind counts, and how many characters a token has, from its caller', () => {
    const image = { type: 'image_url', image_url: { url: picture } }
    expect(countedIn(['abcdef', image], { charactersPerToken: 2, media: { image: 85 } })).toBe(88)
  })

  it('takes a tokenizer', () => {
    const countTokens = (text: string) => text.split(' ').length
    expect(countedIn(['one two three'], { countTokens })).toBe(3)
  })

  it('ends, whatever refers to itself', () => {
    const loop: Record<string, unknown> = { text: 'abcd' }
    loop.loop = loop
    expect(countedIn(loop)).toBeLessThan(100)
  })
})
