import { isRefused, TokensError, TokensRefused } from './errors.ts'
import type { Consumes, Hold, Holds } from './holds.ts'

export interface LeaseRequest {
  workspace: string
  /** The most that is set aside at any time, and so the most that a crash can keep from others. */
  tokens: number
  /** How long a crash can keep it. 60 seconds unless told; from 5 to 900. */
  ttlSeconds?: number
  member?: string
  feature?: string
  model?: string
  /** Callers that may wait for tokens at once; more are turned away. 10,000 unless told. */
  waitingMax?: number
  /** Told of usage that was served and could not be charged, or not all of it. */
  onUncovered?: (event: { tokens: number; error?: unknown }) => void
}

export interface Lease extends AsyncDisposable {
  /**
   * Takes tokens from what the lease holds, most often without any request. Throws `TokensRefused` with
   * `insufficient_tokens` where the workspace has no more to set aside.
   */
  consume(tokens: number, options?: { signal?: AbortSignal }): Promise<void>
  /** Settles everything. Whoever still waits is turned away. */
  close(): Promise<void>
}

/** One hold of the lease's, and how much of it has been given away. */
interface Slice {
  hold: Hold
  used: number
  /** On this process's own clock; nothing is given away after it. */
  until: number
  timer: ReturnType<typeof setTimeout> | undefined
}

interface Waiter {
  tokens: number
  serve(): void
  refuse(error: unknown): void
}

/** A settle must reach the service before its hold expires: this much of a hold's life is left for that. */
const settleShare = 0.2
const settleMsMax = 5_000
/** A hold in use is followed by another one after this much of the time in which it is served from. */
const renewShare = 0.75

/** Holds tried, each smaller than the one before, where the workspace has little left. */
const holdAttemptsMax = 4

/** After a hold that nobody waited for yet was refused, the next use need not ask again at once. */
const aheadEveryMs = 1_000

/**
 * Serves uses from holds taken ahead of need. Each hold is half of the lease, and at most two are open or
 * being settled at a time: one that is served from and one that follows or goes before it. So no more than
 * the lease is ever set aside, and no more is given away than is set aside.
 */
