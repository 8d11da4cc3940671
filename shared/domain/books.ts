import type { Books, Difference } from './books/difference.ts'
import { inHolds, inOpening, inOrders, inOwed, inRange } from './books/item.ts'
import { inMonths } from './books/months.ts'
import { inEntry, inOrphans, inPurchase } from './books/records.ts'
import type { Period } from './period.ts'

export type { Books, Difference }

/**
 * Proves conservation, or says where it is broken: what a workspace holds is all quota granted and all tokens
 * topped up or given back, less what was used, expired or taken back; and every figure of the item is what
 * the ledger adds up to. None of it trusts the rules that wrote it.
 */
export function differencesIn(books: Books, usageFrom: Period = '0000-00'): Difference[] {
  return [
    ...inMonths(books, usageFrom),
    ...inOpening(books),
    ...inHolds(books),
    ...inOrders(books),
    ...inOwed(books),
    ...books.purchases.flatMap((purchase) => inPurchase(purchase, books.entries)),
    ...inOrphans(books),
    ...books.entries.flatMap(inEntry),
    ...inRange(books.workspace),
  ]
}
