import { describe, expect, it } from 'vitest'
import { catalog } from '../../shared/catalog.ts'
import { topUpOffer } from '../../shared/domain/plan.ts'
import { forecastOf } from '../../web/meter/forecast.ts'
import {
  costOf,
  nearestStop,
  parseAmount,
  presetsOf,
  sliderStops,
} from '../../web/meter/purchase/amount.ts'
import { csvOf, daysIn, scaleTop } from '../../web/usage/days.ts'

const offer = topUpOffer()
const million = 1_000_000

describe('an amount', () => {
  it.each([
    ['en', '1,000,000', million],
    ['en', ' 1000000 ', million],
    ['en', '+1 000 000', million],
    ['en', '2,0', 'not_a_number'],
    ['en', '1.000.000', 'not_a_number'],
    ['de', '1.000.000', million],
    ['de', '1,5', 'not_whole'],
    ['fr', '1\u202f000\u202f000', million],
    ['de-CH', '1’000’000', million],
    ['hi-IN', '10,00,000', million],
    ['ar-EG', '١٬٠٠٠٬٠٠٠', million],
    ['en', '0x100000', 'not_a_number'],
    ['en', 'Infinity', 'not_a_number'],
    ['en', '-1', 'too_few'],
    ['en', '9'.repeat(40), 'too_many'],
    ['en', '1000001', 'not_a_step'],
  ])('in %s, %j reads as %s', (locale, text, expected) => {
    expect(parseAmount(text, offer, locale)).toBe(expected)
  })

  it('is read back from how it is written, in every language', () => {
    for (const locale of [
      'en',
      'de',
      'fr',
      'es',
      'pl',
      'sv',
      'hi-IN',
      'ar-EG',
      'fa',
      'ja',
      'pt-PT',
    ]) {
      for (const tokens of [million, 12 * million, offer.max]) {
        const written = new Intl.NumberFormat(locale).format(tokens)
        expect(parseAmount(written, offer, locale), `${locale} ${written}`).toBe(tokens)
      }
    }
  })

  it('has a place on the slider: every one can be ordered, from the least to the most', () => {
    const stops = sliderStops(offer)
    expect(stops[0]).toBe(offer.min)
    expect(stops.at(-1)).toBe(offer.max)
    expect(stops).toEqual([...new Set(stops)].sort((one, other) => one - other))
    for (const stop of stops) expect(parseAmount(String(stop), offer, 'en')).toBe(stop)
    expect(stops[nearestStop(stops, 3 * million)]).toBe(3 * million)
    expect(sliderStops({ step: 5, min: 5, max: 5 })).toEqual([5])
  })

  it('costs what the catalog says, and presets stay within the order', () => {
    expect(costOf(2 * catalog.topUp.stepTokens, offer)).toBe(2 * catalog.topUp.stepAmount)
    expect(presetsOf({ step: 10, min: 20, max: 60 })).toEqual([20, 50])
  })
})

describe('the forecast', () => {
  const meter = {
    period: '2026-07',
    resetsAt: '2026-08-01T00:00:00.000Z',
    remaining: 1_000_000,
  } as const
  const day = (date: number, tokens: number) => ({
    date: `2026-07-${String(date).padStart(2, '0')}`,
    tokens,
  })
  const at = (moment: string) => new Date(`2026-07-${moment}Z`)

  it('waits for three days of data', () => {
    expect(forecastOf(meter, [], at('14T12:00'))).toBeUndefined()
    expect(forecastOf(meter, [day(12, 9e5)], at('14T12:00'))).toBeUndefined()
    expect(forecastOf(meter, [day(11, 9e5)], at('14T00:00'))).toBeDefined()
  })

  it('goes by the last seven days only', () => {
    const busyStart = [day(1, 900_000), day(2, 900_000)]
    expect(forecastOf(meter, busyStart, at('14T12:00'))).toEqual({ outcome: 'lasts' })
    const busyWeek = [...busyStart, ...[8, 9, 10, 11, 12, 13].map((date) => day(date, 100_000))]
    // 600,000 since July 8, in six and a half days: a million lasts until the 25th.
    const forecast = forecastOf(meter, busyWeek, at('14T12:00'))
    expect(forecast).toMatchObject({ outcome: 'runs_out' })
    expect(forecast).toHaveProperty('at', new Date('2026-07-25T08:00:00Z'))
  })

  it('lasts when the reset comes first, and says nothing once all is used', () => {
    const steady = [1, 2, 3, 4].map((date) => day(date, 1_000))
    expect(forecastOf(meter, steady, at('04T12:00'))).toEqual({ outcome: 'lasts' })
    expect(forecastOf({ ...meter, remaining: 0 }, steady, at('04T12:00'))).toBeUndefined()
  })
})

describe('a month of use', () => {
  const month = {
    period: '2026-02',
    quota: 150,
    topUps: 100,
    used: 210,
    days: [
      { date: '2026-02-03', tokens: 100 },
      { date: '2026-02-10', tokens: 80 },
      { date: '2026-02-28', tokens: 30 },
    ],
  } as const

  it('takes the quota first, day by day', () => {
    const days = daysIn({ ...month, days: [...month.days] })
    expect(days).toHaveLength(28)
    expect(days[2]).toEqual({ date: '2026-02-03', used: 100, fromQuota: 100, fromPurchased: 0 })
    expect(days[9]).toEqual({ date: '2026-02-10', used: 80, fromQuota: 50, fromPurchased: 30 })
    expect(days[27]).toEqual({ date: '2026-02-28', used: 30, fromQuota: 0, fromPurchased: 30 })
  })

  it('is exported oldest first, one line a day, ended as RFC 4180 ends lines', () => {
    const january = {
      ...month,
      period: '2026-01',
      days: [{ date: '2026-01-31', tokens: 7 }],
    } as const
    expect(
      csvOf([
        { ...month, days: [...month.days] },
        { ...january, days: [...january.days] },
      ]),
    ).toBe(
      [
        'date,used,from_quota,from_purchased',
        '2026-01-31,7,7,0',
        '2026-02-03,100,100,0',
        '2026-02-10,80,50,30',
        '2026-02-28,30,0,30',
        '',
      ].join('\r\n'),
    )
  })

  it.each([
    [0, 1],
    [1, 1],
    [999, 1_000],
    [1_001, 2_000],
    [2_400_000, 2_500_000],
  ])('with %i on its busiest day is drawn up to %i', (highest, top) => {
    expect(scaleTop(highest)).toBe(top)
  })
})
