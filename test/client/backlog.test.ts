import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  type Client,
  createClient,
  isRefused,
  type ServerOptions,
  TokensRefused,
  TokensUnavailable,
  type UnreportedEvent,
} from '../../client/src/server.ts'
import { problem } from '../../shared/http/problem.ts'

/*
 * What becomes of usage that the service could not be told of: against a service in this process, that answers
 * as each test says.
 */
interface Call {
  workspace: string
  /** `consume`, `holds`, `settle` */
  what: string
  key: string
  token: string
  body: { tokens: number; onShortfall?: string }
}

let calls: Call[] = []
let events: UnreportedEvent[] = []
let answer: (call: Call) => Response | Promise<Response>

beforeEach(() => {
  calls = []
  events = []
  answer = well
})
/** Of this test; what they keep is reported when it ends, so that the next one has the service for itself. */
let clients: Client[] = []
afterEach(async () => {
  vi.useRealTimers()
  answer = well
  await Promise.all(clients.map((client) => client.drain()))
  expect(clients.map(({ unreported }) => unreported.calls)).toEqual(clients.map(() => 0))
  clients = []
})

function well({ what, body: { tokens } }: Call): Response {
  if (what === 'consume') return Response.json({ requested: tokens, taken: tokens, meter: {} })
  if (what !== 'holds') return Response.json({ used: tokens, charged: tokens, uncovered: 0 })
  return Response.json({ holdId: 'h1', tokens, expiresAt: '2026-08-01T00:00:00Z', meter: {} })
}

function refusing(code: Parameters<typeof problem>[0]): () => Response {
  return () => {
    const { statusCode, headers, body } = problem(code, 'request-1')
    return new Response(body, { status: statusCode, headers: headers as Record<string, string> })
  }
}

const status = (code: number) => () =>
  Response.json({ message: 'from elsewhere' }, { status: code })
const silent = (): never => {
  throw new TypeError('fetch failed')
}

function connect(options: Partial<ServerOptions> = {}): Client {
  const client = createClient({
    baseUrl: 'http://tokens',
    token: 'token',
    retries: 0,
    fetch: async (url, init) => {
      const [, workspace, ...rest] = new URL(String(url)).pathname.split('/').slice(2)
      const headers = new Headers(init!.headers)
      const call = {
        workspace: workspace!,
        what: rest.at(-1)!,
        key: headers.get('idempotency-key')!,
        token: headers.get('authorization')!,
        body: JSON.parse(String(init!.body)),
      }
      calls.push(call)
      const aborted = new Promise<never>((_, reject) => {
        const { signal } = init!
        signal!.addEventListener('abort', () => reject(signal!.reason))
      })
      return Promise.race([answer(call), aborted])
    },
    onUnreported: (event) => events.push(event),
    ...options,
  })
  clients.push(client)
  return client
}

// biome-ignore lint/suspicious/noExplicitAny: what came of it, an error too; each test says what it should be.
const outcome = (promise: Promise<any>): Promise<any> => promise.catch((error) => error)
const sent = (what: string) => calls.filter((call) => call.what === what)
const types = () => events.map(({ type }) => type)

/** Whatever comes of a call that says nothing final about what it asks. */
const notFinal: [string, (call: Call) => Response | Promise<Response>][] = [
  ['a 401 of the gateway’s', status(401)],
  ['a 401', refusing('access_token_required')],
  ['a 403 of the gateway’s', status(403)],
  ['a 403', refusing('forbidden')],
  ['a 403 for its mark', refusing('service_required')],
  ['a 404 that is not the service’s', status(404)],
  ['a 429', status(429)],
  ['a 500', refusing('internal_error')],
  ['a 503 of the gateway’s', status(503)],
  ['a busy workspace', refusing('busy')],
  ['no answer', silent],
]

