import { html, nothing, type TemplateResult } from 'lit'
import { type Formats, fill } from '../format.ts'
import type { ActivityPage, Meter, Trouble } from '../service.ts'
import type { Forecast } from './forecast.ts'
import { barOf, levelOf, shareOf } from './gauge.ts'
import { icons } from './icons.ts'
import type { Strings } from './strings.ts'

export interface PanelView {
  meter: Meter | undefined
  trouble: Trouble | undefined
  forecast: Forecast | undefined
  takenBack: TakenBack | undefined
  /** When the meter shown was read. */
  readAt: Date | undefined
  now: Date
  texts: Strings
  formats: Formats
  links: { upgrade: string; contact: string; usage: string; signIn: string }
  purchase: () => void
  retry: () => void
}

/** What the opened meter shows. */
export function panelOf(view: PanelView): TemplateResult {
  return view.meter ? readingOf({ ...view, meter: view.meter }) : absenceOf(view)
}

/** The words that go with a level of use, or undefined while there is nothing to say. */
export function levelText(meter: Meter, texts: Strings, formats: Formats): string | undefined {
  const level = levelOf(meter)
  return level === 'calm'
    ? undefined
    : fill(texts[level], { percent: formats.percent(shareOf(meter)) })
}

type Payment = Extract<NonNullable<ActivityPage['entries']>[number], { type: 'payment' }>

/** A payment that took tokens back. */
export type TakenBack = Payment & { status: 'refunded' | 'disputed' }

/**
 * What a refund or a dispute took back this month, the latest, unless the same purchase was put right since.
 */
export function takenBackIn({ entries = [], months }: ActivityPage): TakenBack | undefined {
  const period = months[0]?.period
  const payments = entries.filter((entry) => entry.type === 'payment')
  const latest = payments.filter(
    (payment, index) =>
      payments.findIndex(({ purchaseId }) => purchaseId === payment.purchaseId) === index,
  )
  return latest.find(
    (payment): payment is TakenBack =>
      payment.period === period &&
      (payment.status === 'refunded' || payment.status === 'disputed') &&
      (payment.tokens < 0 || payment.shortfall > 0),
  )
}

function readingOf(view: PanelView & { meter: Meter }): TemplateResult {
  const { meter, texts, formats, now, trouble } = view
  const level = levelOf(meter)
  const number = formats.number
  const used = { used: number(meter.used), limit: number(meter.limit) }
  const resetsAt = new Date(meter.resetsAt)
  const resets = { date: formats.date(resetsAt), until: formats.until(resetsAt, now) }
  const words = levelText(meter, texts, formats)
  return html`
    <div class="head"><h2 part="title">${texts.tokens}</h2><span class="plan" part="plan">${meter.planName}</span></div>
    <p class="figure" part="text"><bdi>${fill(texts.used, used)}</bdi></p>
    ${words ? html`<p class="level" part="level" data-level=${level}>${level === 'calm' ? nothing : icons[level]}<strong>${words}</strong></p>` : nothing}
    ${barOf(meter)}
    <dl>
      <div><dt class="key quota">${texts.quota}</dt>
        <dd><strong>${fill(texts.left, { amount: number(meter.quota.remaining) })}</strong>
          <small>${fill(texts.of, { amount: number(meter.quota.limit) })}</small></dd></div>
      <div><dt class="key purchased">${texts.purchased}</dt>
        <dd><strong>${fill(texts.left, { amount: number(meter.topUps.remaining) })}</strong>
          ${meter.topUps.limit > 0 ? html`<small>${fill(texts.of, { amount: number(meter.topUps.limit) })}</small>` : nothing}</dd></div>
    </dl>
    <ul class="notes">
      ${meter.used === 0 ? html`<li>${icons.info}<span>${texts.unused}</span></li>` : nothing}
      ${meter.held > 0 ? html`<li>${icons.info}<span>${fill(texts.held, { amount: number(meter.held) })}</span></li>` : nothing}
      <li>${icons.calendar}<time datetime=${meter.resetsAt} title=${formats.moment(resetsAt)}>${fill(texts.resets, resets)}</time></li>
      ${forecastNote(view)}
      ${takenBackNote(view)}
      ${trouble && view.readAt ? html`<li>${icons.nearly}<span>${fill(texts.stale, { time: formats.moment(view.readAt) })}</span></li>` : nothing}
    </ul>
    <div class="actions">
      ${actionOf(view)}
      ${view.links.usage ? html`<a class="quiet" part="usage" href=${view.links.usage}>${texts.usage}</a>` : nothing}
    </div>`
}

function forecastNote({ forecast, texts, formats }: PanelView): TemplateResult | typeof nothing {
  if (!forecast) return nothing
  const text =
    forecast.outcome === 'lasts'
      ? texts.lasts
      : fill(texts.runsOut, { date: formats.date(forecast.at) })
  return html`<li>${icons.pace}<span>${text}</span></li>`
}

function takenBackNote({ takenBack, texts, formats }: PanelView): TemplateResult | typeof nothing {
  if (!takenBack) return nothing
  const { status, tokens, shortfall, at } = takenBack
  const amounts = { amount: formats.number(-tokens), date: formats.date(new Date(at)) }
  return html`<li>${icons.back}<span>${fill(texts[status], amounts)} ${shortfall > 0 ? fill(texts.alreadyUsed, { amount: formats.number(shortfall) }) : nothing}</span></li>`
}

/** The one thing this viewer may do to get more tokens. */
function actionOf({ meter, texts, links, purchase }: PanelView): TemplateResult {
  const { allowed, reason } = meter!.purchase
  if (allowed) {
    return html`<button class="primary" part="purchase" type="button" @click=${purchase}>${texts.purchase}</button>`
  }
  if (reason === 'upgrade_required') return advice(texts.upgradeFirst, texts.upgrade, links.upgrade)
  if (reason === 'contact_account_representative') {
    return advice(texts.contactFirst, texts.contact, links.contact)
  }
  if (reason === 'purchases_blocked') return advice(texts.blocked, texts.contactUs, links.contact)
  return advice(texts.askAdmin)
}

function advice(text: string, label = '', link = ''): TemplateResult {
  return html`<p part="advice">${text}</p>
    ${link ? html`<a class="button primary" part="purchase" href=${link}>${label}</a>` : nothing}`
}

/** What stands in the panel while there is no meter: that it is coming, or why not and the way on. */
function absenceOf({ trouble, texts, links, retry }: PanelView): TemplateResult {
  if (!trouble) {
    return html`<p class="loading" part="loading"><span class="sr">${texts.loading}</span></p>
      <div class="bones" aria-hidden="true"><i></i><i></i><i></i></div>`
  }
  const [text, help] = {
    offline: [texts.offline, texts.offlineHelp],
    signed_out: [texts.signedOut, texts.signedOutHelp],
    not_found: [texts.notFound, texts.notFoundHelp],
    forbidden: [texts.notFound, texts.notFoundHelp],
    refused: [texts.unavailable, texts.unavailableHelp],
    unavailable: [texts.unavailable, texts.unavailableHelp],
  }[trouble]
  const signIn = trouble === 'signed_out' && links.signIn
  return html`<div class="absence" part="error" data-trouble=${trouble}>
    <p><strong>${text}</strong></p><p>${help}</p>
    <div class="actions">
      ${signIn ? html`<a class="button primary" href=${links.signIn}>${texts.signIn}</a>` : nothing}
      <button class=${signIn ? '' : 'primary'} part="retry" type="button" @click=${retry}>${texts.retry}</button>
    </div></div>`
}
