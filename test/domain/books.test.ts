import { beforeEach, describe, expect, it } from 'vitest'
import { type Books, differencesIn } from '../../shared/domain/books.ts'
import type {
  GrantEntry,
  HoldEntry,
  LedgerEntry,
  OpenHold,
  PaymentEntry,
  PlanEntry,
  ResetEntry,
  UsageEntry,
} from '../../shared/domain/entry.ts'
import type { Purchase } from '../../shared/domain/purchase.ts'
import { purchaseWith } from '../support/purchase.ts'
import { workspaceWith } from '../support/store.ts'

/*
 * Three months of one workspace, written out entry by entry, so that nothing here is computed by the rules that
 * the books check. Then one figure at a time is damaged, and the books must name it, with what it should be.
 */
let books: Books

const at = (day: string) => `${day}T09:00:00.000Z`
const recorded = (entryId: string, day: string) => ({
  workspaceId: 'acme',
  entryId,
  at: at(day),
  period: day.slice(0, 7) as LedgerEntry['period'],
})
const use = (key: string, day: string, taken: number, requested = taken): UsageEntry => ({
  type: 'use',
  ...recorded(`use#${key}`, day),
  requested,
  taken,
  onShortfall: requested === taken ? 'refuse' : 'drain',
})
const closedHold = (
  holdId: string,
  outcome: HoldEntry['outcome'],
  { used = 0, charged = used }: { used?: number; charged?: number } = {},
): HoldEntry => ({
  type: 'hold',
  ...recorded(`hold#${holdId}`, '2026-07-14'),
  holdId,
  outcome,
  requested: 9_000,
  held: 9_000,
  used,
  charged,
  uncovered: used - charged,
  returned: 9_000 - Math.min(used, 9_000),
})
const payment = (n: number, tokens: number, status: PaymentEntry['status']): PaymentEntry => ({
  type: 'payment',
  ...recorded(`payment#pur_1#${n}`, '2026-07-14'),
  purchaseId: 'pur_1',
  status,
  tokens,
  shortfall: 0,
})
const open = (holdId: string, period: OpenHold['period'], tokens: number, heldUntil: string) => ({
  type: 'open' as const,
  workspaceId: 'acme',
  entryId: `open#${holdId}`,
  holdId,
  at: at(`${period}-14`),
  period,
  tokens,
  requested: tokens,
  ttlSeconds: 600,
  heldUntil,
})

