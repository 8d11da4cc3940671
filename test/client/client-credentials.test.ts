import { inspect } from 'node:util'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { clientCredentials, createClient, TokensError } from '../../client/src/server.ts'
import { type LocalStack, startLocalStack } from '../support/local-stack.ts'

const tokenUrl = 'https://id.example.com/oauth/token'
const clientSecret = 's3cret:&=ü/+'
const credentials = { tokenUrl, clientId: 'back end', clientSecret }

describe('client credentials', () => {
  let asked: Request[] = []
  let answer: () => Response | Promise<Response>
  beforeEach(() => {
    asked = []
    answer = () => Response.json({ access_token: `t${asked.length}`, expires_in: 3600 })
    vi.useFakeTimers()
    return () => vi.useRealTimers()
  })
  const issuer: typeof fetch = async (...request) => {
    asked.push(new Request(...request))
    return answer()
  }
  const open = (options: Partial<Parameters<typeof clientCredentials>[0]> = {}) =>
    clientCredentials({ ...credentials, fetch: issuer, ...options })
  const form = async (n: number) => Object.fromEntries(new URLSearchParams(await asked[n]!.text()))
  const pass = (seconds: number) => vi.setSystemTime(Date.now() + seconds * 1_000)

  it('are sent as a form, with the secret in it', async () => {
    expect(await open({ scope: 'tokens:consume', audience: 'token-top-up' })()).toBe('t1')
    const { url, method, headers } = asked[0]!
    expect([method, url]).toEqual(['POST', tokenUrl])
    expect(headers.get('content-type')).toMatch(/^application\/x-www-form-urlencoded/)
    expect(headers.get('authorization')).toBeNull()
    expect(await form(0)).toEqual({
      grant_type: 'client_credentials',
      client_id: 'back end',
      client_secret: clientSecret,
      scope: 'tokens:consume',
      audience: 'token-top-up',
    })
  })

  it('go into the header where the issuer wants them there', async () => {
    await open({ authentication: 'basic' })()
    expect(await form(0)).toEqual({ grant_type: 'client_credentials' })
    // RFC 6749, 2.3.1: both are encoded like form values first.
    const decoded = atob(asked[0]!.headers.get('authorization')!.replace('Basic ', ''))
    expect(decoded).toBe('back+end:s3cret%3A%26%3D%C3%BC%2F%2B')
  })

  it('are never sent on to where the answer leads', async () => {
    await open()()
    expect(asked[0]!.redirect).toBe('error')
  })

  it.each([
    ['an hour', 3_600, 3_540],
    ['five minutes', 300, 270],
    ['an hour, told as a text', '3600', 3_540],
  ])('get a token that lasts %s once in that time', async (_, expires_in, renewedAfter) => {
    answer = () => Response.json({ access_token: `t${asked.length}`, expires_in })
    const token = open()
    await token()
    pass(renewedAfter - 1)
    expect(await token()).toBe('t1')
    pass(2)
    expect(await token()).toBe('t2')
    expect(asked).toHaveLength(2)
  })

  it.each([
    ['does not say how long its token lasts', undefined],
    ['says what makes no sense', -5],
  ])('get a token for five minutes from an issuer that %s', async (_, expires_in) => {
    answer = () => Response.json({ access_token: `t${asked.length}`, expires_in })
    const token = open()
    await token()
    pass(200)
    expect(await token()).toBe('t1')
    pass(101)
    expect(await token()).toBe('t2')
  })

  it('make one request for all that ask at a time', async () => {
    const token = open()
    const all = await Promise.all(Array.from({ length: 50 }, () => token()))
    expect(new Set(all)).toEqual(new Set(['t1']))
    const again = await Promise.all(Array.from({ length: 50 }, () => token({ refused: 't1' })))
    expect(new Set(again)).toEqual(new Set(['t2']))
    expect(asked).toHaveLength(2)
  })

  it('get another token where the one in use was refused, and no other where it was an older one', async () => {
    const token = open()
    await token()
    expect(await token({ refused: 't1' })).toBe('t2')
    expect(await token({ refused: 't1' })).toBe('t2')
    expect(asked).toHaveLength(2)
  })

  it('go on with a token that is still good where the issuer is away', async () => {
    const token = open()
    await token()
    answer = () => new Response('', { status: 503 })
    pass(3_550)
    expect(await token()).toBe('t1')
    await expect(token({ refused: 't1' })).rejects.toThrow('503')
    pass(51)
    await expect(token()).rejects.toThrow('503')
    answer = () => Response.json({ access_token: 'new' })
    expect(await token()).toBe('new')
  })

  const echoes = () => ({ error: clientSecret, error_description: clientSecret })
  it.each<[string, () => Response | Promise<Response>, string]>([
    [
      'says why',
      () => Response.json({ ...echoes(), error: 'invalid_client' }, { status: 401 }),
      'id.example.com answered 401 invalid_client',
    ],
    ['repeats the secret', () => Response.json(echoes(), { status: 400 }), 'answered 400'],
    ['answers no JSON', () => new Response(clientSecret), 'answered 200 without an access token'],
    ['answers no token', () => Response.json({ ...echoes(), access_token: '' }), 'without an'],
    ['answers null', () => Response.json(null), 'without an access token'],
    [
      'is away',
      () => Promise.reject(new TypeError(clientSecret, { cause: { code: 'ECONNREFUSED' } })),
      'id.example.com did not answer (ECONNREFUSED)',
    ],
    ['fails in its own way', () => Promise.reject(clientSecret), 'did not answer'],
  ])('fail with an error that has no secret in it where the issuer %s', async (_, how, message) => {
    answer = how
    const error = await open()().catch((error) => error)
    expect(error).toBeInstanceOf(TokensError)
    expect(error.message).toContain(message)
    expect(inspect(error, { depth: 20, showHidden: true })).not.toContain('s3cret')
    expect(JSON.stringify(error)).not.toContain('s3cret')
  })

  it('are refused with an address that is none, or has the secret in it', () => {
    for (const wrong of ['nowhere', `https://id:${encodeURIComponent(clientSecret)}@example.com`]) {
      expect(() => open({ tokenUrl: wrong })).toThrow(/^tokenUrl must be/)
      expect(() => open({ tokenUrl: wrong })).not.toThrow('s3cret')
    }
  })
})