describe('an open client', () => {
  const open = (options: Partial<ServerOptions> = {}) => connect({ failMode: 'open', ...options })
  const use = { workspace: 'a', tokens: 5 }
  const request = { workspace: 'a', tokens: 5, ttlSeconds: 60 }

  it.each([
    ['busy', refusing('busy')],
    ['a 429', status(429)],
    ['a 429 of its own', refusing('too_many_looks')],
    ['an internal error', refusing('internal_error')],
    ['a 500', status(500)],
    ['a 503 of its own', refusing('unavailable')],
  ])('lets nothing through for %s, which is an answer', async (_, how) => {
    const client = open()
    answer = how
    expect(await outcome(client.consume(use))).toBeInstanceOf(TokensUnavailable)
    expect(await outcome(client.hold(request))).toBeInstanceOf(TokensUnavailable)
    expect(client.unreported).toEqual({ calls: 0, tokens: 0 })
  })

  it.each([
    ['no answer', silent],
    ['a 502', status(502)],
    ['a 503 that is not the service’s', status(503)],
    ['a 504', status(504)],
  ])('lets work through for %s', async (_, how) => {
    const client = open()
    answer = how
    expect(await client.consume(use)).toMatchObject({ unreported: true, taken: 5 })
    expect((await client.hold(request)).unreported).toBe(true)
    expect(types()).toEqual(['kept'])
  })

  it('opens for no workspace because of another one', async () => {
    const client = open()
    answer = (call) => (call.workspace === 'a' ? silent() : well(call))
    await client.consume(use)
    expect(await client.consume({ ...use, workspace: 'b' })).toMatchObject({ unreported: false })
    answer = (call) => (call.workspace === 'a' ? silent() : refusing('insufficient_tokens')())
    const refused = await outcome(client.consume({ ...use, workspace: 'b' }))
    expect(isRefused(refused, 'insufficient_tokens')).toBe(true)
    const held = await outcome(client.hold({ ...request, workspace: 'b' }))
    expect(isRefused(held, 'insufficient_tokens')).toBe(true)
    expect(client.unreported.calls).toBe(1)
  })

  it('makes the callers of one workspace wait for the same silence once, and those of another for themselves', async () => {
    const client = open()
    answer = silent
    for (let n = 0; n < 5; n++) await client.consume(use)
    await client.hold(request)
    expect(calls).toHaveLength(1)
    await client.consume({ ...use, workspace: 'b' })
    expect(calls).toHaveLength(2)
  })

  it('asks again once a report was answered, be it with a failure', async () => {
    const client = open()
    answer = silent
    await client.consume(use)
    answer = refusing('internal_error')
    await client.drain()
    expect(client.unreported.calls).toBe(1)
    expect(await outcome(client.consume(use))).toBeInstanceOf(TokensUnavailable)
    expect(client.unreported.calls).toBe(1)
  })

  it('does not open for usage that is kept for another reason than an outage', async () => {
    const client = open()
    answer = status(401)
    await client.settle({ workspace: 'a', holdId: 'h1', tokens: 5 })
    expect(client.unreported.calls).toBe(1)
    expect(await outcome(client.consume(use))).toMatchObject({ status: 401 })
  })

  it('throws the reason of a signal, whatever kind of error that is', async () => {
    const client = open()
    const reason = new TokensUnavailable(1, undefined, {})
    const signal = AbortSignal.abort(reason)
    expect(await outcome(client.consume(use, { signal }))).toBe(reason)
    expect(await outcome(client.hold(request, { signal }))).toBe(reason)
    expect(client.unreported.calls).toBe(0)
  })

  it.each([-1_000, Number.NaN, Number.POSITIVE_INFINITY])(
    'lets no %d tokens through',
    async (tokens) => {
      const client = open({ unreportedMax: { tokens: 10, calls: 10 } })
      answer = silent
      expect(await outcome(client.consume({ ...use, tokens }))).toBeInstanceOf(TokensUnavailable)
      expect(await outcome(client.hold({ ...request, tokens }))).toBeInstanceOf(TokensUnavailable)
      expect(await outcome(client.consume({ ...use, tokens: 11 }))).toBeInstanceOf(
        TokensUnavailable,
      )
      expect(await client.consume({ ...use, tokens: 10 })).toMatchObject({ unreported: true })
    },
  )

  it('reports the use of what stood in for a hold with what a consume may carry', async () => {
    const client = open()
    answer = silent
    // Fields of a hold that a consume knows nothing of.
    const more = { atLeast: 1, holder: 'me' }
    const hold = await client.hold({ ...request, member: 'm', feature: 'f', model: 'x', ...more })
    expect(sent('holds')[0]!.body).toMatchObject(more)
    await hold.settle(3)
    answer = well
    await client.drain()
    expect(sent('consume').map(({ body }) => body)).toEqual([
      { tokens: 3, member: 'm', feature: 'f', model: 'x', onShortfall: 'drain' },
    ])
  })
})

