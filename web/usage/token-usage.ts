import { html, LitElement, nothing, type PropertyValues, type TemplateResult, unsafeCSS } from 'lit'
import controls from '../controls.css'
import { fill, localeOf } from '../format.ts'
import { Receipts } from '../receipts.ts'
import {
  type ActivityPage,
  type GetToken,
  openService,
  type Service,
  type Trouble,
  troubleOf,
} from '../service.ts'
import theme from '../theme.css'
import { activityList, type Entry, type PurchaseEntry } from './activity-list.ts'
import { chartOf } from './chart.ts'
import { dayTable } from './day-table.ts'
import { csvOf, daysIn, type Month, totalOf } from './days.ts'
import { type UsageFormats, usageFormatsFor } from './formats.ts'
import { monthList, nameOf } from './month-list.ts'
import { englishUsageStrings, type UsageStrings } from './strings.ts'
import styles from './token-usage.css'

/** This month and the year before it. */
const monthsShown = 13
const entriesPerPage = 20

/**
 * `<token-usage workspace="acme" api="https://tokens.example.com">`: tokens used day by day and month by
 * month, as a chart, a table and CSV; and for admins what was bought, granted, taken back and reset.
 */
export class TokenUsage extends LitElement {
  static override styles = [unsafeCSS(theme), unsafeCSS(controls), unsafeCSS(styles)]
  static override properties = {
    workspace: {},
    api: {},
    signInUrl: { attribute: 'sign-in-url' },
    getToken: { attribute: false },
    strings: { attribute: false },
    months: { state: true },
    entries: { state: true },
    more: { state: true },
    trouble: { state: true },
    shown: { state: true },
    asTable: { state: true },
  }

  workspace = ''
  /** Origin and path in front of `/v1`; empty for the page's own origin. */
  api = ''
  signInUrl = ''
  /** Asked for an access token before every call. Without it, the viewer counts as signed out. */
  getToken: GetToken | undefined
  /** Texts to use in place of the English ones. */
  strings: Partial<UsageStrings> = {}

  /** Newest first; undefined until they are loaded. */
  private months: Month[] | undefined
  /** Only admins are given them. */
  private entries: Entry[] | undefined
  private more: { cursor: string; state: 'ready' | 'loading' | 'failed' } | undefined
  private trouble: Trouble | undefined
  private shown = 0
  private asTable = false

  #service: Service | undefined
  #signedIn = false
  #formats: UsageFormats = usageFormatsFor('en')
  #texts: UsageStrings = englishUsageStrings
  #receipts = new Receipts(this)