beforeEach(() => {
  const entries: LedgerEntry[] = [
    {
      type: 'plan',
      asked: {},
      ...recorded('plan#create', '2026-05-20'),
      plan: 'pro',
      quota: 2_000_000,
      effect: 'created',
      tokens: 2_000_000,
      by: 'ops',
    },
    {
      type: 'grant',
      ...recorded('grant#may', '2026-05-20'),
      tokens: 40_000,
      reason: 'goodwill',
      by: 'rep',
    },
    use('may', '2026-05-21', 700_000),
    // Listed before the month it opens is over, as a ledger in order of its ids has them.
    {
      type: 'reset',
      ...recorded('reset#2026-07', '2026-07-01'),
      plan: 'pro',
      quota: 2_000_000,
      topUps: 30_000,
      closed: {
        period: '2026-06',
        quota: 2_000_000,
        topUps: 40_000,
        used: 2_010_000,
        expired: 0,
        days: { 7: 1_500_000, 30: 510_000 },
      },
    },
    {
      type: 'reset',
      ...recorded('reset#2026-06', '2026-06-01'),
      plan: 'pro',
      quota: 2_000_000,
      topUps: 40_000,
      closed: {
        period: '2026-05',
        quota: 2_000_000,
        topUps: 40_000,
        used: 700_000,
        expired: 1_300_000,
        days: { 21: 700_000 },
      },
    },
    use('june-1', '2026-06-07', 1_500_000),
    use('june-2', '2026-06-30', 510_000),
    // A clock that was still in June, where another had opened July.
    { ...use('behind', '2026-06-30', 1_000), period: '2026-07' },
    use('july', '2026-07-14', 250_000),
    use('drain', '2026-07-15', 300_000, 500_000),
    closedHold('settled', 'settled', { used: 5_000, charged: 4_000 }),
    closedHold('released', 'released'),
    closedHold('expired', 'expired'),
    { type: 'expire', ...recorded('expire#expired', '2026-07-14'), tokens: 9_000, holds: 1 },
    {
      type: 'extend',
      ...recorded('extend#k', '2026-07-14'),
      holdId: 'one',
      ttlSeconds: 600,
      heldUntil: at('2026-07-15'),
    },
    payment(3, 1_000_000, 'paid'),
    payment(4, -400_000, 'refunded'),
    {
      type: 'plan',
      asked: {},
      ...recorded('plan#up', '2026-07-14'),
      plan: 'teams',
      quota: 10_000_000,
      effect: 'applied',
      tokens: 8_000_000,
      by: 'ops',
    },
  ]
  books = {
    workspace: workspaceWith({
      openOrders: 1,
      plan: 'teams',
      quota: 10_000_000,
      topUps: 630_000,
      balance: 10_064_000,
      held: 11_000,
      holds: 2,
      holdsExpireFrom: at('2026-07-15'),
      days: { 1: 1_000, 14: 254_000, 15: 300_000 },
    }),
    entries,
    holds: [
      open('one', '2026-07', 5_000, at('2026-07-16')),
      open('two', '2026-07', 6_000, at('2026-07-15')),
      open('ended', '2026-06', 1_000, at('2026-06-30')),
    ],
    purchases: [
      purchaseWith({ status: 'refunded', reversed: 400_000, taken: 400_000 }),
      purchaseWith({ purchaseId: 'pur_2' }),
    ],
  }
})

function entry<Entry extends LedgerEntry>(id: string): Entry {
  return books.entries.find(({ entryId }) => entryId === id) as Entry
}

function without(id: string): Books {
  return { ...books, entries: books.entries.filter(({ entryId }) => entryId !== id) }
}

const julyMoves = [
  'use#behind',
  'use#july',
  'use#drain',
  'hold#settled',
  'payment#pur_1#3',
  'payment#pur_1#4',
  'plan#up',
]

describe('books that add up', () => {
  it('have no differences, over three months and everything that can happen in one', () => {
    expect(differencesIn(books)).toEqual([])
    // Whatever order the ledger is read in.
    expect(differencesIn({ ...books, entries: books.entries.toReversed() })).toEqual([])
  })

  it('nor in the month a workspace was created in', () => {
    const quota = 100_000
    const workspace = workspaceWith({
      plan: 'starter',
      quota,
      balance: 75_000,
      days: { 2: 25_000 },
    })
    const creation: PlanEntry = {
      ...entry<PlanEntry>('plan#create'),
      ...recorded('plan#create', '2026-07-02'),
      quota,
      tokens: quota,
    }
    const entries = [creation, use('first', '2026-07-02', 25_000)]
    expect(differencesIn({ workspace, entries, holds: [], purchases: [] })).toEqual([])
  })
})

