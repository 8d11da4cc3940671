import { html, LitElement, nothing, type TemplateResult, unsafeCSS } from 'lit'
import { isPaid } from '../../../shared/domain/purchase.ts'
import controls from '../../controls.css'
import type { Formats } from '../../format.ts'
import { Receipts, webAddress } from '../../receipts.ts'
import {
  type Meter,
  type PurchaseView,
  type Service,
  type Trouble,
  troubleOf,
} from '../../service.ts'
import { icons } from '../icons.ts'
import { englishStrings, type Strings } from '../strings.ts'
import { type AmountFault, parseAmount } from './amount.ts'
import { followPurchase } from './follow-purchase.ts'
import { formView } from './form.ts'
import { closeOrder } from './open-orders.ts'
import { Ordering } from './ordering.ts'
import {
  headlineOf,
  type Left,
  type Outcome,
  outcomeOf,
  outcomeOfStatus,
  outcomeView,
} from './outcome.ts'
import styles from './purchase-dialog.css'

type Step =
  | { at: 'form'; fault?: AmountFault; trouble?: Trouble; busy?: boolean }
  | { at: 'purchase'; outcome: Outcome; purchaseId: string; purchase?: PurchaseView }

/**
 * Choosing, confirming and following a purchase, in a modal dialog. It belongs to the meter, which gives it
 * what it knows; `token-purchase` tells of every change of a purchase made here.
 */
export class PurchaseDialog extends LitElement {
  static override styles = [unsafeCSS(controls), unsafeCSS(styles)]
  static override properties = {
    meter: { attribute: false },
    keeps: { attribute: false },
    service: { attribute: false },
    strings: { attribute: false },
    formats: { attribute: false },
    refresh: { attribute: false },
    step: { state: true },
    text: { state: true },
  }

  meter?: Meter
  /** Names of the query parameters the page needs when it is come back to. */
  keeps: readonly string[] = []
  service?: Service
  strings: Strings = englishStrings
  formats!: Formats
  /** Brings the meter up to date, so that what is said of it is true. */
  refresh: () => Promise<void> = async () => {}
  step: Step = { at: 'form' }
  /** What stands in the number field. */
  text = ''

  #ordering = new Ordering()
  #following = new AbortController()
  #receipts = new Receipts(this)

  /** Opens with the smallest order chosen. */
  choose(): void {
    if (!this.meter) return
    this.#following.abort()
    this.step = { at: 'form' }
    this.text = this.formats.number(this.meter.purchase.min)
    this.#show()
  }

  /**
   * Watches a purchase and tells how it goes. Nothing is shown of a purchase that turns out to be none of
   * this viewer's: the page may hold meters of several workspaces.
   */
  async follow(purchaseId: string, left: Left): Promise<void> {
    if (!this.service) return
    this.#following.abort()
    const following = new AbortController()
    this.#following = following
    const { workspace } = this.service
    let seen: PurchaseView | undefined
    if (left === 'success') {
      this.#tell('waiting', purchaseId)
      this.#show()
    }
    for await (const sighting of followPurchase(this.service, purchaseId, following.signal)) {
      const { purchase, trouble } = sighting
      if (trouble === 'not_found' || trouble === 'forbidden') return this.#close()
      if (purchase && purchase.status !== 'open') await closeOrder(workspace, purchase.tokens)
      if (purchase && purchase.status !== seen?.status) {
        this.#announce(purchase)
        if (isPaid(purchase.status)) await this.refresh()
      }
      // Closed while waiting, it stays closed: the meter tells the rest.
      if (!seen && left === 'cancelled') this.#show()
      seen = purchase ?? seen
      this.#tell(outcomeOf(sighting, left), purchaseId, seen)
      if (left === 'cancelled' && purchase?.status === 'open') return
    }
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.#following.abort()
    this.#ordering.unwatch()
    removeEventListener('pageshow', this.#cameBack)
  }

  override connectedCallback(): void {
    super.connectedCallback()
    addEventListener('pageshow', this.#cameBack)
  }

  protected override render(): TemplateResult {
    const { step, strings, formats } = this
    const headline = step.at === 'purchase' && headlineOf({ ...step, strings, formats })
    return html`<dialog part="dialog" aria-labelledby="title" @close=${this.#closed} @pointerdown=${this.#pressed}>
      <div class="sheet">
        <button class="close" part="close" type="button" aria-label=${strings.close} @click=${this.#close}>
          ${icons.close}
        </button>
        ${step.at === 'form' ? this.#form(step) : this.#outcome(step)}
        <p class="sr" role="status">${headline || nothing}</p>
      </div>
    </dialog>`
  }

  #form(step: Step & { at: 'form' }): TemplateResult | typeof nothing {
    const { meter, text, strings, formats } = this
    if (!meter) return nothing
    return formView({
      ...step,
      meter,
      text,
      amount: this.#amount,
      strings,
      formats,
      typed: this.#typed,
      entered: this.#entered,
      chosen: this.#chosen,
      submitted: this.#submitted,
      close: this.#close,
    })
  }

  #outcome(step: Step & { at: 'purchase' }): TemplateResult {
    const { meter, service, strings, formats } = this
    return outcomeView({
      ...step,
      meter,
      service,
      receipts: this.#receipts,
      strings,
      formats,
      again: () => this.choose(),
      close: this.#close,
    })
  }

