import { describe, expect, it } from 'vitest'
import { isWorkspaceId } from '../../shared/domain/workspace-id.ts'
import {
  activityQuery,
  consumeBody,
  encodeCursor,
  grantBody,
  holdBody,
  idempotencyKey,
  pathParameters,
  purchaseBody,
  returnUrlFault,
  workspaceBody,
} from '../../shared/http/input.ts'

const { workspaceId, purchaseId } = pathParameters
const accepts = (schema: { safeParse(input: unknown): { success: boolean } }, input: unknown) =>
  schema.safeParse(input).success

describe('a number of tokens', () => {
  it.each([1, 1_000_000_000_000])('may be %d', (tokens) => {
    expect(accepts(consumeBody, { tokens })).toBe(true)
    expect(accepts(grantBody, { tokens, reason: 'r' })).toBe(true)
  })

  it.each([
    0,
    -1,
    0.5,
    1_000_000_000_001,
    2 ** 53,
    2 ** 53 + 2,
    Number.POSITIVE_INFINITY,
    Number.NaN,
    '1',
    '1e3',
    null,
    true,
    [1],
    undefined,
  ])('may not be %j', (tokens) => {
    expect(accepts(consumeBody, { tokens })).toBe(false)
    expect(accepts(grantBody, { tokens, reason: 'r' })).toBe(false)
    expect(accepts(purchaseBody, { tokens })).toBe(false)
  })
})

describe('a body', () => {
  it('with a field nobody knows is refused: a misspelt one must not change the meaning', () => {
    expect(accepts(consumeBody, { tokens: 1, onshortfall: 'drain' })).toBe(false)
    expect(accepts(grantBody, { tokens: 1, reason: 'r', workspaceId: 'crew' })).toBe(false)
    expect(accepts(workspaceBody, { plan: 'pro', balance: 9 })).toBe(false)
  })

  it('of a consume refuses unless it is told to drain', () => {
    expect(consumeBody.parse({ tokens: 1 })).toEqual({ tokens: 1, onShortfall: 'refuse' })
    expect(accepts(consumeBody, { tokens: 1, onShortfall: 'Drain' })).toBe(false)
  })

  it('may carry labels, short and without control characters', () => {
    expect(accepts(consumeBody, { tokens: 1, member: 'Zoë ☕' })).toBe(true)
    for (const member of ['', 'a'.repeat(129), 'a\nb', 'a\u0000', 7]) {
      expect(accepts(consumeBody, { tokens: 1, member })).toBe(false)
    }
    expect(accepts(grantBody, { tokens: 1 })).toBe(false)
  })

  it('of a hold asks for at least what it may come to, and for no more than it asks for', () => {
    const asked = { tokens: 5, ttlSeconds: 60 }
    for (const atLeast of [1, 5]) expect(accepts(holdBody, { ...asked, atLeast })).toBe(true)
    for (const atLeast of [0, 6, 1.5, '1', null]) {
      const { error } = holdBody.safeParse({ ...asked, atLeast })
      expect(error?.issues.map(({ path }) => path)).toEqual([['atLeast']])
    }
    // Where `tokens` is no number there is nothing to measure it by.
    const { error } = holdBody.safeParse({ ...asked, tokens: '5', atLeast: 6 })
    expect(error?.issues.map(({ path }) => path)).toEqual([['tokens']])
    expect(accepts(holdBody, { ...asked, holder: 'x'.repeat(128) })).toBe(true)
    for (const holder of ['', 'x'.repeat(129), 'a\nb', 7, null]) {
      expect(accepts(holdBody, { ...asked, holder })).toBe(false)
    }
  })

  it('of a workspace names what is to change, and nothing must be there', () => {
    expect(accepts(workspaceBody, {})).toBe(true)
    expect(accepts(workspaceBody, { plan: 'pro' })).toBe(true)
    expect(accepts(workspaceBody, { plan: 'enterprise', quota: 50_000_000 })).toBe(true)
    expect(accepts(workspaceBody, { stripeCustomerId: 'cus_Na6dX7aXxi11N4' })).toBe(true)
    expect(accepts(workspaceBody, { stripeCustomerId: null })).toBe(true)
    for (const plan of ['gold', 'Pro', '', null, 'constructor', '__proto__']) {
      expect(accepts(workspaceBody, { plan })).toBe(false)
    }
    for (const stripeCustomerId of ['', 'acme', 'sub_1', 'cus_', 'cus_a b', 7]) {
      expect(accepts(workspaceBody, { stripeCustomerId })).toBe(false)
    }
    expect(accepts(workspaceBody, { quota: null })).toBe(false)
  })
})