describe('the workspace', () => {
  it.each([
    ['balance', -1, 10_074_999],
    ['balance', 1, 10_075_001],
    ['held', 1, 10_075_001],
  ] as const)('whose %s is %i off does not hold what its ledger gave it', (field, off, stored) => {
    books.workspace[field] += off
    expect(differencesIn(books)).toContainEqual({
      what: 'balance, held and impounded',
      stored,
      ledger: 10_075_000,
      entries: ['reset#2026-07', ...julyMoves],
    })
  })

  it('has the quota that its plan changes gave it', () => {
    books.workspace.quota += 5
    expect(differencesIn(books)).toEqual([
      {
        what: 'quota',
        stored: 10_000_005,
        ledger: 10_000_000,
        entries: ['reset#2026-07', 'plan#up'],
      },
    ])
  })

  it('has the top-ups that were granted, paid and taken back', () => {
    books.workspace.topUps -= 5
    expect(differencesIn(books)).toEqual([
      {
        what: 'top-ups',
        stored: 629_995,
        ledger: 630_000,
        entries: ['reset#2026-07', 'payment#pur_1#3', 'payment#pur_1#4'],
      },
    ])
  })

  it('counts on each day what was used on it, a use before the 1st on the 1st', () => {
    books.workspace.days = { 1: 999, 14: 254_000, 15: 300_001, 16: 7 }
    expect(differencesIn(books)).toEqual([
      { what: 'used on 2026-07-01', stored: 999, ledger: 1_000, entries: ['use#behind'] },
      { what: 'used on 2026-07-15', stored: 300_001, ledger: 300_000, entries: ['use#drain'] },
      { what: 'used on 2026-07-16', stored: 7, ledger: 0, entries: [] },
    ])
    books.workspace.days = { 1: 1_000, 15: 300_000 }
    expect(differencesIn(books)).toEqual([
      {
        what: 'used on 2026-07-14',
        stored: 0,
        ledger: 254_000,
        entries: ['use#july', 'hold#settled'],
      },
    ])
  })

  it('has figures that are whole numbers from zero up', () => {
    const range = 'a whole number from 0 up'
    const about = (what: string) => differencesIn(books).filter((one) => one.what === what)
    for (const [field, wrong] of [
      ['quota', 2 ** 53],
      ['topUps', -1],
      ['balance', 0.5],
      ['held', -1],
      ['holds', Number.NaN],
    ] as const) {
      const right = books.workspace[field]
      books.workspace[field] = wrong
      expect(about(field)).toContainEqual({
        what: field,
        stored: wrong,
        ledger: range,
        entries: [],
      })
      books.workspace[field] = right
    }
    books.workspace.balance = 10_640_000
    expect(about('used')).toEqual([{ what: 'used', stored: -21_000, ledger: range, entries: [] }])
  })

  it('may have any of its figures at zero', () => {
    const workspace = workspaceWith({ plan: 'enterprise', quota: 0, balance: 0 })
    const creation = { ...entry<PlanEntry>('plan#create'), quota: 0, tokens: 0 }
    const entries = [{ ...creation, period: '2026-07' as const }]
    expect(differencesIn({ workspace, entries, holds: [], purchases: [] })).toEqual([])
  })
})

describe('open holds', () => {
  it('hold what the workspace says is held; those of a month that is over hold nothing', () => {
    books = { ...books, holds: books.holds.filter(({ holdId }) => holdId !== 'two') }
    expect(differencesIn(books)).toEqual([
      { what: 'held', stored: 11_000, ledger: 5_000, entries: ['open#one'] },
      { what: 'open holds', stored: 2, ledger: 1, entries: ['open#one'] },
    ])
  })

  it('are looked for before the first of them expires, or at that moment', () => {
    const late = {
      what: 'first expiry of a hold',
      ledger: at('2026-07-15'),
      entries: ['open#one', 'open#two'],
    }
    books.workspace.holdsExpireFrom = at('2026-07-16')
    expect(differencesIn(books)).toEqual([{ ...late, stored: at('2026-07-16') }])
    books.workspace.holdsExpireFrom = undefined
    expect(differencesIn(books)).toEqual([{ ...late, stored: 'never' }])
    books.workspace.holdsExpireFrom = at('2026-07-14')
    expect(differencesIn(books)).toEqual([])
  })

  it('need not be looked for where there are none', () => {
    books.workspace = { ...books.workspace, holds: 0, held: 0, balance: 10_075_000 }
    books.workspace.holdsExpireFrom = undefined
    expect(differencesIn({ ...books, holds: [] })).toEqual([])
  })
})

