import { type Books, type Difference, differencesIn } from '../shared/domain/books.ts'
import { grouped } from '../shared/domain/grouped.ts'
import { endOf, type Period, periodOf } from '../shared/domain/period.ts'
import type { Store } from '../shared/store/dynamodb.ts'
import { readBooks, workspaceIds } from './read.ts'

export interface AuditOptions {
  /** One workspace; without it, all of them. */
  workspaceId?: string
  /** How long usage entries are kept. */
  usageRetentionDays: number
  now: Date
  print: (line: string) => void
}

export interface Audited {
  /** Workspaces whose books were checked. */
  checked: number
  /** Of these, the ones that differ. */
  differ: number
  /** Workspaces that were written to as fast as they were read, so nothing can be said of them. */
  moving: number
}

/** Entries named below a difference. */
const namedMax = 20

/** Checks the books of one workspace or of all, and prints what an operator should know. Only reads. */
export async function audit(store: Store, options: AuditOptions): Promise<Audited> {
  const { workspaceId, usageRetentionDays, now, print } = options
  const usageFrom = firstWholePeriod(now, usageRetentionDays)
  const audited: Audited = { checked: 0, differ: 0, moving: 0 }
  for await (const id of workspaceId === undefined ? workspaceIds(store) : [workspaceId]) {
    const books = await readBooks(store, id)
    if (books === undefined) {
      // Listed a moment ago and gone is no fault; asked for by name and not there is.
      if (workspaceId === undefined) continue
      throw new Error(`there is no workspace ${id}`)
    }
    if (books === 'moving') {
      audited.moving++
      print(
        `${id}: not checked, it is written to as fast as it is read; try again at a quieter time`,
      )
      continue
    }
    const differences = differencesIn(books, usageFrom)
    audited.checked++
    if (differences.length > 0) audited.differ++
    for (const line of reportOf(books, differences)) print(line)
  }
  return audited
}

/** The first month all of whose usage entries are still kept: those of earlier ones are expiring. */
function firstWholePeriod(now: Date, usageRetentionDays: number): Period {
  const keptFrom = new Date(now.getTime() - usageRetentionDays * 86_400_000)
  return periodOf(endOf(periodOf(keptFrom)))
}

function reportOf({ workspace, entries, holds, purchases }: Books, found: Difference[]): string[] {
  const { workspaceId, period, balance, held } = workspace
  const size = [
    counted(entries.length, 'entry', 'entries'),
    counted(purchases.length, 'purchase', 'purchases'),
    counted(holds.length, 'open hold', 'open holds'),
  ].join(', ')
  const stands = `${period}, ${figure(balance)} left, ${figure(held)} held; ${size}`
  if (found.length === 0) return [`${workspaceId}: adds up (${stands})`]
  return [`${workspaceId}: DIFFERS (${stands})`, ...found.flatMap(linesOf)]
}

function linesOf({ what, stored, ledger, entries }: Difference): string[] {
  const gap =
    typeof stored === 'number' && typeof ledger === 'number'
      ? `, ${figure(Math.abs(stored - ledger))} too ${stored > ledger ? 'much' : 'little'}`
      : ''
  const more = entries.length - namedMax
  return [
    `  ${what}: ${figure(stored)} is stored, the ledger says ${figure(ledger)}${gap}`,
    ...entries.slice(0, namedMax).map((entryId) => `    ${entryId}`),
    ...(more > 0 ? [`    and ${figure(more)} more`] : []),
  ]
}

function counted(count: number, one: string, many: string): string {
  return `${figure(count)} ${count === 1 ? one : many}`
}

function figure(value: number | string): string {
  if (typeof value === 'string') return value
  return value < 0 ? `-${grouped(-value)}` : grouped(value)
}
