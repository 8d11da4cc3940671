import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type * as z from 'zod/mini'
import { createClient as createBrowserClient } from '../../client/src/index.ts'
import {
  type Client,
  createClient,
  isRefused,
  type ServerOptions,
  type UnreportedEvent,
  withTokens,
} from '../../client/src/server.ts'
import * as problems from '../../shared/http/openapi/problem-schemas.ts'
import * as output from '../../shared/http/output.ts'
import { type LocalStack, startLocalStack } from '../support/local-stack.ts'

let stack: LocalStack
beforeAll(async () => {
  stack = await startLocalStack()
}, 60_000)
afterAll(() => stack.stop())

/** A client that may do anything, over a network that does as it is told. */
function connect(options: Partial<ServerOptions> = {}, scope = 'tokens:consume tokens:read') {
  return createClient({
    baseUrl: stack.url,
    token: () => stack.token('host-app', { claims: { scope } }),
    ...options,
  })
}

const everything = 'tokens:consume tokens:read tokens:grant tokens:manage'

async function workspaceOf(quota: number): Promise<string> {
  const workspace = `w-${crypto.randomUUID()}`
  await connect({}, everything).putWorkspace({ workspace, plan: 'enterprise', quota })
  return workspace
}

const meterOf = (workspace: string) => connect().meter({ workspace })

describe('every call', () => {
  it('is answered as the API description says', async () => {
    const client = connect({}, everything)
    const workspace = 'globex'
    const check = (
      schema: z.ZodMiniType,
      {
        replayed: _,
        unreported: __,
        ...answer
      }: object & { replayed?: unknown; unreported?: unknown },
    ) => expect(schema.parse(answer)).toEqual(answer)

    check(output.plans, { ...(await client.plans()) })
    check(output.consumed, await client.consume({ workspace, tokens: 10, member: 'u1' }))
    const hold = await client.hold({ workspace, tokens: 100, ttlSeconds: 60 })
    check(output.settled, await client.settle({ workspace, holdId: hold.holdId!, tokens: 40 }))
    const other = await client.hold({ workspace, tokens: 100, ttlSeconds: 60 })
    const ref = { workspace, holdId: other.holdId! }
    check(output.extended, await client.extend({ ...ref, ttlSeconds: 120 }))
    check(output.released, await client.release(ref))
    check(output.granted, await client.grant({ workspace, tokens: 7, reason: 'goodwill' }))
    check(output.planned, await client.putWorkspace({ workspace, plan: 'enterprise', quota: 9 }))
    check(output.meter, { ...(await client.meter({ workspace })) })
    const refused = await client.consume({ workspace, tokens: 1e12 }).catch((error) => error)
    check(problems.insufficientTokens, refused.problem)
    const invalid = await client.consume({ workspace, tokens: -1 }).catch((error) => error)
    check(problems.invalidRequest, invalid.problem)
    const missing = await client.meter({ workspace: 'nobody' }).catch((error) => error)
    check(problems.otherProblem, missing.problem)

    const admin = createBrowserClient({
      baseUrl: stack.url,
      token: await stack.token('acme-admin'),
    })
    const order = await admin.startPurchase({ workspace: 'acme', tokens: 1_000_000 })
    check(output.purchase, order)
    const { purchaseId } = order
    check(output.purchase, { ...(await admin.getPurchase({ workspace: 'acme', purchaseId })) })
    check(output.documents, { ...(await admin.documents({ workspace: 'acme', purchaseId })) })
    check(output.activity, {
      ...(await admin.activity({ workspace: 'acme', months: 2, limit: 5 })),
    })
    const representative = createBrowserClient({
      baseUrl: stack.url,
      token: await stack.token('globex-admin'),
    })
    const activity = await representative.activity({ workspace })
    expect(activity.entries!.map(({ type }) => type).sort()).toEqual(['grant', 'plan', 'plan'])
    check(output.activity, { ...activity })
  })

  it('finds the description it was typed from at the service', async () => {
    const { status, body } = await stack.call({ to: 'GET /v1/openapi.json' })
    expect(status).toBe(200)
    expect(body.openapi).toBe('3.1.0')
  })

  it('happens once, though every second answer is lost', async () => {
    const workspace = await workspaceOf(1_000)
    let calls = 0
    const client = connect({
      fetch: async (...request) => {
        const response = await fetch(...request)
        if (calls++ % 2 === 0) throw new TypeError('fetch failed')
        return response
      },
    })
    const results = []
    for (let n = 0; n < 5; n++) results.push(await client.consume({ workspace, tokens: 10 }))
    expect(results.map(({ replayed }) => replayed)).toEqual(Array(5).fill(true))
    expect(await meterOf(workspace)).toMatchObject({ used: 50, remaining: 950 })
  })

  it('is refused with the meter, for a program and for its types', async () => {
    const workspace = await workspaceOf(100)
    const error: unknown = await connect()
      .consume({ workspace, tokens: 500 })
      .catch((error) => error)
    if (!isRefused(error, 'insufficient_tokens')) throw error
    expect(error.problem.meter.remaining).toBe(100)
    expect(error.problem.requested).toBe(500)
    expect(error.requestId).toMatch(/.+/)
  })
})

