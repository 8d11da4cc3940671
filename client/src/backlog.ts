import { isOutage, isRefused, type RefusalCode, TokensError, TokensUnavailable } from './errors.ts'

/** How usage that the service could not be told of is dealt with. */
export interface BacklogOptions {
  /** The most usage kept in memory, of all workspaces; 1,000,000 tokens and 1,000 calls unless told. */
  unreportedMax?: { tokens: number; calls: number }
  /** Told whenever the service misses some usage, and when it has been told of it after all. */
  onUnreported?: (event: UnreportedEvent) => void
}

export interface UnreportedEvent {
  /**
   * `refused`: the service wants no such report, and it is forgotten. `lost`: the work was done and there was
   * no room to keep what it used. `error` says why.
   */
  type: 'kept' | 'reported' | 'refused' | 'lost'
  workspace: string
  tokens: number
  /** What is still to be reported after this. */
  left: { calls: number; tokens: number }
  error?: TokensError
}

/** One piece of usage, and how the service is told of it: under one key, however often that takes. */
export interface Usage {
  workspace: string
  tokens: number
  report(options: { retries?: number }): Promise<unknown>
}

export interface Backlog {
  readonly left: { calls: number; tokens: number }
  /** Whether usage of this workspace is here because of an outage, and no report of it was answered since. */
  isAway(workspace: string): boolean
  /** Makes room for usage that may follow; false where there is none. `unreserve` gives it back. */
  reserve(tokens: number): boolean
  unreserve(tokens: number): void
  /** Keeps usage of work that is let through in an outage, until it can be reported; false where there is no room. */
  keep(usage: Usage): boolean
  /**
   * Keeps usage of work that has been done: whatever its amount, as long as there is room for a call. Throws
   * the error that its report failed with where that is final, and `TokensUnavailable` where there is no room.
   */
  keepDone(usage: Usage, why: Why): void
  /** Reports what it can, each workspace's oldest first, and stops where nothing answers. */
  drain(): Promise<void>
}

/** Why work that has been done is not reported yet. */
export interface Why {
  /** What came of its report. */
  error?: unknown
  /** Whether it is an outage; as `error` tells, unless told. */
  away?: boolean
  /** Nobody could wait for the report, and nothing speaks against making it now. */
  atOnce?: boolean
}

/** What is kept of one workspace, in order. */
interface Lane {
  workspace: string
  waiting: Usage[]
  away: boolean
  /** Attempts since a report went through. */
  failures: number
  timer?: ReturnType<typeof setTimeout> | undefined
  reporting?: Promise<void> | undefined
}

const waitBaseMs = 1_000
const waitMaxMs = 30_000
/** Workspaces that are reported at a time, so that the end of an outage is no rush. */
const lanesMax = 8

/**
 * What the service says of the report itself, and would say again. Anything else may pass: a token or a right
 * that is mended, a service that comes back.
 */
const finalCodes = [
  'invalid_request',
  'workspace_not_found',
  'hold_not_found',
  'hold_closed',
  'body_too_large',
  'idempotency_key_reused',
] satisfies RefusalCode[]

/**
 * Usage in memory, waiting to be reported. It tries by itself, less often the longer that fails, and each
 * workspace on its own, so that none waits for another's trouble. What it holds is lost with the process: that
 * is what its bound is for.
 */
