/**
 * The events an operator must hear about. A signal is one structured log line; the stack turns each name
 * into a CloudWatch metric with a log filter, so counting costs a function nothing and needs no client.
 *
 * Fields are ids, codes and token counts only: never a secret, a JWT, an email or a body.
 */
export const signalNames = [
  /** Signed by Stripe, but its facts contradict the purchase we stored: nothing was credited. */
  'webhook_mismatch',
  /** Signed by Stripe, but it names no purchase of ours. */
  'webhook_unknown',
  /** A webhook whose signature did not verify. */
  'webhook_rejected',
  /** A refund or dispute could not take back every token, because some were already spent. */
  'reversal_shortfall',
  /** The monthly sweep could not roll one workspace over. It rolls over by itself at its next movement. */
  'reset_item_failed',
  /** Reconciliation could not settle a purchase now. It is on the list, and tried again until it can. */
  'reconcile_failed',
  /** A purchase has been on the list for 72 hours. It is tried once a day from now on. */
  'purchase_overdue',
  /** Reconciliation is further behind than Stripe lists events: some of them it can never see. */
  'events_missed',
  /** Stripe's keys could not be read, or the secret is not what it must be. With keys read before, it goes on. */
  'secret_unread',
  /** A request was answered 503 because a service we need did not answer, or one workspace is too busy. */
  'unavailable',
  /** A bug: a request was answered 500. */
  'internal_error',
] as const

export type SignalName = (typeof signalNames)[number]

export function signal(
  name: SignalName,
  fields: Record<string, string | number | boolean | undefined> = {},
): void {
  console.warn({ signal: name, ...fields })
}
