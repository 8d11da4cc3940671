import { type Item, type Plain, plainItem } from './expressions.ts'
import { rule } from './model.ts'

/**
 * What must hold of one workspace's stored items whatever happened to it, by arithmetic over the items alone:
 * tokens are conserved, the ledger since the last reset adds up to the item, nothing is below zero, and each
 * purchase gave what it says it gave. `month` is the one it is now.
 */
export function auditWorkspace(stored: Item, ledgerItems: readonly Item[], month: string): void {
  const workspace = plainItem(stored)
  const items = ledgerItems.map(plainItem)
  const entries = items.filter(({ type }) => type !== 'purchase' && type !== 'open')
  const { workspaceId: id, quota, topUps, balance, held, period, days } = workspace
  const { impounded = 0 } = workspace
  const has = balance + held + impounded
  const used = quota + topUps - has

  for (const [name, amount] of Object.entries({ quota, topUps, balance, held, impounded, used })) {
    rule(Number.isSafeInteger(amount) && amount >= 0, () => `${id}: ${name} is ${amount}`)
  }
  rule(used <= quota + topUps, () => `${id}: ${used} used of ${quota + topUps}`)

  const gained = sum(entries.map(gainOf))
  rule(has === gained, () => `${id}: has ${has}, and was given ${gained}`)

  const ofMonth = entries.filter((entry) => entry.period === period)
  const opening = ofMonth.find(({ type }) => type === 'reset')
  const since = sum(ofMonth.filter((entry) => entry !== opening).map(gainOf))
  const opened = opening ? opening.quota + opening.topUps : 0
  rule(
    has === opened + since,
    () => `${id}: has ${has}, and its month's ledger says ${opened + since}`,
  )
  const usedByLedger = sum(ofMonth.map(useOf))
  const usedByDays = sum(Object.values(days as Record<string, number>))
  rule(used === usedByLedger, () => `${id}: used ${used}, by its ledger ${usedByLedger}`)
  rule(used === usedByDays, () => `${id}: used ${used}, by its days ${usedByDays}`)

  auditHolds(workspace, items, month)
  const purchases = items.filter(({ type }) => type === 'purchase')
  auditOwed(workspace, entries, purchases)
  const open = purchases.filter(({ status }) => status === 'open').length
  const { openOrders = 0 } = workspace
  rule(openOrders === open, () => `${id}: counts ${openOrders} open orders, and has ${open}`)
  rule(open <= 20, () => `${id}: has ${open} open orders`)
  for (const purchase of purchases) {
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

/** What is owed can be returned, what is impounded came from holds, and purchases wait for all of it. */
function auditOwed(workspace: Plain, entries: Plain[], purchases: Plain[]): void {
  const { workspaceId: id, topUps, balance, held, owed, impounded = 0 } = workspace
  const came = entries.map((entry) => {
    if (entry.type === 'hold') return entry.impounded ?? 0
    if (entry.type === 'payment') return -(entry.impounded ?? 0)
    return entry.type === 'reset' ? (entry.impounded ?? 0) - (entry.closed.impounded ?? 0) : 0
  })
  rule(impounded === sum(came), () => `${id}: ${impounded} impounded, by its ledger ${sum(came)}`)
  if (owed) {
    const most = Math.min(owed.held, topUps - impounded, balance + held)
    rule(owed.tokens > 0 && owed.tokens <= most, () => `${id}: ${owed.tokens} owed of ${most}`)
    rule(owed.held <= held, () => `${id}: ${owed.held} of ${held} held by those that owe`)
  }
  const pending = sum(purchases.map((purchase) => purchase.pending))
  const waits = (owed?.tokens ?? 0) + impounded
  rule(waits <= pending, () => `${id}: ${waits} owed or impounded, and ${pending} pending`)
  for (const purchase of purchases) {
    const { purchaseId, reversed, taken, shortfall } = purchase
    const adds = [taken, purchase.pending, shortfall].every((part) => part >= 0)
    const lost = taken + purchase.pending + shortfall
    rule(adds && lost === reversed, () => `${purchaseId} lost ${lost}, and should ${reversed}`)
  }
}

/** What is held is what open holds of the month hold, and none of them expires unnoticed. */
function auditHolds(workspace: Plain, items: Plain[], month: string): void {
  const { workspaceId: id, held, holds, holdsExpireFrom, period } = workspace
  const open = items.filter((item) => item.type === 'open' && item.period === period)
  // Where a month is over, only the reset is waited for, and holds may have been forgotten.
  if (period < month) return
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