describe('the bound', () => {
  it('holds for 1,000 consumes and holds at once, over all workspaces', async () => {
    const amount = fc.integer({ min: 1, max: 50 })
    const work = fc.record({ tokens: amount, used: amount, held: fc.boolean(), of: fc.nat(19) })
    const burst = fc.array(work, { minLength: 1_000, maxLength: 1_000 })
    const max = fc.record({
      tokens: fc.integer({ min: 1, max: 30_000 }),
      calls: fc.integer({ min: 1, max: 1_100 }),
    })
    await fc.assert(
      fc.asyncProperty(burst, max, async (burst, unreportedMax) => {
        answer = silent
        const most = { tokens: 0, calls: 0 }
        const client: Client = connect({
          failMode: 'open',
          unreportedMax,
          onUnreported: ({ left }) => {
            most.tokens = Math.max(most.tokens, left.tokens)
            most.calls = Math.max(most.calls, left.calls)
          },
        })
        const done = await Promise.all(
          burst.map(async ({ tokens, held, of, used }) => {
            const workspace = `w${of}`
            const begun = held
              ? await outcome(client.hold({ workspace, tokens, ttlSeconds: 60 }))
              : await outcome(client.consume({ workspace, tokens }))
            if (begun instanceof TokensUnavailable) return { tokens: 0, calls: 0 }
            // What was held may be settled for less.
            if (held)
              return { tokens, calls: 1, settle: () => begun.settle(Math.min(used, tokens)) }
            return { tokens, calls: 1 }
          }),
        )
        const sum = (of: 'tokens' | 'calls') => done.reduce((sum, each) => sum + each[of], 0)
        expect(sum('tokens')).toBeLessThanOrEqual(unreportedMax.tokens)
        expect(sum('calls')).toBeLessThanOrEqual(unreportedMax.calls)
        await Promise.all(done.map(({ settle }) => settle?.()))
        expect(most.tokens).toBeLessThanOrEqual(unreportedMax.tokens)
        expect(most.calls).toBeLessThanOrEqual(unreportedMax.calls)
        expect(client.unreported.calls).toBe(sum('calls'))
      }),
      { numRuns: 25, endOnFailure: true },
    )
  })

  it('is for calls alone where the work is done, and leaves what was promised to other work', async () => {
    const client = connect({ failMode: 'open', unreportedMax: { tokens: 10, calls: 2 } })
    answer = silent
    const hold = await client.hold({ workspace: 'a', tokens: 10, ttlSeconds: 60 })
    const settle = (holdId: string) => client.settle({ workspace: 'a', holdId, tokens: 1_000 })
    expect(await settle('h1')).toMatchObject({ unreported: true, used: 1_000 })
    expect(await outcome(settle('h2'))).toBeInstanceOf(TokensUnavailable)
    expect(await hold.settle(500)).toMatchObject({ unreported: true, used: 500 })
    expect(client.unreported).toEqual({ calls: 2, tokens: 1_500 })
    expect(events.map(({ type, tokens }) => [type, tokens])).toEqual([
      ['kept', 1_000],
      ['lost', 1_000],
      ['kept', 500],
    ])
    answer = well
    await client.drain()
    expect(client.unreported).toEqual({ calls: 0, tokens: 0 })
  })
})