describe('a month that was closed', () => {
  const closed = () => entry<ResetEntry>('reset#2026-07').closed

  it('stood as its own ledger adds up', () => {
    closed().quota = 2_000_007
    expect(differencesIn(books)).toContainEqual({
      what: 'quota of 2026-06',
      stored: 2_000_007,
      ledger: 2_000_000,
      entries: ['reset#2026-06'],
    })
    closed().quota = 2_000_000
    closed().topUps = 40_003
    expect(differencesIn(books)).toContainEqual({
      what: 'top-ups of 2026-06',
      stored: 40_003,
      ledger: 40_000,
      entries: ['reset#2026-06'],
    })
  })

  it('counts the grants and the creation of the month it began in', () => {
    entry<GrantEntry>('grant#may').tokens = 40_001
    expect(differencesIn(books)).toEqual([
      { what: 'top-ups of 2026-05', stored: 40_000, ledger: 40_001, entries: ['grant#may'] },
    ])
    entry<GrantEntry>('grant#may').tokens = 40_000
    entry<PlanEntry>('plan#create').tokens = 1_999_999
    expect(differencesIn(books)).toEqual([
      { what: 'quota of 2026-05', stored: 2_000_000, ledger: 1_999_999, entries: ['plan#create'] },
    ])
  })

  it('used what its entries say, day by day and in all', () => {
    entry<UsageEntry>('use#june-2').taken = 510_001
    entry<UsageEntry>('use#june-2').requested = 510_001
    expect(differencesIn(books)).toEqual([
      {
        what: 'used on 2026-06-30',
        stored: 510_000,
        ledger: 510_001,
        entries: ['use#june-2'],
      },
      { what: 'used in 2026-06', stored: 2_010_000, ledger: 2_010_001, entries: ['reset#2026-07'] },
    ])
  })

  it('lost the quota that was not used, and no more', () => {
    entry<ResetEntry>('reset#2026-06').closed.expired = 1_299_999
    expect(differencesIn(books)).toEqual([
      {
        what: 'quota expired with 2026-05',
        stored: 1_299_999,
        ledger: 1_300_000,
        entries: ['reset#2026-06'],
      },
    ])
    entry<ResetEntry>('reset#2026-06').closed.expired = 1_300_000
    closed().expired = 1
    expect(differencesIn(books)).toEqual([
      {
        what: 'quota expired with 2026-06',
        stored: 1,
        ledger: 0,
        entries: ['reset#2026-07'],
      },
    ])
  })

  it('passes on the top-ups that the quota left unused', () => {
    entry<ResetEntry>('reset#2026-07').topUps = 40_000
    expect(differencesIn(books)).toContainEqual({
      what: 'top-ups that came over from 2026-06',
      stored: 40_000,
      ledger: 30_000,
      entries: ['reset#2026-07'],
    })
  })

  it('may not be missing: each begins as the one before ended', () => {
    expect(differencesIn(without('reset#2026-06'))).toContainEqual({
      what: 'period of 2026-06',
      stored: '2026-06',
      ledger: '2026-05',
      entries: [],
    })
    expect(differencesIn(without('reset#2026-07'))).toContainEqual({
      what: 'period',
      stored: '2026-07',
      ledger: '2026-06',
      entries: ['reset#2026-06'],
    })
  })
})

describe('usage that has expired', () => {
  it('is not missed in months before the time from which all must be there', () => {
    const kept = without('use#june-1')
    expect(differencesIn(kept, '2026-07')).toEqual([])
    expect(differencesIn(kept, '2026-06').map(({ what }) => what)).toEqual([
      'used on 2026-06-07',
      'used in 2026-06',
    ])
  })

  it('still never comes to more than the reset kept of it', () => {
    entry<UsageEntry>('use#june-1').taken = 1_500_001
    entry<UsageEntry>('use#june-1').requested = 1_500_001
    expect(differencesIn(books, '2026-07')).toEqual([
      {
        what: 'used on 2026-06-07',
        stored: 1_500_000,
        ledger: 1_500_001,
        entries: ['use#june-1'],
      },
    ])
  })

  it('is proved by the days that the reset kept: they add up to what the month used', () => {
    entry<ResetEntry>('reset#2026-07').closed.days[7] = 1_500_100
    expect(differencesIn(books, '2026-07')).toEqual([
      { what: 'used in 2026-06', stored: 2_010_000, ledger: 2_010_100, entries: ['reset#2026-07'] },
    ])
  })
})

