export const outageModes = ['none', 'down', 'error', 'lost-response'] as const
/**
 * `down` breaks every connection, `error` answers 500 and does nothing, `lost-response` does what was asked
 * and breaks the connection before saying so.
 */
export type OutageMode = (typeof outageModes)[number]

/** What is wrong with the API at the moment, for whoever asks it. */
export interface Trouble {
  outage: OutageMode
  /** How long each request waits before it is carried out. */
  latencyMs: number
  /** Objects that cannot be read, and the status in their place. */
  failing: Map<string, number>
}

export function noTrouble(): Trouble {
  return { outage: 'none', latencyMs: 0, failing: new Map() }
}
