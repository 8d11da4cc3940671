import type { Operations } from './api-types.ts'
import {
  type OutageCode,
  type Problem,
  type ProblemOf,
  type RefusalCode,
  TokensError,
  TokensRefused,
  TokensUnavailable,
} from './errors.ts'

export interface TransportOptions {
  /** Origin, and path if there is one, in front of `/v1`. */
  baseUrl: string
  /** An access token, or what gets one; it is asked before every attempt, so it should cache. */
  token?: string | (() => string | Promise<string>)
  fetch?: typeof fetch
  /** Attempts after the first one. 4 unless told. */
  retries?: number
  /** How long one attempt may take, answer included. 10 seconds unless told. */
  timeoutMs?: number
}

export interface CallOptions {
  signal?: AbortSignal
  /** Makes the call happen once however often it is made. One is made up for each call without. */
  key?: string
}

/** `POST /v1/workspaces/{workspaceId}/consume` */
export type Operation = keyof Operations

export interface Input<Of extends Operation> {
  /** For the places in braces. */
  params?: Record<string, string>
  query?: Record<string, string | number | undefined>
  body?: Operations[Of]['body']
}

/** What an operation answers, and whether it had been carried out before and nothing happened now. */
export type Answer<Of extends Operation> = Operations[Of]['answer'] & { replayed: boolean }

export type Transport = <Of extends Operation>(
  operation: Of,
  input: Input<Of>,
  options?: CallOptions,
) => Promise<Answer<Of>>

/** Waits between attempts are drawn from nothing up to a bound that doubles from the first to the second. */
const backoffBaseMs = 100
const backoffMaxMs = 5_000
/** A service that asks for more time than this is down, and its caller should know. */
const retryAfterMaxMs = 30_000

/**
 * Sends calls, and sends them again under the same key when the network fails, an attempt takes too long, or
 * the answer is 429 or 5xx. Everything the service does can be repeated safely: reads change nothing, and all
 * else carries a key. Any other answer is final.
 *
 * Throws `TokensRefused`, `TokensUnavailable` once the attempts are used up, `TokensError` for an answer that
 * is not the service's, and the signal's own reason where a caller gives up.
 */
export function openTransport(options: TransportOptions): Transport {
  const { retries = 4, timeoutMs = 10_000 } = options
  const send = options.fetch ?? globalThis.fetch
  const base = options.baseUrl.replace(/\/+$/, '')

  return async (operation, { params, query, body }, { signal, key: givenKey } = {}) => {
    const [method, path] = operation.split(' ') as [string, string]
    const url = base + pathOf(path, params, query)
    const key = method === 'GET' ? undefined : (givenKey ?? crypto.randomUUID())
    const headers: Record<string, string> = { accept: 'application/json' }
    if (key !== undefined) headers['idempotency-key'] = key
    if (body !== undefined) headers['content-type'] = 'application/json'
    const request = { method, headers, body: body && JSON.stringify(body) }

    for (let attempt = 1; ; attempt++) {
      signal?.throwIfAborted()
      const token = await tokenOf(options)
      if (token !== undefined) headers.authorization = `Bearer ${token}`
      const result = await once(send, url, request, timeoutMs, signal)
      if ('body' in result && result.status < 300) {
        // biome-ignore lint/suspicious/noExplicitAny: the service answers as its description says; a test sees to that.
        return { ...result.body, replayed: result.replayed } as any
      }
      if (!mayPass(result)) throw refusalOf(result, key)
      const { retryAfterMs = 0 } = result
      if (attempt > retries || retryAfterMs > retryAfterMaxMs) throw outageOf(result, attempt, key)
      await sleep(retryAfterMs + jitterMs(attempt), signal)
    }
  }
}

function tokenOf({ token }: TransportOptions): string | undefined | Promise<string> {
  return typeof token === 'function' ? token() : token
}

/** What came of one attempt: an answer of any kind, or none. */
type Result = Answered | { cause: unknown; retryAfterMs?: undefined }

interface Answered {
  status: number
  body: Record<string, unknown>
  replayed: boolean
  requestId: string | undefined
  retryAfterMs: number | undefined
}

async function once(
  send: typeof fetch,
  url: string,
  request: RequestInit,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Result> {
  // By hand, since `AbortSignal.any` and `timeout` cost as much as all the rest of a call.
  const attempt = new AbortController()
  const giveUp = () => attempt.abort(signal?.reason)
  const late = () => attempt.abort(new DOMException(`no answer in ${timeoutMs} ms`, 'TimeoutError'))
  const timer = setTimeout(late, timeoutMs)
  signal?.addEventListener('abort', giveUp, { once: true })
  try {
    const response = await send(url, { ...request, signal: attempt.signal })
    const text = await response.text()
    const { status, headers } = response
    return {
      status,
      body: jsonObject(text),
      replayed: headers.get('idempotent-replayed') === 'true',
      requestId: headers.get('apigw-requestid') ?? undefined,
      retryAfterMs: retryAfterMsOf(headers.get('retry-after')),
    }
  } catch (cause) {
    signal?.throwIfAborted()
    return { cause }
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', giveUp)
  }
}

function mayPass(result: Result): boolean {
  return !('status' in result) || result.status === 429 || result.status >= 500
}

function refusalOf(result: Result, key: string | undefined): TokensError {
  if (!('status' in result)) return outageOf(result, 1, key)
  const { status, body, requestId } = result
  if (typeof body.code === 'string') {
    return new TokensRefused(body as unknown as ProblemOf<RefusalCode>, key)
  }
  // The gateway's own answers, and those of whatever else may stand in between, carry no code.
  const message = `the call was answered ${status} ${body.message ?? ''}`.trim()
  return new TokensError(message, { status, requestId, key })
}

function outageOf(result: Result, attempts: number, key: string | undefined): TokensUnavailable {
  if (!('status' in result)) return new TokensUnavailable(attempts, undefined, { ...result, key })
  const { status, body } = result
  const { code, requestId = result.requestId } = body as Partial<Problem>
  return new TokensUnavailable(attempts, code as OutageCode | undefined, { status, requestId, key })
}

function pathOf(
  path: string,
  params: Record<string, string> = {},
  query: Record<string, string | number | undefined> = {},
): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    const value = params[name]
    // Dots alone would lead to another path.
    if (!value || /^\.{1,2}$/.test(value)) throw new TypeError(`${name} must be given`)
    return encodeURIComponent(value)
  })
  const asked = Object.entries(query).filter(([, value]) => value !== undefined)
  if (asked.length === 0) return filled
  return `${filled}?${new URLSearchParams(Object.fromEntries(asked.map(([name, value]) => [name, String(value)])))}`
}

function jsonObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

/** Seconds, or a date. */
function retryAfterMsOf(value: string | null): number | undefined {
  if (value === null) return undefined
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now()
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

/** Full jitter: callers that failed together do not come back together. */
function jitterMs(attempt: number): number {
  return Math.random() * Math.min(backoffMaxMs, backoffBaseMs * 2 ** (attempt - 1))
}

function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      clearTimeout(timer)
      reject(signal?.reason)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', giveUp)
      resolve()
    }, ms)
    signal?.addEventListener('abort', giveUp, { once: true })
  })
}
