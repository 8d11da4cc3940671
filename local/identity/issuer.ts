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

  return {
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
    handle(request) {
      const { pathname } = new URL(request.url)
      if (pathname === keysPath) return Response.json(keys)
      if (pathname === discoveryPath) return Response.json(discovery(issuer))
      if (pathname.startsWith(`${new URL(issuer).pathname}/`)) return message(404, 'Not Found')
      return undefined
    },
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
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    subject_types_supported: ['public'],
  }
}
