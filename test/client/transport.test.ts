import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createClient,
  isOutage,
  isRefused,
  TokensError,
  TokensUnavailable,
} from '../../client/src/server.ts'
import { problem } from '../../shared/http/problem.ts'

/** A server that behaves as each test says, call by call, and remembers what it was sent. */
let behave: (response: ServerResponse, call: number) => void
let received: IncomingMessage[] = []
const server = createServer((request, response) => {
  received.push(request)
  request.resume().on('end', () => behave(response, received.length))
})
let baseUrl: string
beforeAll(async () => {
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  received = []
})

const client = (options = {}) => createClient({ baseUrl, token: 'token', ...options })
const use = { workspace: 'acme', tokens: 5 }
const keys = () => received.map(({ headers }) => headers['idempotency-key'])

const done = (response: ServerResponse) =>
  response.end(JSON.stringify({ requested: 5, taken: 5, meter: {} }))

function refuse(response: ServerResponse, code: Parameters<typeof problem>[0], headers = {}) {
  const answer = problem(code, 'request-1')
  response.writeHead(answer.statusCode, { ...answer.headers, ...headers }).end(answer.body)
}

describe('a call', () => {
  it('carries a new key each time, and keeps it across its own retries', async () => {
    behave = (response, call) => {
      if (call === 1) response.destroy()
      else if (call === 2) refuse(response, 'busy', { 'retry-after': '0' })
      else done(response)
    }
    await client().consume(use)
    expect(received).toHaveLength(3)
    expect(new Set(keys()).size).toBe(1)
    await client().consume(use)
    expect(keys()[3]).not.toBe(keys()[0])
  })

  it('carries the key it was given, and the token of each moment', async () => {
    behave = (response, call) => (call === 1 ? response.writeHead(500).end() : done(response))
    let asked = 0
    await client({ token: async () => `t${++asked}` }).consume(use, { key: 'mine' })
    expect(keys()).toEqual(['mine', 'mine'])
    expect(received.map(({ headers }) => headers.authorization)).toEqual(['Bearer t1', 'Bearer t2'])
  })

  it.each([
    ['429, which the gateway answers', 429],
    ['503', 503],
  ])('waits as long as Retry-After says after %s', async (_, status) => {
    behave = (response, call) =>
      call === 1 ? response.writeHead(status, { 'retry-after': '1' }).end() : done(response)
    const start = performance.now()
    await client().consume(use)
    expect(performance.now() - start).toBeGreaterThanOrEqual(1_000)
    expect(performance.now() - start).toBeLessThan(2_000)
  })

  it('takes the service’s own 429 for an outage and no refusal, once its retries are used up', async () => {
    behave = (response) => refuse(response, 'too_many_looks', { 'retry-after': '0' })
    const error = await client({ retries: 1 })
      .documents({ workspace: 'acme', purchaseId: 'pur_1' })
      .catch((error) => error)
    expect(error).toBeInstanceOf(TokensUnavailable)
    expect(error).toMatchObject({ attempts: 2, code: 'too_many_looks', status: 429 })
  })

  it('gives up at once where Retry-After asks for longer than anyone waits', async () => {
    behave = (response) => response.writeHead(503, { 'retry-after': '3600' }).end()
    const error = await client()
      .consume(use)
      .catch((error) => error)
    expect(error).toMatchObject({ name: 'TokensUnavailable', attempts: 1, status: 503 })
  })

  it('gives up after its retries, and says what it knows', async () => {
    behave = (response) => refuse(response, 'unavailable', { 'retry-after': '0' })
    const error = await client({ retries: 2 })
      .consume(use)
      .catch((error) => error)
    expect(error).toBeInstanceOf(TokensUnavailable)
    expect(error).toMatchObject({
      attempts: 3,
      code: 'unavailable',
      status: 503,
      requestId: 'request-1',
      key: keys()[0],
    })
    expect(received).toHaveLength(3)
  })

  it('takes an attempt that is not answered in time for one that failed', async () => {
    behave = (response, call) => call > 1 && done(response)
    const start = performance.now()
    expect(await client({ timeoutMs: 100 }).consume(use)).toMatchObject({ taken: 5 })
    expect(performance.now() - start).toBeGreaterThanOrEqual(100)
    expect(received).toHaveLength(2)
  })

  it.each([
    'invalid_request',
    'access_token_required',
    'insufficient_tokens',
    'forbidden',
    'workspace_not_found',
    'hold_closed',
    'idempotency_key_reused',
  ] as const)('is refused with %s, once, as an error of that code', async (code) => {
    behave = (response) => refuse(response, code)
    const error = await client()
      .consume(use)
      .catch((error) => error)
    expect(received).toHaveLength(1)
    expect(isRefused(error, code)).toBe(true)
    expect(isRefused(error, 'hold_not_found')).toBe(false)
    expect(error).toMatchObject({ code, requestId: 'request-1', key: keys()[0] })
  })

  it('throws a plain TokensError for what only the gateway says', async () => {
    behave = (response) =>
      response.writeHead(401, { 'apigw-requestid': 'r1' }).end('{"message":"Unauthorized"}')
    const error = await client()
      .consume(use)
      .catch((error) => error)
    expect(error).toBeInstanceOf(TokensError)
    expect(isRefused(error)).toBe(false)
    expect(error).toMatchObject({ status: 401, requestId: 'r1' })
    expect(received).toHaveLength(1)
  })

  it.each([
    ['before it is sent', 0],
    ['while it waits for an answer', 50],
    ['while it waits to try again', 150],
  ])('stops when its signal says so, %s', async (_, afterMs) => {
    // The first answer comes after 100 ms and asks for patience.
    behave = (response) =>
      setTimeout(() => response.writeHead(503, { 'retry-after': '9' }).end(), 100)
    const reason = new Error('enough')
    const controller = new AbortController()
    if (afterMs === 0) controller.abort(reason)
    else setTimeout(() => controller.abort(reason), afterMs)
    const start = performance.now()
    const { signal } = controller
    await expect(client().consume(use, { signal })).rejects.toBe(reason)
    expect(performance.now() - start).toBeLessThan(5_000)
    expect(received.length).toBe(afterMs === 0 ? 0 : 1)
  })

  it('leaves no listener behind on a signal that outlives it', async () => {
    behave = done
    let listeners = 0
    const { signal } = new AbortController()
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners++
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners--
      removeEventListener.apply(signal, args)
    }
    await client().consume(use, { signal })
    expect(listeners).toBe(0)
  })

  it('never puts a workspace into the path as it is', async () => {
    behave = done
    await client().consume({ workspace: 'a/../b?c', tokens: 1 })
    expect(received[0]!.url).toBe('/v1/workspaces/a%2F..%2Fb%3Fc/consume')
    for (const workspace of ['', '..']) {
      await expect(client().meter({ workspace })).rejects.toThrow('workspaceId must be given')
    }
    expect(received).toHaveLength(1)
  })
})

