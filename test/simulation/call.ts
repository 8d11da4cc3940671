import type { PlanId } from '../../shared/catalog.ts'
import type { HoldStanding } from './model.ts'
import type { Actor } from './scheduler.ts'

/** What somebody asks of the service: all of it that makes two requests the same, and where its key leads. */
export type Ask =
  | { kind: 'consume'; workspaceId: string; key: string; tokens: number; drain: boolean }
  | {
      kind: 'hold'
      workspaceId: string
      key: string
      tokens: number
      atLeast?: number
      ttlSeconds: number
      /** Which of several tries asks: no part of what is asked. */
      holder?: string
    }
  | { kind: 'settle hold'; workspaceId: string; holdId: string; tokens: number }
  | { kind: 'release hold'; workspaceId: string; holdId: string }
  | {
      kind: 'extend hold'
      workspaceId: string
      key: string
      holdId: string
      ttlSeconds: number
    }
  | { kind: 'grant'; workspaceId: string; key: string; tokens: number }
  | { kind: 'plan'; workspaceId: string; key: string; plan: PlanId; quota: number }
  /** With which of Stripe's keys: it is not the same order with the other. */
  | { kind: 'buy'; workspaceId: string; key: string; tokens: number; live: boolean }
  | { kind: 'look at purchase'; workspaceId: string; purchaseId: string }
  | { kind: 'settle again'; workspaceId: string; purchaseId: string }
  | { kind: 'read meter'; workspaceId: string }
  | { kind: 'webhook'; eventId: string }
  | { kind: 'reconcile' }
  | { kind: 'sweep'; month: string; looks: number; startAfter?: string }

/** One run of the service's code for an `Ask`. */
export interface Call extends Actor {
  ask: Ask
  /** The time by the clock of whoever runs it; epoch milliseconds. */
  now: number
  /** Whether the key it found is that of Stripe's live mode. */
  live: boolean
  /** Whether it was deployed to allow promotion codes. */
  codes: boolean
  /** The moment it began, by the witness's count. */
  since: number
  /** Another call was under way beside it. */
  overlapped: boolean
  /** What it asks had been recorded when it began. */
  knownBefore: boolean
  /** Refusals that the rules would have allowed at some moment since it began. */
  mayRefuse: Set<string>
  /** How the hold under its key stood at any moment since then, by its own clock. */
  holdStood: HoldStanding[]
  /** Entries that it has heard were recorded already. */
  told: Set<string>
}
