import { html, type TemplateResult } from 'lit'
import { startOf } from '../../shared/domain/period.ts'
import { fill } from '../format.ts'
import { type Month, totalOf } from './days.ts'
import type { UsageFormats } from './formats.ts'
import type { UsageStrings } from './strings.ts'

/** The months beside each other, each a button that `pick` answers; `shown` is the one shown above. */
export function monthList(
  months: readonly Month[],
  shown: number,
  pick: (index: number) => void,
  texts: UsageStrings,
  formats: UsageFormats,
): TemplateResult {
  const { number } = formats
  const highest = Math.max(1, ...months.map(({ used }) => used))
  return html`<h3>${texts.months}</h3>
      <ul class="months" part="months">${months.map((month, index) => {
        const { fromQuota, fromPurchased } = totalOf(month)
        const width = (tokens: number) => `${(tokens / highest) * 100}%`
        return html`<li><button type="button" aria-current=${index === shown ? 'true' : 'false'}
            @click=${() => pick(index)}>
          <span>${nameOf(month, formats)}</span>
          <span class="number">${number(month.used)} <small>${fill(texts.ofLimit, { limit: number(month.quota + month.topUps) })}</small></span>
          <svg class="line" width="100%" height="8" aria-hidden="true">
            <rect class="quota" width=${width(fromQuota)} height="8"/>
            <rect class="purchased" x=${width(fromQuota)} width=${width(fromPurchased)} height="8"/>
          </svg></button></li>`
      })}</ul>`
}

/** `August 2026` */
export function nameOf({ period }: Month, { month }: UsageFormats): string {
  return month(startOf(period))
}
