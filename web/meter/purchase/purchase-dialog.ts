import { html, LitElement, nothing, type TemplateResult, unsafeCSS } from 'lit'
import { isPaid } from '../../../shared/domain/purchase.ts'
import controls from '../../controls.css'
import { type Formats, fill } from '../../format.ts'
import { Receipts, webAddress } from '../../receipts.ts'
import {
  type Meter,
  type PurchaseView,
  type Service,
  ServiceError,
  type Trouble,
} from '../../service.ts'
import { icons } from '../icons.ts'
import { englishStrings, type Strings } from '../strings.ts'
import {
  type AmountFault,
  costOf,
  nearestStop,
  parseAmount,
  presetsOf,
  sliderStops,
} from './amount.ts'
import { followPurchase, type Sighting } from './follow-purchase.ts'
import {
  closeOrder,
  type OpenOrder,
  rememberPurchase,
  takeOrder,
  watchOrders,
} from './open-orders.ts'
import styles from './purchase-dialog.css'

/** How the buyer came back from checkout, as the return URL says. */
export type Left = 'success' | 'cancelled'

type Step =
  | { at: 'form'; fault?: AmountFault; trouble?: Trouble; busy?: boolean }
  | { at: 'purchase'; outcome: Outcome; purchaseId: string; purchase?: PurchaseView }

