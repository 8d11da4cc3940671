import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { createClient, isRefused, type ServerOptions } from '../../client/src/server.ts'
import { type LocalStack, startLocalStack } from '../support/local-stack.ts'

let stack: LocalStack
beforeAll(async () => {
  stack = await startLocalStack()
}, 60_000)
afterAll(() => stack.stop())

let requests: string[] = []

function connect(options: Partial<ServerOptions> = {}) {
  return createClient({
    baseUrl: stack.url,
    token: () =>
      stack.token('host-app', { claims: { scope: 'tokens:consume tokens:read tokens:manage' } }),
    fetch: (...request) => {
      requests.push(String(request[0]).split('/').at(-1)!)
      return fetch(...request)
    },
    ...options,
  })
}

async function workspaceOf(quota: number): Promise<string> {
  const workspace = `w-${crypto.randomUUID()}`
  await connect().putWorkspace({ workspace, plan: 'enterprise', quota })
  requests = []
  return workspace
}

const meterOf = (workspace: string) => connect().meter({ workspace })
const forMs = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

/** Uses tokens until there are no more; how many it got. */
async function useUp(use: (tokens: number) => Promise<void>, tokens: number): Promise<number> {
  let got = 0
  try {
    for (;;) {
      await use(tokens)
      got += tokens
    }
  } catch (error) {
    if (!isRefused(error, 'insufficient_tokens')) throw error
    return got
  }
}

