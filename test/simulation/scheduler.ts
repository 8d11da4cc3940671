import { AsyncLocalStorage } from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'
import timersPromises from 'node:timers/promises'
import type { Faults } from './faults.ts'

/** An operation under way. What it asks of the network, and its timers, wait their turn at the scheduler. */
export interface Actor {
  scheduler: Scheduler
  faults: Faults
  /** How likely it is picked, beside 1 for most: a slow one is overtaken by whole others between two awaits. */
  pace: number
  /** Stripe refuses to say anything of this one object. */
  refusedObject?: string
  /** The process that ran it is gone: nothing of it goes on, and nobody hears an answer. */
  crashed: boolean
}

/** What a turn may come to instead of an answer: none, ever. */
export const silence = Symbol('silence')

interface Task {
  /** Nobody's: what is still on its way through the network, and slow. */
  actor?: Actor
  run: () => unknown
}

/** Slow enough for everything of a few other operations to come between. */
export const slowPace = 0.03

/**
 * Decides what happens next. Between two awaits an operation runs by itself; at each await on the network or
 * on a timer it waits here until it is picked. Whoever picks decides how operations interleave, and the same
 * picks give the same history again.
 */
export class Scheduler {
  readonly #waiting: Task[] = []

  get isIdle(): boolean {
    return this.#waiting.length === 0
  }

  /** Starts an operation and lets it come to its first await. */
  async start(actor: Actor, operation: () => Promise<void>): Promise<void> {
    void actors.run(actor, operation)
    await everythingWaits()
  }

  /** Waits for a turn of `actor`'s, and answers with what `run` came to: never, if that is `silence`. */
  turn<T>(actor: Actor, run: () => Promise<T | typeof silence>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const answer = async () => {
        try {
          const result = await run()
          if (result !== silence) resolve(result)
        } catch (error) {
          reject(error)
        }
      }
      this.add({ actor, run: answer })
    })
  }

  /** Lets something happen at some time. Nothing of a crashed operation does. */
  add(task: Task): Task {
    if (!task.actor?.crashed) this.#waiting.push(task)
    return task
  }

  forget(task: Task): void {
    const place = this.#waiting.indexOf(task)
    if (place >= 0) this.#waiting.splice(place, 1)
  }

  /** Ends the process that runs an operation. What it has already sent to the network stays sent. */
  crash(actor: Actor): void {
    actor.crashed = true
    for (const task of this.#waiting.filter((one) => one.actor === actor)) this.forget(task)
  }

  /** Runs one of the waiting tasks, chosen by a number from 0 up to 1. */
  async pick(chance: number): Promise<void> {
    const reached = chance * this.#waiting.reduce((sum, task) => sum + paceOf(task), 0)
    let passed = 0
    const task = this.#waiting.find((one) => {
      passed += paceOf(one)
      return passed > reached
    })
    if (!task) return
    this.forget(task)
    await task.run()
    await everythingWaits()
  }
}

function paceOf({ actor }: Task): number {
  return actor?.pace ?? slowPace
}

const actors = new AsyncLocalStorage<Actor>()

/** Whose code is running; undefined for the simulator's own. */
export function currentActor(): Actor | undefined {
  return actors.getStore()
}

/** Nothing under simulation does real input or output, so code that is not at a wait by now never comes to one. */
function everythingWaits(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** A timer of an operation's, as far as anybody looks at one. */
class Turn {
  readonly task: Task

  constructor(actor: Actor, callback: () => void) {
    this.task = actor.scheduler.add({ actor, run: () => actors.run(actor, callback) })
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }
}

/**
 * Takes timers and chance away from operations under simulation, and from nobody else: each wait of theirs is
 * a turn at the scheduler, so a back-off costs no time, and their jitter repeats with the history.
 */
export function takeOverTimersAndChance(): void {
  const { setTimeout: startTimer, clearTimeout: stopTimer } = globalThis
  const { setTimeout: sleep } = timersPromises
  const { random } = Math

  globalThis.setTimeout = ((
    callback: (...given: unknown[]) => void,
    ms: number,
    ...given: unknown[]
  ) => {
    const actor = currentActor()
    return actor ? new Turn(actor, () => callback(...given)) : startTimer(callback, ms, ...given)
  }) as typeof setTimeout
  globalThis.clearTimeout = ((timer: unknown) => {
    if (timer instanceof Turn) currentActor()?.scheduler.forget(timer.task)
    else stopTimer(timer as NodeJS.Timeout)
  }) as typeof clearTimeout
  timersPromises.setTimeout = ((ms: number, ...rest: unknown[]) => {
    const actor = currentActor()
    return actor
      ? new Promise<void>((resolve) => new Turn(actor, resolve))
      : sleep(ms, ...(rest as []))
  }) as typeof sleep
  syncBuiltinESMExports()
  Math.random = () => currentActor()?.faults.chance() ?? random()
}
