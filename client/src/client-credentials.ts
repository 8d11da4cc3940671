import { TokensError } from './errors.ts'
import { jsonObject } from './transport.ts'

export interface ClientCredentials {
  /** The issuer's token endpoint: `token_endpoint` in its discovery document. */
  tokenUrl: string
  clientId: string
  clientSecret: string
  /** With spaces between; what the client may have, unless told. */
  scope?: string
  /** For issuers that want to be told which API the token is for. */
  audience?: string
  /** Where the secret goes: into the form (`post`, the default), or into the header. */
  authentication?: 'post' | 'basic'
  fetch?: typeof fetch
}

const answerMsMax = 10_000
/** A token is renewed so long before it expires, or a tenth of its life where that is less. */
const renewedAheadMs = 60_000
/** What a token is taken to last whose issuer does not say. One that lasts shorter is refused, and renewed then. */
const unsaidLifeMs = 300_000

/**
 * A backend's token, by OAuth 2's client credentials grant (RFC 6749, 4.4), for `createClient`'s `token`. One
 * token serves until shortly before it expires or is refused, and one request all who wait for it.
 *
 * What it answers throws `TokensError` where the issuer gives no token; neither that nor its cause has the
 * secret in it.
 */
export function clientCredentials(
  credentials: ClientCredentials,
): (asked?: { refused?: string }) => Promise<string> {
  const host = hostOf(credentials.tokenUrl)
  let current: Token | undefined
  let coming: Promise<Token> | undefined

  async function renew(): Promise<Token> {
    coming ??= fetchToken(credentials, host).finally(() => {
      coming = undefined
    })
    current = await coming
    return current
  }

  return async ({ refused } = {}) => {
    if (!current || current.value === refused) return (await renew()).value
    const { value, expiresAt, renewAt } = current
    if (Date.now() < renewAt) return value
    try {
      return (await renew()).value
    } catch (error) {
      // An issuer that is away for less than that is not noticed.
      if (Date.now() < expiresAt) return value
      throw error
    }
  }
}

interface Token {
  value: string
  renewAt: number
  expiresAt: number
}

async function fetchToken(credentials: ClientCredentials, host: string): Promise<Token> {
  const { tokenUrl, fetch: send = globalThis.fetch } = credentials
  const now = Date.now()
  let status: number
  let text: string
  try {
    const response = await send(tokenUrl, {
      method: 'POST',
      ...requestOf(credentials),
      // The secret is for this address and no other.
      redirect: 'error',
      signal: AbortSignal.timeout(answerMsMax),
    })
    status = response.status
    text = await response.text()
  } catch (error) {
    // What is thrown here may show the request, and so is not handed on.
    throw new TokensError(`the token endpoint at ${host} did not answer${reasonOf(error)}`)
  }
  const { access_token: value, expires_in: seconds, error } = jsonObject(text)
  if (status !== 200) {
    const code = errorCodes.includes(error) ? ` ${error}` : ''
    throw new TokensError(`the token endpoint at ${host} answered ${status}${code}`, { status })
  }
  if (typeof value !== 'string' || value === '') {
    throw new TokensError(`the token endpoint at ${host} answered 200 without an access token`)
  }
  const lifeMs = Number(seconds) > 0 ? Number(seconds) * 1_000 : unsaidLifeMs
  const expiresAt = now + lifeMs
  return { value, expiresAt, renewAt: expiresAt - Math.min(renewedAheadMs, lifeMs / 10) }
}

function requestOf({ clientId, clientSecret, scope, audience, authentication }: ClientCredentials) {
  const basic = authentication === 'basic'
  const form = new URLSearchParams({
    grant_type: 'client_credentials',
    ...(!basic && { client_id: clientId, client_secret: clientSecret }),
    ...(scope !== undefined && { scope }),
    ...(audience !== undefined && { audience }),
  })
  const headers: Record<string, string> = {
    accept: 'application/json',
    'content-type': 'application/x-www-form-urlencoded',
  }
  if (basic)
    headers.authorization = `Basic ${btoa([clientId, clientSecret].map(encoded).join(':'))}`
  return { headers, body: form.toString() }
}

/** As a form's value. */
const encoded = (text: string) => new URLSearchParams({ '': text }).toString().slice(1)

/** The codes of RFC 6749, 5.2. Whatever else an issuer writes may repeat what it was sent. */
const errorCodes: readonly unknown[] = [
  'invalid_request',
  'invalid_client',
  'invalid_grant',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
]

/** Such as `ECONNREFUSED`, in brackets. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  const { cause } = error as { cause?: { code?: unknown } }
  const reason = error.name === 'TimeoutError' ? error.name : cause?.code
  return typeof reason === 'string' && /^\w{1,40}$/.test(reason) ? ` (${reason})` : ''
}

/** Where it is, for errors; an address has no place for a secret. */
function hostOf(tokenUrl: string): string {
  let url: URL
  try {
    url = new URL(tokenUrl)
  } catch {
    throw new TypeError('tokenUrl must be a URL')
  }
  if (url.username || url.password)
    throw new TypeError('tokenUrl must be without a user or password')
  return url.host
}
