import { randomUUID } from 'node:crypto'
import { quotaOf } from '../../shared/domain/plan.ts'
import { isRefusal } from '../../shared/domain/refusal.ts'
import { changeWorkspace } from '../../shared/operations/change-workspace.ts'
import { consumeTokens } from '../../shared/operations/consume-tokens.ts'
import { startPurchase } from '../../shared/operations/start-purchase.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import type { TestStripe } from './stripe.ts'

export interface Sale {
  workspaceId: string
  purchaseId: string
  /** The checkout session. */
  session: string
}

/** A Pro workspace whose every token the ledger accounts for. */
export async function openWorkspace(store: Store, now: Date): Promise<string> {
  const workspaceId = `w-${randomUUID()}`
  const creation = { workspaceId, key: 'create', plan: 'pro' as const, quota: quotaOf('pro', 0) }
  await changeWorkspace(store, { ...creation, by: 'host-app' }, now)
  return workspaceId
}

/** An order that waits for its buyer at the checkout, in a new workspace or the one given. */
export async function openOrder(
  store: Store,
  { account }: TestStripe,
  now: Date,
  { workspaceId, tokens = 1_000_000 }: { workspaceId?: string; tokens?: number } = {},
): Promise<Sale> {
  const order = {
    workspaceId: workspaceId ?? (await openWorkspace(store, now)),
    key: randomUUID(),
    role: 'admin' as const,
    by: 'acme-admin',
    tokens,
    returnUrl: 'https://app.example.com/usage',
  }
  const outcome = await startPurchase(store, account, order, now)
  if (isRefusal(outcome)) throw new Error(outcome.refused)
  const { purchaseId, sessionId } = outcome.purchase
  return { workspaceId: order.workspaceId, purchaseId, session: sessionId! }
}

export async function useUp(
  store: Store,
  { workspaceId }: Pick<Sale, 'workspaceId'>,
  tokens: number,
  now: Date,
): Promise<void> {
  const request = { workspaceId, key: randomUUID(), tokens, onShortfall: 'refuse' as const }
  const outcome = await consumeTokens(store, request, now)
  if (isRefusal(outcome)) throw new Error(outcome.refused)
}