describe('withTokens', () => {
  const work = async (
    quota: number,
    run: Parameters<typeof withTokens>[2],
    signal?: AbortSignal,
  ) => {
    const workspace = await workspaceOf(quota)
    const outcome = await withTokens(connect(), { workspace, estimate: 600, signal }, run).catch(
      (error) => error,
    )
    const { used, held, remaining } = await meterOf(workspace)
    return { outcome, used, held, remaining }
  }

  it('holds while the work runs, and pays for what it used', async () => {
    let during = 0
    const done = await work(1_000, async ({ hold, used }) => {
      during = (await meterOf(hold.workspace)).held
      used(100)
      used(450)
      return 'done'
    })
    expect(during).toBe(600)
    expect(done).toEqual({ outcome: 'done', used: 450, held: 0, remaining: 550 })
  })

  it('of two workers with one key lets one do the work, and each later try pays for itself', async () => {
    const workspace = await workspaceOf(5_000)
    const request = { workspace, estimate: 600, key: 'step-7' }
    const begun = Promise.withResolvers<void>()
    const done = Promise.withResolvers<void>()
    const first = withTokens(connect(), request, async ({ used }) => {
      begun.resolve()
      await done.promise
      used(100)
    })
    await begun.promise
    const second = vi.fn(async () => {})
    const error = await withTokens(connect(), request, second).catch((error) => error)
    expect(isRefused(error, 'hold_taken')).toBe(true)
    expect(second).not.toHaveBeenCalled()
    done.resolve()
    await first
    await withTokens(connect(), request, async ({ used }) => used(20))
    await withTokens(connect(), request, async ({ used }) => used(3))
    expect(await meterOf(workspace)).toMatchObject({ used: 123, held: 0 })
  })

  it('works with what there is, down to what it needs, and is refused before it begins with less', async () => {
    const workspace = await workspaceOf(500)
    const request = { workspace, estimate: 2_000, atLeast: 400 }
    const held = await withTokens(connect(), request, async ({ hold, used }) => {
      used(200)
      return hold.tokens
    })
    expect(held).toBe(500)
    const work = vi.fn(async () => {})
    const error = await withTokens(connect(), request, work).catch((error) => error)
    expect(isRefused(error, 'insufficient_tokens')).toBe(true)
    expect(work).not.toHaveBeenCalled()
  })

  it('pays for more than was held', async () => {
    const done = await work(1_000, async ({ used }) => used(900))
    expect(done).toMatchObject({ used: 900, held: 0, remaining: 100 })
  })

  it('pays as estimated for work that says nothing', async () => {
    expect(await work(1_000, async () => {})).toMatchObject({ used: 600, held: 0 })
  })

  it('returns everything when the work fails', async () => {
    const failure = new Error('the model is down')
    const done = await work(1_000, async () => {
      throw failure
    })
    expect(done).toEqual({ outcome: failure, used: 0, held: 0, remaining: 1_000 })
  })

  it('pays for what was observed when it is aborted', async () => {
    const controller = new AbortController()
    const done = await work(
      1_000,
      async ({ used, signal }) => {
        used(120)
        controller.abort()
        signal!.throwIfAborted()
      },
      controller.signal,
    )
    expect(done).toMatchObject({ outcome: { name: 'AbortError' }, used: 120, held: 0 })
  })

  it('does not begin what the workspace cannot pay for', async () => {
    let begun = false
    const done = await work(500, async () => {
      begun = true
    })
    expect(isRefused(done.outcome, 'insufficient_tokens')).toBe(true)
    expect(begun).toBe(false)
  })

  it('keeps the tokens for work that outlasts its hold', async () => {
    const workspace = await workspaceOf(1_000)
    let heldUntilTheEnd = 0
    await withTokens(connect(), { workspace, estimate: 600, ttlSeconds: 2 }, async ({ used }) => {
      await new Promise((resolve) => setTimeout(resolve, 2_500))
      heldUntilTheEnd = (await meterOf(workspace)).held
      used(10)
    })
    expect(heldUntilTheEnd).toBe(600)
    expect(await meterOf(workspace)).toMatchObject({ used: 10, held: 0 })
  })
})