describe('an order', () => {
  const origins = ['https://app.example.com', 'http://localhost:4000']
  const tokens = 1_000_000
  const leadsBackTo = (returnUrl: unknown) =>
    accepts(purchaseBody, { tokens, returnUrl }) &&
    returnUrlFault(returnUrl as string, origins) === undefined

  it.each([1_000_000, 7_000_000, 1_000_000_000])('may be for %d tokens', (tokens) => {
    expect(accepts(purchaseBody, { tokens })).toBe(true)
  })

  it.each([999_999, 1_000_001, 1_500_000, 1_001_000_000])('may not be for %d tokens', (tokens) => {
    expect(accepts(purchaseBody, { tokens })).toBe(false)
  })

  it('may lead back to a configured origin', () => {
    for (const returnUrl of ['https://app.example.com/a?b#c', 'http://localhost:4000']) {
      expect(leadsBackTo(returnUrl)).toBe(true)
    }
  })

  it.each([
    'https://evil.example.com/',
    'http://app.example.com/',
    'https://app.example.com:8443/',
    'https://app.example.com.evil.example.com/',
    'https://app.example.com@evil.example.com/',
    '//app.example.com/',
    '/usage',
    'javascript:alert(1)',
    'blob:https://app.example.com/5f1c',
    'filesystem:https://app.example.com/temporary/x',
    'ftp://app.example.com/',
    'https://somebody@app.example.com/',
    'https://:secret@app.example.com/',
    // Each of these characters is six bytes once it is written as a URL.
    `https://app.example.com/${'é'.repeat(400)}`,
    'null',
    '',
    7,
  ])('may not lead back to %s', (returnUrl) => {
    expect(leadsBackTo(returnUrl)).toBe(false)
  })
})

describe('ids and keys', () => {
  it('of a workspace are as hosts write their customers', () => {
    const written = ['a', 'A_b-9', 'x'.repeat(64), 'acme.com', 'auth0|5f1c', 'org:7', 'a@b', '...']
    for (const id of written) expect(accepts(workspaceId, id), id).toBe(true)
  })

  it.each([
    ...['', 'x'.repeat(65), 'a b', 'a#b', 'é', 'a/b', '#stripe', 'a\n', undefined, '.', '..'],
    ...['[a]', 'a,b', 'a%20b', 'a?b', 'a\\b', "a'b", 'a"b', 'a+b', ' a', 7, null, ['a']],
  ])('of a workspace are never %j', (id) => {
    expect(accepts(workspaceId, id)).toBe(false)
    expect(isWorkspaceId(id)).toBe(false)
  })

  it('of a purchase cannot reach another kind of item', () => {
    for (const id of ['pur_1#2', 'a#b', '../x', '']) expect(accepts(purchaseId, id)).toBe(false)
  })

  it('for idempotency are 1 to 128 visible ASCII characters', () => {
    for (const key of ['k', '~!#/"', 'k'.repeat(128)])
      expect(accepts(idempotencyKey, key)).toBe(true)
    for (const key of [undefined, '', ' ', 'a b', 'k'.repeat(129), 'é', 'a\n', 'a\tb']) {
      expect(accepts(idempotencyKey, key)).toBe(false)
    }
  })
})

describe('a listing', () => {
  it('is of one month and 50 entries unless told otherwise, within bounds', () => {
    expect(activityQuery.parse({})).toEqual({ months: 1, limit: 50 })
    expect(activityQuery.parse({ months: '24', limit: '100' })).toEqual({ months: 24, limit: 100 })
    for (const query of [{ months: '25' }, { months: '0' }, { limit: '101' }, { limit: '-1' }]) {
      expect(accepts(activityQuery, query)).toBe(false)
    }
    for (const limit of ['', 'x', '1.5', '1e2', ' 5']) {
      expect(accepts(activityQuery, { limit })).toBe(false)
    }
  })

  it('goes on from a cursor it was given, and from nothing else', () => {
    const cursor = { entryId: 'grant#1', listedAt: '2026-07-14T09:00:00.000Z' }
    expect(activityQuery.parse({ cursor: encodeCursor(cursor) })).toMatchObject({ cursor })
    const forged = [{ ...cursor, workspaceId: 'crew' }, { entryId: 1 }, {}].map(encodeCursor)
    for (const word of ['', 'x', '%%%', ...forged]) {
      expect(accepts(activityQuery, { cursor: word })).toBe(false)
    }
  })
})
