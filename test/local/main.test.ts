import { execFile } from 'node:child_process'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** Runs `npm start`'s program until it ends. */
function start(environment: NodeJS.ProcessEnv) {
  return new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      ['local/main.ts'],
      { env: { ...process.env, LOCAL_DATA: 'memory', ...environment } },
      (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
    )
  })
}

describe('npm start ends with one line and code 1', { timeout: 30_000 }, () => {
  const taken = createServer()
  let port: number

  beforeAll(async () => {
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
    port = (taken.address() as AddressInfo).port
  })
  afterAll(() => {
    taken.close()
  })

  it.each([
    ['a taken port', () => ({ PORT: String(port) }), /^Port \d+ is taken: .*PORT=\d+ npm start/],
    ['an impossible port', () => ({ PORT: 'http' }), /^PORT=http is not a port/],
    ['a live key', () => ({ STRIPE_SECRET_KEY: 'sk_live_x' }), /^STRIPE_SECRET_KEY is a live key/],
    [
      'an address that is none',
      () => ({ DYNAMODB_ENDPOINT: 'localhost:8000' }),
      /^DYNAMODB_ENDPOINT=localhost:8000 is not an address/,
    ],
  ])('for %s', async (_what, environment, line) => {
    const { code, stderr } = await start(environment())
    expect(stderr).toMatch(line)
    expect(stderr.trimEnd().split('\n')).toHaveLength(1)
    expect(code).toBe(1)
  })
})
