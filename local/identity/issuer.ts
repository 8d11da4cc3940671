import { randomUUID } from 'node:crypto'
import {
  calculateJwkThumbprint,
  exportJWK,
  generateKeyPair,
  importJWK,
  type JSONWebKeySet,
  type JWK,
  SignJWT,
} from 'jose'
import { message } from '../http.ts'

/**
 * An OpenID Connect issuer that signs anyone in as one of the seeded personas, with access tokens of the
 * shape the service expects from an adopter's own issuer.
 */
export interface Identity {
  issuer: string
  audience: string
  keys: JSONWebKeySet
  personas: readonly string[]
  /** Undefined for a persona there is none of. */
  token(persona: string, changes?: TokenChanges): Promise<string | undefined>
  /**
   * Gives a service a token for its credentials (RFC 6749, 4.4), in the form or in the header. Undefined for
   * any request but that one, whose body is then still to be read.
   */
  grantClient(request: Request): Promise<Response | undefined>
  /** Serves discovery and the key set; undefined for any other path. */
  handle(request: Request): Response | undefined
}

/** To try what other issuers and odd tokens do. A claim set to null is left out. */
export interface TokenChanges {
  claims?: Record<string, unknown>
  expiresInSeconds?: number
}

/** The id and plan of every workspace that is there from the start. */
export const seededWorkspaces = [
  { id: 'sprout', plan: 'starter' },
  { id: 'acme', plan: 'pro' },
  { id: 'crew', plan: 'teams' },
  { id: 'globex', plan: 'enterprise', quota: 50_000_000 },
] as const

export const audience = 'token-top-up'

/** The id of the page's client, through which people sign in. */
export const pageClient = 'usage-page'

const lifetimeSeconds = 3600
const algorithm = 'RS256'

/** `keep` is where the signing key lives, in a file of its own for each issuer, so that a token outlives a restart. */
export async function openIdentity(options: {
  issuer: string
  audience?: string
  keyFile?: string
  now: () => Date
  keep: { read<T>(name: string): T | undefined; write(name: string, value: unknown): void }
}): Promise<Identity> {
  const { issuer, now, keep, keyFile = 'signing-key.json' } = options
  const meantFor = options.audience ?? audience
  const privateJwk = keep.read<JWK>(keyFile) ?? (await newKey())
  keep.write(keyFile, privateJwk)
  const privateKey = await importJWK(privateJwk, algorithm)
  const { kty, n, e, kid } = privateJwk
  const keys: JSONWebKeySet = { keys: [{ kty, n, e, kid, alg: algorithm, use: 'sig' } as JWK] }
  const keysPath = new URL(`${issuer}/.well-known/jwks.json`).pathname
  const discoveryPath = new URL(`${issuer}/.well-known/openid-configuration`).pathname
  const tokenPath = new URL(`${issuer}/token`).pathname

  const identity: Identity = {
    issuer,
    audience: meantFor,
    keys,
    personas: Object.keys(personas),
    async token(persona, { claims = {}, expiresInSeconds = lifetimeSeconds } = {}) {
      if (!Object.hasOwn(personas, persona)) return undefined
      const issuedAt = Math.floor(now().getTime() / 1000)
      const payload = {
        iss: issuer,
        aud: meantFor,
        sub: persona,
        jti: randomUUID(),
        iat: issuedAt,
        exp: issuedAt + expiresInSeconds,
        ...personas[persona],
        ...claims,
      }
      const present = Object.entries(payload).filter(([, value]) => value !== null)
      return new SignJWT(Object.fromEntries(present))
        .setProtectedHeader({ alg: algorithm, kid, typ: 'at+jwt' })
        .sign(privateKey)
    },
    async grantClient(request) {
      if (request.method !== 'POST' || new URL(request.url).pathname !== tokenPath) return undefined
      const form = new URLSearchParams(await request.clone().text())
      if (form.get('grant_type') !== 'client_credentials') return undefined
      return grant(identity, form, request.headers.get('authorization'))
    },
    handle(request) {
      const { pathname } = new URL(request.url)
      if (pathname === keysPath) return Response.json(keys)
      if (pathname === discoveryPath) return Response.json(discovery(issuer))
      if (pathname.startsWith(`${new URL(issuer).pathname}/`)) return message(404, 'Not Found')
      return undefined
    },
  }
  return identity
}

async function grant(
  identity: Identity,
  form: URLSearchParams,
  authorization: string | null,
): Promise<Response> {
  const refuse = (status: number, error: string) =>
    Response.json({ error }, { status, headers: unstored })
  const { id, secret } = authorization
    ? inHeader(authorization)
    : { id: form.get('client_id') ?? '', secret: form.get('client_secret') }
  if (!isServicePersona(id) || secret !== secretOf(id)) return refuse(401, 'invalid_client')
  if ((form.get('audience') ?? identity.audience) !== identity.audience) {
    return refuse(400, 'invalid_target')
  }
  const own = personas[id]!.scope!
  const scope = form.get('scope') || own
  const isOwn = (each: string) => own.split(' ').includes(each)
  if (!scope.split(' ').every(isOwn)) return refuse(400, 'invalid_scope')
  const access_token = await identity.token(id, { claims: { scope } })
  return Response.json(
    { access_token, scope, token_type: 'Bearer', expires_in: lifetimeSeconds },
    { headers: unstored },
  )
}

/** No real secret: what it opens is on this machine only. */
const secretOf = (service: string) => `${service}-secret`

const unstored = { 'cache-control': 'no-store' }

/** Both parts are form-encoded within it (RFC 6749, 2.3.1). */
function inHeader(authorization: string): { id: string; secret: string } {
  const decoded = (text = '') => decodeURIComponent(text.replaceAll('+', ' '))
  try {
    const [id, secret] = atob(authorization.replace(/^Basic /i, '')).split(':')
    return { id: decoded(id), secret: decoded(secret) }
  } catch {
    return { id: '', secret: '' }
  }
}

/** What each persona's token says beside the claims every token has. */
const personas: Record<string, Record<string, string>> = {
  ...Object.fromEntries(
    seededWorkspaces.flatMap(({ id }) =>
      ['admin', 'member'].map((role) => [
        `${id}-${role}`,
        { workspace_id: id, role, azp: pageClient },
      ]),
    ),
  ),
  ...Object.fromEntries(
    Object.entries({
      assistant: 'tokens:consume tokens:read',
      rep: 'tokens:grant',
      'host-app': 'tokens:manage',
      // Client credentials, as Cognito and others write them: the subject is the client.
    }).map(([id, scope]) => [id, { client_id: id, scope }]),
  ),
}

/** Whether it is a backend's, and not a person's. */
export const isServicePersona = (persona: string) => personas[persona]?.client_id === persona

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
  const jwk = await exportJWK(privateKey)
  return { ...jwk, kid: await calculateJwkThumbprint(jwk) }
}

function discovery(issuer: string) {
  return {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    authorization_endpoint: `${issuer}/authorize`,
    token_endpoint: `${issuer}/token`,
    id_token_signing_alg_values_supported: [algorithm],
    grant_types_supported: ['authorization_code', 'client_credentials'],
    token_endpoint_auth_methods_supported: ['none', 'client_secret_post', 'client_secret_basic'],
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    subject_types_supported: ['public'],
  }
}
