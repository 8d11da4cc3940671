import { html, nothing, type TemplateResult } from 'lit'
import { isPaid } from '../../../shared/domain/purchase.ts'
import { type Formats, fill } from '../../format.ts'
import type { Receipts } from '../../receipts.ts'
import type { Meter, PurchaseView, Service } from '../../service.ts'
import { icons } from '../icons.ts'
import type { Strings } from '../strings.ts'
import type { Sighting } from './follow-purchase.ts'

/** How the buyer came back from checkout, as the return URL says. */
export type Left = 'success' | 'cancelled'

/** What is said of a purchase; its words are the texts of the same name. */
export type Outcome =
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

/** What to say of a purchase that was looked at after checkout. */
export function outcomeOf({ purchase, trouble, late }: Sighting, left: Left): Outcome {
  if (!purchase) return trouble === 'signed_out' ? 'paused' : 'unreachable'
  if (purchase.status !== 'open') return outcomeOfStatus(purchase, 'credited')
  if (left === 'cancelled') return 'cancelled'
  return late ? 'late' : 'waiting'
}

/** By the purchase's status alone; `paid` is what to say of one that is paid. */
export function outcomeOfStatus({ status }: PurchaseView, paid: 'credited' | 'already'): Outcome {
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

export interface OutcomeView {
  outcome: Outcome
  purchaseId: string
  /** As last seen, once it was. */
  purchase?: PurchaseView
  meter: Meter | undefined
  service: Service | undefined
  receipts: Receipts
  strings: Strings
  formats: Formats
  again: () => void
  close: () => void
}

export function headlineOf({
  outcome,
  purchase,
  strings,
  formats,
}: Pick<OutcomeView, 'outcome' | 'purchase' | 'strings' | 'formats'>): string {
  return fill(strings[outcome], { amount: formats.number(purchase?.tokens ?? 0) })
}

/** How the purchase stands, and the way on. */
export function outcomeView(view: OutcomeView): TemplateResult {
  const { outcome, purchase, purchaseId, meter, strings, formats } = view
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
      <h2 id="title" part="title">${headlineOf(view)}</h2>
      <p>${help}</p>
      ${
        outcome === 'credited'
          ? nothing
          : html`<p class="reference">${strings.reference} <code>${purchaseId}</code></p>`
      }
      ${purchase && isPaid(purchase.status) ? view.receipts.button(view.service, purchaseId, strings) : nothing}
      <div class="actions">
        ${resume ? html`<a class="button primary" href=${resume} autofocus>${strings.resume}</a>` : nothing}
        ${over ? html`<button class="primary" type="button" autofocus @click=${view.again}>${strings.again}</button>` : nothing}
        ${
          running
            ? nothing
            : html`<button class=${resume || over ? '' : 'primary'} type="button" autofocus @click=${view.close}>
          ${outcome === 'credited' ? strings.done : strings.close}</button>`
        }
      </div>
    </div>`
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