export function openBacklog({
  unreportedMax = { tokens: 1_000_000, calls: 1_000 },
  onUnreported = () => {},
}: BacklogOptions): Backlog {
  const lanes = new Map<string, Lane>()
  const left = { calls: 0, tokens: 0 }
  const reserved = { calls: 0, tokens: 0 }
  const inTurn = openTurns(lanesMax)

  /** What its listener does with it is the listener's affair. */
  async function tell(type: UnreportedEvent['type'], usage: Usage, error?: TokensError) {
    const { workspace, tokens } = usage
    try {
      await onUnreported({ type, workspace, tokens, left: { ...left }, ...(error && { error }) })
    } catch {}
  }

  const hasRoomForCall = () => left.calls + reserved.calls < unreportedMax.calls
  const hasRoom = (tokens: number) =>
    Number.isSafeInteger(tokens) &&
    tokens >= 0 &&
    left.tokens + reserved.tokens + tokens <= unreportedMax.tokens &&
    hasRoomForCall()

  function add(usage: Usage, { away, atOnce }: { away: boolean; atOnce: boolean }) {
    const { workspace } = usage
    const lane = lanes.get(workspace) ?? { workspace, waiting: [], away: false, failures: 0 }
    lanes.set(workspace, lane)
    lane.waiting.push(usage)
    lane.away ||= away
    left.calls++
    left.tokens += sizeOf(usage)
    void tell('kept', usage)
    tryAgainLater(lane, atOnce ? 0 : undefined)
  }

  function tryAgainLater(lane: Lane, ms = waitMs(lane.failures)) {
    if (lane.timer || lane.reporting) return
    lane.timer = setTimeout(() => {
      lane.timer = undefined
      // Waiting here, it needs no more attempts than one, and leaves them to the calls that are made meanwhile.
      void report(lane, { retries: 0 })
    }, ms)
    // Waiting to report keeps no process alive; whoever shuts down drains first.
    ;(lane.timer as { unref?: () => void }).unref?.()
  }

  function report(lane: Lane, options: { retries?: number }): Promise<void> {
    lane.reporting ??= inTurn(() => reportAll(lane, options)).finally(() => {
      lane.reporting = undefined
      if (lane.waiting.length > 0) tryAgainLater(lane)
      else lanes.delete(lane.workspace)
    })
    return lane.reporting
  }

  async function reportAll(lane: Lane, options: { retries?: number }): Promise<void> {
    for (let usage = lane.waiting[0]; usage; usage = lane.waiting[0]) {
      let refusal: TokensError | undefined
      try {
        await usage.report(options)
      } catch (error) {
        if (!isRefused(error, ...finalCodes)) {
          lane.away = isOutage(error)
          lane.failures++
          return
        }
        refusal = error
      }
      lane.away = false
      lane.failures = 0
      lane.waiting.shift()
      left.calls--
      left.tokens -= sizeOf(usage)
      void tell(refusal ? 'refused' : 'reported', usage, refusal)
    }
  }

  return {
    get left() {
      return { ...left }
    },
    isAway: (workspace) => lanes.get(workspace)?.away ?? false,
    reserve(tokens) {
      if (!hasRoom(tokens)) return false
      reserved.calls++
      reserved.tokens += tokens
      return true
    },
    unreserve(tokens) {
      reserved.calls--
      reserved.tokens -= tokens
    },
    keep(usage) {
      if (!hasRoom(usage.tokens)) return false
      add(usage, { away: true, atOnce: false })
      return true
    },
    keepDone(usage, { error, away = isOutage(error), atOnce = false }) {
      if (isRefused(error, ...finalCodes)) {
        void tell('refused', usage, error)
        throw error
      }
      if (hasRoomForCall()) return add(usage, { away, atOnce })
      const lost = unavailableOf(error)
      void tell('lost', usage, lost)
      throw lost
    },
    async drain() {
      const rest = [...lanes.values()]
      let silent = 0
      const reportInTurn = async () => {
        for (let lane = rest.shift(); lane; lane = rest.shift()) {
          // What is under way may be an attempt that gives up sooner.
          await lane.reporting
          // One workspace's silence is its own; that of many one after the other is the service's.
          if (silent >= lanesMax) return
          if (lane.waiting.length > 0) await report(lane, {})
          silent = lane.away ? silent + 1 : 0
        }
      }
      await Promise.all(Array.from({ length: lanesMax }, reportInTurn))
    },
  }
}

/** What it counts for. Work that is done is kept with whatever number it gives; the service will refuse a wrong one. */
function sizeOf({ tokens }: Usage): number {
  return Number.isFinite(tokens) ? Math.max(0, Math.ceil(tokens)) : 0
}

function waitMs(failures: number): number {
  return Math.min(waitMaxMs, waitBaseMs * 2 ** failures) * (0.5 + Math.random() / 2)
}

function unavailableOf(error: unknown): TokensUnavailable {
  if (error instanceof TokensUnavailable) return error
  const { status, requestId, key } = error instanceof TokensError ? error : {}
  return new TokensUnavailable(1, undefined, { status, requestId, key, cause: error })
}

/** Lets a number of things be done at a time; the others wait their turn. */
function openTurns(max: number) {
  let free = max
  const queue: (() => void)[] = []
  return async (work: () => Promise<void>): Promise<void> => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => queue.push(resolve))
    try {
      await work()
    } finally {
      const next = queue.shift()
      if (next) next()
      else free++
    }
  }
}
