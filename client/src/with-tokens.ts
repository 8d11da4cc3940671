import { isRefused } from './errors.ts'
import type { Client, Hold } from './server.ts'

export interface WorkRequest {
  workspace: string
  /** Tokens set aside before the work begins: the most it is likely to use. */
  estimate: number
  /** How long they stay set aside if this process dies. 300 seconds unless told; at most 900. */
  ttlSeconds?: number
  member?: string
  feature?: string
  model?: string
  signal?: AbortSignal
  /** The Idempotency-Key of the hold. */
  key?: string
}

/** Work under way. */
export interface Work {
  hold: Hold
  /** The request's own, to hand on to whatever does the work. */
  signal: AbortSignal | undefined
  /** Says how many tokens the work has used in all so far. */
  used(tokens: number): void
}

/**
 * Sets the estimate aside, does the work, and pays for what `used` said in the end. Work that says nothing is
 * paid for as estimated. Work that fails or is aborted is paid for as far as it has said, and where it said
 * nothing all tokens go back. Work that outlasts the hold keeps extending it.
 *
 * Throws what the work throws; `TokensRefused` and `TokensUnavailable` before it has begun.
 */
export async function withTokens<Result>(
  client: Pick<Client, 'hold'>,
  request: WorkRequest,
  work: (work: Work) => Promise<Result>,
): Promise<Result> {
  const started = await startWork(client, request)
  let result: Result
  try {
    result = await work(started)
  } catch (error) {
    await started.failed()
    throw error
  }
  await started.finished()
  return result
}

export interface StartedWork extends Work {
  /** Settles. Only the first of these calls counts. */
  finished(): Promise<void>
  /** Settles what was observed, or releases. It does not throw: there is another failure to tell of. */
  failed(): Promise<void>
}

/** The parts of `withTokens`, for work that goes on after a function has returned, as streams do. */
export async function startWork(
  client: Pick<Client, 'hold'>,
  { workspace, estimate, ttlSeconds = 300, signal, key, ...labels }: WorkRequest,
): Promise<StartedWork> {
  const { member, feature, model } = labels
  const hold = await client.hold(
    { workspace, tokens: estimate, ttlSeconds, member, feature, model },
    { signal, key },
  )
  const stopExtending = keepOpen(hold, ttlSeconds)
  let usedTokens: number | undefined
  let over = false

  /** Whether this is the first to end it. */
  const end = () => {
    if (over) return false
    over = true
    stopExtending()
    return true
  }
  return {
    hold,
    signal,
    used(tokens) {
      usedTokens = Math.max(usedTokens ?? 0, Math.ceil(tokens))
    },
    async finished() {
      if (end()) await hold.settle(usedTokens ?? hold.tokens)
    },
    async failed() {
      if (!end()) return
      const closed = usedTokens ? hold.settle(usedTokens) : hold.release()
      // A hold that could not be closed expires by itself.
      await closed.catch(() => {})
    },
  }
}

/** Work that takes longer than this has been forgotten, and its hold may expire. */
const workMsMax = 3_600_000

/** Extends a hold at half its time, again and again, until told to stop. */
function keepOpen(hold: Hold, ttlSeconds: number): () => void {
  const start = performance.now()
  const timer = setInterval(
    () => {
      if (performance.now() - start > workMsMax) return clearInterval(timer)
      hold.extend(ttlSeconds).catch((error) => {
        if (isRefused(error)) clearInterval(timer)
      })
    },
    (ttlSeconds * 1_000) / 2,
  )
  ;(timer as { unref?: () => void }).unref?.()
  return () => clearInterval(timer)
}
