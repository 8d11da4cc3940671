const dayMs = 86_400_000
const hourMs = 3_600_000

/** Everything that is written differently elsewhere, in one language. Dates of the service are UTC dates. */
export function formatsFor(locale: string) {
  const number = new Intl.NumberFormat(locale)
  const percent = new Intl.NumberFormat(locale, { style: 'percent' })
  const date = new Intl.DateTimeFormat(locale, { month: 'long', day: 'numeric', timeZone: 'UTC' })
  const moment = new Intl.DateTimeFormat(locale, { dateStyle: 'medium', timeStyle: 'short' })
  const relative = new Intl.RelativeTimeFormat(locale, { numeric: 'auto' })
  return {
    locale,
    number: (value: number) => number.format(value),
    compact: new Intl.NumberFormat(locale, { notation: 'compact', maximumFractionDigits: 1 })
      .format,
    /** Rounded down: nothing is called used up before it is. */
    percent: (share: number) => percent.format(Math.floor(share * 100) / 100),
    /** `August 1` */
    date: (value: Date) => date.format(value),
    /** In the viewer's own time zone. */
    moment: (value: Date) => moment.format(value),
    /** `in 18 days`, or in hours on the last day. */
    until(value: Date, now: Date): string {
      const ms = Math.max(0, value.getTime() - now.getTime())
      return ms > dayMs
        ? relative.format(Math.ceil(ms / dayMs), 'day')
        : relative.format(Math.ceil(ms / hourMs), 'hour')
    },
    /** An amount in the currency's minor unit. */
    money(amount: number, currency: string): string {
      const format = new Intl.NumberFormat(locale, { style: 'currency', currency })
      return format.format(amount / 10 ** (format.resolvedOptions().maximumFractionDigits ?? 2))
    },
  }
}

export type Formats = ReturnType<typeof formatsFor>

/** The language an element stands in, looked for through shadow roots as `lang` itself is inherited. */
export function localeOf(element: Element): string {
  for (let at: Element | null = element; at; ) {
    const found: Element | null = at.closest('[lang]:not([lang=""])')
    if (found) return supported(found.getAttribute('lang')!)
    const root = at.getRootNode()
    at = root instanceof ShadowRoot ? root.host : null
  }
  return supported(navigator.language)
}

/** A page may say anything in `lang`; what Intl cannot read must not break it. */
function supported(tag: string): string {
  try {
    return Intl.getCanonicalLocales(tag)[0] ?? 'en'
  } catch {
    return 'en'
  }
}

/** Puts values in the places of a text: `{used} of {limit}`. */
export function fill(text: string, values: Record<string, string>): string {
  return text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place)
}