type Outcome =
  | 'waiting'
  | 'late'
  | 'unreachable'
  | 'paused'
  | 'credited'
  | 'already'
  | 'cancelled'
  | 'processing'
  | 'failed'
  | 'expired'
  | 'wasRefunded'
  | 'wasDisputed'

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

  /** Orders that other tabs began while this dialog was open: confirming theirs again is not a second one. */
  #begunElsewhere = new Map<number, OpenOrder>()
  #unwatch = () => {}
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
    this.#unwatch()
    removeEventListener('pageshow', this.#cameBack)
  }

  override connectedCallback(): void {
    super.connectedCallback()
    addEventListener('pageshow', this.#cameBack)
  }

  protected override render(): TemplateResult {
    const { strings } = this
    const purchase = this.step.at === 'purchase'
    return html`<dialog part="dialog" aria-labelledby="title" @close=${this.#closed} @pointerdown=${this.#pressed}>
      <div class="sheet">
        <button class="close" part="close" type="button" aria-label=${strings.close} @click=${this.#close}>
          ${icons.close}
        </button>
        ${this.step.at === 'form' ? this.#form(this.step) : this.#outcome(this.step)}
        <p class="sr" role="status">${purchase ? this.#headline : nothing}</p>
      </div>
    </dialog>`
  }

  #form(step: Step & { at: 'form' }): TemplateResult | typeof nothing {
    const { meter, strings, formats } = this
    if (!meter) return nothing
    const offer = meter.purchase
    const amounts = {
      step: formats.number(offer.step),
      min: formats.number(offer.min),
      max: formats.number(offer.max),
    }
    const parsed = this.#tokens
    const tokens = typeof parsed === 'number' ? parsed : undefined
    const stops = sliderStops(offer)
    const fault = step.fault && fill(strings[step.fault], amounts)
    return html`<form method="dialog" novalidate @submit=${this.#submitted}>
      <h2 id="title" part="title">${strings.dialog}</h2>
      <label for="amount">${strings.amount}</label>
      <input id="amount" part="amount" inputmode="numeric" autocomplete="off" autofocus maxlength="40"
        .value=${this.text} aria-invalid=${fault ? 'true' : 'false'} aria-describedby="help fault"
        @input=${this.#typed} @change=${this.#settled}>
      <p id="help" class="help">${fill(strings.amountHelp, amounts)}</p>
      <p id="fault" class="fault" role="alert">${fault ? html`${icons.nearly}<span>${fault}</span>` : nothing}</p>
      <input class="slider" part="slider" type="range" min="0" max=${stops.length - 1} step="1"
        aria-label=${strings.slider} aria-valuetext=${tokens === undefined ? nothing : formats.number(tokens)}
        .value=${String(nearestStop(stops, tokens ?? offer.min))} @input=${this.#slid}>
      <div class="presets" role="group" aria-label=${strings.presets}>
        ${presetsOf(offer).map(
          (preset) => html`<button type="button" part="preset"
            aria-pressed=${preset === tokens} @click=${() => this.#set(preset)}>${formats.compact(preset)}</button>`,
        )}
      </div>
      <dl>
        <div class="price"><dt>${strings.price}</dt>
          <dd part="price">${tokens === undefined ? '–' : formats.money(costOf(tokens, offer), offer.currency)}</dd></div>
        <div><dt>${strings.after}</dt>
          <dd>${tokens === undefined ? '–' : formats.number(meter.remaining + tokens)}</dd></div>
      </dl>
      <p class="promise">${strings.promise}</p>
      ${step.trouble ? html`<p class="fault" role="alert">${icons.nearly}<span>${this.#troubleText(step.trouble)}</span></p>` : nothing}
      <div class="actions">
        <button class="primary" part="confirm" type="submit" aria-disabled=${step.busy ? 'true' : 'false'}>
          ${step.busy ? strings.opening : strings.confirm}
        </button>
        <button type="button" part="cancel" @click=${this.#close}>${strings.cancel}</button>
      </div>
      <p class="help">${strings.checkout}</p>
    </form>`
  }

  #outcome({ outcome, purchase, purchaseId }: Step & { at: 'purchase' }): TemplateResult {
    const { strings, formats, meter } = this
    const help = fill(strings[`${outcome}Help`], {
      amount: formats.number(purchase?.credited ?? 0),
      used: formats.number(meter?.used ?? 0),
      limit: formats.number(meter?.limit ?? 0),
    })
    const running = outcome === 'waiting'
    const over = outcome === 'failed' || outcome === 'expired' || outcome === 'already'
    const resume = outcome === 'cancelled' ? purchase?.checkoutUrl : undefined
    return html`<div class="outcome" part="outcome" data-outcome=${outcome}>
      <span class="mark">${running ? html`<span class="spinner"></span>` : outcomeIcons[outcome]}</span>
      <h2 id="title" part="title">${this.#headline}</h2>
      <p>${help}</p>
      ${
        outcome === 'credited'
          ? nothing
          : html`<p class="reference">${strings.reference} <code>${purchaseId}</code></p>`
      }
      ${purchase && isPaid(purchase.status) ? this.#receipts.button(this.service, purchaseId, strings) : nothing}
      <div class="actions">
        ${resume ? html`<a class="button primary" href=${resume} autofocus>${strings.resume}</a>` : nothing}
        ${over ? html`<button class="primary" type="button" autofocus @click=${this.choose}>${strings.again}</button>` : nothing}
        ${
          running
            ? nothing
            : html`<button class=${resume || over ? '' : 'primary'} type="button" autofocus @click=${this.#close}>
          ${outcome === 'credited' ? strings.done : strings.close}</button>`
        }
      </div>
    </div>`
  }

  get #headline(): string {
    if (this.step.at === 'form') return ''
    const { outcome, purchase } = this.step
    return fill(this.strings[outcome], { amount: this.formats.number(purchase?.tokens ?? 0) })
  }

  #troubleText(trouble: Trouble): string {
    const { strings } = this
    return {
      offline: strings.orderOffline,
      signed_out: strings.orderSignedOut,
      forbidden: strings.orderForbidden,
      not_found: strings.orderForbidden,
      refused: strings.orderRefused,
      unavailable: strings.orderUnavailable,
    }[trouble]
  }

  get #dialog(): HTMLDialogElement | null {
    return this.renderRoot.querySelector('dialog')
  }

  get #tokens(): number | AmountFault {
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
    this.#unwatch()
    this.#unwatch = watchOrders(this.service!.workspace, (tokens, order) =>
      this.#begunElsewhere.set(tokens, order),
    )
    dialog.querySelector<HTMLInputElement>('#amount')?.select()
  }

  #close = () => this.#dialog?.close()

  #closed() {
    this.#unwatch()
    this.#begunElsewhere.clear()
    this.#receipts.forget()
    this.dispatchEvent(new Event('dialog-closed'))
  }

  /** A press beside the sheet lands on the dialog itself. Not a click: one may end a selection there. */
  #pressed(event: PointerEvent) {
    if (event.target === event.currentTarget) this.#close()
  }

  #set(tokens: number) {
    this.text = this.formats.number(tokens)
    this.step = { at: 'form' }
  }

  #typed(event: InputEvent) {
    this.text = (event.target as HTMLInputElement).value
    // A fault goes away as soon as it is mended, and comes only when the field is left.
    if (this.step.at === 'form' && typeof this.#tokens === 'number') this.step = { at: 'form' }
  }

  #settled() {
    const tokens = this.#tokens
    if (typeof tokens === 'number') this.#set(tokens)
    else this.step = { at: 'form', fault: tokens }
  }

  #slid(event: InputEvent) {
    const stops = sliderStops(this.meter!.purchase)
    this.#set(stops[Number((event.target as HTMLInputElement).value)]!)
  }

  async #submitted(event: SubmitEvent) {
    event.preventDefault()
    if (this.step.at !== 'form' || this.step.busy) return
    const tokens = this.#tokens
    if (typeof tokens !== 'number') {
      this.step = { at: 'form', fault: tokens }
      this.#dialog?.querySelector<HTMLInputElement>('#amount')?.focus()
      return
    }
    this.step = { at: 'form', busy: true }
    try {
      const purchase = await this.#order(tokens)
      const goesOn = this.#announce(purchase)
      // Whoever closed the dialog meanwhile changed their mind; the order waits for its next confirmation.
      if (!this.#dialog?.open) return
      if (purchase.status !== 'open') {
        this.#tell(settledOutcome(purchase, 'already'), purchase.purchaseId, purchase)
      } else if (goesOn) location.assign(webAddress(purchase.checkoutUrl))
    } catch (error) {
      const trouble = error instanceof ServiceError ? error.trouble : 'unavailable'
      this.step = { at: 'form', trouble }
    }
  }

  /**
   * The purchase of this amount: the one begun before, here or in another tab, while it can still be paid,
   * and otherwise a new one. One that was paid meanwhile is shown and not bought again.
   */
  async #order(tokens: number, again = false): Promise<PurchaseView> {
    const service = this.service!
    const order =
      this.#begunElsewhere.get(tokens) ??
      (await takeOrder(service.workspace, tokens, () => newOrder(this.keeps)))
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
      return unpaid && !again ? this.#order(tokens, true) : purchase
    } catch (error) {
      const spent =
        error instanceof ServiceError &&
        (error.code === 'idempotency_key_reused' || error.code === 'purchase_not_found')
      if (!spent || again) throw error
      await drop()
      return this.#order(tokens, true)
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

const outcomeIcons: Record<Outcome, TemplateResult | typeof nothing> = {
  waiting: nothing,
  late: icons.info,
  unreachable: icons.info,
  paused: icons.info,
  credited: icons.done,
  already: icons.done,
  cancelled: icons.back,
  processing: icons.calendar,
  failed: icons.nearly,
  expired: icons.calendar,
  wasRefunded: icons.back,
  wasDisputed: icons.nearly,
}

function outcomeOf({ purchase, trouble, late }: Sighting, left: Left): Outcome {
  if (!purchase) return trouble === 'signed_out' ? 'paused' : 'unreachable'
  if (purchase.status !== 'open') return settledOutcome(purchase, 'credited')
  if (left === 'cancelled') return 'cancelled'
  return late ? 'late' : 'waiting'
}

function settledOutcome({ status }: PurchaseView, paid: 'credited' | 'already'): Outcome {
  const outcomes = {
    open: 'waiting',
    processing: 'processing',
    paid,
    failed: 'failed',
    expired: 'expired',
    refunded: 'wasRefunded',
    disputed: 'wasDisputed',
  } as const
  return outcomes[status]
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
