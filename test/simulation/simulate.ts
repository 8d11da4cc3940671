import fc from 'fast-check'
import type { Tally } from './faults.ts'
import { type History, historyOf } from './history.ts'
import { takeOverTimersAndChance } from './scheduler.ts'
import { Failure, live, type WorldOptions } from './world.ts'

export interface Simulation {
  histories: number
  /** Steps a history has. */
  steps: number
  seed: number
  world?: WorldOptions
  /** Lives through this one of the histories alone, counted from 1. */
  only?: number
  /** Whether to look for the shortest history that fails; by default it is. */
  shorten?: boolean
  /** Called after each history. */
  onLived?: (lived: number) => void
}

export interface Report {
  histories: number
  steps: number
  /** Runs of the service's operations, and turns they had at the network or a timer. */
  calls: number
  turns: number
  tally: Tally
  failure?: Found
}

export interface Found {
  message: string
  /** The shortest history that could be found to fail still. */
  history: History
}

/** Lives through histories until one fails, and then looks for the shortest that does. */
export async function simulate(simulation: Simulation): Promise<Report> {
  prepare()
  const { histories, steps, seed, only, world = {}, shorten = true, onLived } = simulation
  const tally: Tally = new Map()
  const report: Report = { histories: 0, steps: 0, calls: 0, turns: 0, tally }
  const everyHistory = fc.asyncProperty(historyOf(steps), async (history) => {
    report.histories++
    report.steps += history.length
    const { calls, turns } = await live(history, { tally, ...world })
    report.calls += calls
    report.turns += turns
    onLived?.(report.histories)
  })
  // Shortened here by leaving steps out, which finds shorter ones sooner than making each number smaller.
  const runs = only ? { path: String(only - 1), numRuns: 1 } : { numRuns: histories }
  const details = await fc.check(everyHistory, { seed, ...runs, endOnFailure: true })
  const failed = details.counterexample?.[0]
  if (failed) {
    const message = String(details.errorInstance)
    report.failure = shorten ? await shortest(failed, world) : { message, history: failed }
  }
  return report
}

/** What becomes of a history: undefined where it keeps the rules. */
export async function failureOf(
  history: History,
  world: WorldOptions = {},
): Promise<string | undefined> {
  prepare()
  try {
    await live(history, world)
    return undefined
  } catch (error) {
    if (error instanceof Failure) return error.message
    throw error
  }
}

/** As text that can be kept among the found histories. */
export function printed({ message, history }: Found): string {
  return [message, ...history.map((step) => `  ${JSON.stringify(step)},`)].join('\n')
}

/** Runs spent on making a failing history shorter. */
const triesMax = 1_500

async function shortest(failed: History, world: WorldOptions): Promise<Found> {
  let history = failed
  let message = (await failureOf(history, world)) ?? 'it fails no more: something is left over'
  let tries = 0
  const failsStill = async (candidate: History) => {
    if (++tries > triesMax) return false
    const failure = await failureOf(candidate, world)
    if (failure === undefined) return false
    history = candidate
    message = failure
    return true
  }

  for (let size = Math.ceil(history.length / 2); size >= 1; ) {
    let left = false
    for (let at = 0; at < history.length; ) {
      if (await failsStill(history.toSpliced(at, size))) left = true
      else at += size
    }
    // Without one step another may have become needless too.
    if (size > 1) size = Math.ceil(size / 2)
    else if (!left) size = 0
  }
  for (const at of history.keys()) {
    for (const calmer of [
      { faultRate: 0 },
      { skewSeconds: 0 },
      { slow: false },
      { turns: 1_000 },
    ]) {
      await failsStill(history.with(at, { ...history[at]!, ...calmer }))
    }
  }
  return { message, history }
}

let isPrepared = false

/** The SDK wants a region and keys from the environment, as it finds them in Lambda. */
function prepare(): void {
  if (isPrepared) return
  isPrepared = true
  process.env.AWS_REGION ??= 'eu-west-1'
  process.env.AWS_ACCESS_KEY_ID ??= 'simulation'
  process.env.AWS_SECRET_ACCESS_KEY ??= 'simulation'
  takeOverTimersAndChance()
}