describe('a settle after the work', () => {
  const settling = { workspace: 'a', holdId: 'h1', tokens: 30 }

  it.each(notFinal)(
    'is kept after %s, told, and tried again by itself until it is in',
    async (_, how) => {
      vi.useFakeTimers()
      const client = connect()
      answer = how
      const result = await client.settle(settling, { key: 'mine' })
      expect(result).toMatchObject({ unreported: true, used: 30, replayed: false })
      expect(events).toEqual([
        { type: 'kept', workspace: 'a', tokens: 30, left: { calls: 1, tokens: 30 } },
      ])
      // For hours, if need be, and seldom.
      await vi.advanceTimersByTimeAsync(3_600_000)
      expect(client.unreported).toEqual({ calls: 1, tokens: 30 })
      expect(calls.length).toBeGreaterThan(100)
      expect(calls.length).toBeLessThan(300)
      answer = well
      await vi.advanceTimersByTimeAsync(30_000)
      expect(client.unreported).toEqual({ calls: 0, tokens: 0 })
      expect(types()).toEqual(['kept', 'reported'])
      expect(new Set(calls.map(({ key }) => key))).toEqual(new Set(['mine']))
    },
  )

  it('is kept where no token can be got, and sent with one later', async () => {
    let broken = true
    const client = connect({
      token: async () => {
        if (broken) throw new TypeError('fetch failed')
        return 't'
      },
    })
    expect(await client.settle(settling)).toMatchObject({ unreported: true })
    expect(types()).toEqual(['kept'])
    broken = false
    await client.drain()
    expect(types()).toEqual(['kept', 'reported'])
    expect(calls).toHaveLength(1)
  })

  it('is sent again with another token after a 401, later too', async () => {
    let good = 'none yet'
    let made = 0
    answer = (call) => (call.token === `Bearer ${good}` ? well(call) : status(401)())
    const client = connect({ token: ({ refused }) => `t${refused ? ++made : made}` })
    expect(await client.settle(settling)).toMatchObject({ unreported: true })
    expect(calls.map(({ token }) => token)).toEqual(['Bearer t0', 'Bearer t1'])
    good = 't2'
    await client.drain()
    expect(types()).toEqual(['kept', 'reported'])
  })

  it.each([
    ['before it is sent', 0],
    ['while it is', 20],
  ])('whose signal is aborted %s is sent in the background, and at once', async (_, afterMs) => {
    vi.useFakeTimers()
    const client = connect()
    const controller = new AbortController()
    if (afterMs === 0) controller.abort()
    else setTimeout(() => controller.abort(), afterMs)
    answer = (call) => new Promise((resolve) => setTimeout(() => resolve(well(call)), 100))
    const { signal } = controller
    const settled = client.settle(settling, { signal })
    await vi.advanceTimersByTimeAsync(300)
    expect(await settled).toMatchObject({ unreported: true, used: 30 })
    expect(client.unreported.calls).toBe(0)
    expect(types()).toEqual(['kept', 'reported'])
    expect(new Set(calls.map(({ key }) => key)).size).toBe(1)
  })

  it('is not refused by whatever its signal was aborted with', async () => {
    const closed = JSON.parse(problem('hold_closed', 'r').body)
    const signal = AbortSignal.abort(new TokensRefused(closed))
    const client = connect()
    expect(await client.settle(settling, { signal })).toMatchObject({ unreported: true })
    await client.drain()
    expect(types()).toEqual(['kept', 'reported'])
  })

  it.each([
    'hold_closed',
    'hold_not_found',
    'invalid_request',
    'idempotency_key_reused',
    'workspace_not_found',
  ] as const)('that is refused for good with %s is told and thrown', async (code) => {
    const client = connect()
    answer = refusing(code)
    const error = await outcome(client.settle(settling))
    expect(isRefused(error, code)).toBe(true)
    expect(events).toEqual([
      { type: 'refused', workspace: 'a', tokens: 30, left: { calls: 0, tokens: 0 }, error },
    ])
  })

  it('is told as lost where there is no room, and thrown with its cause', async () => {
    const client = connect({ unreportedMax: { tokens: 100, calls: 1 } })
    answer = status(403)
    await client.settle(settling)
    const error = await outcome(client.settle({ ...settling, tokens: 7 }))
    expect(error).toBeInstanceOf(TokensUnavailable)
    expect(error).toMatchObject({ status: 403, cause: { name: 'TokensError' } })
    expect(events[1]).toMatchObject({
      type: 'lost',
      workspace: 'a',
      tokens: 7,
      left: { calls: 1, tokens: 30 },
    })
  })

  it('that names no hold is a mistake of its caller’s, and nothing to keep', async () => {
    const client = connect()
    await expect(client.settle({ ...settling, holdId: '' })).rejects.toThrow('holdId must be given')
    expect(events).toEqual([])
  })

  it('of a hold does the same', async () => {
    const client = connect()
    const hold = await client.hold({ workspace: 'a', tokens: 50, ttlSeconds: 60 })
    answer = status(401)
    expect(await hold.settle(30)).toMatchObject({ unreported: true, used: 30 })
    answer = well
    await client.drain()
    expect(sent('settle')).toHaveLength(2)
    expect(types()).toEqual(['kept', 'reported'])
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('mine')
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('mine')
      },
    ],
  ])('is none the worse for an onUnreported that %s', async (_, onUnreported) => {
    const client = connect({ onUnreported, unreportedMax: { tokens: 10, calls: 1 } })
    answer = silent
    expect(await client.settle(settling)).toMatchObject({ unreported: true })
    expect(await outcome(client.settle(settling))).toBeInstanceOf(TokensUnavailable)
    answer = well
    await client.drain()
    expect(client.unreported.calls).toBe(0)
    answer = refusing('hold_closed')
    expect(isRefused(await outcome(client.settle(settling)), 'hold_closed')).toBe(true)
  })
})

