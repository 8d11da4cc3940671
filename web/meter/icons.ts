import { svg, type TemplateResult } from 'lit'

/** Drawn in the text's colour, on a grid of 20; each goes with words, so readers of the page skip it. */
const icon = (shape: TemplateResult) =>
  svg`<svg class="icon" viewBox="0 0 20 20" width="20" height="20" aria-hidden="true" fill="none"
    stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round">${shape}</svg>`

export const spark = svg`<path d="M10 3.6c.5 3.9 2.5 5.9 6.4 6.4-3.9.5-5.9 2.5-6.4 6.4-.5-3.9-2.5-5.9-6.4-6.4
  3.9-.5 5.9-2.5 6.4-6.4Z" fill="currentColor" stroke="none"/>`

export const icons = {
  /** Three quarters of a disc. */
  almost: icon(
    svg`<circle cx="10" cy="10" r="7.2"/><path d="M10 10V5.2A4.8 4.8 0 1 1 5.2 10Z" fill="currentColor" stroke="none"/>`,
  ),
  nearly: icon(svg`<path d="M10 3.2 17.4 16H2.6Z"/><path d="M10 8.2v3.4M10 13.7v.1"/>`),
  out: icon(svg`<circle cx="10" cy="10" r="7.2"/><path d="m5.2 5.2 9.6 9.6"/>`),
  calendar: icon(
    svg`<rect x="3.2" y="4.6" width="13.6" height="12" rx="2"/><path d="M3.2 8.4h13.6M7 2.8v3M13 2.8v3"/>`,
  ),
  pace: icon(svg`<path d="M2.8 14.6 7.6 9l3.4 3 6-7"/><path d="M12.8 5H17v4.2"/>`),
  back: icon(svg`<path d="M7 4 3 8l4 4"/><path d="M3.4 8h8.2a5 5 0 0 1 0 8.4H8"/>`),
  done: icon(svg`<circle cx="10" cy="10" r="7.2"/><path d="m6.6 10.2 2.4 2.4 4.6-5"/>`),
  info: icon(svg`<circle cx="10" cy="10" r="7.2"/><path d="M10 9.2v4.4M10 6.4v.1"/>`),
  close: icon(svg`<path d="m5 5 10 10M15 5 5 15"/>`),
}
