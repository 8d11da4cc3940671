import { TokensRefused } from './errors.ts'

/** How usage that the service could not be told of is dealt with. */
export interface BacklogOptions {
  /** The most usage kept in memory; 1,000,000 tokens and 1,000 calls unless told. */
  unreportedMax?: { tokens: number; calls: number }
  /** Told whenever the service misses some usage, and when it has been told of it after all. */
  onUnreported?: (event: UnreportedEvent) => void
}

export interface UnreportedEvent {
  /** `refused`: the service wants no such report, and it is forgotten. `error` says why. */
  type: 'kept' | 'reported' | 'refused'
  workspace: string
  tokens: number
  /** What is still to be reported after this. */
  left: { calls: number; tokens: number }
  error?: TokensRefused
}

/** One piece of usage, and how the service is told of it: under one key, however often that takes. */
export interface Usage {
  workspace: string
  tokens: number
  report(): Promise<unknown>
}

export interface Backlog {
  /** Whether the service missed something and has not been heard of since. */
  readonly down: boolean
  readonly left: { calls: number; tokens: number }
  /** Makes room for usage that may follow; false where there is none. `keep` with `reserved` fills it. */
  reserve(tokens: number): boolean
  unreserve(tokens: number): void
  /** Keeps usage until it can be reported; false where there is no room. */
  keep(usage: Usage, room?: { bounded: boolean }): boolean
  /** Reports what it can, oldest first, and stops where the service does not answer. */
  drain(): Promise<void>
}

const waitBaseMs = 1_000
const waitMaxMs = 30_000

/**
 * Usage in memory, waiting to be reported. It tries by itself, less often the longer the service is away. What
 * it holds is lost with the process: that is what its bound is for.
 */
export function openBacklog({
  unreportedMax = { tokens: 1_000_000, calls: 1_000 },
  onUnreported = () => {},
}: BacklogOptions): Backlog {
  const waiting: Usage[] = []
  let tokens = 0
  let reserved = { calls: 0, tokens: 0 }
  let waits = 0
  let timer: ReturnType<typeof setTimeout> | undefined
  let draining: Promise<void> | undefined

  const left = () => ({ calls: waiting.length, tokens })
  const tell = (type: UnreportedEvent['type'], usage: Usage, error?: TokensRefused) =>
    onUnreported({
      type,
      workspace: usage.workspace,
      tokens: usage.tokens,
      left: left(),
      ...(error && { error }),
    })

  function hasRoom(more: number): boolean {
    return (
      waiting.length + reserved.calls < unreportedMax.calls &&
      tokens + reserved.tokens + more <= unreportedMax.tokens
    )
  }

  function tryAgainLater() {
    if (timer || waiting.length === 0) return
    const ms = Math.min(waitMaxMs, waitBaseMs * 2 ** waits++) * (0.5 + Math.random() / 2)
    timer = setTimeout(() => {
      timer = undefined
      void backlog.drain()
    }, ms)
    // Waiting to report keeps no process alive; whoever shuts down drains first.
    ;(timer as { unref?: () => void }).unref?.()
  }

  async function reportAll(): Promise<void> {
    for (let usage = waiting[0]; usage; usage = waiting[0]) {
      let refusal: TokensRefused | undefined
      try {
        await usage.report()
      } catch (error) {
        if (!(error instanceof TokensRefused)) return tryAgainLater()
        refusal = error
      }
      waits = 0
      waiting.shift()
      tokens -= usage.tokens
      tell(refusal ? 'refused' : 'reported', usage, refusal)
    }
  }

  const backlog: Backlog = {
    get down() {
      return waiting.length > 0
    },
    get left() {
      return left()
    },
    reserve(more) {
      if (!hasRoom(more)) return false
      reserved = { calls: reserved.calls + 1, tokens: reserved.tokens + more }
      return true
    },
    unreserve(less) {
      reserved = { calls: reserved.calls - 1, tokens: reserved.tokens - less }
    },
    keep(usage, { bounded } = { bounded: true }) {
      if (bounded ? !hasRoom(usage.tokens) : waiting.length >= unreportedMax.calls) return false
      waiting.push(usage)
      tokens += usage.tokens
      tell('kept', usage)
      tryAgainLater()
      return true
    },
    drain() {
      draining ??= reportAll().finally(() => {
        draining = undefined
      })
      return draining
    },
  }
  return backlog
}