describe('client credentials at the local issuer', () => {
  let stack: LocalStack
  beforeAll(async () => {
    stack = await startLocalStack()
  }, 60_000)
  afterAll(() => stack.stop())
  afterEach(() => stack.moveClock())

  it.each(['post', 'basic'] as const)('open the API, by %s', async (authentication) => {
    let fetched = 0
    const client = createClient({
      baseUrl: stack.url,
      token: clientCredentials({
        tokenUrl: `${stack.servicesIdentity.issuer}/token`,
        clientId: 'assistant',
        clientSecret: 'assistant-secret',
        scope: 'tokens:consume',
        authentication,
        fetch: (...request) => {
          fetched++
          return fetch(...request)
        },
      }),
    })
    const use = { workspace: 'acme', tokens: 10 }
    expect(await client.consume(use)).toMatchObject({ taken: 10 })
    expect(await client.consume(use)).toMatchObject({ taken: 10 })
    expect(fetched).toBe(1)
    await expect(client.meter(use)).rejects.toMatchObject({ status: 403 })

    // By the service's clock the token has expired, by the client's it has not: it is told by a 401.
    await stack.moveClock(new Date(Date.now() + 2 * 3_600_000).toISOString())
    expect(await client.consume(use)).toMatchObject({ taken: 10 })
    expect(fetched).toBe(2)
  })

  it('are refused where they are wrong', async () => {
    const token = clientCredentials({
      tokenUrl: `${stack.servicesIdentity.issuer}/token`,
      clientId: 'assistant',
      clientSecret: 'guessed',
    })
    await expect(token()).rejects.toThrow('answered 401 invalid_client')
  })
})
