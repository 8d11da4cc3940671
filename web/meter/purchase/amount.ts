import type { TopUpOffer } from '../../../shared/domain/plan.ts'

/** Why what was typed is no amount that can be ordered. */
export type AmountFault =
  | 'empty'
  | 'not_a_number'
  | 'not_whole'
  | 'too_few'
  | 'too_many'
  | 'not_a_step'

/**
 * Reads an amount of tokens as people write it in `locale`: in its digits, with or without its grouping.
 * Grouping must be where it belongs, so that `1,5` is never taken for 15.
 */
export function parseAmount(
  text: string,
  { step, min, max }: Pick<TopUpOffer, 'step' | 'min' | 'max'>,
  locale: string,
): number | AmountFault {
  const { digits, group, decimal } = marksOf(locale)
  const plain = [...text.trim()]
    .map((character) => (digits.includes(character) ? digits.indexOf(character) : character))
    .join('')
    .replace(/[\s\u00a0\u202f'’]/g, '')
    .replace(/^\+/, '')
  if (plain === '') return 'empty'
  const grouped = new RegExp(`^-?\\d{1,3}(${escaped(group)}\\d{2,3})*${escaped(group)}\\d{3}$`)
  const number = grouped.test(plain) ? plain.replaceAll(group, '') : plain
  if (new RegExp(`^-?\\d*${escaped(decimal)}\\d+$`).test(number)) return 'not_whole'
  if (!/^-?\d+$/.test(number)) return 'not_a_number'
  const tokens = Number(number)
  if (tokens < min) return 'too_few'
  if (tokens > max) return 'too_many'
  return tokens % step === 0 ? tokens : 'not_a_step'
}

/**
 * The amounts a slider stops at, in steps: each one at first, then wider apart, so that both the smallest
 * and the largest order are within reach of a thumb.
 */
export function sliderStops({
  step,
  min,
  max,
}: Pick<TopUpOffer, 'step' | 'min' | 'max'>): number[] {
  const stops: number[] = []
  for (let steps = min / step; steps < max / step; ) {
    stops.push(steps * step)
    const stride = steps < 10 ? 1 : 10 ** Math.floor(Math.log10(steps)) / 2
    steps = (Math.floor(steps / stride) + 1) * stride
  }
  return [...stops, max]
}

/** The stop nearest to an amount, as the slider's position. */
export function nearestStop(stops: readonly number[], tokens: number): number {
  const distances = stops.map((stop) => Math.abs(stop - tokens))
  return distances.indexOf(Math.min(...distances))
}

export function presetsOf({ step, min, max }: Pick<TopUpOffer, 'step' | 'min' | 'max'>): number[] {
  return [1, 2, 5, 10, 50]
    .map((times) => times * step)
    .filter((tokens) => tokens >= min && tokens <= max)
}

/** What an order costs, in the currency's minor unit, at the price the service offered. */
export function costOf(tokens: number, { step, unitAmount }: TopUpOffer): number {
  return (tokens / step) * unitAmount
}

function marksOf(locale: string) {
  const format = new Intl.NumberFormat(locale)
  const part = (type: string) => format.formatToParts(12345678.9).find((one) => one.type === type)
  const digits = [...new Intl.NumberFormat(locale, { useGrouping: false }).format(9876543210)]
  return {
    digits: digits.reverse(),
    group: part('group')?.value.trim() || ',',
    decimal: part('decimal')?.value ?? '.',
  }
}

function escaped(mark: string): string {
  return mark.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
