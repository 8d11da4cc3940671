import { type RoutedFunction, routes } from '../shared/http/routes.ts'
import type { SignalName } from '../shared/signals.ts'

/**
 * Every function as plain data: what it may touch, what it is told, what it may report. The roles, the
 * environments and the metric filters are made from this list, so a right is granted here or nowhere.
 */
export interface FunctionSpec {
  /** Actions on the workspaces table, without the `dynamodb:` prefix. */
  workspaces?: readonly TableAction[]
  /** Actions on the ledger table. */
  ledger?: readonly TableAction[]
  /** Actions on the ledger's index by time. */
  ledgerByTime?: readonly TableAction[]
  /** Told which JWT claims carry the workspace and the role, and what marks a service. */
  claims?: true
  /** Told which routes there are, to describe them. */
  describesRoutes?: true
  /** Told which secret holds the Stripe keys, and may read it. */
  stripe?: true
  /** Told where a buyer may be sent back to. */
  checkout?: true
  /** Started by a schedule, so it runs asynchronously and its failures need a place to go. */
  scheduled?: { maxEventAgeMinutes: number }
  /** May invoke itself, to go on where its time ran out. */
  continuesItself?: true
  /** Told how fast it may go, so that it leaves room for others. */
  paced?: true
  timeoutSeconds: number
  /** The signals it may log. A metric filter reads each of them from its log group, and no others. */
  signals: readonly SignalName[]
}

export type TableAction =
  | 'GetItem'
  | 'PutItem'
  | 'UpdateItem'
  | 'DeleteItem'
  | 'ConditionCheckItem'
  | 'Query'
  | 'Scan'

const answersRequests = {
  // Under the 29 s at which an HTTP API stops waiting, so that a slow answer is ours to give.
  timeoutSeconds: 25,
  signals: ['unavailable', 'internal_error'],
} satisfies Partial<FunctionSpec>

const readsWorkspaces = { workspaces: ['GetItem'], claims: true } satisfies Partial<FunctionSpec>

/**
 * A movement updates the workspace and puts its ledger entry; both are read back when it was refused. On
 * the way it returns what expired holds had set aside, which looks for them and deletes them.
 */
const movesTokens = {
  workspaces: ['GetItem', 'UpdateItem'],
  ledger: ['GetItem', 'PutItem', 'Query', 'DeleteItem'],
} satisfies Partial<FunctionSpec>

const usesTokens = {
  ...answersRequests,
  ...movesTokens,
  claims: true,
} satisfies Partial<FunctionSpec>

/**
 * What a function gets that answers a route and has no line below: it may read the workspace and look through its
 * ledger, and write nothing.
 */
const onlyReads = {
  ...answersRequests,
  ...readsWorkspaces,
  ledger: ['Query'],
} satisfies FunctionSpec

/** Settling also replaces the purchase, which the ledger's table holds, and notes on it when Stripe was asked. */
const settlesPurchases = {
  ...movesTokens,
  ledger: [...movesTokens.ledger, 'UpdateItem'],
  stripe: true,
} satisfies Partial<FunctionSpec>

const specs: Partial<Record<RoutedFunction, FunctionSpec>> &
  Record<ScheduledFunction, FunctionSpec> = {
  openapi: { ...answersRequests, describesRoutes: true },
  plans: answersRequests,
  consume: usesTokens,
  // A key whose hold is closed must not open another one.
  'open-hold': { ...usesTokens, ledger: [...movesTokens.ledger, 'ConditionCheckItem'] },
  'settle-hold': usesTokens,
  'release-hold': usesTokens,
  'extend-hold': { ...usesTokens, ledger: [...movesTokens.ledger, 'UpdateItem'] },
  'start-purchase': {
    ...answersRequests,
    // It closes the order that has waited longest where there are too many, and settles it if it was just paid.
    ...settlesPurchases,
    ledgerByTime: ['Query'],
    claims: true,
    checkout: true,
    signals: [...answersRequests.signals, 'secret_unread', 'reversal_shortfall'],
  },
  'get-purchase': {
    ...answersRequests,
    // An update also marks the purchase as just looked at, so that a page that polls asks Stripe seldom.
    ...settlesPurchases,
    claims: true,
    signals: [...answersRequests.signals, 'secret_unread', 'reversal_shortfall'],
  },
  'get-documents': {
    ...answersRequests,
    // An update counts how often Stripe is asked for the workspace.
    ledger: ['GetItem', 'UpdateItem'],
    stripe: true,
    claims: true,
    signals: [...answersRequests.signals, 'secret_unread'],
  },
  activity: { ...onlyReads, ledgerByTime: ['Query'] },
  grant: usesTokens,
  'put-workspace': usesTokens,
  'stripe-webhook': {
    ...answersRequests,
    ...settlesPurchases,
    signals: [
      ...answersRequests.signals,
      'secret_unread',
      'webhook_mismatch',
      'webhook_unknown',
      'webhook_rejected',
      'reversal_shortfall',
    ],
  },
  reconcile: {
    ...settlesPurchases,
    // The list of what is to be tried again is read by when it is due.
    ledgerByTime: ['Query'],
    // A run that could not start before the next one is due has nothing left to do.
    scheduled: { maxEventAgeMinutes: 15 },
    // Until the next one begins, so that catching up never pauses; one that still runs then has the turn.
    timeoutSeconds: 15 * 60,
    signals: [
      'secret_unread',
      'webhook_mismatch',
      'webhook_unknown',
      'reversal_shortfall',
      'reconcile_failed',
      'purchase_overdue',
      'events_missed',
    ],
  },
  reset: {
    workspaces: ['Scan', 'GetItem', 'UpdateItem'],
    ledger: ['GetItem', 'PutItem'],
    // Six hours, the longest Lambda keeps an event: a late sweep is as good as a punctual one.
    scheduled: { maxEventAgeMinutes: 6 * 60 },
    continuesItself: true,
    paced: true,
    timeoutSeconds: 15 * 60,
    signals: ['reset_item_failed'],
  },
}

type ScheduledFunction = 'reconcile' | 'reset'

/** Each names `functions/<name>.ts`. */
export type FunctionName = RoutedFunction | ScheduledFunction

export const functionNames = [
  ...new Set([...routes.map((route) => route.function), ...Object.keys(specs)]),
] as FunctionName[]

export const functions = Object.fromEntries(
  functionNames.map((name) => [name, specs[name] ?? onlyReads]),
) as Record<FunctionName, FunctionSpec>
