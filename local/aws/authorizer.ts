import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTPayload, jwtVerify } from 'jose'

/** Whose tokens an HTTP API's JWT authorizer takes. */
export interface Authorizer {
  issuer: string
  audience: readonly string[]
}

export interface Admitted {
  claims: JWTPayload
  /** Null, as API Gateway has it, where the route asks for no scope. */
  scopes: string[] | null
}

export interface Refused {
  status: 401 | 403
  refused: string
  /** What the `WWW-Authenticate` header says after `Bearer`. */
  details?: string
}

/** Every algorithm that API Gateway takes is RSA's. */
const algorithms = ['RS256', 'RS384', 'RS512']

/**
 * Checks what API Gateway documents for a JWT authorizer: an RSA signature by a key of the issuer, `iss`,
 * `aud` (or `client_id` where there is no `aud`), `exp`, `nbf`, `iat`, and any one of the route's scopes.
 */
export function openAuthorizer({ issuer, audience }: Authorizer, keys: JSONWebKeySet) {
  const keyOf = createLocalJWKSet(keys)

  return async function authorize(
    token: string | undefined,
    /** Those of the route, any one of which will do; none where it asks for none. */
    anyOf: readonly string[],
    now: Date,
  ): Promise<Admitted | Refused> {
    if (!token) return { status: 401, refused: 'there is no token' }
    let claims: JWTPayload
    try {
      const verified = await jwtVerify(token, keyOf, {
        algorithms,
        issuer,
        currentDate: now,
        requiredClaims: ['exp'],
      })
      claims = verified.payload
    } catch (cause) {
      if (!(cause instanceof errors.JOSEError)) throw cause
      if (cause instanceof errors.JWTExpired) return invalid('the token has expired')
      return invalid('invalid token', cause.message)
    }
    const meantFor = [claims.aud ?? claims.client_id].flat()
    if (!meantFor.some((each) => audience.includes(String(each)))) {
      return invalid('the token has an invalid audience')
    }
    if (claims.iat !== undefined && claims.iat * 1000 > now.getTime()) {
      return invalid('the token was issued in the future')
    }
    if (anyOf.length === 0) return { claims, scopes: null }
    const scopes = scopesOf(claims)
    if (anyOf.some((scope) => scopes.includes(scope))) return { claims, scopes }
    const details = `scope="${anyOf.join(' ')}" error="insufficient_scope"`
    return { status: 403, refused: 'the token lacks the scope', details }
  }
}

function scopesOf(claims: JWTPayload): string[] {
  return [claims.scope ?? claims.scp ?? []]
    .flat()
    .flatMap((each) => String(each).split(' '))
    .filter((scope) => scope !== '')
}

/** `why` is for the caller; what is wrong in detail is for whoever looks into it. */
function invalid(why: string, refused = why): Refused {
  const details = `scope="" error="invalid_token" error_description="${why}"`
  return { status: 401, refused, details }
}

/**
 * Claims as API Gateway hands them to a function: each as text, a list as `[a b]`, an object as its JSON, and
 * one that is null not at all. That is how they were measured at a real HTTP API; the documentation says less.
 */
export function flattened(claims: JWTPayload): Record<string, string> {
  return Object.fromEntries(
    Object.entries(claims)
      .filter(([, value]) => value !== null && value !== undefined)
      .map(([name, value]) => [name, asText(value)]),
  )
}

function asText(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(asText).join(' ')}]`
  return typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)
}
