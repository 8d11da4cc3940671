import { setTimeout as sleep } from 'node:timers/promises'
import type { Period } from '../domain/period.ts'
import type { Workspace } from '../domain/workspace.ts'
import { signal } from '../signals.ts'
import { backoff, rollOver } from '../store/commit.ts'
import type { Store } from '../store/dynamodb.ts'
import { pageOfBehind, readWorkspace, type Segment } from '../store/workspaces.ts'

export interface Sweep extends Segment {
  /** The month to open, from the schedule's own time: a late run must not open a later one. */
  period: Period
  /** Workspaces a second, so that the sweep leaves room for the traffic of midnight. */
  pacePerSecond: number
  /** Milliseconds this run may still take. */
  timeLeftMs: () => number
}

export interface Swept {
  rolledOver: number
  failed: number
  /** Where another run must go on, or undefined at the end of the segment. */
  startAfter?: string
}

/** With less time left than this, another run takes over. */
const reserveMs = 30_000
/** Resets under way at once, and attempts at one of them. */
const concurrency = 10
const attemptsMax = 5

/**
 * Opens the month for the workspaces of one segment that no movement has rolled over yet. Every reset is the
 * same conditioned write that a movement makes, so running it twice, late, or again after a crash changes
 * nothing that is right already. A workspace that fails is signalled and left to its next movement.
 */
export async function resetWorkspaces(store: Store, sweep: Sweep): Promise<Swept> {
  const swept: Swept = { rolledOver: 0, failed: 0, startAfter: sweep.startAfter }
  do {
    const page = await pageOfBehind(store, { ...sweep, startAfter: swept.startAfter }, sweep.period)
    for (const batch of batches(page.workspaces, sweep.pacePerSecond)) {
      const itsTimeIsOver = sleep((1_000 * batch.length) / sweep.pacePerSecond)
      await resetBatch(store, batch, sweep.period, swept)
      await itsTimeIsOver
      if (sweep.timeLeftMs() < reserveMs) return swept
    }
    swept.startAfter = page.startAfter
  } while (swept.startAfter !== undefined && sweep.timeLeftMs() >= reserveMs)
  return swept
}

async function resetBatch(
  store: Store,
  batch: Workspace[],
  period: Period,
  swept: Swept,
): Promise<void> {
  for (const some of batches(batch, concurrency)) {
    const outcomes = await Promise.all(some.map((workspace) => resetOne(store, workspace, period)))
    swept.rolledOver += outcomes.filter((ok) => ok).length
    swept.failed += outcomes.filter((ok) => !ok).length
    swept.startAfter = some.at(-1)?.workspaceId
  }
}

/** Whether the workspace has reached the period, by us or by somebody else. */
async function resetOne(store: Store, listed: Workspace, period: Period): Promise<boolean> {
  const { workspaceId } = listed
  try {
    let workspace: Workspace | undefined = listed
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const rolled = await rollOver(store, workspace, period)
      if (rolled === 'conflict') {
        await backoff(attempt)
        continue
      }
      workspace = rolled ?? (await readWorkspace(store, workspaceId))
      if (!workspace || workspace.period >= period) return true
    }
    throw new Error('other writes kept coming between')
  } catch (error) {
    signal('reset_item_failed', { workspaceId, cause: String(error) })
    return false
  }
}

function* batches<T>(all: T[], size: number): Generator<T[]> {
  for (let start = 0; start < all.length; start += size) yield all.slice(start, start + size)
}
