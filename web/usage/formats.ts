import { formatsFor } from '../format.ts'

/** What the usage page writes beside the meter's formats, which every host loads. */
export function usageFormatsFor(locale: string) {
  const signed = new Intl.NumberFormat(locale, { signDisplay: 'exceptZero' })
  const day = new Intl.DateTimeFormat(locale, { month: 'short', day: 'numeric', timeZone: 'UTC' })
  const month = new Intl.DateTimeFormat(locale, { month: 'long', year: 'numeric', timeZone: 'UTC' })
  return {
    ...formatsFor(locale),
    /** `+1,000` or `-1,000`. */
    signed: (value: number) => signed.format(value),
    /** `Aug 1` */
    shortDate: (value: Date) => day.format(value),
    /** `August 2026` */
    month: (value: Date) => month.format(value),
  }
}

export type UsageFormats = ReturnType<typeof usageFormatsFor>
