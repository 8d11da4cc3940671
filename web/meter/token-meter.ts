import { html, LitElement, nothing, type PropertyValues, type TemplateResult, unsafeCSS } from 'lit'
import controls from '../controls.css'
import { type Formats, fill, formatsFor, localeOf } from '../format.ts'
import { forecastOf } from './forecast.ts'
import { levelOf, ringOf } from './gauge.ts'
import { icons } from './icons.ts'
import { levelText, panelOf, takenBackIn } from './panel.ts'
import type { PurchaseDialog } from './purchase/purchase-dialog.ts'
import './purchase/purchase-dialog.ts'
import {
  type ActivityPage,
  type GetToken,
  type Meter,
  openService,
  type Service,
  type Trouble,
  troubleOf,
} from '../service.ts'
import theme from '../theme.css'
import { englishStrings, type Strings } from './strings.ts'
import styles from './token-meter.css'

/** A meter older than this is read again when it is opened, and this often while it stays open. */
const freshMs = 5_000
const rereadMs = 20_000
/** The forecast of a week changes slowly. */
const activityFreshMs = 60_000
/** Time to move the pointer from the icon into the panel. */
const hoverCloseMs = 250
const margin = 8

/**
 * `<token-meter workspace="acme" api="https://tokens.example.com">`: an icon that opens into what is used,
 * what is left and what this viewer may do about it.
 *
 * `token-meter-change` carries `{meter}`, whenever it changed. `token-purchase` carries `{purchase}`, when
 * one was started or changed its status; preventing the default of a started one keeps the page from going
 * to its `checkoutUrl`.
 */
export class TokenMeter extends LitElement {
  static override styles = [unsafeCSS(theme), unsafeCSS(controls), unsafeCSS(styles)]
  static override properties = {
    workspace: {},
    api: {},
    upgradeUrl: { attribute: 'upgrade-url' },
    contactUrl: { attribute: 'contact-url' },
    usageUrl: { attribute: 'usage-url' },
    signInUrl: { attribute: 'sign-in-url' },
    returnQuery: { attribute: 'return-query' },
    getToken: { attribute: false },
    strings: { attribute: false },
    now: { attribute: false },
    meter: { state: true },
    activity: { state: true },
    trouble: { state: true },
    opened: { state: true },
  }

  workspace = ''
  /** Origin and path in front of `/v1`; empty for the page's own origin. */
  api = ''
  upgradeUrl = ''
  contactUrl = ''
  usageUrl = ''
  signInUrl = ''
  /** Names of the query parameters the page needs when a purchase comes back to it, with spaces between. */
  returnQuery = ''
  /** Asked for an access token before every call. Without it, the viewer counts as signed out. */
  getToken: GetToken | undefined
  /** Texts to use in place of the English ones. */
  strings: Partial<Strings> = {}
  /** The time; to be set where the service's clock is not the browser's. */
  now: () => Date = () => new Date()

  /** As last read. */
  meter: Meter | undefined
  private activity: ActivityPage | undefined
  private trouble: Trouble | undefined
  private opened = false

  #service: Service | undefined
  #signedIn = false
  #formats: Formats = formatsFor('en')
  #reading: Promise<void> | undefined
  #meterReadAt: Date | undefined
  #activityReadAt: Date | undefined
  /** Opened by a press, so that neither pointer nor focus closes it by leaving. */
  #pinned = false
  /** Focus is put back on the icon by us, which is no reason to open. */
  #focusing = false
  #closing: ReturnType<typeof setTimeout> | undefined
  #rereading: ReturnType<typeof setInterval> | undefined

