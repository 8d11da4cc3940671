import { isRefused, TokensError } from './errors.ts'
import type { Hold, Holds } from './holds.ts'

export interface WorkRequest {
  workspace: string
  /** Tokens set aside before the work begins: the most it is likely to use. */
  estimate: number
  /** With fewer left than the estimate, as many as there are will do, down to these; `hold.tokens` says how many. */
  atLeast?: number
  /** How long they stay set aside if this process dies. 300 seconds unless told; at most 900. */
  ttlSeconds?: number
  member?: string
  feature?: string
  model?: string
  signal?: AbortSignal
  /**
   * For work that may be begun again under it, after a crash or from a queue. Each try that ended is followed by
   * another one with a hold of its own, and while one is at work another is refused with `hold_taken`.
   */
  key?: string
  /** Told of work that used more than could be charged. */
  onUncovered?: (event: Uncovered) => void
}

export interface Uncovered {
  workspace: string
  holdId?: string
  used: number
  charged: number
  /** What is missing: used, and paid by nobody. */
  uncovered: number
}

/** Work under way. */
export interface Work {
  hold: Hold
  /** The request's own, to hand on to whatever does the work. */
  signal: AbortSignal | undefined
  /** Says how many tokens the work has used in all so far. What is no number is left out, with a warning. */
  used(tokens: number): void
}

/**
 * Sets the estimate aside, does the work, and pays for what `used` said in the end. Work that says nothing is
 * paid for as estimated. Work that fails or is aborted is paid for as far as it has said, and where it said
 * nothing all tokens go back. Work that outlasts the hold keeps extending it.
 *
 * Throws what the work throws; `TokensRefused` and `TokensUnavailable` before it has begun, and nothing of its
 * own after it: what could not be settled is kept, and told through `onUnreported`.
 */
export async function withTokens<Result>(
  client: Holds,
  request: WorkRequest,
  work: (work: Work) => Promise<Result>,
): Promise<Result> {
  const held = await holdFor(client, request, () => true)
  const { hold } = held
  let usedTokens: number | undefined
  let warned = false
  const used = (tokens: number) => {
    if (Number.isFinite(tokens) && tokens >= 0) {
      usedTokens = Math.max(usedTokens ?? 0, Math.ceil(tokens))
    } else if (!warned) {
      warned = true
      console.warn(
        `used() was told ${String(tokens)}, which is no number of tokens: it is left out`,
      )
    }
  }
  let result: Result
  try {
    result = await work({ hold, signal: request.signal, used })
  } catch (error) {
    await soon(held.close(usedTokens ?? 0))
    throw error
  }
  await soon(held.close(usedTokens ?? hold.tokens))
  return result
}

/** Tokens set aside for work that is under way. */
export interface Held {
  hold: Hold
  ttlMs: number
  /** It was closed, by `close` or because nobody waited for the work any more. */
  readonly closed: boolean
  /** Settles, or returns everything where it is 0. Only the first call counts; it never throws. */
  close(tokens: number): Promise<Closing>
}

/** What became of a settle; without `charged` where the service has yet to be told, or would not hear of it. */
export type Closing = { used: number; charged?: number; uncovered?: number }

/** Tries under one key: more is a program that goes round in circles. */
const triesMax = 100

/**
 * Opens the hold of work that begins now. It lives as long as `isWaitedFor` says so, and then not much longer.
 * Throws the signal's reason as soon as it is aborted; a hold that was on its way then goes back when it is known.
 */
export async function holdFor(
  client: Holds,
  {
    workspace,
    estimate,
    atLeast,
    ttlSeconds = 300,
    signal,
    key,
    onUncovered,
    ...labels
  }: WorkRequest,
  isWaitedFor: () => boolean,
): Promise<Held> {
  const { member, feature, model } = labels
  const tokens = Math.ceil(estimate)
  const request = {
    workspace,
    tokens,
    // Fewer are enough only if they are fewer.
    ...(atLeast !== undefined && { atLeast: Math.min(tokens, Math.max(1, Math.ceil(atLeast))) }),
    ttlSeconds,
    member,
    feature,
    model,
    ...(key !== undefined && { holder: crypto.randomUUID() }),
  }
  for (let number = 1; number <= triesMax; number++) {
    signal?.throwIfAborted()
    const keyOfTry = key === undefined || number === 1 ? key : `${key}~${number}`
    const hold = await unlessAborted(client.hold(request, { key: keyOfTry }), signal)
    if (hold.closed) continue
    return heldBy(hold, ttlSeconds, isWaitedFor, onUncovered)
  }
  throw new TokensError(`the work was tried ${triesMax} times under one key`, { key })
}

function heldBy(
  hold: Hold,
  ttlSeconds: number,
  isWaitedFor: () => boolean,
  onUncovered: WorkRequest['onUncovered'],
): Held {
  const stopExtending = keepOpen(hold, ttlSeconds, isWaitedFor)
  let closing: Promise<Closing> | undefined
  return {
    hold,
    ttlMs: ttlSeconds * 1_000,
    get closed() {
      return closing !== undefined
    },
    close(tokens) {
      stopExtending()
      closing ??= closed(hold, tokens, onUncovered)
      return closing
    },
  }
}

async function closed(
  hold: Hold,
  used: number,
  onUncovered: WorkRequest['onUncovered'],
): Promise<Closing> {
  try {
    if (used === 0) {
      await hold.release()
      return { used, charged: 0, uncovered: 0 }
    }
    const answer = await hold.settle(used)
    if (answer.unreported) return { used }
    const { charged, uncovered } = answer
    if (uncovered > 0) {
      const { workspace, holdId } = hold
      harmless(() => onUncovered?.({ workspace, holdId, used, charged, uncovered }))
    }
    return { used, charged, uncovered }
  } catch {
    // What is worth trying again is kept and told of by the client; a hold that nobody returned expires.
    return { used }
  }
}

/** Whoever has the answer already need not wait long for the books; they go on by themselves. */
const soonMs = 2_000

export function soon(work: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, soonMs)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    work.then(done, done)
  })
}

/** What a caller's own function throws is not our caller's to hear. */
export function harmless(tell: () => unknown): void {
  try {
    tell()
  } catch (error) {
    console.warn(error)
  }
}

function unlessAborted(opening: Promise<Hold>, signal: AbortSignal | undefined): Promise<Hold> {
  if (!signal) return opening
  return new Promise((resolve, reject) => {
    const giveUp = () => {
      reject(signal.reason)
      opening.then((hold) => (hold.closed ? undefined : hold.release())).catch(() => {})
    }
    signal.addEventListener('abort', giveUp, { once: true })
    const leave = () => signal.removeEventListener('abort', giveUp)
    opening.then(resolve, reject).finally(leave)
  })
}

/** Extends a hold whenever half its time is over and somebody still waits for the work, until told to stop. */
function keepOpen(hold: Hold, ttlSeconds: number, isWaitedFor: () => boolean): () => void {
  const ttlMs = ttlSeconds * 1_000
  let until = performance.now() + ttlMs
  const look = () => {
    const now = performance.now()
    if (until - now > ttlMs / 2 || !isWaitedFor()) return
    until = now + ttlMs
    hold.extend(ttlSeconds).catch((error) => {
      if (isRefused(error)) clearInterval(timer)
      // Not extended: the next look tries again.
      else until = now + ttlMs / 2
    })
  }
  const timer = setInterval(look, ttlMs / 8)
  ;(timer as { unref?: () => void }).unref?.()
  return () => clearInterval(timer)
}
