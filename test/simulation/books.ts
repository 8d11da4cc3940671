import { type Item, type Plain, plainItem } from './expressions.ts'
import { rule } from './model.ts'

/**
 * What must hold of one workspace's stored items whatever happened to it, by arithmetic over the items alone:
 * tokens are conserved, the ledger since the last reset adds up to the item, nothing is below zero, and each
 * purchase gave what it says it gave.
 */
export function auditWorkspace(stored: Item, ledgerItems: readonly Item[]): void {
  const workspace = plainItem(stored)
  const items = ledgerItems.map(plainItem)
  const entries = items.filter(({ type }) => type !== 'purchase' && type !== 'open')
  const { workspaceId: id, quota, topUps, balance, held, period, days } = workspace
  const used = quota + topUps - balance - held

  for (const [name, amount] of Object.entries({ quota, topUps, balance, held, used })) {
    rule(Number.isSafeInteger(amount) && amount >= 0, () => `${id}: ${name} is ${amount}`)
  }
  rule(used <= quota + topUps, () => `${id}: ${used} used of ${quota + topUps}`)

  const gained = sum(entries.map(gainOf))
  rule(balance + held === gained, () => `${id}: has ${balance + held}, and was given ${gained}`)

  const ofMonth = entries.filter((entry) => entry.period === period)
  const opening = ofMonth.find(({ type }) => type === 'reset')
  const since = sum(ofMonth.filter((entry) => entry !== opening).map(gainOf))
  const opened = opening ? opening.quota + opening.topUps : 0
  rule(
    balance + held === opened + since,
    () => `${id}: has ${balance + held}, and its month's ledger says ${opened + since}`,
  )
  const usedByLedger = sum(ofMonth.map(useOf))
  const usedByDays = sum(Object.values(days as Record<string, number>))
  rule(used === usedByLedger, () => `${id}: used ${used}, by its ledger ${usedByLedger}`)
  rule(used === usedByDays, () => `${id}: used ${used}, by its days ${usedByDays}`)

  auditHolds(workspace, items)
  for (const purchase of items.filter(({ type }) => type === 'purchase')) {
    const given = sum(
      entries
        .filter(({ purchaseId }) => purchaseId === purchase.purchaseId)
        .map(({ tokens }) => tokens),
    )
    const paid = ['paid', 'refunded', 'disputed'].includes(purchase.status)
    const should = paid ? purchase.tokens - purchase.taken : 0
    rule(given === should, () => `${purchase.purchaseId} gave ${given} and not ${should}`)
  }
}

/** What is held is what open holds of the month hold, and none of them expires unnoticed. */
function auditHolds(workspace: Plain, items: Plain[]): void {
  const { workspaceId: id, held, holds, holdsExpireFrom, period } = workspace
  const open = items.filter((item) => item.type === 'open' && item.period === period)
  const tokens = sum(open.map((hold) => hold.tokens))
  rule(held === tokens, () => `${id}: holds ${held}, and its open holds ${tokens}`)
  rule(holds === open.length, () => `${id}: counts ${holds} holds, and has ${open.length}`)
  for (const { holdId, heldUntil } of open) {
    const noticed = holdsExpireFrom !== undefined && holdsExpireFrom <= heldUntil
    rule(noticed, () => `${id}: ${holdId} ends ${heldUntil}, looked for from ${holdsExpireFrom}`)
  }
}

/** What an entry says the workspace has more or less of. */
function gainOf(entry: Plain): number {
  switch (entry.type) {
    case 'use':
    case 'hold':
      return -useOf(entry)
    case 'grant':
    case 'plan':
    case 'payment':
      return entry.tokens
    case 'reset':
      return entry.quota - entry.closed.expired
    default:
      return 0
  }
}

function useOf(entry: Plain): number {
  if (entry.type === 'use') return entry.taken
  return entry.type === 'hold' ? entry.charged : 0
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, one) => total + one, 0)
}