export function openLease(
  client: Holds & Consumes,
  request: LeaseRequest,
  closed: () => void,
): Lease {
  const { workspace, ttlSeconds = 60, member, feature, model, waitingMax = 10_000 } = request
  const labels = { member, feature, model }
  const sliceTokens = Math.floor(request.tokens / 2)
  if (!(sliceTokens >= 1)) throw new RangeError('a lease needs at least 2 tokens')
  if (!(ttlSeconds >= 5)) throw new RangeError('a lease lasts at least 5 seconds')

  const slices: Slice[] = []
  const waiting: Waiter[] = []
  const settling = new Set<Promise<void>>()
  let opening: Promise<void> | undefined
  let closing: Promise<void> | undefined
  let aheadFrom = 0

  const lease: Lease = {
    async consume(tokens, { signal } = {}) {
      if (!Number.isSafeInteger(tokens) || tokens < 1) {
        throw new RangeError('tokens must be a whole number from 1')
      }
      signal?.throwIfAborted()
      if (closing) throw new TokensError('the lease is closed')
      // Two holds cannot promise what one of them alone may never have left.
      if (tokens > sliceTokens) {
        await client.consume({ workspace, tokens, ...labels }, { signal })
        return
      }
      if (waiting.length > 0 || !take(tokens)) await turn(tokens, signal)
      renewAheadOfNeed()
    },

    close() {
      closing ??= closeAll().finally(closed)
      return closing
    },

    [Symbol.asyncDispose]: () => lease.close(),
  }
  return lease

  function turn(tokens: number, signal: AbortSignal | undefined): Promise<void> {
    if (waiting.length >= waitingMax) {
      return Promise.reject(new TokensError(`${waitingMax} callers wait for this lease already`))
    }
    return new Promise((resolve, reject) => {
      const leave = () => signal?.removeEventListener('abort', giveUp)
      const waiter: Waiter = {
        tokens,
        serve: () => {
          leave()
          resolve()
        },
        refuse: (error) => {
          leave()
          reject(error)
        },
      }
      const giveUp = () => {
        waiting.splice(waiting.indexOf(waiter), 1)
        reject(signal?.reason)
        serveWaiting()
      }
      signal?.addEventListener('abort', giveUp, { once: true })
      waiting.push(waiter)
      open()
    })
  }

  function available(): number {
    const now = performance.now()
    return slices.reduce(
      (sum, { hold, used, until }) => sum + (until > now ? hold.tokens - used : 0),
      0,
    )
  }

  /** From the oldest first, all or nothing. */
  function take(tokens: number): boolean {
    if (available() < tokens) return false
    const now = performance.now()
    let missing = tokens
    for (const slice of [...slices]) {
      if (slice.until <= now) continue
      const part = Math.min(missing, slice.hold.tokens - slice.used)
      slice.used += part
      missing -= part
      if (slice.used === slice.hold.tokens) retire(slice)
      if (missing === 0) return true
    }
    return true
  }

  function serveWaiting(): void {
    while (waiting[0] && take(waiting[0].tokens)) waiting.shift()?.serve()
    if (waiting.length > 0) open()
  }

  function renewAheadOfNeed(): void {
    if (slices.length < 2 && available() <= sliceTokens / 2 && performance.now() >= aheadFrom)
      open()
  }

  /** Takes the next hold, unless that is under way or there would be too many. */
  function open(): void {
    if (closing || opening) return
    // Two small rests that nobody waiting can do with: the older one makes room, and goes on once it is settled.
    if (slices.length === 2 && waiting.length > 0) retire(slices[0]!)
    if (slices.length + settling.size >= 2) return
    opening = openSlice().finally(() => {
      opening = undefined
      if (!closing) serveWaiting()
    })
  }

  async function openSlice(): Promise<void> {
    let tokens = sliceTokens
    for (let attempt = 1; ; attempt++) {
      const start = performance.now()
      try {
        const hold = await client.hold({ workspace, tokens, ttlSeconds, ...labels })
        begin(hold, start)
        return
      } catch (error) {
        if (!isRefused(error, 'insufficient_tokens') || attempt === holdAttemptsMax) {
          return refuseAll(error)
        }
        const returning = [...settling]
        await Promise.all(returning)
        const { remaining } = error.problem.meter
        if (returning.length === 0) {
          refuseAll(error, available() + remaining)
          if (remaining === 0) return
        }
        tokens = Math.min(sliceTokens, remaining || sliceTokens)
      }
    }
  }

  function begin(hold: Hold, start: number): void {
    const lastsMs = lifetimeMs(hold, ttlSeconds)
    const untilMs = lastsMs - Math.min(settleMsMax, lastsMs * settleShare)
    const slice: Slice = { hold, used: 0, until: start + untilMs, timer: undefined }
    slices.push(slice)
    // A lease in use opens the next hold before this one ends; an idle one lets it go.
    wait(slice, start + untilMs * renewShare, () => {
      if (slice.used > 0) open()
      wait(slice, slice.until, () => retire(slice))
    })
  }

  function wait(slice: Slice, at: number, act: () => void): void {
    slice.timer = setTimeout(act, Math.max(0, at - performance.now()))
    ;(slice.timer as { unref?: () => void }).unref?.()
  }

  /** Nothing more is given away from it; what was is paid for, in the background. */
  function retire(slice: Slice): void {
    const at = slices.indexOf(slice)
    if (at < 0) return
    slices.splice(at, 1)
    clearTimeout(slice.timer)
    const settled = settle(slice).finally(() => {
      settling.delete(settled)
      if (!closing) serveWaiting()
    })
    settling.add(settled)
  }

  async function settle({ hold, used }: Slice): Promise<void> {
    try {
      if (used === 0) return await hold.release()
      const result = await hold.settle(used)
      if (!result.unreported && result.uncovered > 0) {
        request.onUncovered?.({ tokens: result.uncovered })
      }
    } catch (error) {
      if (used > 0) request.onUncovered?.({ tokens: used, error })
    }
  }

  /** Turns away whoever waits for more than `within`; without it, everyone. */
  function refuseAll(error: unknown, within = 0): void {
    aheadFrom = performance.now() + aheadEveryMs
    const insufficient = isRefused(error, 'insufficient_tokens')
    for (const waiter of waiting.filter(({ tokens }) => tokens > within)) {
      waiting.splice(waiting.indexOf(waiter), 1)
      waiter.refuse(insufficient ? refusedFor(waiter.tokens, error) : error)
    }
  }

  async function closeAll(): Promise<void> {
    // `closing` is set once this has returned its promise, so everything it does comes after that.
    await Promise.resolve()
    refuseAll(new TokensError('the lease is closed'))
    await opening
    for (const slice of [...slices]) retire(slice)
    await Promise.all(settling)
  }
}

/** The refusal of the hold, as the one of the use that it was wanted for. */
function refusedFor(
  tokens: number,
  { problem, key }: TokensRefused<'insufficient_tokens'>,
): TokensRefused<'insufficient_tokens'> {
  return new TokensRefused<'insufficient_tokens'>({ ...problem, requested: tokens }, key)
}

/** How long a hold is good for: to its expiry, or to the month's reset, which ends every hold. */
function lifetimeMs({ expiresAt, meter }: Hold, ttlSeconds: number): number {
  const ttlMs = ttlSeconds * 1_000
  if (!expiresAt || !meter) return ttlMs
  const openedAt = Date.parse(expiresAt) - ttlMs
  return Math.max(0, Math.min(ttlMs, Date.parse(meter.resetsAt) - openedAt))
}
