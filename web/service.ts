import type { Documents } from '../shared/domain/documents.ts'
import type { Meter } from '../shared/domain/meter.ts'
import type { PurchaseView } from '../shared/domain/purchase.ts'
import type { Activity } from '../shared/operations/list-activity.ts'

export type { Meter, PurchaseView }

export type ActivityPage = Omit<Activity, 'cursor'> & { nextCursor?: string }

/** `refresh` is asked for after a token was refused: whoever caches tokens must then get a new one. */
export type GetToken = (wish?: { refresh: boolean }) => Promise<string>

/** What stands between the viewer and an answer, by what they can do about it. */
export type Trouble =
  | 'offline'
  | 'signed_out'
  | 'not_found'
  | 'forbidden'
  | 'refused'
  | 'unavailable'

export class ServiceError extends Error {
  readonly trouble: Trouble
  /** The `code` of the problem document, where the service answered with one. */
  readonly code: string | undefined

  constructor(trouble: Trouble, code?: string, options?: ErrorOptions) {
    super(code ?? trouble, options)
    this.name = 'ServiceError'
    this.trouble = trouble
    this.code = code
  }
}

export interface ServiceOptions {
  /** Origin and path in front of `/v1`; empty for the page's own origin. */
  api: string
  workspace: string
  getToken: GetToken
}

const readMsMax = 10_000
/** An order and its documents wait for Stripe, which takes its time. */
const orderMsMax = 25_000
const tokenMsMax = 10_000
const attemptsMax = 3
const retryAfterMsMax = 5_000

/**
 * The service as one viewer of one workspace sees it. Every call ends: with an answer, or with a
 * `ServiceError`. A refused token is refreshed once; a busy service is asked again a few times, which is
 * safe for orders too because they carry a key.
 */
export function openService({ api, workspace, getToken }: ServiceOptions) {
  const base = `${api.replace(/\/$/, '')}/v1/workspaces/${encodeURIComponent(workspace)}`
  const call = <T>(path: string, request: CallOptions = {}) =>
    callService<T>(`${base}${path}`, getToken, request)
  return {
    workspace,
    meter: () => call<Meter>('/meter'),
    activity: (query: { months?: number; limit?: number; cursor?: string }) =>
      call<ActivityPage>(`/activity?${queryOf(query)}`),
    purchase: (purchaseId: string) =>
      call<PurchaseView>(`/purchases/${encodeURIComponent(purchaseId)}`),
    documents: (purchaseId: string) =>
      call<Documents>(`/purchases/${encodeURIComponent(purchaseId)}/documents`, {
        msMax: orderMsMax,
      }),
    startPurchase: (order: { tokens: number; returnUrl: string; key: string }) =>
      call<PurchaseView>('/purchases', {
        key: order.key,
        body: { tokens: order.tokens, returnUrl: order.returnUrl },
        msMax: orderMsMax,
      }),
  }
}

export type Service = ReturnType<typeof openService>

export function troubleOf(error: unknown): Trouble {
  return error instanceof ServiceError ? error.trouble : 'unavailable'
}

interface CallOptions {
  body?: object
  key?: string
  msMax?: number
}

async function callService<T>(
  url: string,
  getToken: GetToken,
  { body, key, msMax = readMsMax }: CallOptions,
): Promise<T> {
  let refreshed = false
  for (let attempt = 1; ; attempt++) {
    const token = await tokenFrom(getToken, refreshed)
    const response = await send(url, {
      method: body ? 'POST' : 'GET',
      headers: {
        authorization: `Bearer ${token}`,
        ...(body && { 'content-type': 'application/json' }),
        ...(key && { 'idempotency-key': key }),
      },
      body: body && JSON.stringify(body),
      cache: 'no-store',
      signal: AbortSignal.timeout(msMax),
    })
    if (response.ok) return readJson<T>(response)
    if (response.status === 401 && !refreshed) {
      refreshed = true
      continue
    }
    if (!isPassing(response.status) || attempt >= attemptsMax) throw await errorOf(response)
    await pause(retryAfterMs(response, attempt))
  }
}

async function tokenFrom(getToken: GetToken, refresh: boolean): Promise<string> {
  try {
    const token = await within(tokenMsMax, getToken(refresh ? { refresh } : undefined))
    if (typeof token === 'string' && token !== '') return token
  } catch (cause) {
    throw new ServiceError('signed_out', undefined, { cause })
  }
  throw new ServiceError('signed_out')
}

async function send(url: string, request: RequestInit): Promise<Response> {
  try {
    return await fetch(url, request)
  } catch (cause) {
    throw new ServiceError(navigator.onLine ? 'unavailable' : 'offline', undefined, { cause })
  }
}

async function readJson<T>(response: Response): Promise<T> {
  try {
    return await response.json()
  } catch (cause) {
    throw new ServiceError('unavailable', undefined, { cause })
  }
}

/** Worth asking again soon: too many requests, and failures of a server or of what stands before it. */
function isPassing(status: number): boolean {
  return status === 429 || status >= 500
}

function retryAfterMs(response: Response, attempt: number): number {
  const seconds = Number(response.headers.get('retry-after') ?? Number.NaN)
  const ms = Number.isFinite(seconds) ? seconds * 1_000 : 500 * 2 ** (attempt - 1)
  return Math.min(ms, retryAfterMsMax)
}

async function errorOf(response: Response): Promise<ServiceError> {
  const problem = await response.json().catch(() => ({}))
  const code = typeof problem?.code === 'string' ? problem.code : undefined
  return new ServiceError(troubleOfStatus(response.status), code)
}

function troubleOfStatus(status: number): Trouble {
  if (status === 401) return 'signed_out'
  if (status === 403) return 'forbidden'
  if (status === 404) return 'not_found'
  return isPassing(status) ? 'unavailable' : 'refused'
}

function queryOf(query: Record<string, string | number | undefined>): URLSearchParams {
  const given = Object.entries(query).filter(([, value]) => value !== undefined)
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)]))
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

async function within<T>(ms: number, result: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no token within ${ms} ms`)), ms)
  })
  try {
    return await Promise.race([result, late])
  } finally {
    clearTimeout(timer)
  }
}
