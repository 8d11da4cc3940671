import { createHash, randomBytes } from 'node:crypto'
import { Html, html } from '../html.ts'
import { message } from '../http.ts'
import type { Identity } from './issuer.ts'

interface Grant {
  persona: string
  /** Whatever the application asked for, without a question: many issuers do so unless told otherwise. */
  scope: string
  clientId: string
  redirectUri: string
  challenge: string
  expiresAt: number
}

const codeMs = 60_000

/**
 * The issuer's sign-in, as a browser uses it: the authorization code flow with PKCE for a public client. In
 * place of a password its page asks who to be. Undefined for any other path.
 */
export function openSignIn(options: { identity: Identity; origins: readonly string[] }) {
  const { identity, origins } = options
  const authorizePath = new URL(`${identity.issuer}/authorize`).pathname
  const tokenPath = new URL(`${identity.issuer}/token`).pathname
  const grants = new Map<string, Grant>()

  return async function handle(request: Request): Promise<Response | undefined> {
    const url = new URL(request.url)
    const route = `${request.method} ${url.pathname}`
    if (route === `GET ${authorizePath}`) return authorize(url)
    if (route === `POST ${tokenPath}`) return exchange(new URLSearchParams(await request.text()))
    return undefined
  }

  function authorize(url: URL): Response {
    const asked = (name: string) => url.searchParams.get(name) ?? ''
    const redirectUri = URL.parse(asked('redirect_uri'))
    // Nobody is sent to a page that is none of ours, not even with an error.
    if (!redirectUri || !origins.includes(redirectUri.origin)) {
      return message(400, `redirect_uri must be on one of ${origins.join(', ')}`)
    }
    const wrong =
      asked('response_type') !== 'code'
        ? 'unsupported_response_type'
        : asked('code_challenge_method') !== 'S256' || !asked('code_challenge')
          ? 'invalid_request'
          : undefined
    const back = (answer: Record<string, string>) => {
      const to = new URL(redirectUri)
      for (const [name, value] of Object.entries(answer)) to.searchParams.set(name, value)
      to.searchParams.set('state', asked('state'))
      return new Response(null, { status: 303, headers: { location: to.href } })
    }
    if (wrong) return back({ error: wrong })

    const persona = asked('persona')
    if (!identity.personas.includes(persona)) return signInPage(url, identity.personas)
    const code = randomBytes(24).toString('base64url')
    grants.set(code, {
      persona,
      scope: asked('scope'),
      clientId: asked('client_id'),
      redirectUri: asked('redirect_uri'),
      challenge: asked('code_challenge'),
      expiresAt: Date.now() + codeMs,
    })
    return back({ code })
  }

  async function exchange(form: URLSearchParams): Promise<Response> {
    const code = form.get('code') ?? ''
    const grant = grants.get(code)
    // A code is good for one try, whatever comes of it.
    grants.delete(code)
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    const valid =
      grant !== undefined &&
      form.get('grant_type') === 'authorization_code' &&
      grant.expiresAt > Date.now() &&
      grant.clientId === form.get('client_id') &&
      grant.redirectUri === form.get('redirect_uri') &&
      grant.challenge === challenge
    if (!valid) return Response.json({ error: 'invalid_grant' }, { status: 400, headers: unstored })
    const lifetime = { expiresInSeconds: 3600 }
    return Response.json(
      {
        access_token: await identity.token(grant.persona, {
          ...lifetime,
          claims: { azp: grant.clientId, scope: grant.scope || null },
        }),
        scope: grant.scope,
        token_type: 'Bearer',
        expires_in: lifetime.expiresInSeconds,
      },
      { headers: unstored },
    )
  }
}

const unstored = { 'cache-control': 'no-store' }

const styles = `
:root { color-scheme: light dark; }
body { max-width: 26rem; margin: 4rem auto; padding: 0 1rem; font: 1rem/1.5 system-ui, sans-serif;
  background: light-dark(#f6f5f2, #16181c); color: light-dark(#22252b, #eceae5); }
h1 { font-size: 1.375rem; }
ul { display: grid; gap: .5rem; padding: 0; list-style: none; }
a { display: block; padding: .7rem 1rem; border: 1px solid light-dark(#8b8f97, #727883); border-radius: 9px;
  background: light-dark(#fff, #1f2227); color: inherit; text-decoration: none; }
a:hover { border-color: light-dark(#3d4fb8, #a9b6ff); }
:focus-visible { outline: 3px solid light-dark(#3d4fb8, #a9b6ff); outline-offset: 2px; }
`

function signInPage(asked: URL, personas: readonly string[]): Response {
  const as = (persona: string) => {
    const url = new URL(asked)
    url.searchParams.set('persona', persona)
    return html`<li><a href="${url.pathname}${url.search}">${persona}</a></li>`
  }
  const page = html`<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>Sign in · local identity</title>
  <style>${new Html(styles)}</style>
</head>
<body><main>
  <h1>Who are you?</h1>
  <p>Local stand-in for your own sign-in. No password is asked.</p>
  <ul>${personas.filter((persona) => /-(admin|member)$/.test(persona)).map(as)}</ul>
</main></body>
</html>`
  const hash = createHash('sha256').update(styles).digest('base64')
  return new Response(page.text, {
    headers: {
      ...unstored,
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; frame-ancestors 'none'`,
    },
  })
}