describe('a lease', () => {
  it('never gives 64 callers more than the workspace has, and nearly all of that', async () => {
    const quota = 100_000
    const workspace = await workspaceOf(quota)
    const uncovered: unknown[] = []
    const lease = connect().lease({
      workspace,
      tokens: 20_000,
      onUncovered: (event) => uncovered.push(event),
    })
    const sizes = Array.from({ length: 64 }, (_, n) => 7 + n)
    const got = await Promise.all(sizes.map((size) => useUp((n) => lease.consume(n), size)))
    await lease.close()

    const given = got.reduce((sum, each) => sum + each, 0)
    expect(given).toBeLessThanOrEqual(quota)
    // What is left is less than the least that anyone was refused, but for the ones refused in between.
    expect(given).toBeGreaterThan(quota - 70)
    expect(await meterOf(workspace)).toMatchObject({
      used: given,
      held: 0,
      remaining: quota - given,
    })
    expect(uncovered).toEqual([])
  })

  it('never has more than itself set aside, however fast it is used', async () => {
    const workspace = await workspaceOf(1_000_000)
    const lease = connect().lease({ workspace, tokens: 1_000 })
    let most = 0
    let over = false
    const watch = (async () => {
      while (!over) most = Math.max(most, (await meterOf(workspace)).held)
    })()
    for (let n = 0; n < 600; n++) await lease.consume(10)
    over = true
    await watch
    await lease.close()
    expect(most).toBeLessThanOrEqual(1_000)
    expect(most).toBeGreaterThan(0)
    expect(await meterOf(workspace)).toMatchObject({ used: 6_000, held: 0 })
  })

  it('makes two requests for as many uses as half of it holds', async () => {
    const workspace = await workspaceOf(1_000_000)
    const lease = connect().lease({ workspace, tokens: 2_000 })
    for (let n = 0; n < 500; n++) await lease.consume(10)
    await lease.close()
    // 5,000 tokens are five holds of 1,000, and the one that was opened ahead.
    expect(requests.filter((each) => each === 'holds').length).toBeLessThanOrEqual(6)
    expect(requests.length).toBeLessThanOrEqual(12)
    expect(requests).not.toContain('consume')
  })

  it('strands no more than itself in a crash, and that comes back when it expires', async () => {
    const workspace = await workspaceOf(10_000)
    const lease = connect().lease({ workspace, tokens: 4_000, ttlSeconds: 60 })
    await lease.consume(1_500)
    await vi.waitFor(async () => expect((await meterOf(workspace)).held).toBe(4_000))
    // The process is gone here: nothing is settled or released.
    const stranded = await meterOf(workspace)
    expect(stranded.held).toBeLessThanOrEqual(4_000)
    expect(stranded.remaining).toBeGreaterThanOrEqual(6_000)

    await stack.moveClock(new Date(Date.now() + 61_000).toISOString())
    try {
      expect(await meterOf(workspace)).toMatchObject({ held: 0, remaining: 10_000 })
      await connect().consume({ workspace, tokens: 10_000 })
      expect(await meterOf(workspace)).toMatchObject({ used: 10_000, held: 0, remaining: 0 })
    } finally {
      await stack.moveClock()
    }
  })

  it('settles before its holds expire, and lets an idle one go', async () => {
    const workspace = await workspaceOf(10_000)
    const lease = connect().lease({ workspace, tokens: 2_000, ttlSeconds: 5 })
    await lease.consume(100)
    // It is served from for four seconds of the five; after three another one is opened, for it was used.
    await forMs(4_400)
    expect(await meterOf(workspace)).toMatchObject({ used: 100, held: 1_000 })
    await forMs(3_600)
    expect(await meterOf(workspace)).toMatchObject({ used: 100, held: 0 })
    await lease.consume(5)
    await lease.close()
    expect(await meterOf(workspace)).toMatchObject({ used: 105, held: 0 })
  })

  it('gives what is left of a workspace that has less than it asks for', async () => {
    const workspace = await workspaceOf(130)
    const lease = connect().lease({ workspace, tokens: 2_000 })
    expect(await useUp((n) => lease.consume(n), 50)).toBe(100)
    await lease.consume(30)
    await expect(lease.consume(1)).rejects.toMatchObject({
      code: 'insufficient_tokens',
      problem: { requested: 1, meter: { remaining: 0 } },
    })
    await lease.close()
    expect(await meterOf(workspace)).toMatchObject({ used: 130, held: 0 })
  })

  it('keeps nobody waiting for rests that are too small', async () => {
    const workspace = await workspaceOf(130)
    const lease = connect().lease({ workspace, tokens: 200 })
    await lease.consume(60)
    // 40 are left of the first hold, and the second one got the last 30.
    await vi.waitFor(async () => expect(await meterOf(workspace)).toMatchObject({ held: 130 }))
    await expect(lease.consume(80)).rejects.toMatchObject({ code: 'insufficient_tokens' })
    await lease.consume(70)
    await lease.close()
    expect(await meterOf(workspace)).toMatchObject({ used: 130, held: 0 })
  })

  it('hands what it could not hold for on to the service', async () => {
    const workspace = await workspaceOf(10_000)
    const lease = connect().lease({ workspace, tokens: 1_000 })
    await lease.consume(900)
    await lease.close()
    expect(requests).toEqual(['consume'])
    expect(await meterOf(workspace)).toMatchObject({ used: 900, held: 0 })
  })

  it('bounds who may wait, and lets them leave', async () => {
    const workspace = await workspaceOf(10_000)
    const lease = connect().lease({ workspace, tokens: 1_000, waitingMax: 2 })
    const controller = new AbortController()
    const first = lease.consume(10, { signal: controller.signal })
    const second = lease.consume(10)
    await expect(lease.consume(10)).rejects.toThrow('2 callers wait for this lease already')
    controller.abort(new Error('left'))
    await expect(first).rejects.toThrow('left')
    await second
    await lease.close()
    expect(await meterOf(workspace)).toMatchObject({ used: 10, held: 0 })
  })

  it('turns callers away once it is closed, and is closed with its client', async () => {
    const workspace = await workspaceOf(10_000)
    const client = connect()
    const lease = client.lease({ workspace, tokens: 1_000 })
    await lease.consume(10)
    await client.close()
    await expect(lease.consume(10)).rejects.toThrow('the lease is closed')
    expect(await meterOf(workspace)).toMatchObject({ used: 10, held: 0 })
  })

  it('turns callers away in an outage, and goes on after it', async () => {
    const workspace = await workspaceOf(10_000)
    let down = true
    const client = connect({
      retries: 0,
      fetch: async (...request) => {
        if (down) throw new TypeError('fetch failed')
        return fetch(...request)
      },
    })
    const lease = client.lease({ workspace, tokens: 1_000 })
    await expect(lease.consume(10)).rejects.toThrow('unavailable')
    down = false
    await lease.consume(10)
    // Held tokens are served while the service is away, and paid for when it is back.
    down = true
    for (let n = 0; n < 20; n++) await lease.consume(10)
    await lease.close()
    expect(client.unreported.tokens).toBe(210)
    down = false
    await client.drain()
    expect(await meterOf(workspace)).toMatchObject({ used: 210, held: 0 })
  })
})