  get #dialog(): HTMLDialogElement | null {
    return this.renderRoot.querySelector('dialog')
  }

  get #amount(): number | AmountFault {
    return parseAmount(this.text, this.meter!.purchase, this.formats.locale)
  }

  async #tell(outcome: Outcome, purchaseId: string, purchase?: PurchaseView): Promise<void> {
    this.step = { at: 'purchase', outcome, purchaseId, ...(purchase && { purchase }) }
    await this.updateComplete
    this.#dialog?.querySelector<HTMLElement>('.primary')?.focus()
  }

  async #show(): Promise<void> {
    await this.updateComplete
    const dialog = this.#dialog
    if (!dialog || dialog.open) return
    dialog.showModal()
    this.#ordering.watch(this.service!.workspace)
    dialog.querySelector<HTMLInputElement>('#amount')?.select()
  }

  #close = () => this.#dialog?.close()

  #closed() {
    this.#ordering.unwatch()
    this.#ordering.forget()
    this.#receipts.forget()
    this.dispatchEvent(new Event('dialog-closed'))
  }

  /** A press beside the sheet lands on the dialog itself. Not a click: one may end a selection there. */
  #pressed(event: PointerEvent) {
    if (event.target === event.currentTarget) this.#close()
  }

  #chosen = (tokens: number) => {
    this.text = this.formats.number(tokens)
    this.step = { at: 'form' }
  }

  #typed = (text: string) => {
    this.text = text
    // A fault goes away as soon as it is mended, and comes only when the field is left.
    if (this.step.at === 'form' && typeof this.#amount === 'number') this.step = { at: 'form' }
  }

  #entered = () => {
    const amount = this.#amount
    if (typeof amount === 'number') this.#chosen(amount)
    else this.step = { at: 'form', fault: amount }
  }

  #submitted = async (event: SubmitEvent) => {
    event.preventDefault()
    if (this.step.at !== 'form' || this.step.busy) return
    const amount = this.#amount
    if (typeof amount !== 'number') {
      this.step = { at: 'form', fault: amount }
      this.#dialog?.querySelector<HTMLInputElement>('#amount')?.focus()
      return
    }
    this.step = { at: 'form', busy: true }
    try {
      const purchase = await this.#ordering.place(this.service!, amount, this.keeps)
      const goesOn = this.#announce(purchase)
      // Whoever closed the dialog meanwhile changed their mind; the order waits for its next confirmation.
      if (!this.#dialog?.open) return
      if (purchase.status !== 'open') {
        this.#tell(outcomeOfStatus(purchase, 'already'), purchase.purchaseId, purchase)
      } else if (goesOn) location.assign(webAddress(purchase.checkoutUrl))
    } catch (error) {
      this.step = { at: 'form', trouble: troubleOf(error) }
    }
  }

  /** False where the host took over and opens `checkoutUrl` itself. */
  #announce(purchase: PurchaseView): boolean {
    return this.dispatchEvent(
      new CustomEvent('token-purchase', {
        detail: { purchase },
        bubbles: true,
        composed: true,
        cancelable: true,
      }),
    )
  }

  /** The browser's Back may bring the page as it was left, in the middle of opening checkout. */
  #cameBack = ({ persisted }: PageTransitionEvent) => {
    if (persisted && this.step.at === 'form') this.step = { at: 'form' }
  }
}

if (!customElements.get('token-purchase-dialog')) {
  customElements.define('token-purchase-dialog', PurchaseDialog)
}
