import { html, nothing, type TemplateResult } from 'lit'
import { type Formats, fill } from '../../format.ts'
import type { Meter, Trouble } from '../../service.ts'
import { icons } from '../icons.ts'
import type { Strings } from '../strings.ts'
import { type AmountFault, costOf, nearestStop, presetsOf, sliderStops } from './amount.ts'

export interface FormView {
  meter: Meter
  /** What stands in the number field, and what it reads as. */
  text: string
  amount: number | AmountFault
  /** What is said to be wrong with it. */
  fault?: AmountFault
  /** Why the order could not be placed. */
  trouble?: Trouble
  /** It is being placed. */
  busy?: boolean
  strings: Strings
  formats: Formats
  typed: (text: string) => void
  /** The number field is left. */
  entered: () => void
  chosen: (tokens: number) => void
  submitted: (event: SubmitEvent) => void
  close: () => void
}

/** Choosing how many tokens, by number, slider or preset, and what they cost. */
export function formView(view: FormView): TemplateResult {
  const { meter, amount, strings, formats, busy, trouble, chosen } = view
  const offer = meter.purchase
  const amounts = {
    step: formats.number(offer.step),
    min: formats.number(offer.min),
    max: formats.number(offer.max),
  }
  const tokens = typeof amount === 'number' ? amount : undefined
  const stops = sliderStops(offer)
  const fault = view.fault && fill(strings[view.fault], amounts)
  return html`<form method="dialog" novalidate @submit=${view.submitted}>
      <h2 id="title" part="title">${strings.dialog}</h2>
      <label for="amount">${strings.amount}</label>
      <input id="amount" part="amount" inputmode="numeric" autocomplete="off" autofocus maxlength="40"
        .value=${view.text} aria-invalid=${fault ? 'true' : 'false'} aria-describedby="help fault"
        @input=${(event: InputEvent) => view.typed(valueIn(event))} @change=${view.entered}>
      <p id="help" class="help">${fill(strings.amountHelp, amounts)}</p>
      <p id="fault" class="fault" role="alert">${fault ? html`${icons.nearly}<span>${fault}</span>` : nothing}</p>
      <input class="slider" part="slider" type="range" min="0" max=${stops.length - 1} step="1"
        aria-label=${strings.slider} aria-valuetext=${tokens === undefined ? nothing : formats.number(tokens)}
        .value=${String(nearestStop(stops, tokens ?? offer.min))}
        @input=${(event: InputEvent) => chosen(stops[Number(valueIn(event))]!)}>
      <div class="presets" role="group" aria-label=${strings.presets}>
        ${presetsOf(offer).map(
          (preset) => html`<button type="button" part="preset"
            aria-pressed=${preset === tokens} @click=${() => chosen(preset)}>${formats.compact(preset)}</button>`,
        )}
      </div>
      <dl>
        <div class="price"><dt>${strings.price}</dt>
          <dd part="price">${tokens === undefined ? '–' : formats.money(costOf(tokens, offer), offer.currency)}</dd></div>
        <div><dt>${strings.after}</dt>
          <dd>${tokens === undefined ? '–' : formats.number(meter.remaining + tokens)}</dd></div>
      </dl>
      <p class="promise">${strings.promise}</p>
      ${trouble ? html`<p class="fault" role="alert">${icons.nearly}<span>${troubleText(trouble, strings)}</span></p>` : nothing}
      <div class="actions">
        <button class="primary" part="confirm" type="submit" aria-disabled=${busy ? 'true' : 'false'}>
          ${busy ? strings.opening : strings.confirm}
        </button>
        <button type="button" part="cancel" @click=${view.close}>${strings.cancel}</button>
      </div>
      <p class="help">${strings.checkout}</p>
    </form>`
}

function valueIn(event: InputEvent): string {
  return (event.target as HTMLInputElement).value
}

function troubleText(trouble: Trouble, strings: Strings): string {
  return {
    offline: strings.orderOffline,
    signed_out: strings.orderSignedOut,
    forbidden: strings.orderForbidden,
    not_found: strings.orderForbidden,
    refused: strings.orderRefused,
    unavailable: strings.orderUnavailable,
  }[trouble]
}
