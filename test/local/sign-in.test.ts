import { createHash } from 'node:crypto'
import { decodeJwt } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataFolder } from '../../local/data-folder.ts'
import { openIdentity } from '../../local/identity/issuer.ts'
import { openSignIn } from '../../local/identity/sign-in.ts'
import { temporaryFolder } from './bundle.ts'

const origin = 'http://localhost:4000'
const issuer = `${origin}/local/identity`
const verifier = 'a-verifier-that-only-the-page-knows'
const challenge = createHash('sha256').update(verifier).digest('base64url')

describe('signing in', () => {
  let folder: ReturnType<typeof temporaryFolder>
  let handle: ReturnType<typeof openSignIn>

  beforeEach(async () => {
    folder = temporaryFolder()
    const identity = await openIdentity({
      issuer,
      now: () => new Date(),
      keep: openDataFolder(folder.path),
    })
    handle = openSignIn({ identity, origins: [origin] })
  })
  afterEach(() => folder.remove())

  const asked = {
    response_type: 'code',
    client_id: 'page',
    redirect_uri: `${origin}/usage`,
    state: 'a-state',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  }
  const authorize = (over: Record<string, string> = {}) =>
    handle(new Request(`${issuer}/authorize?${new URLSearchParams({ ...asked, ...over })}`))
  const exchange = (over: Record<string, string>) =>
    handle(
      new Request(`${issuer}/token`, {
        method: 'POST',
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          client_id: 'page',
          redirect_uri: asked.redirect_uri,
          code_verifier: verifier,
          ...over,
        }).toString(),
      }),
    )
  const newCode = async (over: Record<string, string> = {}) => {
    const response = await authorize({ persona: 'acme-admin', ...over })
    const back = new URL(response!.headers.get('location')!)
    expect(back.origin + back.pathname).toBe(asked.redirect_uri)
    expect(back.searchParams.get('state')).toBe('a-state')
    return back.searchParams.get('code')!
  }

  it('asks who to be, and gives people only', async () => {
    const page = await (await authorize())!.text()
    expect(page).toContain('persona=acme-admin')
    expect(page).not.toContain('persona=assistant')
  })

  it('gives a code once, for a token of whoever was chosen', async () => {
    const code = await newCode()
    const answer = (await (await exchange({ code }))!.json()) as { access_token: string }
    expect(decodeJwt(answer.access_token)).toMatchObject({ sub: 'acme-admin', role: 'admin' })
    expect((await exchange({ code }))!.status).toBe(400)
  })

  it.each([
    ['another verifier', { code_verifier: 'guessed' }],
    ['another client', { client_id: 'other' }],
    ['another way back', { redirect_uri: `${origin}/other` }],
  ])('refuses a code that comes with %s', async (_what, over) => {
    expect((await exchange({ code: await newCode(), ...over }))!.status).toBe(400)
  })

  it('gives an application whatever scope it asks for, as issuers do by default', async () => {
    const scope = 'openid tokens:grant tokens:manage'
    const answered = await exchange({ code: await newCode({ scope }) })
    const { access_token } = (await answered!.json()) as { access_token: string }
    expect(decodeJwt(access_token)).toMatchObject({ sub: 'acme-admin', azp: 'page', scope })
  })

  it('sends nobody to a page that is not ours, and takes no sign-in without PKCE', async () => {
    const elsewhere = { redirect_uri: 'https://elsewhere.example/', persona: 'acme-admin' }
    expect((await authorize(elsewhere))!.status).toBe(400)
    const bare = await authorize({ code_challenge: '', persona: 'acme-admin' })
    expect(bare!.headers.get('location')).toContain('error=invalid_request')
  })
})