  /** Reads the meter again: to be called after tokens were used. */
  async refresh(): Promise<void> {
    // A read under way may have been answered before what the caller knows of: another one follows it.
    await this.#reading
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  show(): void {
    clearTimeout(this.#closing)
    if (this.opened) return
    this.opened = true
    const stale = this.trouble !== undefined || ageOf(this.#meterReadAt) > freshMs
    if (stale && !this.#reading) this.refresh()
    if (this.meter) this.#readActivity()
    this.#rereading = setInterval(() => this.refresh(), rereadMs)
  }

  hide(): void {
    clearTimeout(this.#closing)
    clearInterval(this.#rereading)
    this.opened = false
    this.#pinned = false
  }

  /** Opens the purchase dialog, or for a viewer who may not buy the meter, which says what they may do. */
  async purchase(): Promise<void> {
    if (!this.meter) await this.refresh()
    if (!this.meter?.purchase.allowed) return this.show()
    this.hide()
    this.#dialog?.choose()
  }

  override connectedCallback(): void {
    super.connectedCallback()
    document.addEventListener('visibilitychange', this.#seenAgain)
    document.addEventListener('pointerdown', this.#pressedOutside)
    addEventListener('online', this.#seenAgain)
    addEventListener('resize', this.#place)
    addEventListener('scroll', this.#place, { capture: true, passive: true })
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback()
    this.hide()
    document.removeEventListener('visibilitychange', this.#seenAgain)
    document.removeEventListener('pointerdown', this.#pressedOutside)
    removeEventListener('online', this.#seenAgain)
    removeEventListener('resize', this.#place)
    removeEventListener('scroll', this.#place, { capture: true })
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    this.#formats = formatsFor(localeOf(this))
    // Frameworks may give a new function at every render; only having one or none makes a difference.
    const signedIn = this.getToken !== undefined
    if (changed.has('workspace') || changed.has('api') || signedIn !== this.#signedIn) {
      this.#signedIn = signedIn
      this.#connect()
    }
  }

  protected override updated(changed: PropertyValues): void {
    if (changed.has('opened')) {
      if (this.opened) this.#panel.showPopover()
      else this.#panel.hidePopover()
    }
    this.#place()
  }

  protected override render(): TemplateResult {
    const { meter, activity, trouble } = this
    const texts = { ...englishStrings, ...this.strings }
    const formats = this.#formats
    const level = meter && levelOf(meter)
    const words = meter && levelText(meter, texts, formats)
    const now = this.now()
    return html`
      <div class="meter" @pointerenter=${this.#entered} @pointerleave=${this.#left}
        @focusout=${this.#focusLeft} @keydown=${this.#keyPressed}>
        <button class="trigger" part="trigger" type="button" aria-controls="panel"
          aria-expanded=${this.opened ? 'true' : 'false'} aria-label=${this.#label(texts, words)}
          data-level=${level ?? 'unknown'} @click=${this.#clicked} @focus=${this.#focused}>
          ${ringOf(meter)}
          ${level && level !== 'calm' ? html`<span class="badge" part="badge">${icons[level]}</span>` : nothing}
          <slot></slot>
        </button>
        <div id="panel" part="panel" popover="manual" role="dialog" aria-label=${texts.meter}>
          ${
            this.opened
              ? panelOf({
                  meter,
                  trouble,
                  forecast: meter && activity && forecastOf(meter, daysOf(activity, meter), now),
                  takenBack: activity && takenBackIn(activity),
                  readAt: this.#meterReadAt,
                  now,
                  texts,
                  formats,
                  links: {
                    upgrade: this.upgradeUrl,
                    contact: this.contactUrl,
                    usage: this.usageUrl,
                    signIn: this.signInUrl,
                  },
                  purchase: () => this.purchase(),
                  retry: () => this.refresh(),
                })
              : nothing
          }
        </div>
      </div>
      <p class="sr" role="status">${words ?? nothing}</p>
      <token-purchase-dialog exportparts="dialog, close, title, amount, slider, preset, price, confirm, cancel, outcome, receipt"
        .keeps=${this.returnQuery.split(' ').filter(Boolean)}
        .meter=${meter} .service=${this.#service} .strings=${texts} .formats=${formats}
        .refresh=${() => this.refresh()} @dialog-closed=${this.#dialogClosed}
        @token-purchase=${this.#purchaseChanged}></token-purchase-dialog>`
  }

  /** Begins anew, for another workspace or another viewer. */
  #connect(): void {
    this.#service = undefined
    this.meter = this.activity = this.trouble = undefined
    this.#meterReadAt = this.#activityReadAt = undefined
    if (!this.workspace) return
    if (!this.getToken) {
      this.trouble = 'signed_out'
      return
    }
    const { api, workspace } = this
    // Asked through the property, so that a host that replaces the function is heard.
    const getToken: GetToken = async (wish) => this.getToken!(wish)
    this.#service = openService({ api, workspace, getToken })
    this.refresh()
    this.#comeBack()
  }

  async #read(): Promise<void> {
    const service = this.#service
    if (!service) return
    try {
      const meter = await service.meter()
      if (service !== this.#service) return
      const isNew = JSON.stringify(meter) !== JSON.stringify(this.meter)
      this.meter = meter
      this.trouble = undefined
      this.#meterReadAt = new Date()
      if (isNew) this.#tell('token-meter-change', { meter })
      if (this.opened) this.#readActivity()
    } catch (error) {
      if (service !== this.#service) return
      this.trouble = troubleOf(error)
      // Who is signed out must not go on seeing what they saw before.
      if (this.trouble === 'signed_out') this.meter = this.activity = undefined
    }
  }

  async #readActivity(): Promise<void> {
    const service = this.#service
    if (!service || ageOf(this.#activityReadAt) < activityFreshMs) return
    this.#activityReadAt = new Date()
    // The meter says enough without it.
    const activity = await service.activity({ months: 1, limit: 50 }).catch(() => undefined)
    if (service === this.#service) this.activity = activity
  }

  /** Follows the purchase that the address names, when the buyer returns from checkout. */
  async #comeBack(): Promise<void> {
    const query = new URLSearchParams(location.search)
    const purchase = query.get('purchase')
    const left = query.get('checkout')
    if (!purchase || (left !== 'success' && left !== 'cancelled')) return
    await this.updateComplete
    await this.#dialog?.follow(purchase, left)
  }

  /** A reload shows the same again until the purchase is decided or its dialog closed. */
  #forgetReturn(): void {
    const url = new URL(location.href)
    if (!url.searchParams.has('checkout')) return
    url.searchParams.delete('purchase')
    url.searchParams.delete('checkout')
    history.replaceState(history.state, '', url)
  }

  #dialogClosed() {
    this.#forgetReturn()
    this.#focusTrigger()
    this.refresh()
  }

  #purchaseChanged() {
    this.#activityReadAt = undefined
  }

  #label(texts: Strings, words: string | undefined): string {
    const { meter, trouble } = this
    const { number } = this.#formats
    if (!meter) return `${texts.meter}. ${trouble === 'signed_out' ? texts.signedOut : ''}`
    const used = fill(texts.used, { used: number(meter.used), limit: number(meter.limit) })
    return [`${texts.tokens}: ${used}`, words].filter(Boolean).join('. ')
  }

  #entered({ pointerType }: PointerEvent) {
    if (pointerType === 'mouse') this.show()
  }

  #left({ pointerType }: PointerEvent) {
    const focusInside = this.#panel.contains(this.shadowRoot!.activeElement)
    if (pointerType !== 'mouse' || this.#pinned || focusInside) return
    this.#closing = setTimeout(() => this.hide(), hoverCloseMs)
  }

  #focused() {
    if (!this.#focusing && this.#trigger.matches(':focus-visible')) this.show()
  }

  #focusLeft({ currentTarget, relatedTarget }: FocusEvent) {
    const meter = currentTarget as HTMLElement
    // Nothing gets focus when text in the panel is pressed; leaving the page keeps the panel as it is.
    if (relatedTarget === null || meter.contains(relatedTarget as Node)) return
    this.hide()
  }

  #clicked() {
    if (this.opened && this.#pinned) return this.hide()
    this.show()
    this.#pinned = true
  }

  #keyPressed(event: KeyboardEvent) {
    if (event.key !== 'Escape' || !this.opened) return
    event.stopPropagation()
    this.hide()
    this.#focusTrigger()
  }

  #focusTrigger() {
    this.#focusing = true
    this.#trigger.focus()
    this.#focusing = false
  }

  #pressedOutside = (event: Event) => {
    if (this.opened && !event.composedPath().includes(this)) this.hide()
  }

  #seenAgain = () => {
    if (document.visibilityState === 'visible' && ageOf(this.#meterReadAt) > freshMs) this.refresh()
  }

  /** Beside the icon, where there is room, and always whole within the window. */
  #place = () => {
    if (!this.opened) return
    const panel = this.#panel
    const icon = this.#trigger.getBoundingClientRect()
    const { offsetWidth: width, offsetHeight: height } = panel
    const rightToLeft = getComputedStyle(this).direction === 'rtl'
    const below = icon.bottom + margin
    const fits = below + height + margin <= innerHeight
    const top = fits ? below : icon.top - margin - height
    const left = rightToLeft ? icon.right - width : icon.left
    panel.style.top = `${Math.max(margin, Math.min(top, innerHeight - height - margin))}px`
    panel.style.left = `${Math.max(margin, Math.min(left, document.documentElement.clientWidth - width - margin))}px`
  }

  #tell(type: string, detail: object) {
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }))
  }

  get #trigger(): HTMLButtonElement {
    return this.renderRoot.querySelector('.trigger')!
  }

  get #panel(): HTMLElement {
    return this.renderRoot.querySelector('#panel')!
  }

  get #dialog(): PurchaseDialog | null {
    return this.renderRoot.querySelector('token-purchase-dialog')
  }
}

// The stable module and a pinned copy of it may meet on one page; the first one stays.
if (!customElements.get('token-meter')) customElements.define('token-meter', TokenMeter)

function ageOf(readAt: Date | undefined): number {
  return readAt ? Date.now() - readAt.getTime() : Number.POSITIVE_INFINITY
}

/** The current month's days; an answer from before a reset says nothing about this month. */
function daysOf({ months }: ActivityPage, { period }: Meter) {
  return months.find((month) => month.period === period)?.days ?? []
}