describe('a token that is turned away', () => {
  /** A service that knows one token only. */
  const knows = (token: string) => (response: ServerResponse) => {
    const { authorization } = received.at(-1)!.headers
    if (authorization === `Bearer ${token}`) done(response)
    else response.writeHead(401).end('{"message":"Unauthorized"}')
  }
  const bearers = () => received.map(({ headers }) => headers.authorization)

  it('is told to whoever got it, and the call is sent once more, under its key, with another one', async () => {
    behave = knows('new')
    const asked: unknown[] = []
    const token = async ({ refused }: { refused?: string }) => {
      asked.push(refused)
      return refused === 'old' ? 'new' : 'old'
    }
    expect(await client({ token, retries: 0 }).consume(use)).toMatchObject({ taken: 5 })
    expect(asked).toEqual([undefined, 'old'])
    expect(bearers()).toEqual(['Bearer old', 'Bearer new'])
    expect(new Set(keys()).size).toBe(1)
  })

  it.each([
    ['a read', (c: ReturnType<typeof client>) => c.meter({ workspace: 'acme' })],
    ['a settle', (c: ReturnType<typeof client>) => c.settle({ ...use, holdId: 'h' })],
    ['a release', (c: ReturnType<typeof client>) => c.release({ workspace: 'acme', holdId: 'h' })],
  ])('is renewed for %s too', async (_, call) => {
    behave = knows('new')
    await call(client({ token: ({ refused }: { refused?: string }) => (refused ? 'new' : 'old') }))
    expect(bearers()).toEqual(['Bearer old', 'Bearer new'])
  })

  it('is final the second time, and at once where it is a plain string', async () => {
    behave = knows('another')
    let made = 0
    const renewed = await client({ token: () => `t${++made}` })
      .consume(use)
      .catch((error) => error)
    expect(renewed).toMatchObject({ name: 'TokensError', status: 401 })
    expect(bearers()).toEqual(['Bearer t1', 'Bearer t2'])
    received = []
    const fixed = await client()
      .consume(use)
      .catch((error) => error)
    expect(fixed).toMatchObject({ name: 'TokensError', status: 401 })
    expect(received).toHaveLength(1)
    behave = (response) => refuse(response, 'access_token_required')
    const refused = await client({ token: () => 'id-token' })
      .consume(use)
      .catch((error) => error)
    expect(isRefused(refused, 'access_token_required')).toBe(true)
  })

  it('is waited for no longer than an attempt, nor than the signal allows', async () => {
    behave = done
    const token = () => new Promise<string>(() => {})
    const late = await client({ token, timeoutMs: 50 })
      .consume(use)
      .catch((error) => error)
    expect(late).toBeInstanceOf(TokensError)
    expect(isOutage(late)).toBe(false)
    const controller = new AbortController()
    const reason = new Error('enough')
    setTimeout(() => controller.abort(reason), 50)
    const { signal } = controller
    await expect(client({ token }).consume(use, { signal })).rejects.toBe(reason)
    expect(received).toEqual([])
  })
})