describe('orders', () => {
  it('that wait are as many as the workspace counts', () => {
    books.workspace.openOrders = 2
    expect(differencesIn(books)).toEqual([
      { what: 'open orders', stored: 2, ledger: 1, entries: ['pur_2'] },
    ])
  })

  it('that keep the workspace from buying know it themselves', () => {
    books.workspace.blockedBy = { pur_1: '2026-07-14T09:00:00.000Z' }
    expect(differencesIn(books)).toMatchObject([{ stored: 1, ledger: 0, entries: ['pur_1'] }])
    books.purchases[0]!.blocked = true
    expect(differencesIn(books)).toEqual([])
  })
})

describe('a purchase', () => {
  it('has credited what its payments moved', () => {
    const [paid] = books.purchases as [Purchase]
    paid.taken = 300_000
    paid.reversed = 300_000
    expect(differencesIn(books)).toEqual([
      {
        what: 'credited by pur_1',
        stored: 700_000,
        ledger: 600_000,
        entries: ['payment#pur_1#3', 'payment#pur_1#4'],
      },
    ])
  })

  it('that was not paid has credited nothing', () => {
    const [, unpaid] = books.purchases as [Purchase, Purchase]
    unpaid.status = 'paid'
    books.workspace.openOrders = 0
    expect(differencesIn(books)).toEqual([
      { what: 'credited by pur_2', stored: 1_000_000, ledger: 0, entries: [] },
    ])
  })

  it('stands behind every payment', () => {
    const workspace = { ...books.workspace, openOrders: 0 }
    expect(differencesIn({ ...books, workspace, purchases: [] })).toEqual([
      {
        what: 'payments of no purchase',
        stored: 0,
        ledger: 2,
        entries: ['payment#pur_1#3', 'payment#pur_1#4'],
      },
    ])
  })
})

describe('an entry', () => {
  it('counts in a month that there was', () => {
    const astray = use('astray', '2026-03-03', 5)
    expect(differencesIn({ ...books, entries: [...books.entries, astray] })).toEqual([
      {
        what: 'entries in a month that never was',
        stored: 0,
        ledger: 1,
        entries: ['use#astray'],
      },
    ])
  })

  it('of a creation is there once', () => {
    const again = { ...entry<PlanEntry>('plan#create'), entryId: 'plan#again', tokens: 0 }
    expect(differencesIn({ ...books, entries: [...books.entries, again] })).toEqual([
      { what: 'creations', stored: 1, ledger: 2, entries: ['plan#create', 'plan#again'] },
    ])
    expect(differencesIn(without('plan#create'))).toContainEqual({
      what: 'creations',
      stored: 1,
      ledger: 0,
      entries: [],
    })
  })

  it('of a use took what was asked; less only where it might drain, and never more', () => {
    const taken = (id: string, requested: number, says: number) => {
      entry<UsageEntry>(id).requested = requested
      return {
        what: `taken by ${id}`,
        stored: says,
        ledger: requested,
        entries: [id],
      }
    }
    const less = taken('use#july', 250_001, 250_000)
    expect(differencesIn(books)).toEqual([less])
    entry<UsageEntry>('use#july').requested = 250_000
    const more = taken('use#drain', 299_999, 300_000)
    expect(differencesIn(books)).toEqual([more])
    taken('use#drain', 300_000, 300_000)
    expect(differencesIn(books)).toEqual([])
  })

  it('of a hold charged or left uncovered all that was used', () => {
    entry<HoldEntry>('hold#settled').uncovered = 999
    expect(differencesIn(books)).toEqual([
      { what: 'used by hold#settled', stored: 5_000, ledger: 4_999, entries: ['hold#settled'] },
    ])
  })
})

describe('a workspace whose first months are gone', () => {
  it('begins with what its oldest reset closed', () => {
    const entries = books.entries.filter(
      ({ period, type }) => period > '2026-05' || type === 'reset',
    )
    const later = entries.filter(({ entryId }) => entryId !== 'plan#create')
    const whats = differencesIn({ ...books, entries: later }).map(({ what }) => what)
    // What opened it is missing, and nothing else is said to be wrong with when it began.
    expect(whats).toContain('creations')
    expect(whats.filter((what) => what.startsWith('period'))).toEqual([])
  })

  it('or with the month it stands in, where it has none', () => {
    const quota = 2_000_000
    const workspace = workspaceWith({ quota })
    const whats = differencesIn({ workspace, entries: [], holds: [], purchases: [] })
    expect(whats.map(({ what }) => what)).toEqual([
      'quota',
      'balance, held and impounded',
      'creations',
    ])
  })
})

