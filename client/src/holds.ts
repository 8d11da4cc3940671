import type { Consumed, ConsumeRequest, Held, HoldRequest, Meter, Settled } from './api-types.ts'
import type { CallOptions } from './transport.ts'

export type Once = { replayed: boolean }

/** `unreported` where the service was away and `failMode` is `open`: then there is no meter to show. */
export type ConsumeResult =
  | (Consumed & Once & { unreported: false })
  | (Omit<Consumed, 'meter'> & Once & { unreported: true; meter?: undefined })

/** `unreported` where the service could not be told now, for whatever reason: it is told later. */
export type SettleResult =
  | (Settled & Once & { unreported: false })
  | ({ used: number } & Once & { unreported: true; meter?: undefined })

/** Tokens set aside for work that is about to begin. */
export interface Hold {
  workspace: string
  /** Where it expires and which one it is, unless it is `unreported` and only this process knows of it. */
  holdId?: string
  expiresAt?: string
  meter?: Meter
  tokens: number
  replayed: boolean
  unreported: boolean
  /** It was opened before under its key, and has ended since: no work can be done on it. */
  closed?: Held['closed']
  /**
   * Pays for what was used; more than was held is taken from the balance as far as it goes. Throws only what
   * the service has against the settle itself, and `TokensUnavailable` where there is no room to keep it.
   */
  settle(tokens: number, options?: CallOptions): Promise<SettleResult>
  /** Returns all of it. */
  release(options?: CallOptions): Promise<void>
  /** Keeps it for longer, counted from now. */
  extend(ttlSeconds: number, options?: CallOptions): Promise<void>
}

export interface HoldRef {
  workspace: string
  holdId: string
}

/** What sets tokens aside. */
export interface Holds {
  hold(request: { workspace: string } & HoldRequest, options?: CallOptions): Promise<Hold>
}

/** What takes tokens at once. */
export interface Consumes {
  consume(
    use: { workspace: string } & ConsumeRequest,
    options?: CallOptions,
  ): Promise<ConsumeResult>
}