describe('retries', () => {
  const calls = (count: number, call: () => Promise<unknown>) =>
    Promise.all(Array.from({ length: count }, () => call().catch((error) => error)))

  it('do not multiply an outage: 1,000 calls into silence are little more than 1,000 requests', async () => {
    let sent = 0
    const dead = client({
      fetch: async () => {
        sent++
        throw new TypeError('fetch failed')
      },
    })
    const errors = await calls(1_000, () => dead.consume(use))
    expect(errors.every(isOutage)).toBe(true)
    expect(sent).toBeLessThanOrEqual(1_050)
    sent = 0
    expect(await dead.consume(use).catch((error) => error)).toMatchObject({ attempts: 1 })
    expect(sent).toBe(1)
  })

  it('are earned back by calls that succeed, ten for one', async () => {
    let down = true
    let sent = 0
    const recovering = client({
      fetch: async () => {
        sent++
        if (down) throw new TypeError('fetch failed')
        return new Response('{}')
      },
    })
    await calls(100, () => recovering.consume(use))
    down = false
    await calls(20, () => recovering.consume(use))
    down = true
    sent = 0
    await calls(10, () => recovering.consume(use))
    expect(sent).toBe(12)
  })

  it('of one busy workspace take nothing from those of the others', async () => {
    const atOnce = vi.spyOn(Math, 'random').mockReturnValue(0)
    behave = (response) => refuse(response, 'busy', { 'retry-after': '0' })
    const one = client({ retries: 60 })
    const error = await one.consume(use).catch((error) => error)
    expect(error).toMatchObject({ code: 'busy', attempts: 61 })
    received = []
    behave = (response, call) => (call === 1 ? response.destroy() : done(response))
    expect(await one.consume({ ...use, workspace: 'other' })).toMatchObject({ taken: 5 })
    atOnce.mockRestore()
  })
})

describe('what is an outage', () => {
  const failing = async (answer: (response: ServerResponse) => void) => {
    behave = answer
    return isOutage(
      await client({ retries: 0 })
        .consume(use)
        .catch((error) => error),
    )
  }

  it('is no answer at all', async () => {
    expect(await failing((response) => response.destroy())).toBe(true)
  })

  it.each([502, 503, 504])('is a %i that is not the service’s', async (status) => {
    for (const body of ['', 'Bad gateway', '{"message":"Service Unavailable"}']) {
      expect(await failing((response) => response.writeHead(status).end(body))).toBe(true)
    }
  })

  it.each([
    'busy',
    'unavailable',
    'internal_error',
    'too_many_looks',
    'insufficient_tokens',
    'forbidden',
  ] as const)('is no answer of the service’s such as %s', async (code) => {
    expect(await failing((response) => refuse(response, code))).toBe(false)
  })

  it.each([401, 403, 404, 429, 500, 501])('is no %i, whoever answers it', async (status) => {
    expect(await failing((response) => response.writeHead(status).end())).toBe(false)
  })

  it('is nothing that has not to do with the service', () => {
    for (const error of [undefined, null, 'text', new Error('x'), new TypeError('fetch failed')]) {
      expect(isOutage(error)).toBe(false)
    }
  })
})

describe('a base URL', () => {
  it.each(['', '/', '///'])('may end in %j', async (end) => {
    behave = done
    await client({ baseUrl: `${baseUrl}/stage${end}` }).consume(use)
    expect(received[0]!.url).toBe('/stage/v1/workspaces/acme/consume')
  })

  it('is read in time that grows with its length only', () => {
    const start = performance.now()
    createClient({ baseUrl: `https://example.com${'/'.repeat(100_000)}x` })
    expect(performance.now() - start).toBeLessThan(50)
  })
})
