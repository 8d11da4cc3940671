/**
 * An order somebody has begun and not finished. It keeps its key and its return URL, so that confirming the
 * same amount again, after a reload or in another tab, finds the same purchase and the same checkout.
 */
export interface OpenOrder {
  key: string
  returnUrl: string
  /** Known once the service has answered. */
  purchaseId?: string
}

/**
 * The open order of this workspace and amount, begun now if there is none. Two tabs that confirm at the
 * same moment get the same one: a lock stands between looking and writing.
 */
export function takeOrder(
  workspace: string,
  tokens: number,
  begin: () => OpenOrder,
): Promise<OpenOrder> {
  const name = nameOf(workspace, tokens)
  return locked(name, () => {
    const order = parse(read(name)) ?? begin()
    write(name, JSON.stringify(order))
    return order
  })
}

/** Notes which purchase the order has become, unless the order was closed meanwhile. */
export function rememberPurchase(
  workspace: string,
  tokens: number,
  { key, returnUrl }: OpenOrder,
  purchaseId: string,
): Promise<void> {
  const name = nameOf(workspace, tokens)
  return locked(name, () => {
    if (parse(read(name))?.key === key) {
      write(name, JSON.stringify({ key, returnUrl, purchaseId } satisfies OpenOrder))
    }
  })
}

/** The purchase has left `open`, or its key is spent: the next order of this amount is a new one. */
export function closeOrder(workspace: string, tokens: number): Promise<void> {
  const name = nameOf(workspace, tokens)
  return locked(name, () => write(name, undefined))
}

/** Calls back with each order that another tab begins; returns what ends it. */
export function watchOrders(
  workspace: string,
  begun: (tokens: number, order: OpenOrder) => void,
): () => void {
  const prefix = nameOf(workspace, '')
  const listen = ({ key, newValue }: StorageEvent) => {
    const order = key?.startsWith(prefix) ? parse(newValue) : undefined
    if (order) begun(Number(key!.slice(prefix.length)), order)
  }
  addEventListener('storage', listen)
  return () => removeEventListener('storage', listen)
}

const nameOf = (workspace: string, tokens: number | '') => `token-top-up/${workspace}/${tokens}`

/** Where a page may not store anything, the tab's own memory still stops a double click. */
const memory = new Map<string, string>()

function read(name: string): string | null {
  try {
    return localStorage.getItem(name)
  } catch {
    return memory.get(name) ?? null
  }
}

function write(name: string, value: string | undefined): void {
  try {
    if (value === undefined) localStorage.removeItem(name)
    else localStorage.setItem(name, value)
  } catch {
    if (value === undefined) memory.delete(name)
    else memory.set(name, value)
  }
}

function parse(text: string | null): OpenOrder | undefined {
  try {
    const order = JSON.parse(text ?? 'null')
    return typeof order?.key === 'string' && typeof order.returnUrl === 'string' ? order : undefined
  } catch {
    return undefined
  }
}

async function locked<T>(name: string, work: () => T): Promise<T> {
  return await navigator.locks.request(name, async () => work())
}
