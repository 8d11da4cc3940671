import { request as nodeRequest } from 'node:http'
import { exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { flattened } from '../../local/aws/authorizer.ts'
import { openGateway } from '../../local/aws/gateway.ts'
import { type LambdaHost, startLambdaHost } from '../../local/aws/lambda-host.ts'
import type { Route } from '../../local/aws/template.ts'
import { type HttpServer, serve } from '../../local/http.ts'
import { audience, type Identity, openIdentity } from '../../local/identity/issuer.ts'
import { bundle, temporaryFolder } from './bundle.ts'

const issuer = 'http://localhost:4000/local/identity'
const otherIssuer = 'http://localhost:4000/local/others'
const origin = 'https://app.example.com'
const noon = new Date('2026-07-15T12:00:00Z')
const authorizer = { issuer, audience: [audience] }
const signedIn = { authorizer, scopes: [] }
const open = { scopes: [] }

const routes: Route[] = [
  route('GET /v1/open', open),
  route('POST /v1/open', open),
  route('GET /v1/things/{thingId}/parts/{partId}', signedIn),
  route('POST /v1/things', { authorizer, scopes: ['tokens:consume', 'tokens:all'] }),
  route('GET /v1/others', {
    authorizer: { issuer: otherIssuer, audience: ['others'] },
    scopes: [],
  }),
  route('GET /v1/failing', open, 'failing'),
  route('GET /v1/answer', open, 'answer'),
]

function route(key: string, access: Pick<Route, 'authorizer' | 'scopes'>, name = 'echo'): Route {
  const [method, path] = key.split(' ') as [string, string]
  return { key, method, path, function: name, ...access }
}

describe('the gateway', () => {
  const folder = temporaryFolder()
  let now = noon
  let functions: LambdaHost
  let server: HttpServer
  let identity: Identity
  let others: Identity

  beforeAll(async () => {
    functions = startLambdaHost({
      functions: [
        bundle(
          folder.path,
          'echo',
          `export const handler = (event) => ({
             statusCode: 200,
             headers: { 'content-type': 'application/json', 'access-control-allow-origin': '*' },
             body: JSON.stringify(event),
           })`,
        ),
        bundle(folder.path, 'failing', `export const handler = () => { throw new Error('no') }`),
        bundle(
          folder.path,
          'answer',
          `export const handler = ({ queryStringParameters: { kind } }) => ({
             bare: { hello: 'world' },
             binary: { statusCode: 201, headers: { 'X-Kind': 1 }, body: 'AP8=', isBase64Encoded: true },
             odd: { statusCode: 'many' },
           })[kind]`,
        ),
      ],
      surroundings: {},
      log: () => {},
    })
    identity = await openIdentity({
      issuer,
      now: () => now,
      keep: { read: () => undefined, write: () => {} },
    })
    others = await openIdentity({
      issuer: otherIssuer,
      audience: 'others',
      now: () => now,
      keep: { read: () => undefined, write: () => {} },
    })
    const cors = {
      allowOrigins: [origin],
      allowMethods: ['GET', 'POST'],
      allowHeaders: ['authorization', 'idempotency-key'],
      exposeHeaders: ['retry-after'],
      maxAgeSeconds: 600,
    }
    server = await serve(
      openGateway({
        deployment: { routes, cors },
        functions,
        keysOf: (of) => (of === issuer ? identity : others).keys,
        now: () => now,
      }),
    )
  })
  afterAll(async () => {
    await server.stop()
    await functions.stop()
    folder.remove()
  })
  beforeEach(() => {
    now = noon
  })

  const call = async (path: string, init: RequestInit = {}) => {
    const response = await fetch(server.url + path, init)
    return {
      status: response.status,
      headers: response.headers,
      body: (await response.json()) as Record<string, never>,
    }
  }
  const callWith = (token: string | undefined, path: string, method = 'GET') =>
    call(path, { method, headers: token ? { authorization: `Bearer ${token}` } : {} })
  const guarded = (token?: string) => callWith(token, '/v1/things/t/parts/p')
  const tokenOf = async (...request: Parameters<Identity['token']>) =>
    (await identity.token(...request))!

  describe('passes a request on in payload format 2.0', () => {
    it('with its route, path, query, headers and the local time', async () => {
      now = new Date('2026-08-01T00:00:00Z')
      const { body } = await call('/v1/things/a%20b/parts/c?x=1&y=2&x=3', {
        headers: { authorization: `Bearer ${await tokenOf('acme-admin')}`, 'X-Mixed': 'Kept' },
      })
      expect(body).toMatchObject({
        version: '2.0',
        routeKey: 'GET /v1/things/{thingId}/parts/{partId}',
        rawPath: '/v1/things/a%20b/parts/c',
        rawQueryString: 'x=1&y=2&x=3',
        queryStringParameters: { x: '1,3', y: '2' },
        pathParameters: { thingId: 'a b', partId: 'c' },
        headers: { 'x-mixed': 'Kept' },
        isBase64Encoded: false,
        requestContext: {
          http: { method: 'GET', path: '/v1/things/a%20b/parts/c', sourceIp: '127.0.0.1' },
          stage: '$default',
          time: '01/Aug/2026:00:00:00 +0000',
          timeEpoch: Date.parse('2026-08-01T00:00:00Z'),
        },
      })
      expect(body).not.toHaveProperty('body')
    })

    it('joining a header that comes twice with a comma', async () => {
      const body = await new Promise<string>((resolve, reject) => {
        nodeRequest(`${server.url}/v1/open`, { headers: { 'x-twice': ['a', 'b'] } }, (response) => {
          let text = ''
          response.on('data', (chunk) => {
            text += chunk
          })
          response.on('end', () => resolve(text))
        })
          .on('error', reject)
          .end()
      })
      expect(JSON.parse(body).headers['x-twice']).toBe('a, b')
    })

    it('with every claim as text, and the scopes where the route asks for one', async () => {
      const token = await tokenOf('assistant', {
        claims: { list: ['a', 'b'], number: 5, yes: true, nested: { a: 1 }, nothing: null },
      })
      const { body } = await callWith(token, '/v1/things', 'POST')
      expect(body).toMatchObject({
        requestContext: {
          authorizer: {
            jwt: {
              claims: {
                sub: 'assistant',
                list: '[a b]',
                number: '5',
                yes: 'true',
                nested: '{"a":1}',
                exp: String(noon.getTime() / 1000 + 3600),
              },
              scopes: ['tokens:consume', 'tokens:read'],
            },
          },
        },
      })
      expect(await guarded(token)).toMatchObject({
        body: { requestContext: { authorizer: { jwt: { scopes: null } } } },
      })
      expect(await call('/v1/open')).not.toHaveProperty('body.requestContext.authorizer')
    })

    it.each([
      ['application/json', '{"a":"é"}', false],
      ['application/problem+json; charset=utf-8', '{"a":"é"}', false],
      ['text/plain', 'é', false],
      ['application/octet-stream', 'é', true],
      ['application/x-www-form-urlencoded', 'a=1', true],
    ])('with a body of type %s as it is or in base64', async (type, text, encoded) => {
      const { body } = await call('/v1/open', {
        method: 'POST',
        headers: { 'content-type': type },
        body: text,
      })
      expect(body).toMatchObject({
        isBase64Encoded: encoded,
        body: encoded ? Buffer.from(text).toString('base64') : text,
      })
    })
  })

  describe('answers for a function', () => {
    it('with its status, headers and bytes', async () => {
      const response = await fetch(`${server.url}/v1/answer?kind=binary`)
      expect(response.status).toBe(201)
      expect(response.headers.get('x-kind')).toBe('1')
      expect([...new Uint8Array(await response.arrayBuffer())]).toEqual([0, 255])
    })

    it('with 200 and JSON where the function returned only a body', async () => {
      expect(await call('/v1/answer?kind=bare')).toMatchObject({
        status: 200,
        body: { hello: 'world' },
      })
    })

    it.each(['/v1/failing', '/v1/answer?kind=odd'])(
      'with a bare 500 where %s failed',
      async (path) => {
        expect(await call(path)).toMatchObject({
          status: 500,
          body: { message: 'Internal Server Error' },
        })
      },
    )
  })

  it.each(['/v1/none', '/v1/things', '/v1/things/a/parts', '/v1/things/a/parts/b/c'])(
    'has no route for GET %s',
    async (path) => {
      expect(await call(path)).toMatchObject({ status: 404, body: { message: 'Not Found' } })
    },
  )

  it('takes 10 MB and no more', async () => {
    const send = (bytes: number) =>
      call('/v1/failing', { method: 'POST', body: new Uint8Array(bytes) })
    expect((await send(10 * 1024 * 1024)).status).toBe(404)
    expect(await send(10 * 1024 * 1024 + 1)).toMatchObject({
      status: 413,
      body: { message: 'Request Entity Too Large' },
    })
  })

  describe('lets in', () => {
    it('a token of the issuer for this audience', async () => {
      expect((await guarded(await tokenOf('acme-member'))).status).toBe(200)
    })

    it('a token without an audience whose client_id is one', async () => {
      const claims = { aud: null, client_id: audience }
      expect((await guarded(await tokenOf('rep', { claims }))).status).toBe(200)
    })

    it.each([
      ['scope', 'tokens:all'],
      ['scp', ['other', 'tokens:consume']],
    ])('a token with any one of the scopes, in %s', async (claim, value) => {
      const token = await tokenOf('rep', { claims: { scope: null, [claim]: value } })
      expect((await callWith(token, '/v1/things', 'POST')).status).toBe(200)
    })
  })

  describe('answers 401 to', () => {
    const refused = async (token: string) =>
      expect(await guarded(token)).toMatchObject({
        status: 401,
        body: { message: 'Unauthorized' },
      })

    it('no token, and says what it wants', async () => {
      const { status, headers } = await guarded()
      expect(status).toBe(401)
      expect(headers.get('www-authenticate')).toBe('Bearer')
    })

    it('something that is no token', () => refused('abc'))

    it('a token without a signature', () =>
      refused(
        new UnsecuredJWT({ sub: 'acme-admin' })
          .setIssuer(issuer)
          .setAudience(audience)
          .setExpirationTime('1 hour')
          .encode(),
      ))

    it('a token signed with the public key as a shared secret', async () => {
      const secret = new TextEncoder().encode(JSON.stringify(identity.keys.keys[0]))
      const kid = identity.keys.keys[0]!.kid
      await refused(await sign({ alg: 'HS256', kid }, secret))
    })

    it('a token signed with another key under our key id', async () => {
      const { privateKey } = await generateKeyPair('RS256')
      await refused(await sign({ alg: 'RS256', kid: identity.keys.keys[0]!.kid }, privateKey))
    })

    it('a token with a key of its own', async () => {
      const { privateKey, publicKey } = await generateKeyPair('RS256')
      await refused(await sign({ alg: 'RS256', jwk: await exportJWK(publicKey) }, privateKey))
    })

    it('a token whose claims were changed', async () => {
      const [head, , signature] = (await tokenOf('acme-member')).split('.')
      const [, claims] = (await tokenOf('acme-admin')).split('.')
      await refused([head, claims, signature].join('.'))
    })

    it('a token of the hour before', async () => {
      const token = await tokenOf('acme-admin')
      now = new Date(noon.getTime() + 3_599_000)
      expect((await guarded(token)).status).toBe(200)
      now = new Date(noon.getTime() + 3_600_000)
      const { status, headers } = await guarded(token)
      expect(status).toBe(401)
      expect(headers.get('www-authenticate')).toContain('error="invalid_token"')
    })

    it.each([
      ['another issuer', { iss: 'https://issuer.example.com' }],
      ['another audience', { aud: 'other' }],
      ['another client and no audience', { aud: null, client_id: 'other' }],
      ['no audience and no client', { aud: null }],
      ['no expiry', { exp: null }],
      ['a start in the future', { nbf: noon.getTime() / 1000 + 60 }],
      ['an issue in the future', { iat: noon.getTime() / 1000 + 60 }],
    ])('a token with %s', async (_what, claims) => refused(await tokenOf('acme-admin', { claims })))

    async function sign(header: JWTHeaderParameters, key: Parameters<SignJWT['sign']>[0]) {
      return new SignJWT({ sub: 'acme-admin' })
        .setProtectedHeader(header)
        .setIssuer(issuer)
        .setAudience(audience)
        .setIssuedAt(noon.getTime() / 1000)
        .setExpirationTime(noon.getTime() / 1000 + 3600)
        .sign(key)
    }
  })

  it('asks each route’s own authorizer', async () => {
    const [ours, theirs] = [await tokenOf('acme-admin'), (await others.token('acme-admin'))!]
    expect((await guarded(ours)).status).toBe(200)
    expect((await guarded(theirs)).status).toBe(401)
    expect((await callWith(theirs, '/v1/others')).status).toBe(200)
    expect((await callWith(ours, '/v1/others')).status).toBe(401)
  })

  it('passes on no claim that is null', () => {
    expect(flattened({ workspace_id: null, list: [null, ['a']], no: false })).toEqual({
      list: '[null [a]]',
      no: 'false',
    })
  })

  it('answers 403 to a token that lacks the scope', async () => {
    const { status, headers, body } = await callWith(await tokenOf('rep'), '/v1/things', 'POST')
    expect(status).toBe(403)
    expect(body).toEqual({ message: 'Forbidden' })
    expect(headers.get('www-authenticate')).toContain('error="insufficient_scope"')
  })

  describe('about other origins', () => {
    const preflight = (from: string) =>
      fetch(`${server.url}/v1/things`, {
        method: 'OPTIONS',
        headers: { origin: from, 'access-control-request-method': 'POST' },
      })

    it('answers a preflight from an allowed one without a function', async () => {
      const response = await preflight(origin)
      expect(response.status).toBe(204)
      expect(Object.fromEntries(response.headers)).toMatchObject({
        'access-control-allow-origin': origin,
        'access-control-allow-methods': 'GET,POST',
        'access-control-allow-headers': 'authorization,idempotency-key',
        'access-control-max-age': '600',
      })
    })

    it('allows nothing to any other', async () => {
      const response = await preflight('https://evil.example.com')
      expect(response.status).toBe(204)
      expect([...response.headers.keys()].join()).not.toContain('access-control')
    })

    it('says so on every answer, its own refusals included, in place of the function', async () => {
      const allowed = (headers: Headers) => headers.get('access-control-allow-origin')
      const from = (each: string) => ({ headers: { origin: each } })
      expect(allowed((await call('/v1/open', from(origin))).headers)).toBe(origin)
      expect(allowed((await call('/v1/none', from(origin))).headers)).toBe(origin)
      expect(allowed((await call('/v1/open', from('https://evil.example.com'))).headers)).toBe(null)
      expect(allowed((await call('/v1/open')).headers)).toBe(null)
    })
  })
})
