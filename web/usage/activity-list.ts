import { html, nothing, type TemplateResult } from 'lit'
import { isPaid } from '../../shared/domain/purchase.ts'
import { fill } from '../format.ts'
import type { ActivityPage } from '../service.ts'
import type { UsageFormats } from './formats.ts'
import type { UsageStrings } from './strings.ts'

export type Entry = NonNullable<ActivityPage['entries']>[number]

export type PurchaseEntry = Extract<Entry, { type: 'purchase' }>

/** What was bought, granted, taken back and reset, newest first. `receiptOf` draws what leads to a receipt. */
export function activityList(
  entries: readonly Entry[],
  texts: UsageStrings,
  formats: UsageFormats,
  receiptOf: (entry: PurchaseEntry, describedBy: string) => TemplateResult,
): TemplateResult {
  if (entries.length === 0) return html`<p class="empty">${texts.noActivity}</p>`
  const rows = entries.map((entry) => {
    const tokens = tokensOf(entry)
    return html`<tr>
      <td><time datetime=${entry.at}>${formats.moment(new Date(entry.at))}</time></td>
      <td>${
        entry.type === 'purchase' && isPaid(entry.status)
          ? withReceipt(entry, wordsOf(entry, texts, formats), receiptOf)
          : wordsOf(entry, texts, formats)
      }</td>
      <td class="number">${tokens ? formats.signed(tokens) : nothing}</td>
    </tr>`
  })
  return html`<table class="activity" part="activity">
    <thead><tr><th scope="col">${texts.when}</th><th scope="col">${texts.what}</th>
      <th scope="col" class="number">${texts.tokens}</th></tr></thead>
    <tbody>${rows}</tbody></table>`
}

/** Many orders have a receipt: the order's own words tell which one a button is about. */
function withReceipt(
  entry: PurchaseEntry,
  words: string,
  receiptOf: (entry: PurchaseEntry, describedBy: string) => TemplateResult,
): TemplateResult {
  const id = `order-${entry.purchaseId}`
  return html`<span id=${id}>${words}</span> ${receiptOf(entry, id)}`
}

/** What the entry added or took; an order moves nothing before its payment does. */
function tokensOf(entry: Entry): number {
  return entry.type === 'purchase' || entry.type === 'reset' ? 0 : entry.tokens
}

function wordsOf(entry: Entry, texts: UsageStrings, { number, money }: UsageFormats): string {
  switch (entry.type) {
    case 'purchase':
      return fill(texts.purchase, {
        tokens: number(entry.tokens),
        price: money(entry.amount, entry.currency),
        status: texts.status[entry.status],
      })
    case 'payment': {
      const words = paymentWords(entry, texts)
      const shortfall = fill(texts.shortfall, { tokens: number(entry.shortfall) })
      return entry.shortfall > 0 ? `${words} (${shortfall})` : words
    }
    case 'grant': {
      const { reason, reference } = entry
      return reference
        ? fill(texts.grantReference, { reason, reference })
        : fill(texts.grant, { reason })
    }
    case 'plan': {
      const words = {
        created: texts.planCreated,
        applied: texts.planApplied,
        waits_for_reset: texts.planWaits,
        kept: texts.planKept,
      }[entry.effect]
      return fill(words, { plan: entry.planName, quota: number(entry.quota) })
    }
    case 'reset':
      return fill(texts.reset, {
        quota: number(entry.quota),
        topUps: number(entry.topUps),
        expired: number(entry.expired),
      })
  }
}

function paymentWords(
  { status, tokens, shortfall, pending = 0 }: Extract<Entry, { type: 'payment' }>,
  texts: UsageStrings,
): string {
  const takes = tokens < 0 || shortfall > 0 || pending > 0
  if (takes) return status === 'disputed' ? texts.paymentDisputed : texts.paymentRefunded
  return status === 'paid' ? texts.paymentAdded : texts.paymentReturned
}