describe('an outage', () => {
  let down = false
  const outage = (options: Partial<ServerOptions> = {}): Client =>
    connect({
      retries: 0,
      fetch: async (...request) => {
        if (down) throw new TypeError('fetch failed')
        return fetch(...request)
      },
      ...options,
    })

  it('stops work, unless told otherwise', async () => {
    const workspace = await workspaceOf(1_000)
    down = true
    const client = outage()
    await expect(client.consume({ workspace, tokens: 10 })).rejects.toThrow('unavailable')
    await expect(client.hold({ workspace, tokens: 10, ttlSeconds: 9 })).rejects.toThrow(
      'unavailable',
    )
    expect(client.unreported).toEqual({ calls: 0, tokens: 0 })
    down = false
  })

  it('lets work through up to a bound with failMode open, says so, and reports it afterwards', async () => {
    const workspace = await workspaceOf(1_000)
    const events: UnreportedEvent[] = []
    const client = outage({
      failMode: 'open',
      unreportedMax: { tokens: 300, calls: 10 },
      onUnreported: (event) => events.push(event),
    })
    down = true
    const result = await client.consume({ workspace, tokens: 100 })
    expect(result).toMatchObject({ unreported: true, taken: 100 })
    const hold = await client.hold({ workspace, tokens: 150, ttlSeconds: 60 })
    expect(hold.unreported).toBe(true)
    // 100 kept and 150 promised leave room for 50.
    await expect(client.consume({ workspace, tokens: 60 })).rejects.toThrow('unavailable')
    expect(await hold.settle(120)).toMatchObject({ unreported: true, used: 120 })
    expect(client.unreported).toEqual({ calls: 2, tokens: 220 })
    expect(events.map(({ type, tokens }) => [type, tokens])).toEqual([
      ['kept', 100],
      ['kept', 120],
    ])

    down = false
    await client.drain()
    expect(client.unreported).toEqual({ calls: 0, tokens: 0 })
    expect(events.slice(2).map(({ type }) => type)).toEqual(['reported', 'reported'])
    expect(await meterOf(workspace)).toMatchObject({ used: 220, held: 0 })
    expect(await client.consume({ workspace, tokens: 1 })).toMatchObject({ unreported: false })
  })

  it('takes what is left where unreported usage is more than that', async () => {
    const workspace = await workspaceOf(50)
    const client = outage({ failMode: 'open' })
    down = true
    await client.consume({ workspace, tokens: 80 })
    down = false
    await client.close()
    expect(await meterOf(workspace)).toMatchObject({ used: 50, remaining: 0 })
  })

  it('counts once what had been taken before the answer was lost', async () => {
    const workspace = await workspaceOf(1_000)
    let lost = 0
    const client = connect({
      failMode: 'open',
      retries: 0,
      fetch: async (...request) => {
        const response = await fetch(...request)
        if (lost++ === 0) throw new TypeError('fetch failed')
        return response
      },
    })
    expect(await client.consume({ workspace, tokens: 100 })).toMatchObject({ unreported: true })
    await client.drain()
    expect(client.unreported.calls).toBe(0)
    expect(await meterOf(workspace)).toMatchObject({ used: 100 })
  })

  it('that begins while work runs does not lose what it used, in either mode', async () => {
    const workspace = await workspaceOf(1_000)
    const client = outage()
    const answer = await withTokens(client, { workspace, estimate: 500 }, async ({ used }) => {
      used(300)
      down = true
      return 'done'
    })
    expect(answer).toBe('done')
    expect(client.unreported).toEqual({ calls: 1, tokens: 300 })
    down = false
    await client.close()
    expect(await meterOf(workspace)).toMatchObject({ used: 300, held: 0 })
  })

  it('is not all that a settle outlasts: so are a right that is missing for a while and a signal', async () => {
    const workspace = await workspaceOf(1_000)
    let scope = 'tokens:consume tokens:read'
    const events: UnreportedEvent[] = []
    const client = connect({
      token: () => stack.token('host-app', { claims: { scope } }),
      onUnreported: (event) => events.push(event),
    })
    const [first, second] = await Promise.all(
      [100, 200].map((tokens) => client.hold({ workspace, tokens, ttlSeconds: 60 })),
    )
    scope = 'tokens:read'
    expect(await first!.settle(70)).toMatchObject({ unreported: true, used: 70 })
    const signal = AbortSignal.abort()
    expect(await second!.settle(130, { signal })).toMatchObject({ unreported: true, used: 130 })
    expect(await meterOf(workspace)).toMatchObject({ used: 0, held: 300 })
    scope = 'tokens:consume'
    await client.drain()
    expect(events.map(({ type }) => type)).toEqual(['kept', 'kept', 'reported', 'reported'])
    expect(await meterOf(workspace)).toMatchObject({ used: 200, held: 0, remaining: 800 })
  })

  it('refuses as ever what the service refuses, open or not', async () => {
    const workspace = await workspaceOf(10)
    const client = outage({ failMode: 'open' })
    const error = await client.consume({ workspace, tokens: 11 }).catch((error) => error)
    expect(isRefused(error, 'insufficient_tokens')).toBe(true)
  })
})
