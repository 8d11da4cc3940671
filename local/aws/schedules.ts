import type { FunctionError, LambdaHost } from './lambda-host.ts'
import type { Schedule } from './template.ts'

/** What one run of a schedule did: the event its function was given, and what came back. */
export interface Run {
  event: unknown
  result?: unknown
  error?: FunctionError
}

export interface Schedules {
  /** Runs what is due at 00:00 UTC on the 1st, for the month the clock is in, to the end. */
  runMonthly(): Promise<Run[]>
  /** Runs now what is due every few minutes. */
  runRecurring(): Promise<Run[]>
  stop(): void
}

/**
 * Stands in for EventBridge Scheduler. What recurs every few minutes runs by itself, in real time. What is
 * due on the 1st runs when asked: the clock is moved by hand here, and nothing in the service waits for it.
 */
export function startSchedules(options: {
  schedules: readonly Schedule[]
  functions: Pick<LambdaHost, 'invoke' | 'idle'>
  now: () => Date
}): Schedules {
  const { schedules, functions, now } = options

  const run = async (due: readonly Schedule[], time: Date): Promise<Run[]> => {
    const runs = await Promise.all(
      due.map(async (schedule): Promise<Run> => {
        const event = eventOf(schedule, time)
        const outcome = await functions.invoke(schedule.function, event)
        return outcome.error ? { event, error: outcome.error } : { event, result: outcome.payload }
      }),
    )
    // A function that ran out of time has started itself anew to go on.
    for (const name of new Set(due.map((each) => each.function))) await functions.idle(name)
    return runs
  }

  const recurring = schedules.filter((schedule) => everyMs(schedule) !== undefined)
  const timers = recurring.map((schedule) =>
    setInterval(() => run([schedule], now()), everyMs(schedule)),
  )
  return {
    runMonthly: () =>
      run(
        schedules.filter(({ expression }) => expression.startsWith('cron(0 0 1 ')),
        startOfMonth(now()),
      ),
    runRecurring: () => run(recurring, now()),
    stop: () => timers.forEach(clearInterval),
  }
}

function eventOf({ input }: Schedule, time: Date): unknown {
  const scheduledTime = time.toISOString().replace(/\.\d+Z$/, 'Z')
  return JSON.parse(input.replaceAll('<aws.scheduler.scheduled-time>', scheduledTime))
}

function everyMs({ expression }: Schedule): number | undefined {
  const minutes = /^rate\((\d+) minutes?\)$/.exec(expression)?.[1]
  return minutes === undefined ? undefined : Number(minutes) * 60_000
}

function startOfMonth(moment: Date): Date {
  return new Date(Date.UTC(moment.getUTCFullYear(), moment.getUTCMonth(), 1))
}
