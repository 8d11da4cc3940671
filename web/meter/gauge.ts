import { svg, type TemplateResult } from 'lit'
import type { Meter } from '../../shared/domain/meter.ts'
import { spark } from './icons.ts'

/** How close the workspace is to its limit, where people should start to act. */
export type Level = 'calm' | 'almost' | 'nearly' | 'out'

export function levelOf(meter: Meter): Level {
  if (meter.remaining <= 0) return 'out'
  const share = shareOf(meter)
  if (share >= 0.9) return 'nearly'
  return share >= 0.75 ? 'almost' : 'calm'
}

export function shareOf({ used, limit }: Meter): number {
  return limit > 0 ? Math.min(1, used / limit) : 1
}

/** The icon with the share used drawn around it. Sizes are attributes, which no style policy forbids. */
export function ringOf(meter: Meter | undefined): TemplateResult {
  const percent = meter ? shareOf(meter) * 100 : 0
  return svg`<svg class="ring" viewBox="0 0 40 40" width="40" height="40" aria-hidden="true" fill="none">
    <circle class="track" cx="20" cy="20" r="17.5" stroke-width="3"/>
    <circle class="fill" cx="20" cy="20" r="17.5" stroke-width="3" stroke-linecap="round" pathLength="100"
      stroke-dasharray="${percent} 100" transform="rotate(-90 20 20)" opacity=${percent > 0 ? 1 : 0}/>
    <g transform="translate(10 10)">${spark}</g>
  </svg>`
}

/** A part is drawn at least this wide, in percent, so that a small quota stays visible beside large top-ups. */
const partMin = 12
const gap = 1

/** Quota and purchased tokens side by side, each filled as far as it is used: the quota first. */
export function barOf({ quota, topUps }: Meter): TemplateResult {
  const whole = quota.limit + topUps.limit
  const purchased =
    topUps.limit === 0 ? 0 : clamp((topUps.limit / whole) * 100, partMin, 100 - partMin)
  const quotaWidth = purchased === 0 ? 100 : 100 - purchased - gap
  return svg`<svg class="bar" part="bar" width="100%" height="12" aria-hidden="true">
    <defs><pattern id="stripes" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
      <rect class="stripe-ground" width="6" height="6"/><rect class="stripe" width="2.5" height="6"/>
    </pattern></defs>
    ${partOf('quota', 0, quotaWidth, quota.used / quota.limit)}
    ${purchased > 0 ? partOf('purchased', 100 - purchased, purchased, topUps.used / topUps.limit) : ''}
  </svg>`
}

function partOf(name: string, x: number, width: number, share: number): TemplateResult {
  // A part of nothing has no share used.
  const filled = Number.isFinite(share) ? width * share : 0
  const rect = (kind: string, w: number) =>
    svg`<rect class=${`${kind} ${name}`} x=${`${x}%`} y="0.5" width=${`${w}%`} height="11" rx="5.5"/>`
  return svg`${rect('track', width)}${filled > 0 ? rect('fill', filled) : ''}${rect('edge', width)}`
}

function clamp(value: number, min: number, max: number): number {
  return Math.min(max, Math.max(min, value))
}