describe('what is owed and impounded', () => {
  beforeEach(() => {
    const { workspace } = books
    workspace.balance -= 3_000
    workspace.impounded = 3_000
    workspace.owed = { tokens: 4_000, since: at('2026-07-15'), held: 5_000 }
    entry<HoldEntry>('hold#released').impounded = 5_000
    entry<PaymentEntry>('payment#pur_1#4').impounded = 2_000
    const [paid] = books.purchases as [Purchase]
    // 500 of it have been spent, which the next settle finds.
    paid.pending = 7_500
    paid.shortfall = 100
    paid.reversed = 407_600
  })

  const found = () =>
    differencesIn(books).map(({ what, stored, ledger }) => ({ what, stored, ledger }))

  it('adds up', () => {
    expect(found()).toEqual([])
  })

  it('is what holds kept and payments did not take of it', () => {
    entry<HoldEntry>('hold#released').impounded = 4_999
    expect(found()).toEqual([{ what: 'impounded', stored: 3_000, ledger: 2_999 }])
    entry<PaymentEntry>('payment#pur_1#4').impounded = 1_999
    expect(found()).toEqual([])
  })

  it('comes over from the month before, with what its reset kept', () => {
    entry<ResetEntry>('reset#2026-07').impounded = 600
    expect(found()).toEqual([{ what: 'impounded', stored: 3_000, ledger: 3_600 }])
    entry<HoldEntry>('hold#released').impounded = 4_400
    expect(found()).toEqual([])
    entry<ResetEntry>('reset#2026-07').impounded = 30_001
    entry<HoldEntry>('hold#released').impounded = undefined
    expect(found()).toContainEqual({
      what: 'impounded with 2026-06',
      stored: 30_001,
      ledger: 30_000,
    })
  })

  it('in a month that was closed is what that month kept, and the reset loses none of it', () => {
    entry<ResetEntry>('reset#2026-07').closed.impounded = 50
    expect(found()).toEqual([
      { what: 'impounded of 2026-06', stored: 50, ledger: 0 },
      { what: 'impounded with 2026-06', stored: 0, ledger: 50 },
    ])
    // Entries of holds expire, and then nothing can be said of it.
    expect(differencesIn(books, '2026-07').map(({ what }) => what)).toEqual([
      'impounded with 2026-06',
    ])
  })

  it('can be returned: by the holds that owe it, and out of top-ups that are left', () => {
    const owed = books.workspace.owed!
    owed.tokens = 4_500
    expect(found()).toEqual([])
    owed.held = 4_499
    expect(found()).toEqual([{ what: 'owed', stored: 4_500, ledger: 4_499 }])
    owed.held = 11_001
    expect(found()).toEqual([{ what: 'held by holds that owe', stored: 11_001, ledger: 11_000 }])
    owed.held = 5_000
    owed.tokens = 0
    expect(found()).toEqual([{ what: 'owed', stored: 0, ledger: 1 }])
  })

  it('is pending for some purchase, all of it', () => {
    const [paid] = books.purchases as [Purchase]
    paid.pending = 7_000
    paid.reversed = 407_100
    expect(found()).toEqual([])
    paid.pending = 6_999
    expect(found()).toEqual([
      { what: 'owed and impounded', stored: 7_000, ledger: 6_999 },
      { what: 'reversed of pur_1', stored: 407_100, ledger: 407_099 },
    ])
  })

  it('is no more than was topped up', () => {
    const { workspace } = books
    workspace.balance += workspace.impounded! - 630_001
    workspace.impounded = 630_001
    workspace.owed = undefined
    expect(found()).toContainEqual({ what: 'impounded', stored: 630_001, ledger: 630_000 })
  })
})
