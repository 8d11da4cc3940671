import {
  type AuthorizationServer,
  allowInsecureRequests,
  authorizationCodeGrantRequest,
  type Client,
  calculatePKCECodeChallenge,
  discoveryRequest,
  generateRandomCodeVerifier,
  generateRandomState,
  None,
  processAuthorizationCodeResponse,
  processDiscoveryResponse,
  validateAuthResponse,
} from 'oauth4webapi'
import type { SiteConfig } from '../site.ts'

/** Who is signed in, for as long as the access token lives. */
export interface Session {
  accessToken: string
  workspace: string
  /** Milliseconds since 1970. */
  expiresAt: number
}

/** What is kept while the browser is away at the issuer. */
interface Attempt {
  verifier: string
  state: string
  /** Where to go afterwards: the query may hold a purchase that somebody returns from. */
  returnTo: string
}

const attemptKey = 'token-top-up/sign-in'
const sessionKey = 'token-top-up/session'
/** Where the issuer does not say how long its tokens live. */
const lifetimeSeconds = 300
const msMax = 10_000

/**
 * Sign-in by authorization code with PKCE, as a public client. The access token lives in the tab's session
 * storage: it survives the way to checkout and back, and ends with the tab. There is no refresh token; an
 * expired session is begun again at the issuer, which usually still knows the person.
 */
export function openSignIn(config: SiteConfig) {
  const client: Client = { client_id: config.clientId }
  const redirectUri = `${location.origin}${location.pathname}`

  return {
    session(): Session | undefined {
      const session = read<Session>(sessionKey)
      return session && session.expiresAt > Date.now() ? session : undefined
    },

    /** Leaves for the issuer. */
    async begin(): Promise<void> {
      const server = await discover(config.issuer)
      const attempt: Attempt = {
        verifier: generateRandomCodeVerifier(),
        state: generateRandomState(),
        returnTo: withoutSignIn(location.href),
      }
      write(attemptKey, attempt)
      const url = new URL(server.authorization_endpoint!)
      const parameters = {
        response_type: 'code',
        client_id: config.clientId,
        redirect_uri: redirectUri,
        state: attempt.state,
        code_challenge: await calculatePKCECodeChallenge(attempt.verifier),
        code_challenge_method: 'S256',
        scope: config.scope,
        audience: config.audience,
      }
      for (const [name, value] of Object.entries(parameters)) {
        if (value) url.searchParams.set(name, value)
      }
      location.assign(url)
    },

    /** Ends a sign-in that this page's address brings back; false where there is none. */
    async finish(): Promise<boolean> {
      const url = new URL(location.href)
      const attempt = read<Attempt>(attemptKey)
      if (!attempt || !url.searchParams.has('state')) return false
      sessionStorage.removeItem(attemptKey)
      history.replaceState(null, '', attempt.returnTo)
      const server = await discover(config.issuer)
      const answer = validateAuthResponse(server, client, url, attempt.state)
      const response = await authorizationCodeGrantRequest(
        server,
        client,
        None(),
        answer,
        redirectUri,
        attempt.verifier,
        requestOptions(config.issuer),
      )
      const { access_token, expires_in = lifetimeSeconds } = await processAuthorizationCodeResponse(
        server,
        client,
        response,
      )
      write(sessionKey, {
        accessToken: access_token,
        workspace: claimOf(access_token, config.workspaceClaim),
        expiresAt: Date.now() + expires_in * 1_000,
      } satisfies Session)
      return true
    },

    end(): void {
      sessionStorage.removeItem(sessionKey)
    },
  }
}

/** `sign-in` in an address asks the page to begin signing in. */
export function asksToSignIn(): boolean {
  return new URLSearchParams(location.search).has('sign-in')
}

/** This address, asking to sign in: what else it holds, such as a purchase, is still there afterwards. */
export function signInUrl(): string {
  const url = new URL(location.href)
  url.searchParams.set('sign-in', '')
  return url.href
}

async function discover(issuer: string): Promise<AuthorizationServer> {
  const identifier = new URL(issuer)
  const response = await discoveryRequest(identifier, requestOptions(issuer))
  return processDiscoveryResponse(identifier, response)
}

/** Plain HTTP is for an issuer on this machine only. */
function requestOptions(issuer: string) {
  const local = new URL(issuer).hostname === 'localhost'
  return { [allowInsecureRequests]: local, signal: () => AbortSignal.timeout(msMax) }
}

/**
 * One claim of the access token, which is a JWT because the API's authorizer takes no other. It decides only
 * which workspace to ask for; whether the token may see it is the API's to say.
 */
function claimOf(token: string, claim: string): string {
  const payload = token.split('.')[1] ?? ''
  const bytes = Uint8Array.from(
    atob(payload.replaceAll('-', '+').replaceAll('_', '/')),
    (character) => character.charCodeAt(0),
  )
  const value: unknown = JSON.parse(new TextDecoder().decode(bytes))[claim]
  if (typeof value !== 'string' || value === '') throw new Error(`the token has no claim ${claim}`)
  return value
}

function withoutSignIn(address: string): string {
  const url = new URL(address)
  url.searchParams.delete('sign-in')
  return url.href
}

function read<T>(key: string): T | undefined {
  return JSON.parse(sessionStorage.getItem(key) ?? 'null') ?? undefined
}

function write(key: string, value: object): void {
  sessionStorage.setItem(key, JSON.stringify(value))
}
