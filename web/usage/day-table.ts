import { html, type TemplateResult } from 'lit'
import { daysIn, type Month } from './days.ts'
import type { UsageFormats } from './formats.ts'
import type { UsageStrings } from './strings.ts'

/** The days of a month on which tokens were used, with the numbers that the chart draws. */
export function dayTable(
  month: Month,
  texts: UsageStrings,
  { number, shortDate }: UsageFormats,
): TemplateResult {
  const heading = (text: string) => html`<th scope="col" class="number">${text}</th>`
  return html`<table part="table">
      <thead><tr><th scope="col">${texts.day}</th>${heading(texts.used)}${heading(texts.quota)}${heading(texts.purchased)}</tr></thead>
      <tbody>${daysIn(month)
        .filter(({ used }) => used > 0)
        .map(
          ({ date, used, fromQuota, fromPurchased }) => html`<tr>
            <th scope="row"><time datetime=${date}>${shortDate(new Date(date))}</time></th>
            ${[used, fromQuota, fromPurchased].map((tokens) => html`<td class="number">${number(tokens)}</td>`)}
          </tr>`,
        )}</tbody></table>`
}
