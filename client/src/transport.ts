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
  /** An access token, or what gets one. */
  token?: string | GetToken
  fetch?: typeof fetch
  /** Attempts after the first one. 4 unless told, and fewer in an outage: all calls together have a budget. */
  retries?: number
  /** How long one attempt may take, answer included. 10 seconds unless told. */
  timeoutMs?: number
}

/**
 * Gets an access token. It is asked before every attempt, so it should cache; and once more in a call that was
 * answered 401, with the token that was turned away, so that it does not answer the same one.
 */
export type GetToken = (asked: { refused?: string }) => string | Promise<string>

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
  /** `retries` where they are not as many as usual. */
  options?: CallOptions & { retries?: number },
) => Promise<Answer<Of>>

/** Waits between attempts are drawn from nothing up to a bound that doubles from the first to the second. */
const backoffBaseMs = 100
const backoffMaxMs = 5_000
/**
 * What all calls of a client together may send again. A retry takes one and every answer worth having gives a
 * tenth back, so that a service in trouble gets a tenth more requests, and one that is away 50 more in all, and
 * not five times as many from everyone.
 */
const retryBudget = { max: 50, perRetry: 1, perAnswer: 0.1 } as const
/**
 * Said of one workspace by a service that is well. Trying again then is no part of an outage, and must not use
 * up what the calls for other workspaces need.
 */
const ofOneWorkspace: readonly unknown[] = ['busy', 'too_many_looks'] satisfies OutageCode[]
/** A service that asks for more time than this is down, and its caller should know. */
const retryAfterMaxMs = 30_000

/**
 * Sends calls, and sends them again under the same key when the network fails, an attempt takes too long, or
 * the answer is 429 or 5xx, within a budget. Everything the service does can be repeated safely: reads change
 * nothing, and all else carries a key. After a 401 a call is sent once more where another token can be got. Any
 * other answer is final.
 *
 * Throws `TokensRefused`, `TokensUnavailable` once the attempts are used up, `TokensError` for an answer that
 * is not the service's, and the signal's own reason where a caller gives up.
 */
export function openTransport(options: TransportOptions): Transport {
  const { token: given, timeoutMs = 10_000 } = options
  const send = options.fetch ?? globalThis.fetch
  const base = withoutSlashesAtItsEnd(options.baseUrl)
  const mayRetry = openRetryBudget()

  return async (operation, { params, query, body }, callOptions = {}) => {
    const { signal, key: givenKey, retries = options.retries ?? 4 } = callOptions
    const [method, path] = operation.split(' ') as [string, string]
    const url = base + pathOf(path, params, query)
    const key = method === 'GET' ? undefined : (givenKey ?? crypto.randomUUID())
    const headers: Record<string, string> = { accept: 'application/json' }
    if (key !== undefined) headers['idempotency-key'] = key
    if (body !== undefined) headers['content-type'] = 'application/json'
    const request = { method, headers, body: body && JSON.stringify(body) }

    async function attempt(refused?: string) {
      signal?.throwIfAborted()
      const token =
        typeof given === 'function' ? await tokenOf(given, refused, timeoutMs, signal) : given
      if (token !== undefined) headers.authorization = `Bearer ${token}`
      return { token, result: await once(send, url, request, timeoutMs, signal) }
    }

    let renewed = typeof given !== 'function'
    for (let attempts = 1; ; attempts++) {
      let { token, result } = await attempt()
      if (result.status === 401 && !renewed) {
        renewed = true
        result = (await attempt(token)).result
      }
      if (result.status !== undefined && result.status < 300) {
        mayRetry.answered()
        // biome-ignore lint/suspicious/noExplicitAny: the service answers as its description says; a test sees to that.
        return { ...result.body, replayed: result.replayed } as any
      }
      if (!mayPass(result)) {
        mayRetry.answered()
        throw refusalOf(result, key)
      }
      const { retryAfterMs = 0 } = result
      const another = attempts <= retries && retryAfterMs <= retryAfterMaxMs
      if (!another || !mayRetry.after(result)) throw outageOf(result, attempts, key)
      await sleep(retryAfterMs + jitterMs(attempts), signal)
    }
  }
}

function openRetryBudget() {
  const { max, perRetry, perAnswer } = retryBudget
  let left: number = max
  return {
    answered() {
      left = Math.min(max, left + perAnswer)
    },
    /** Whether there may be another attempt after this one, which is then counted. */
    after(result: Result): boolean {
      if (result.status !== undefined && ofOneWorkspace.includes(result.body.code)) return true
      if (left < perRetry) return false
      left -= perRetry
      return true
    },
  }
}

/** By hand, since an expression for it takes quadratic time over slashes that are not at the end. */
function withoutSlashesAtItsEnd(url: string): string {
  let end = url.length
  while (url[end - 1] === '/') end--
  return url.slice(0, end)
}

/** The token, which may take no longer than an attempt: what waits for it may have others waiting behind it. */
async function tokenOf(
  get: GetToken,
  refused: string | undefined,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<string> {
  const token = get(refused === undefined ? {} : { refused })
  if (typeof token === 'string') return token
  let stop = () => {}
  const tooLong = new Promise<never>((_, reject) => {
    const late = () => reject(new TokensError(`no access token came in ${timeoutMs} ms`))
    const giveUp = () => reject(signal?.reason)
    const timer = setTimeout(late, timeoutMs)
    signal?.addEventListener('abort', giveUp, { once: true })
    stop = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
    }
  })
  return Promise.race([token, tooLong]).finally(stop)
}

/** What came of one attempt: an answer of any kind, or none. */
type Result = Answered | { cause: unknown; status?: undefined; retryAfterMs?: undefined }

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
  return result.status === undefined || result.status === 429 || result.status >= 500
}

function refusalOf(result: Result, key: string | undefined): TokensError {
  if (result.status === undefined) return outageOf(result, 1, key)
  const { status, body, requestId } = result
  if (typeof body.code === 'string') {
    return new TokensRefused(body as unknown as ProblemOf<RefusalCode>, key)
  }
  // The gateway's own answers, and those of whatever else may stand in between, carry no code.
  const message = `the call was answered ${status} ${body.message ?? ''}`.trim()
  return new TokensError(message, { status, requestId, key })
}

function outageOf(result: Result, attempts: number, key: string | undefined): TokensUnavailable {
  if (result.status === undefined) {
    return new TokensUnavailable(attempts, undefined, { cause: result.cause, key })
  }
  const { status, body } = result
  const { requestId = result.requestId } = body as Partial<Problem>
  const code = typeof body.code === 'string' ? (body.code as OutageCode) : undefined
  return new TokensUnavailable(attempts, code, { status, requestId, key })
}

/** Throws where something has no name that a path could have in it. */
export function checkPlace(name: string, value: string | undefined): asserts value is string {
  // Dots alone would lead to another path.
  if (!value || /^\.{1,2}$/.test(value)) throw new TypeError(`${name} must be given`)
}

function pathOf(
  path: string,
  params: Record<string, string> = {},
  query: Record<string, string | number | undefined> = {},
): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => {
    checkPlace(name, params[name])
    return encodeURIComponent(params[name])
  })
  const asked = Object.entries(query).filter(([, value]) => value !== undefined)
  if (asked.length === 0) return filled
  return `${filled}?${new URLSearchParams(Object.fromEntries(asked.map(([name, value]) => [name, String(value)])))}`
}

/** Of what is no JSON object, one without anything in it. */
export function jsonObject(text: string): Record<string, unknown> {
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
