import { svg, type TemplateResult } from 'lit'
import { type Formats, fill } from '../format.ts'
import { type DayUse, scaleTop } from './days.ts'
import type { UsageStrings } from './strings.ts'

const height = 200
const top = 14
const bottom = 24
/** Room for the scale beside the bars, in percent. */
const scaleWidth = 12
const plotHeight = height - top - bottom

/**
 * A month's days as stacked bars. Places across are percentages and attributes: the chart fits any width
 * without being measured, and needs no style that a strict policy would refuse.
 */
export function chartOf(
  days: readonly DayUse[],
  {
    label,
    texts,
    formats,
    rightToLeft,
  }: {
    label: string
    texts: UsageStrings
    formats: Formats
    rightToLeft: boolean
  },
): TemplateResult {
  const highest = scaleTop(Math.max(...days.map(({ used }) => used)))
  const yOf = (tokens: number) => top + plotHeight * (1 - tokens / highest)
  const slot = (100 - scaleWidth) / days.length
  const place = (x: number, width = 0) => `${rightToLeft ? 100 - x - width : x}%`
  const line = (tokens: number) => svg`
    <line class="grid" x1=${place(scaleWidth)} x2=${place(100)} y1=${yOf(tokens)} y2=${yOf(tokens)}/>
    <text class="scale" x=${place(scaleWidth - 1.5)} y=${yOf(tokens) + 4} text-anchor="end">${formats.compact(tokens)}</text>`
  const bar = ({ date, used, fromQuota, fromPurchased }: DayUse, index: number) => {
    const width = slot * 0.72
    const x = place(scaleWidth + slot * index + slot * 0.14, width)
    const part = (kind: string, from: number, tokens: number) =>
      tokens > 0
        ? svg`<rect class=${kind} x=${x} width=${`${width}%`} y=${yOf(from + tokens)}
            height=${Math.max(1, yOf(from) - yOf(from + tokens))}/>`
        : ''
    const title = fill(texts.barTitle, {
      date: formats.date(new Date(date)),
      used: formats.number(used),
    })
    return svg`<g>${part('quota', 0, fromQuota)}${part('purchased', fromQuota, fromPurchased)}
      <rect class="hit" x=${x} width=${`${width}%`} y=${top} height=${plotHeight}><title>${title}</title></rect></g>`
  }
  const dayLabel = (_: DayUse, index: number) =>
    index % 7 === 0
      ? svg`<text class="scale" x=${place(scaleWidth + slot * (index + 0.5))} y=${height - 6}
          text-anchor="middle">${formats.number(index + 1)}</text>`
      : ''
  return svg`<svg class="chart" part="chart" width="100%" height=${height} role="img" aria-label=${label}>
    <defs><pattern id="stripes" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <rect class="stripe-ground" width="6" height="6"/><rect class="stripe" width="2.5" height="6"/></pattern></defs>
    ${[0, highest / 2, highest].map(line)}${days.map(bar)}${days.map(dayLabel)}
  </svg>`
}
