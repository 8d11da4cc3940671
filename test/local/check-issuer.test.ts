import { spawn } from 'node:child_process'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type HttpServer, serve } from '../../local/http.ts'
import { type Identity, openIdentity, type TokenChanges } from '../../local/identity/issuer.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/* As an adopter runs it: a process of its own that asks an issuer over HTTP. */
describe('npm run check-issuer', { timeout: 60_000 }, () => {
  let server: HttpServer
  let identity: Identity
  let issuer: string
  /** What the issuer answers in place of its own. */
  const instead = new Map<string, () => Promise<Response>>()

  beforeAll(async () => {
    server = await serve(async (request) => {
      const { pathname } = new URL(request.url)
      return (
        (await instead.get(pathname)?.()) ??
        identity.handle(request) ??
        new Response('none', { status: 404 })
      )
    })
    issuer = `http://localhost:${server.port}/id`
    identity = await openIdentity({
      issuer,
      now: () => new Date(),
      keep: { read: () => undefined, write: () => {} },
    })
  })
  afterAll(() => server.stop())

  async function check(args: string[], token?: string) {
    const child = spawn(process.execPath, ['local/identity/check-issuer/main.ts', ...args], {
      cwd: root,
    })
    child.stdin.end(token ?? '')
    const [out, err, status] = await Promise.all([
      text(child.stdout),
      text(child.stderr),
      new Promise((resolve) => child.on('close', resolve)),
    ])
    return { status, out, err }
  }
  const checkToken = (token: string, ...args: string[]) =>
    check(['--issuer', issuer, '--audience', 'token-top-up', '--token', '-', ...args], token)
  const tokenOf = async (persona: string, changes?: TokenChanges) =>
    (await identity.token(persona, changes))!

  it('says of a good issuer that it will work', async () => {
    const { status, out } = await check(['--issuer', issuer])
    expect(status).toBe(0)
    expect(out).toMatch(/^Issuer http:\/\/localhost:\d+\/id\n/)
    expect(out).toMatch(/discovery document answered in \d+ ms/)
    expect(out).toContain('it names itself just so')
    expect(out).toContain('keys: 1, of RSA for signing: 1')
    expect(out.trimEnd()).toMatch(/This will work\.$/)
  })

  it.each<[string, string, () => Promise<Response>, RegExp]>([
    [
      'is slower than API Gateway waits',
      '/id/.well-known/openid-configuration',
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 1_600))
        return identity.handle(new Request(`${issuer}/.well-known/openid-configuration`))!
      },
      /WRONG its discovery document answered in \d{4} ms/,
    ],
    [
      'goes by another name',
      '/id/.well-known/openid-configuration',
      async () =>
        Response.json({ issuer: `${issuer}/`, jwks_uri: `${issuer}/.well-known/jwks.json` }),
      /WRONG it names itself http:\/\/localhost:\d+\/id\/\n\s+Use that name, to the letter/,
    ],
    [
      'has no discovery document',
      '/id/.well-known/openid-configuration',
      async () => new Response('no', { status: 404 }),
      /openid-configuration answered 404/,
    ],
    [
      'answers with a page',
      '/id/.well-known/openid-configuration',
      async () => new Response('<html>'),
      /is not JSON/,
    ],
    [
      'has no keys',
      '/id/.well-known/jwks.json',
      async () => Response.json({ keys: 'none' }),
      /WRONG its keys at .* are no key set/,
    ],
    [
      'has no RSA key',
      '/id/.well-known/jwks.json',
      async () => {
        const { publicKey } = await generateKeyPair('ES256')
        return Response.json({ keys: [await exportJWK(publicKey)] })
      },
      /WRONG keys: 1, none of them RSA\n.*choose RS256/,
    ],
  ])('finds an issuer that %s', async (_, path, answer, expected) => {
    instead.set(path, answer)
    try {
      const { status, out } = await check(['--issuer', issuer])
      expect(status).toBe(1)
      expect(out).toMatch(expected)
      expect(out).toContain('It will not work like this.')
    } finally {
      instead.clear()
    }
  })

  it('finds an issuer that is not there', async () => {
    const gone = await serve(async () => new Response())
    await gone.stop()
    const { status, out } = await check(['--issuer', `http://localhost:${gone.port}/id`])
    expect(status).toBe(1)
    expect(out).toMatch(/cannot be reached \(ECONNREFUSED\)/)
  })

  it.each<[string, string, TokenChanges | undefined, string[], RegExp[]]>([
    [
      'a person',
      'acme-admin',
      undefined,
      [],
      [/it is a person's: workspace acme, role admin/, /may {3}POST .*\/purchases/],
    ],
    [
      'a service',
      'assistant',
      undefined,
      [],
      [
        /a service's: it acts in any workspace/,
        /scopes tokens:consume, tokens:read/,
        /may .*consume/,
      ],
    ],
    [
      'a service that is bound',
      'assistant',
      { claims: { workspace_id: 'acme' } },
      [],
      [/bound to the workspace acme/],
    ],
    [
      'a service by a mark of its own',
      'acme-admin',
      { claims: { kind: 'backend', scope: 'tokens:grant', workspace_id: null } },
      ['--service-mark', 'kind=backend'],
      [/it is a service's/, /may {3}POST .*\/grants/],
    ],
    [
      'a staff member',
      'acme-admin',
      { claims: { aud: 'desk', rights: ['read', 'grant'] } },
      ['--staff-audience', 'desk'],
      [/it is a staff member's, with the rights read, grant/],
    ],
  ])('says of a token what it is: %s', async (_, persona, changes, args, expected) => {
    const token = await tokenOf(persona, changes)
    const { status, out, err } = await checkToken(token, ...args)
    for (const pattern of expected) expect(out).toMatch(pattern)
    expect(status).toBe(0)
    expect(out + err).not.toContain(token.slice(-40))
  })

  it.each<[string, string, TokenChanges | undefined, string[], RegExp]>([
    ['has expired', 'acme-admin', { expiresInSeconds: -5 }, [], /the token has expired/],
    [
      'is for others',
      'acme-admin',
      { claims: { aud: 'x' } },
      [],
      /invalid audience\n +It is for x/,
    ],
    [
      'is an ID token',
      'acme-admin',
      { claims: { nonce: 'n' } },
      [],
      /it is an ID token.*\n.*Send the access token/,
    ],
    [
      'has no workspace',
      'acme-admin',
      { claims: { workspace_id: null } },
      [],
      /no claim workspace_id\n +The token has iss, aud, sub/,
    ],
    ['has no role', 'acme-admin', { claims: { role: null } }, [], /it has no claim role/],
    [
      'has another role',
      'acme-admin',
      { claims: { role: 'owner' } },
      [],
      /role is "owner", which is none of admin, member\n +Name the values/,
    ],
    [
      'has a list of roles',
      'acme-admin',
      { claims: { role: ['admin', 'x'] } },
      [],
      /role is "\[admin x\]".*\n +It is a list: say so with --role-claim-is-list/,
    ],
    [
      'has scopes and is nobody’s in particular',
      'acme-admin',
      { claims: { workspace_id: null, scope: 'tokens:grant' } },
      [],
      /nothing marks it as a service's \(gty missing, sub "acme-admin", client_id missing, azp "usage-page"\)/,
    ],
    [
      'is bound to an empty workspace',
      'assistant',
      { claims: { workspace_id: '' } },
      [],
      /workspace_id is "", which names no workspace\n +Leave the claim out/,
    ],
    [
      'has scopes without their prefix',
      'assistant',
      undefined,
      ['--scope-prefix', 'api/'],
      /scope is "tokens:consume tokens:read", and api\/ is expected before each/,
    ],
    [
      'has staff rights that are none',
      'acme-admin',
      { claims: { aud: 'desk', rights: 'all' } },
      ['--staff-audience', 'desk'],
      /rights is "all"\n +It must hold read, grant or manage/,
    ],
  ])('says why a token that %s may nothing', async (_, persona, changes, args, expected) => {
    const { status, out } = await checkToken(await tokenOf(persona, changes), ...args)
    expect(out).toMatch(expected)
    expect(status).toBe(1)
  })

  it('takes a token as it stands in a header', async () => {
    const { status, out } = await checkToken(`Bearer ${await tokenOf('acme-admin')}\n`)
    expect(out).toContain("it is a person's: workspace acme, role admin")
    expect(status).toBe(0)
  })

  it('says so of what is no token, or encrypted, or another issuer’s, or forged', async () => {
    const { privateKey } = await generateKeyPair('RS256')
    const forged = (iss: string) =>
      new SignJWT({ sub: 'x' })
        .setProtectedHeader({ alg: 'RS256', kid: identity.keys.keys[0]!.kid! })
        .setIssuer(iss)
        .setAudience('token-top-up')
        .setExpirationTime('1h')
        .sign(privateKey)
    for (const [token, expected] of [
      ['mt_opaque', /it is no JSON Web Token but an opaque one/],
      ['', /there is none on standard input/],
      ['a.b.c.d.e', /it is encrypted/],
      [
        await forged('https://other.example/'),
        /its iss is https:\/\/other\.example\/, which is none/,
      ],
      [await forged(issuer), /API Gateway would refuse it: signature verification failed/],
    ] as const) {
      const { status, out } = await checkToken(token)
      expect(out).toMatch(expected)
      expect(status).toBe(1)
    }
  })

  it.each<[string[], RegExp]>([
    [[], /Usage: npm run check-issuer/],
    [['--issuer', 'tenant'], /--issuer tenant is not a URL/],
    [['--isuer', 'x'], /Unknown option '--isuer'/],
    [['--issuer', 'https://a.example', '--token', 'eyJhbGciOi'], /on standard input/],
    [['--issuer', 'https://a.example', '--token', '-'], /needs the --audience/],
    [['--issuer', 'https://a.example', '--services-issuer', 'https://b.example'], /come together/],
    [['--issuer', 'https://a.example', '--service-mark', 'kind'], /CLAIM=VALUE/],
  ])('asks for what it needs: %j', async (args, expected) => {
    const { status, err } = await check(args)
    expect(status).toBe(2)
    expect(err).toMatch(expected)
    expect(err).not.toContain('eyJhbGciOi')
  })
})