describe('what is kept', () => {
  /** A client that keeps three uses of each of these workspaces. */
  async function keeping(workspaces: string[], options: Partial<ServerOptions> = {}) {
    const client = connect({ failMode: 'open', ...options })
    answer = silent
    for (const tokens of [1, 2, 3]) {
      for (const workspace of workspaces) await client.consume({ workspace, tokens })
    }
    calls = []
    events = []
    return client
  }
  const reported = (workspace: string) =>
    events.filter((event) => event.workspace === workspace && event.type === 'reported')

  it.each(notFinal)('of one workspace does not wait for another that gets %s', async (_, how) => {
    const client = await keeping(['a', 'b', 'c'])
    answer = (call) => (call.workspace === 'a' ? how(call) : well(call))
    await client.drain()
    expect(client.unreported).toEqual({ calls: 3, tokens: 6 })
    for (const each of ['b', 'c'])
      expect(reported(each).map(({ tokens }) => tokens)).toEqual([1, 2, 3])
    expect(calls.filter(({ workspace }) => workspace === 'a')).toHaveLength(1)
    answer = well
    await client.drain()
    expect(reported('a').map(({ tokens }) => tokens)).toEqual([1, 2, 3])
    expect(events.every(({ type }) => type === 'reported')).toBe(true)
  })

  it('of one workspace does not wait for another that never answers', async () => {
    const client = await keeping(['a', 'b'], { timeoutMs: 500 })
    answer = (call) => (call.workspace === 'a' ? new Promise(() => {}) : well(call))
    void client.drain()
    await vi.waitFor(() => expect(reported('b')).toHaveLength(3))
  })

  it('is dropped and told where it is refused for good, and what comes after it is sent', async () => {
    const client = await keeping(['a'])
    answer = (call) => (call.body.tokens === 2 ? refusing('workspace_not_found')() : well(call))
    await client.drain()
    expect(events.map(({ type, tokens }) => [type, tokens])).toEqual([
      ['reported', 1],
      ['refused', 2],
      ['reported', 3],
    ])
    expect(isRefused(events[1]!.error, 'workspace_not_found')).toBe(true)
    expect(client.unreported).toEqual({ calls: 0, tokens: 0 })
  })

  it('is reported for eight workspaces at a time', async () => {
    const workspaces = Array.from({ length: 30 }, (_, n) => `w${n}`)
    const client = await keeping(workspaces)
    let now = 0
    let most = 0
    answer = async (call) => {
      most = Math.max(most, ++now)
      await new Promise((resolve) => setTimeout(resolve, 1))
      now--
      return well(call)
    }
    await client.drain()
    expect(most).toBe(8)
    expect(client.unreported).toEqual({ calls: 0, tokens: 0 })
  })

  it('by itself, too', async () => {
    vi.useFakeTimers()
    const workspaces = Array.from({ length: 30 }, (_, n) => `w${n}`)
    const client = await keeping(workspaces)
    await vi.advanceTimersByTimeAsync(60_000)
    answer = well
    await vi.advanceTimersByTimeAsync(30_000)
    expect(client.unreported).toEqual({ calls: 0, tokens: 0 })
    for (const each of workspaces)
      expect(reported(each).map(({ tokens }) => tokens)).toEqual([1, 2, 3])
  })

  it('uses up no retries of the calls that are made meanwhile', async () => {
    vi.useFakeTimers()
    const kept = keeping(['a'], { retries: 4 })
    await vi.advanceTimersByTimeAsync(10_000)
    const client = await kept
    answer = (call) => (call.workspace === 'a' ? refusing('internal_error')() : silent())
    await vi.advanceTimersByTimeAsync(3_600_000)
    calls = []
    let tries = 0
    answer = (call) => (++tries < 4 ? silent() : well(call))
    const used = client.consume({ workspace: 'b', tokens: 1 })
    await vi.advanceTimersByTimeAsync(10_000)
    expect(await used).toMatchObject({ unreported: false })
  })

  it('keeps nobody waiting long who shuts down in an outage', async () => {
    const client = await keeping(Array.from({ length: 200 }, (_, n) => `w${n}`))
    await client.close()
    expect(calls.length).toBeLessThan(30)
    expect(client.unreported.calls).toBe(600)
  })
})
