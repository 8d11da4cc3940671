import type { GrantEntry, PaymentEntry, PlanEntry, ResetEntry } from '../domain/entry.ts'
import { dateOf, type Period, periodOf } from '../domain/period.ts'
import { planOf } from '../domain/plan.ts'
import { type PurchaseView, purchaseView } from '../domain/purchase.ts'
import type { Refusal } from '../domain/refusal.ts'
import { asOf, usedOf, type Workspace } from '../domain/workspace.ts'
import type { Store } from '../store/dynamodb.ts'
import { type Listed, type ListingCursor, listByTime, readResets } from '../store/ledger.ts'
import { readWorkspace } from '../store/workspaces.ts'

export interface ActivityQuery {
  workspaceId: string
  /** How many months of usage, the current one first. */
  months: number
  /** Whether to list orders, grants, refunds, resets and plan changes too. */
  withMoney: boolean
  /** Entries a page, and where the page begins. */
  limit: number
  cursor?: ListingCursor
}

export interface Activity {
  workspaceId: string
  /** Newest first. A month in which nothing touched the workspace is left out. */
  months: Month[]
  /** Newest first. */
  entries?: ActivityEntry[]
  cursor?: ListingCursor
}

export interface Month {
  period: Period
  quota: number
  topUps: number
  used: number
  /** Only days on which tokens were used, in order. */
  days: { date: string; tokens: number }[]
}

type Shown<Entry> = Omit<Entry, 'workspaceId' | 'entryId' | 'listedAt' | 'asked' | 'impounded'>

export type ActivityEntry =
  | ({ type: 'purchase'; at: string } & PurchaseView)
  | Shown<GrantEntry>
  | (Shown<PlanEntry> & { planName: string })
  | Shown<PaymentEntry>
  | (Omit<Shown<ResetEntry>, 'closed'> & { expired: number })

/** What a workspace used, day by day, and for its admins what was bought, granted, taken back and reset. */
export async function listActivity(
  store: Store,
  { workspaceId, months, withMoney, limit, cursor }: ActivityQuery,
  now: Date,
): Promise<Activity | Refusal<'workspace_not_found'>> {
  const [workspace, resets, listing] = await Promise.all([
    readWorkspace(store, workspaceId),
    months > 1 ? readResets(store, workspaceId, months - 1) : [],
    withMoney ? listByTime(store, workspaceId, limit, cursor) : undefined,
  ])
  if (!workspace) return { refused: 'workspace_not_found' }
  return {
    workspaceId,
    months: [...openMonths(workspace, now), ...resets.map(closedMonth)].slice(0, months),
    entries: listing?.items.map((item) => shown(item, now)),
    cursor: listing?.cursor,
  }
}

/** The current month, and the one before it where its reset has not been written yet. */
function openMonths(workspace: Workspace, now: Date): Month[] {
  const current = asOf(workspace, periodOf(now))
  return current === workspace ? [monthOf(workspace)] : [monthOf(current), monthOf(workspace)]
}

function monthOf(workspace: Workspace): Month {
  const { period, quota, topUps, days } = workspace
  return { period, quota, topUps, used: usedOf(workspace), days: daysOf(period, days) }
}

function closedMonth({ closed: { period, quota, topUps, used, days } }: ResetEntry): Month {
  return { period, quota, topUps, used, days: daysOf(period, days) }
}

function daysOf(period: Period, days: Record<string, number>): Month['days'] {
  // Keys that are whole numbers come in ascending order, whatever order they were stored in.
  return Object.entries(days).map(([day, tokens]) => ({ date: dateOf(period, day), tokens }))
}

function shown(item: Listed, now: Date): ActivityEntry {
  if (item.type === 'purchase')
    return { type: 'purchase', at: item.createdAt, ...purchaseView(item, now) }
  const { workspaceId, entryId, listedAt, ...entry } = item
  if (entry.type === 'grant') return entry
  if (entry.type === 'plan') {
    // A retry is known by it; it tells a reader nothing.
    const { asked, ...told } = entry
    return { ...told, planName: planOf(told.plan).name }
  }
  // Where tokens wait on their way back is for the books.
  const { impounded, ...told } = entry
  if (told.type !== 'reset') return told
  const { closed, ...reset } = told
  return { ...reset, expired: closed.expired }
}
