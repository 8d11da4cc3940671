import type { JSONWebKeySet } from 'jose'
import type { Report } from './report.ts'

/** As long as API Gateway waits for an issuer's discovery document when an authorizer is made. */
const discoveryMsMax = 1_500

/** Whether API Gateway could use the issuer; its keys, where it has any to read. */
export async function checkIssuer(
  issuer: string,
  report: Report,
): Promise<JSONWebKeySet | undefined> {
  const { protocol, hostname } = new URL(issuer)
  if (protocol !== 'https:' && hostname !== 'localhost') {
    report.wrong('it is not an https address', 'API Gateway takes no other.')
  }
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const discovery = await fetched(address)
  if ('problem' in discovery) {
    report.wrong(
      `${address} ${discovery.problem}`,
      'See that the issuer is written as your provider documents it.',
    )
    return undefined
  }
  const took = `answered in ${Math.round(discovery.ms)} ms`
  if (discovery.ms > discoveryMsMax) {
    report.wrong(
      `its discovery document ${took}`,
      `API Gateway waits ${discoveryMsMax} ms when the authorizer is made: deploy again, or use a nearer issuer.`,
    )
  } else report.ok(`its discovery document ${took}`)
  const { issuer: named, jwks_uri } = discovery.body as Record<string, unknown>
  if (named === issuer) report.ok('it names itself just so')
  else {
    report.wrong(
      `it names itself ${named}`,
      'Use that name, to the letter: tokens carry it as iss.',
    )
  }
  if (typeof jwks_uri !== 'string' || !URL.canParse(jwks_uri)) {
    report.wrong('its discovery document names no jwks_uri', 'API Gateway finds the keys there.')
    return undefined
  }
  const answer = await fetched(jwks_uri)
  const keySet = 'body' in answer ? (answer.body as Partial<JSONWebKeySet>).keys : undefined
  if (!Array.isArray(keySet)) {
    report.wrong(
      `its keys at ${jwks_uri} ${'problem' in answer ? answer.problem : 'are no key set'}`,
      'API Gateway reads them to check signatures.',
    )
    return undefined
  }
  const rsa = keySet.filter(({ kty, use }) => kty === 'RSA' && use !== 'enc')
  if (rsa.length > 0) report.ok(`keys: ${keySet.length}, of RSA for signing: ${rsa.length}`)
  else {
    report.wrong(
      `keys: ${keySet.length}, none of them RSA`,
      'API Gateway takes RSA signatures only: choose RS256 at your provider.',
    )
  }
  return { keys: keySet }
}

async function fetched(url: string): Promise<{ body: unknown; ms: number } | { problem: string }> {
  const startedAt = performance.now()
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(10_000) })
    if (!response.ok) return { problem: `answered ${response.status}` }
    const body: unknown = await response.json()
    const ms = performance.now() - startedAt
    return typeof body === 'object' && body !== null ? { body, ms } : { problem: 'is no object' }
  } catch (cause) {
    if ((cause as Error).name === 'TimeoutError') return { problem: 'did not answer within 10 s' }
    if (cause instanceof SyntaxError) return { problem: 'is not JSON' }
    const why = (cause as { cause?: { code?: string } }).cause?.code ?? 'no connection'
    return { problem: `cannot be reached (${why})` }
  }
}
