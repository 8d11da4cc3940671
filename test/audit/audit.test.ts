import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { DeleteCommand, PutCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb'
import { afterAll, beforeAll, beforeEach, describe, expect, inject, it } from 'vitest'
import { audit } from '../../audit/audit.ts'
import type { Workspace } from '../../shared/domain/workspace.ts'
import { changeWorkspace } from '../../shared/operations/change-workspace.ts'
import { closeHold } from '../../shared/operations/close-hold.ts'
import { grantTokens } from '../../shared/operations/grant-tokens.ts'
import { openHold } from '../../shared/operations/open-hold.ts'
import { settlePurchase } from '../../shared/operations/settle-purchase.ts'
import { openStore, type Store } from '../../shared/store/dynamodb.ts'
import { entriesOf, everythingIn } from '../support/books.ts'
import { openOrder, openWorkspace, type Sale, useUp } from '../support/shop.ts'
import { openTestStore } from '../support/store.ts'
import { openTestStripe, type TestStripe } from '../support/stripe.ts'
import { behind, startWire, type Wire } from '../support/wire.ts'

const june = new Date('2026-06-20T09:00:00Z')
const july = new Date('2026-07-14T09:00:00Z')

let store: Store
let stripe: TestStripe
let wire: Wire
beforeAll(async () => {
  stripe = await openTestStripe(() => july)
  wire = await startWire(inject('dynamoDbEndpoint'))
})
afterAll(async () => {
  await stripe.stop()
  await wire.stop()
})

let sale: Sale
let workspaceId: string
/** A workspace with something of everything: two months, holds of every end, and a refunded order. */
beforeEach(async () => {
  store = await openTestStore()
  workspaceId = await openWorkspace(store, june)
  await useUp(store, { workspaceId }, 700_000, june)
  await grant('g1', 40_000, june)
  await hold('left-over', 1_000, june)

  sale = await openOrder(store, stripe, july, { workspaceId })
  const { paymentIntent } = await stripe.buyer(sale.session, 'pay')
  await settlePurchase(store, stripe.account, sale, july)
  await useUp(store, { workspaceId }, 250_000, july)
  const settled = await hold('settled', 9_000, july)
  await closeHold(
    store,
    { workspaceId, holdId: settled, closing: { outcome: 'settled', tokens: 4_000 } },
    july,
  )
  await hold('open', 5_000, july)
  await hold('another', 6_000, july)
  await stripe.bank(paymentIntent, 'refund', 100)
  await settlePurchase(store, stripe.account, sale, july)
  await changeWorkspace(
    store,
    { workspaceId, key: 'up', plan: 'teams', quota: 10_000_000, by: 't' },
    july,
  )
})

async function grant(key: string, tokens: number, now: Date) {
  await grantTokens(store, { workspaceId, key, tokens, reason: 'r', by: 'rep' }, now)
}

async function hold(key: string, tokens: number, now: Date): Promise<string> {
  const outcome = await openHold(store, { workspaceId, key, tokens, ttlSeconds: 600 }, now)
  if ('refused' in outcome) throw new Error(outcome.refused)
  return outcome.hold.holdId
}

/** Audits, and answers with what was printed. */
async function auditing(options: Partial<Parameters<typeof audit>[1]> = {}) {
  const lines: string[] = []
  const print = (line: string) => void lines.push(line)
  const result = await audit(store, { usageRetentionDays: 400, now: july, print, ...options })
  return { ...result, lines, text: lines.join('\n') }
}

async function damage(fields: Partial<Workspace>) {
  for (const [field, value] of Object.entries(fields)) {
    await store.client.send(
      new UpdateCommand({
        TableName: store.workspacesTable,
        Key: { workspaceId },
        UpdateExpression: 'SET #field = :value',
        ExpressionAttributeNames: { '#field': field },
        ExpressionAttributeValues: { ':value': value },
      }),
    )
  }
}

async function entryLike(like: (entryId: string, type: string) => boolean) {
  const entries = await entriesOf(store, workspaceId)
  return entries.find(({ entryId, type }) => like(entryId, type))!
}

const put = (Item: object) =>
  store.client.send(new PutCommand({ TableName: store.ledgerTable, Item: { ...Item } }))

const remove = (entryId: string) =>
  store.client.send(
    new DeleteCommand({ TableName: store.ledgerTable, Key: { workspaceId, entryId } }),
  )

describe('an audit', () => {
  it('finds that all adds up, and writes nothing', async () => {
    const before = await everythingIn(store)
    expect(await auditing()).toMatchObject({
      checked: 1,
      differ: 0,
      lines: [
        `${workspaceId}: adds up (2026-07, 10,375,000 left, 11,000 held; 9 entries, 1 purchase, 3 open holds)`,
      ],
    })
    expect(await everythingIn(store)).toEqual(before)
  })

  it('goes over all workspaces, or looks at one', async () => {
    const other = await openWorkspace(store, july)
    expect(await auditing()).toMatchObject({ checked: 2, differ: 0 })
    expect(await auditing({ workspaceId: other })).toMatchObject({ checked: 1 })
    await expect(auditing({ workspaceId: 'nobody' })).rejects.toThrow('no workspace nobody')
  })

  it('waits for a workspace that is being written to, and says so if it never stands still', async () => {
    wire.clear()
    process.env.AWS_ENDPOINT_URL_DYNAMODB = wire.endpoint
    const watched = openStore(store)
    let busy = 0
    const interrupt = behind(() => useUp(store, { workspaceId }, ++busy, july))
    wire.next('Query', interrupt, interrupt)
    const lines: string[] = []
    const options = {
      usageRetentionDays: 400,
      now: july,
      print: (line: string) => void lines.push(line),
    }
    expect(await audit(watched, options)).toEqual({ checked: 1, differ: 0, moving: 0 })
    wire.always('Query', interrupt)
    expect(await audit(watched, options)).toEqual({ checked: 0, differ: 0, moving: 1 })
    expect(lines.at(-1)).toMatch(/not checked, it is written to/)
  })

  it('says how much is missing, and names the entries it was added up from', async () => {
    await damage({ balance: 10_374_999 })
    const { differ, lines } = await auditing()
    expect(differ).toBe(1)
    expect(lines[1]).toBe(
      '  balance and held: 10,385,999 is stored, the ledger says 10,386,000, 1 too little',
    )
    expect(lines).toContain('    reset#2026-07')
    expect(lines).toContain('    plan#up')
  })
})

describe('an audit finds', () => {
  it.each<[string, Partial<Workspace>, string]>([
    ['tokens that nobody gave', { balance: 10_375_001 }, 'balance and held: '],
    ['tokens moved from held to the balance', { balance: 10_386_000, held: 0 }, 'held: 0 is'],
    ['a quota nobody changed', { quota: 10_000_001 }, 'quota: '],
    ['top-ups nobody paid', { topUps: 640_001 }, 'top-ups: '],
    ['a day that does not add up', { days: { 14: 253_999 } }, 'used on 2026-07-14: '],
    ['use on a day without any', { days: { 14: 254_000, 15: 1 } }, 'used on 2026-07-15: '],
    ['a hold nobody counts', { holds: 1 }, 'open holds: '],
    ['holds that would not come back', { holdsExpireFrom: '2026-07-15' }, 'first expiry of a hold'],
    ['a balance below zero', { balance: -1 }, 'balance: -1 is'],
    ['half a token', { balance: 10_374_999.5 }, 'balance: '],
    ['a month that was never opened', { period: '2026-08' }, 'period: 2026-08 is'],
  ])('%s', async (_what, fields, said) => {
    await damage(fields)
    const { differ, text } = await auditing()
    expect(differ).toBe(1)
    expect(text).toContain(`\n  ${said}`)
  })

  it('usage whose entry is gone though it is not old enough to expire, or was changed', async () => {
    const uses = (await entriesOf(store, workspaceId)).filter((entry) => entry.type === 'use')
    const [of] = uses.filter(({ period }) => period === '2026-07')
    await remove(of!.entryId)
    expect((await auditing()).text).toContain(
      '  used on 2026-07-14: 254,000 is stored, the ledger says 4,000',
    )
    await put({ ...of!, taken: 249_999 })
    const { text } = await auditing()
    expect(text).toContain(`  taken by ${of!.entryId}`)
    expect(text).toContain('  used on 2026-07-14')
  })

  it.each([
    ['a grant', (id: string) => id === 'grant#g1', 'top-ups of 2026-06: 40,000 is stored'],
    ['a plan change', (id: string) => id === 'plan#up', 'quota: 10,000,000 is stored'],
    ['a payment', (id: string) => id.startsWith('payment#'), 'credited by pur_'],
    ['a reset', (id: string) => id === 'reset#2026-07', 'period: 2026-07 is stored'],
    ['the creation', (id: string) => id === 'plan#create', 'creations: 1 is stored'],
  ] as const)('%s that is gone from the ledger', async (_what, like, said) => {
    await remove((await entryLike(like)).entryId)
    expect((await auditing()).text).toContain(`\n  ${said}`)
  })

  it.each([
    ['ate top-ups', { topUps: 39_999 }, 'top-ups that came over from 2026-06: 39,999'],
    ['kept unused quota', { topUps: 1_340_000 }, 'top-ups that came over from 2026-06: 1,340,000'],
  ])('a reset that %s', async (_what, fields, said) => {
    await put({ ...(await entryLike((id) => id === 'reset#2026-07')), ...fields })
    expect((await auditing()).text).toContain(`\n  ${said}`)
  })

  it('a payment credited twice, and one of an order that is not there', async () => {
    const payment = await entryLike((_id, type) => type === 'payment')
    await put({ ...payment, entryId: `${payment.entryId}0` })
    expect((await auditing()).text).toContain(`  credited by ${sale.purchaseId}: 600,000 is stored`)
    await remove(`purchase#${sale.purchaseId}`)
    expect((await auditing()).text).toContain('  payments of no purchase: 0 is stored')
  })
})

describe('usage entries that have expired', () => {
  /** As DynamoDB's time to live does. */
  async function expire(period: string) {
    for (const entry of await entriesOf(store, workspaceId)) {
      if (entry.type === 'use' && entry.period === period) await remove(entry.entryId)
    }
  }
  const monthsLater = new Date('2027-09-10T00:00:00Z')

  it('are no fault in a month older than they are kept', async () => {
    await expire('2026-06')
    expect(await auditing({ now: monthsLater })).toMatchObject({ differ: 0 })
  })

  it('are one in a month that should still have them', async () => {
    await expire('2026-06')
    expect((await auditing()).text).toContain(
      '  used on 2026-06-20: 700,000 is stored, the ledger says 0',
    )
  })

  it('may not add up to more than was kept of them, however old', async () => {
    const use = await entryLike((_id, type) => type === 'use')
    await put({ ...use, entryId: 'use#doubled', period: '2026-06', at: june.toISOString() })
    expect((await auditing({ now: monthsLater })).text).toContain('  used on 2026-06-20: ')
  })

  it('leave what they added up to in the reset, and that must still carry over', async () => {
    await expire('2026-06')
    const reset = await entryLike((id) => id === 'reset#2026-07')
    if (reset.type !== 'reset') throw new Error('not a reset')
    await put({ ...reset, closed: { ...reset.closed, days: { 20: 600_000 } } })
    expect((await auditing({ now: monthsLater })).text).toContain(
      '  used in 2026-06: 700,000 is stored, the ledger says 600,000',
    )
  })
})

describe('npm run audit', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  async function command(...args: string[]) {
    const { AWS_ENDPOINT_URL_DYNAMODB: _wire, ...environment } = process.env
    const env = { ...environment, AWS_ENDPOINT_URL_DYNAMODB: inject('dynamoDbEndpoint'), PORT: '1' }
    const running = promisify(execFile)(process.execPath, ['audit/main.ts', ...args], {
      cwd: root,
      env,
    })
    return running.then(
      ({ stdout }) => ({ code: 0, stdout, stderr: '' }),
      ({ code, stdout, stderr }) => ({ code, stdout, stderr }),
    )
  }
  const tables = () => [
    '--workspaces-table',
    store.workspacesTable,
    '--ledger-table',
    store.ledgerTable,
  ]

  it('exits with 0 where all adds up, and with 1 where something differs', async () => {
    const good = await command(...tables())
    expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining('1 checked, 0 differ') })
    await damage({ balance: 1 })
    const bad = await command(...tables(), '--workspace', workspaceId)
    expect(bad).toMatchObject({ code: 1, stdout: expect.stringContaining('DIFFERS') })
  })

  it('exits with 2 and one line where it could not look', async () => {
    for (const [args, line] of [
      [[...tables(), '--workspace', 'nobody'], 'there is no workspace nobody'],
      [tables().slice(2), 'Give both'],
      [['--usage-retention-days', 'many'], 'must be a whole number'],
      [[], 'No Token Top-up answers at http://127.0.0.1:1'],
    ] as const) {
      const { code, stderr } = await command(...args)
      expect(code).toBe(2)
      expect(stderr.trim().split('\n')).toEqual([expect.stringContaining(line)])
    }
  })
})
