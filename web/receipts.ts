import { html, nothing, type ReactiveControllerHost, type TemplateResult } from 'lit'
import type { englishReceiptStrings } from './receipt-strings.ts'
import { type Service, ServiceError, troubleOf } from './service.ts'

type ReceiptStrings = typeof englishReceiptStrings & { offline: string; signedOut: string }

/**
 * Buttons that open the receipts of purchases at Stripe. The links are asked for when one is pressed, for they are
 * made anew each time and die.
 *
 * A tab that opens after an answer is a pop-up to the browser, and blocked. So it opens at the press, empty, and
 * goes to the receipt later. Where not even that is allowed, the receipt is offered as a link.
 */
export class Receipts {
  #host: ReactiveControllerHost
  #asking = new Set<string>()
  /** What is said of a receipt that no tab shows. */
  #messages = new Map<string, unknown>()

  constructor(host: ReactiveControllerHost) {
    this.#host = host
  }

  /** What was said belongs to what was shown. */
  forget(): void {
    this.#messages.clear()
  }

  button(
    service: Service | undefined,
    purchaseId: string,
    texts: ReceiptStrings,
    describedBy?: string,
  ): TemplateResult {
    const asking = this.#asking.has(purchaseId)
    const press = () => {
      if (service && !asking) this.#view(service, purchaseId, texts)
    }
    return html`<button type="button" class="receipt" part="receipt" aria-disabled=${asking ? 'true' : 'false'}
        aria-describedby=${describedBy ?? nothing} @click=${press}>${asking ? texts.receiptOpening : texts.receipt}</button>
      <p class="said" role="alert">${this.#messages.get(purchaseId) ?? nothing}</p>`
  }

  async #view(service: Service, purchaseId: string, texts: ReceiptStrings): Promise<void> {
    const tab = openTab(texts.receiptOpening)
    this.#asking.add(purchaseId)
    this.#messages.delete(purchaseId)
    this.#host.requestUpdate()
    const message = await followDocuments(tab, service, purchaseId, texts)
    if (message !== nothing) tab?.close()
    this.#asking.delete(purchaseId)
    this.#messages.set(purchaseId, message)
    this.#host.requestUpdate()
  }
}

/** An empty tab that cannot reach back to this page; null where the browser opens none. */
function openTab(title: string): Window | null {
  const tab = open('', '_blank')
  if (tab) {
    tab.opener = null
    tab.document.title = title
    tab.document.body.textContent = title
  }
  return tab
}

/** Leads the tab to the receipt, or else to the invoice; what to say where there is no tab or nothing to lead to. */
async function followDocuments(
  tab: Window | null,
  service: Service,
  purchaseId: string,
  texts: ReceiptStrings,
): Promise<unknown> {
  try {
    const { receiptUrl, invoiceUrl, invoicePdf } = await service.documents(purchaseId)
    const found = receiptUrl ?? invoiceUrl ?? invoicePdf
    if (!found) return texts.receiptNone
    const href = webAddress(found)
    if (!tab || tab.closed) {
      return html`<a href=${href} target="_blank" rel="noopener">${texts.receiptReady}</a>`
    }
    tab.location.replace(href)
    return nothing
  } catch (error) {
    const trouble = troubleOf(error)
    if (trouble === 'offline') return texts.offline
    return trouble === 'signed_out' ? texts.signedOut : texts.receiptUnavailable
  }
}

/** Only a web address is followed, whatever the answer says. */
export function webAddress(href: string | undefined): string {
  const url = URL.parse(href ?? '')
  if (url?.protocol !== 'https:' && url?.protocol !== 'http:') throw new ServiceError('unavailable')
  return url.href
}