  /** Loads everything again, the month shown and the first page of activity. */
  async refresh(): Promise<void> {
    const service = this.#service
    if (!service) return
    try {
      const page = await service.activity({ months: monthsShown, limit: entriesPerPage })
      if (service !== this.#service) return
      this.months = page.months
      this.shown = Math.min(this.shown, page.months.length - 1)
      this.entries = page.entries
      this.#setMore(page)
      this.trouble = undefined
    } catch (error) {
      if (service === this.#service) this.trouble = troubleOf(error)
    }
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    this.#formats = usageFormatsFor(localeOf(this))
    this.#texts = { ...englishUsageStrings, ...this.strings }
    const signedIn = this.getToken !== undefined
    if (changed.has('workspace') || changed.has('api') || signedIn !== this.#signedIn) {
      this.#signedIn = signedIn
      this.#connect()
    }
  }

  protected override render(): TemplateResult {
    const month = this.months?.[this.shown]
    return html`<section aria-label=${this.#texts.usage}>
      ${month ? this.#month(month) : this.#absence()}
      ${this.months && this.months.length > 1 ? this.#months(this.months) : nothing}
      ${month && this.entries ? this.#activity(this.entries) : nothing}
    </section>`
  }

  #connect(): void {
    this.#service = undefined
    this.#receipts.forget()
    this.months = this.entries = this.more = this.trouble = undefined
    this.shown = 0
    if (!this.workspace) return
    if (!this.getToken) {
      this.trouble = 'signed_out'
      return
    }
    const { api, workspace } = this
    const getToken: GetToken = async (wish) => this.getToken!(wish)
    this.#service = openService({ api, workspace, getToken })
    this.refresh()
  }

  #month(month: Month): TemplateResult {
    const texts = this.#texts
    const { number } = this.#formats
    const months = this.months!
    const name = nameOf(month, this.#formats)
    const total = totalOf(month)
    const split = { quota: number(total.fromQuota), purchased: number(total.fromPurchased) }
    const step = (label: string, to: number, arrow: string) => html`
      <button type="button" class="step" aria-label=${label} ?disabled=${!months[to]}
        @click=${() => this.#select(to)}><span aria-hidden="true">${arrow}</span></button>`
    return html`
      <div class="bar-of-tools">
        <div class="pick">
          ${step(texts.earlier, this.shown + 1, '‹')}
          <h2 part="title" aria-live="polite">${name}</h2>
          ${step(texts.later, this.shown - 1, '›')}
        </div>
        <div class="tools">
          <div class="view" role="group" aria-label=${texts.view}>
            ${[false, true].map(
              (asTable) => html`<button type="button" aria-pressed=${this.asTable === asTable}
                @click=${() => this.#view(asTable)}>${asTable ? texts.table : texts.chart}</button>`,
            )}
          </div>
          <button type="button" part="export" @click=${this.#export}>${texts.export}</button>
        </div>
      </div>
      <p class="figure">${fill(texts.summary, { used: number(total.used) })}</p>
      <p class="split">${fill(texts.split, split)}</p>
      ${
        total.used === 0
          ? html`<p class="empty">${fill(texts.none, { month: name })}</p>`
          : this.asTable
            ? dayTable(month, texts, this.#formats)
            : this.#chart(month, name)
      }`
  }

  #chart(month: Month, name: string): TemplateResult {
    const texts = this.#texts
    const label = fill(texts.chartLabel, { month: name })
    const rightToLeft = getComputedStyle(this).direction === 'rtl'
    return html`${chartOf(daysIn(month), { label, texts, formats: this.#formats, rightToLeft })}
      <ul class="legend"><li class="key quota">${texts.quota}</li><li class="key purchased">${texts.purchased}</li></ul>`
  }

  #months(months: Month[]): TemplateResult {
    const { shown } = this
    const pick = (index: number) => this.#select(index)
    return monthList(months, shown, pick, this.#texts, this.#formats)
  }

  #activity(entries: Entry[]): TemplateResult {
    const texts = this.#texts
    const { more } = this
    return html`<h3>${texts.activity}</h3>
      ${activityList(entries, texts, this.#formats, this.#receiptOf)}
      ${more?.state === 'failed' ? html`<p role="alert">${texts.moreFailed}</p>` : nothing}
      ${
        more
          ? html`<div class="actions"><button type="button" part="more" @click=${this.#loadMore}>
        ${more.state === 'loading' ? texts.loadingMore : texts.more}</button></div>`
          : nothing
      }`
  }

  #absence(): TemplateResult {
    const texts = this.#texts
    const { trouble } = this
    if (!trouble) {
      return html`<p class="sr" role="status">${texts.loading}</p>
        <div class="bones" aria-hidden="true"><i></i><i></i><i></i></div>`
    }
    const text = {
      offline: texts.offline,
      signed_out: texts.signedOut,
      not_found: texts.notFound,
      forbidden: texts.notFound,
      refused: texts.unavailable,
      unavailable: texts.unavailable,
    }[trouble]
    const signIn = trouble === 'signed_out' && this.signInUrl
    return html`<div class="absence" role="alert"><p><strong>${text}</strong></p>
      <div class="actions">
        ${signIn ? html`<a class="button primary" href=${this.signInUrl}>${texts.signIn}</a>` : nothing}
        <button type="button" @click=${this.#retry}>${texts.retry}</button>
      </div></div>`
  }

  #receiptOf = ({ purchaseId }: PurchaseEntry, describedBy: string): TemplateResult =>
    this.#receipts.button(this.#service, purchaseId, this.#texts, describedBy)

  async #loadMore() {
    const service = this.#service
    if (!service || !this.more || this.more.state === 'loading') return
    const { cursor } = this.more
    this.more = { cursor, state: 'loading' }
    try {
      const page = await service.activity({ months: 1, limit: entriesPerPage, cursor })
      if (service !== this.#service) return
      this.entries = [...(this.entries ?? []), ...(page.entries ?? [])]
      this.#setMore(page)
    } catch {
      if (service === this.#service) this.more = { cursor, state: 'failed' }
    }
  }

  #setMore({ nextCursor }: ActivityPage) {
    this.more = nextCursor === undefined ? undefined : { cursor: nextCursor, state: 'ready' }
  }

  #retry() {
    this.trouble = undefined
    this.#connect()
  }

  #select(index: number) {
    this.shown = index
  }

  #view(asTable: boolean) {
    this.asTable = asTable
  }

  #export() {
    const url = URL.createObjectURL(new Blob([csvOf(this.months ?? [])], { type: 'text/csv' }))
    const link = document.createElement('a')
    link.href = url
    link.download = `token-usage-${this.workspace}.csv`
    link.click()
    setTimeout(() => URL.revokeObjectURL(url), 1_000)
  }
}

if (!customElements.get('token-usage')) customElements.define('token-usage', TokenUsage)
