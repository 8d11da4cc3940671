import { parameterInvalid } from './errors.ts'
import { newId } from './ids.ts'
import type { Account } from './state.ts'

const depthMax = 4

/**
 * A copy of an answer in which the ids the caller named are the objects themselves, worded as Stripe words it
 * at this moment.
 */
export function expand(account: Account, answer: object, paths: readonly string[]): object {
  const copy = structuredClone(answer)
  for (const path of paths) {
    const steps = path.split('.')
    if (steps.length > depthMax) {
      throw parameterInvalid(
        'expand',
        `You cannot expand more than ${depthMax} levels of a property.`,
      )
    }
    expandStep(account, copy as Node, steps, path)
  }
  signLinks(copy)
  return copy
}

const signedLinks = ['receipt_url', 'hosted_invoice_url', 'invoice_pdf']

/** Links to receipts and invoices let anybody in for a while, so Stripe makes new ones at every read. */
function signLinks(node: object): void {
  for (const [name, value] of Object.entries(node)) {
    if (typeof value === 'object' && value !== null) signLinks(value)
    if (typeof value !== 'string' || !signedLinks.includes(name)) continue
    Object.assign(node, { [name]: `${value}?s=${newId('link')}` })
  }
}

type Node = Record<string, unknown>

function expandStep(account: Account, node: Node, steps: readonly string[], path: string): void {
  const [name, ...rest] = steps
  if (name === undefined) return
  if (name === 'line_items' && node.object === 'checkout.session') includeLineItems(account, node)

  const value = Object.hasOwn(node, name) ? node[name] : undefined
  if (typeof value === 'string') node[name] = structuredClone(account.find(value))
  const found = node[name]
  // An id that is not there yet, such as the payment intent of an open session, stays null.
  if (found === null) return
  if (found === undefined || typeof found !== 'object') {
    throw parameterInvalid('expand', `This property cannot be expanded (${path}).`)
  }
  for (const child of Array.isArray(found) ? found : [found]) {
    expandStep(account, child as Node, rest, path)
  }
}

/** Stripe leaves the line items out of a session unless they are asked for. */
function includeLineItems(account: Account, session: Node): void {
  session.line_items = {
    object: 'list',
    data: structuredClone(account.checkouts.get(String(session.id))?.lineItems ?? []),
    has_more: false,
    url: `/v1/checkout/sessions/${session.id}/line_items`,
  }
}
