import { type PurchaseView, type Service, ServiceError } from '../../service.ts'
import {
  closeOrder,
  type OpenOrder,
  rememberPurchase,
  takeOrder,
  watchOrders,
} from './open-orders.ts'

/** The orders of one open dialog: confirming an amount twice, here or in another tab, orders it once. */
export class Ordering {
  /** Orders that other tabs began meanwhile: confirming theirs again is not a second one. */
  #begunElsewhere = new Map<number, OpenOrder>()
  #unwatch = () => {}

  watch(workspace: string): void {
    this.#unwatch()
    this.#unwatch = watchOrders(workspace, (tokens, order) =>
      this.#begunElsewhere.set(tokens, order),
    )
  }

  unwatch(): void {
    this.#unwatch()
  }

  /** What other tabs began belongs to the dialog that was open. */
  forget(): void {
    this.#begunElsewhere.clear()
  }

  /**
   * The purchase of this amount: the one begun before, here or in another tab, while it can still be paid,
   * and otherwise a new one. One that was paid meanwhile is shown and not bought again.
   */
  async place(
    service: Service,
    tokens: number,
    keeps: readonly string[],
    again = false,
  ): Promise<PurchaseView> {
    const order =
      this.#begunElsewhere.get(tokens) ??
      (await takeOrder(service.workspace, tokens, () => newOrder(keeps)))
    const drop = async () => {
      this.#begunElsewhere.delete(tokens)
      await closeOrder(service.workspace, tokens)
    }
    try {
      const purchase = order.purchaseId
        ? await service.purchase(order.purchaseId)
        : await service.startPurchase({ tokens, ...order })
      if (purchase.status === 'open') {
        await rememberPurchase(service.workspace, tokens, order, purchase.purchaseId)
        return purchase
      }
      await drop()
      const unpaid = purchase.status === 'failed' || purchase.status === 'expired'
      return unpaid && !again ? this.place(service, tokens, keeps, true) : purchase
    } catch (error) {
      const spent =
        error instanceof ServiceError &&
        (error.code === 'idempotency_key_reused' || error.code === 'purchase_not_found')
      if (!spent || again) throw error
      await drop()
      return this.place(service, tokens, keeps, true)
    }
  }
}

function newOrder(keeps: readonly string[]): OpenOrder {
  return { key: crypto.randomUUID(), returnUrl: returnUrl(keeps) }
}

/**
 * This page, with what its address needs of its query to be the same page again. The rest is nobody's business, and
 * may be longer than an order takes.
 */
function returnUrl(keeps: readonly string[]): string {
  const { origin, pathname, searchParams } = new URL(location.href)
  const url = new URL(pathname, origin)
  for (const name of keeps) {
    for (const value of searchParams.getAll(name)) url.searchParams.append(name, value)
  }
  return url.href
}
