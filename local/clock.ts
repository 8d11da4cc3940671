import type { DataFolder } from './data-folder.ts'

/**
 * The one clock of the local system: functions (through the events they get), access tokens, Stripe
 * signatures and the expiry of checkout sessions all go by it. It is set to a moment and ticks on from there.
 */
export interface Clock {
  now(): Date
  /** Moves the clock to `moment`; without one, back to real time. */
  set(moment?: Date): void
  isReal(): boolean
}

interface Kept {
  offsetMs: number
}

const fileName = 'clock.json'

/** The offset is kept in `folder`, because the data stored under a moved clock outlives a restart too. */
export function openClock(folder: DataFolder): Clock {
  let offsetMs = folder.read<Kept>(fileName)?.offsetMs ?? 0
  return {
    now: () => new Date(Date.now() + offsetMs),
    set(moment) {
      offsetMs = moment ? moment.getTime() - Date.now() : 0
      folder.write(fileName, { offsetMs } satisfies Kept)
    },
    isReal: () => offsetMs === 0,
  }
}

/** Parses an ISO 8601 moment with its zone; undefined for anything else, so that no zone is ever guessed. */
export function parseMoment(text: unknown): Date | undefined {
  if (typeof text !== 'string' || !isoMoment.test(text)) return undefined
  const moment = new Date(text)
  return Number.isNaN(moment.getTime()) ? undefined : moment
}

const isoMoment = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?(Z|[+-]\d{2}:\d{2})$/
