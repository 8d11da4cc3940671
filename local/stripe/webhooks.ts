import { setTimeout as sleep } from 'node:timers/promises'
import Stripe from 'stripe'

/**
 * Stripe tries for three days; on one machine a receiver that is down for half a minute is being restarted or
 * is being tested, and 8 attempts after 0.2, 0.4, 0.8 … 12.8 s cover both.
 */
const attemptsMax = 8
const firstRetryMs = 200
const attemptTimeoutMs = 20_000
const concurrentMax = 8

export const webhookModes = ['deliver', 'drop', 'hold'] as const
export type WebhookMode = (typeof webhookModes)[number]

/** An event still to be delivered. */
export interface Delivery {
  event: string
  attempts: number
}

export interface WebhooksOptions {
  url: string
  secret: string
  now: () => Date
  eventOf: (id: string) => Stripe.Event | undefined
  /** Called when an attempt changed what is still to be delivered. */
  onChange: () => void
  log: (line: string) => void
  saved?: readonly Delivery[]
}

/**
 * Delivers events in the background, signed, at least once and in no promised order. Waits in real time and
 * signs with the local clock, because the receiver checks the signature's age by that clock.
 */
export class Webhooks {
  readonly #options: WebhooksOptions
  readonly #deliveries: Map<string, Delivery>
  /** Deliveries waiting for their retry: the timer, and when it is due in real time. */
  readonly #waiting = new Map<string, { timer: NodeJS.Timeout; dueAt: number }>()
  readonly #ready: string[] = []
  readonly #inFlight = new Map<string, Promise<void>>()
  readonly #stopping = new AbortController()
  #mode: WebhookMode = 'deliver'

  constructor(options: WebhooksOptions) {
    this.#options = options
    this.#deliveries = new Map(options.saved?.map((one) => [one.event, { ...one }]))
    this.#ready.push(...this.#deliveries.keys())
    this.#pump()
  }

  snapshot(): Delivery[] {
    return [...this.#deliveries.values()]
  }

  send(event: Stripe.Event): void {
    if (this.#mode === 'drop') {
      this.#options.log(`webhook ${event.type} ${event.id} dropped, as asked`)
      return
    }
    this.#deliveries.set(event.id, { event: event.id, attempts: 0 })
    this.#ready.push(event.id)
    this.#pump()
  }

  /** `drop` also forgets what was waiting; `deliver` sends what `hold` kept. */
  setMode(mode: WebhookMode): void {
    this.#mode = mode
    if (mode === 'drop') {
      for (const { timer } of this.#waiting.values()) clearTimeout(timer)
      this.#waiting.clear()
      this.#ready.length = 0
      for (const id of this.#deliveries.keys()) {
        if (!this.#inFlight.has(id)) this.#deliveries.delete(id)
      }
      this.#options.onChange()
    }
    this.#pump()
  }

  async idle(): Promise<void> {
    while (this.#busy()) await sleep(5)
  }

  /** Breaks off what is under way. It counts as not attempted, and is delivered after the next start. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    for (const { timer } of this.#waiting.values()) clearTimeout(timer)
    this.#waiting.clear()
    await Promise.all(this.#inFlight.values())
  }

  #busy(): boolean {
    if (this.#stopping.signal.aborted) return false
    if (this.#inFlight.size > 0) return true
    if (this.#mode === 'hold') return false
    if (this.#ready.length > 0) return true
    const soon = Date.now() + 1000
    return this.#waiting.values().some(({ dueAt }) => dueAt <= soon)
  }

  #pump(): void {
    if (this.#mode === 'hold' || this.#stopping.signal.aborted) return
    while (this.#inFlight.size < concurrentMax) {
      const id = this.#ready.shift()
      if (id === undefined) return
      const delivery = this.#deliveries.get(id)
      if (!delivery) continue
      const attempt = this.#attempt(delivery).finally(() => {
        this.#inFlight.delete(id)
        this.#pump()
      })
      this.#inFlight.set(id, attempt)
    }
  }

  async #attempt(delivery: Delivery): Promise<void> {
    const event = this.#options.eventOf(delivery.event)
    if (!event) {
      this.#deliveries.delete(delivery.event)
      return
    }
    const problem = await this.#post(event)
    if (this.#stopping.signal.aborted && problem) return

    delivery.attempts += 1
    if (!problem) {
      event.pending_webhooks = 0
      this.#deliveries.delete(event.id)
      this.#options.log(`webhook ${event.type} ${event.id} delivered`)
    } else if (this.#mode === 'drop') {
      this.#deliveries.delete(event.id)
    } else if (delivery.attempts >= attemptsMax) {
      this.#deliveries.delete(event.id)
      this.#options.log(`webhook ${event.type} ${event.id} given up: ${problem}`)
    } else {
      this.#retryLater(event.id, firstRetryMs * 2 ** (delivery.attempts - 1))
      this.#options.log(`webhook ${event.type} ${event.id} to be retried: ${problem}`)
    }
    this.#options.onChange()
  }

  /** Returns what went wrong, if anything. */
  async #post(event: Stripe.Event): Promise<string | undefined> {
    const payload = JSON.stringify(event, null, 2)
    const signature = Stripe.webhooks.generateTestHeaderString({
      payload,
      secret: this.#options.secret,
      timestamp: Math.floor(this.#options.now().getTime() / 1000),
    })
    try {
      const response = await fetch(this.#options.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'user-agent': 'Stripe/1.0 (local stand-in)',
          'stripe-signature': signature,
        },
        body: payload,
        redirect: 'manual',
        signal: AbortSignal.any([this.#stopping.signal, AbortSignal.timeout(attemptTimeoutMs)]),
      })
      await response.body?.cancel()
      return response.ok ? undefined : `answered ${response.status}`
    } catch (error) {
      const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
      return cause instanceof Error ? cause.message : String(cause)
    }
  }

  #retryLater(id: string, delayMs: number): void {
    const timer = setTimeout(() => {
      this.#waiting.delete(id)
      this.#ready.push(id)
      this.#pump()
    }, delayMs)
    timer.unref()
    this.#waiting.set(id, { timer, dueAt: Date.now() + delayMs })
  }
}
