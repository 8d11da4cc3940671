import { beforeAll, describe, expect, it } from 'vitest'
import {
  amend,
  ask,
  assistant,
  atCheckout,
  type Caller,
  type Customer,
  damage,
  fresh,
  hostApp,
  inShort,
  moveClock,
  newCustomer,
  order,
  person,
  problemIn,
  rep,
  setStripe,
  sign,
  signals,
  stack,
  stored,
  stripe,
} from './world.ts'

/** Nothing below may ever write anything for this customer. */
const customer = await newCustomer('pro')
let untouched: Awaited<ReturnType<typeof stored>>
const expectUntouched = async () => expect(await stored(customer.id)).toEqual(untouched)

/** For what needs something to be written first. */
const busy = await newCustomer('pro')

/** The calls that take a body: what a good one looks like, and who may make it. */
const calls = {
  consume: { method: 'POST', at: '/consume', by: () => assistant, good: { tokens: 1 } },
  purchases: {
    method: 'POST',
    at: '/purchases',
    by: (whose: Customer) => whose.admin,
    good: { tokens: 1_000_000 },
  },
  holds: {
    method: 'POST',
    at: '/holds',
    by: () => assistant,
    good: { tokens: 1, ttlSeconds: 60 },
  },
  settle: {
    method: 'POST',
    at: '/holds/hold_unknown/settle',
    by: () => assistant,
    good: { tokens: 1 },
  },
  grants: { method: 'POST', at: '/grants', by: () => rep, good: { tokens: 1, reason: 'r' } },
  put: { method: 'PUT', at: '', by: () => hostApp, good: { plan: 'pro' } },
} as const satisfies Record<
  string,
  { method: string; at: string; by: (whose: Customer) => Caller; good: Record<string, unknown> }
>
type CallName = keyof typeof calls
const callNames = Object.keys(calls) as CallName[]

interface Sent {
  whose?: Customer
  path?: string
  key?: string | null
  body?: unknown
  headers?: Record<string, string>
}

function send(name: CallName, sent: Sent) {
  const { whose = customer, path = whose.path, key = fresh('k'), body, headers } = sent
  const { method, at, by, good } = calls[name]
  return ask(`${method} ${path}${at}`, by(whose), {
    body: body === undefined ? good : body,
    ...(key !== null && { key }),
    headers,
  })
}

/** Expects the field named and the fix said, and nothing written. */
async function expectInvalid(sending: () => ReturnType<typeof ask>, pointer: string, fix: RegExp) {
  const answer = await sending()
  expect(answer.status).toBe(400)
  const { errors } = problemIn(answer, 'invalid_request')
  expect(errors).toContainEqual({ pointer, detail: expect.stringMatching(fix) })
  await expectUntouched()
}

describe('bad input', () => {
  beforeAll(async () => {
    untouched = await stored(customer.id)
  })

  describe('tokens', () => {
    const range = /^must be a whole number from 1 to 1,000,000,000,000$/
    const fixes = {
      consume: range,
      grants: range,
      purchases: /^must be a multiple of 1,000,000 from 1,000,000 to 1,000,000,000$/,
    }
    const values = [
      ['zero', '0'],
      ['negative', '-1000000'],
      ['negative zero', '-0'],
      ['fractional', '1000000.5'],
      ['above 2^53', '9007199254740993'],
      ['beyond any number', '1e400'],
      ['too many', '1000000000001'],
      ['text', '"1000000"'],
      ['null', 'null'],
      ['a list', '[1000000]'],
      ['true', 'true'],
      ['missing', undefined],
    ] as const
    const cases = (['consume', 'grants', 'purchases'] as const).flatMap((name) =>
      values.map(([what, json]) => ({ name, what, json })),
    )
    it.each(cases)('that are $what are refused by $name', async ({ name, json }) => {
      const { tokens: _good, ...rest } = calls[name].good as Record<string, unknown>
      const others = JSON.stringify(rest).slice(1)
      const comma = others === '}' ? '' : ','
      const body = json === undefined ? `{${others}` : `{"tokens":${json}${comma}${others}`
      await expectInvalid(() => send(name, { body }), '#/tokens', fixes[name])
    })

    it.each([999_999, 1_500_000, 2_000_001, 1_001_000_000])(
      'of %i are off the step or beyond an order',
      async (tokens) => {
        await expectInvalid(
          () => send('purchases', { body: { tokens } }),
          '#/tokens',
          fixes.purchases,
        )
      },
    )
  })

  describe.each(callNames)('the body of %s', (name) => {
    it.each([
      ['not JSON', '{"tokens":'],
      ['a list', '[]'],
      ['text', '"tokens"'],
      ['null', 'null'],
      ['a number', '7'],
      ['white space', ' '],
    ])('must not be %s', async (_what, body) => {
      await expectInvalid(() => send(name, { body }), '#', /^must be a JSON object$/)
    })

    it('must be there', async () => {
      const { method, at, by } = calls[name]
      const empty = () => ask(`${method} ${customer.path}${at}`, by(customer), { key: fresh('k') })
      await expectInvalid(empty, '#', /^must be a JSON object$/)
    })

    it.each(['onShortfal', 'workspaceId', '__proto__', 'a/b~c'])(
      'must not have the unknown field %s',
      async (field) => {
        const body = JSON.stringify(calls[name].good).replace('{', `{${JSON.stringify(field)}:{},`)
        const pointer = `#/${field.replace('~', '~0').replace('/', '~1')}`
        await expectInvalid(() => send(name, { body }), pointer, /^is not a field of this request$/)
      },
    )

    it('must not be larger than 16 KB', async () => {
      const padding = ' '.repeat(16 * 1024)
      const answer = await send(name, { body: JSON.stringify(calls[name].good) + padding })
      expect(answer.status).toBe(413)
      expect(problemIn(answer, 'body_too_large').detail).toMatch(/at most 16 KB/)
      await expectUntouched()
    })
  })

  describe('other fields', () => {
    const text = /^must be text of 1 to \d+ characters without control characters$/
    const seconds = /^must be a whole number from 1 to 900$/
    const origin = /^must be a URL on one of (the allowed origins$|http:\/\/localhost:\d+)/
    const url = stack.url
    const purchase = (returnUrl: unknown) => ({ tokens: 1_000_000, returnUrl })
    it.each<[CallName, string, Record<string, unknown>, RegExp]>([
      [
        'consume',
        'onShortfall',
        { tokens: 1, onShortfall: 'maybe' },
        /^must be one of refuse, drain/,
      ],
      ['consume', 'onShortfall', { tokens: 1, onShortfall: null }, /^must be one of refuse, drain/],
      ['consume', 'member', { tokens: 1, member: '' }, text],
      ['consume', 'member', { tokens: 1, member: 7 }, text],
      ['consume', 'feature', { tokens: 1, feature: 'x'.repeat(129) }, text],
      ['consume', 'model', { tokens: 1, model: 'a\u0000b' }, text],
      ['holds', 'ttlSeconds', { tokens: 1 }, seconds],
      ['holds', 'ttlSeconds', { tokens: 1, ttlSeconds: 0 }, seconds],
      ['holds', 'ttlSeconds', { tokens: 1, ttlSeconds: 901 }, seconds],
      ['holds', 'tokens', { tokens: 0, ttlSeconds: 60 }, /^must be a whole number from 1/],
      ['holds', 'atLeast', { tokens: 5, atLeast: 0, ttlSeconds: 60 }, /^must be a whole number/],
      ['holds', 'atLeast', { tokens: 5, atLeast: 6, ttlSeconds: 60 }, /^must be at most tokens$/],
      ['holds', 'holder', { tokens: 5, ttlSeconds: 60, holder: '' }, text],
      ['holds', 'holder', { tokens: 5, ttlSeconds: 60, holder: 'x'.repeat(129) }, text],
      ['settle', 'tokens', { tokens: -1 }, /^must be a whole number from 0/],
      ['grants', 'reason', { tokens: 1 }, text],
      ['grants', 'reason', { tokens: 1, reason: '' }, text],
      ['grants', 'reason', { tokens: 1, reason: 'x'.repeat(501) }, text],
      ['grants', 'reference', { tokens: 1, reason: 'r', reference: 'line\nbreak' }, text],
      ['put', 'plan', { plan: null }, /^must be one of starter, pro, teams, enterprise$/],
      ['put', 'quota', { quota: 5 }, /^must be left out: the quota of pro is set by/],
      [
        'put',
        'stripeCustomerId',
        { stripeCustomerId: 'acme' },
        /^must be the id of a Stripe customer/,
      ],
      ['put', 'plan', { plan: 'gold' }, /^must be one of starter, pro, teams, enterprise$/],
      ['put', 'plan', { plan: 'toString' }, /^must be one of starter, pro, teams, enterprise$/],
      [
        'put',
        'plan',
        { plan: 'gold', quota: 5 },
        /^must be one of starter, pro, teams, enterprise$/,
      ],
      ['put', 'quota', { plan: 'pro', quota: 5 }, /^must be left out: the quota of pro is set by/],
      ['put', 'quota', { plan: 'enterprise' }, /^must be given for enterprise/],
      ['put', 'quota', { plan: 'enterprise', quota: -1 }, /^must be a whole number from 0 to/],
      ['put', 'quota', { plan: 'enterprise', quota: 0.5 }, /^must be a whole number from 0 to/],
      [
        'put',
        'quota',
        { plan: 'enterprise', quota: 1e12 + 1 },
        /^must be a whole number from 0 to/,
      ],
      ['put', 'quota', { plan: 'enterprise', quota: '5' }, /^must be a whole number from 0 to/],
      ['purchases', 'returnUrl', purchase('https://evil.example/'), origin],
      ['purchases', 'returnUrl', purchase(`${url}@evil.example/`), origin],
      ['purchases', 'returnUrl', purchase(`${url}0/`), origin],
      ['purchases', 'returnUrl', purchase(url.replace('http:', 'https:')), origin],
      ['purchases', 'returnUrl', purchase(`//${new URL(url).host}/`), origin],
      ['purchases', 'returnUrl', purchase('javascript:alert(1)'), origin],
      ['purchases', 'returnUrl', purchase('data:text/html,hello'), origin],
      ['purchases', 'returnUrl', purchase(`blob:${url}/5f1c`), origin],
      ['purchases', 'returnUrl', purchase(url.replace('://', '://somebody@')), origin],
      ['purchases', 'returnUrl', purchase('not a URL'), origin],
      ['purchases', 'returnUrl', purchase(''), origin],
      ['purchases', 'returnUrl', purchase(7), origin],
      ['purchases', 'returnUrl', purchase(null), origin],
      ['purchases', 'returnUrl', purchase(`${url}/${'x'.repeat(2_000)}`), /at most 2,000/],
      ['purchases', 'returnUrl', purchase(`${url}/${'é'.repeat(400)}`), /at most 2,000/],
    ])('%s refuses %s of %j', async (name, field, body, fix) => {
      await expectInvalid(() => send(name, { body }), `#/${field}`, fix)
    })

    it('are all named at once, with the key', async () => {
      const answer = await send('consume', { key: null, body: { tokens: 0, member: '', x: 1 } })
      const { errors } = problemIn(answer, 'invalid_request')
      expect(errors.map(({ pointer }: { pointer: string }) => pointer).sort()).toEqual([
        '#/member',
        '#/tokens',
        '#/x',
        'header/Idempotency-Key',
      ])
    })
  })

  describe('ids', () => {
    const ids = ['a%20b', 'a,b', '%C3%BC', 'a%2Fb', 'a%27b', '%23stripe', '%00', 'x'.repeat(65)]
    const cases = callNames.flatMap((name) => ids.map((id) => ({ name, id })))
    it.each(cases)('like $id are refused by $name', async ({ name, id }) => {
      const before = await stored(decodeURIComponent(id))
      const fix = /^must be 1 to 64 letters, digits or any of _ \. : @ \| - and not dots alone$/
      await expectInvalid(
        () => send(name, { path: `/v1/workspaces/${id}` }),
        'path/workspaceId',
        fix,
      )
      expect(await stored(decodeURIComponent(id))).toEqual(before)
    })

    it('that are not even encoded are refused by the gateway itself', async () => {
      expect(inShort(await send('consume', { path: '/v1/workspaces/%E0%A4%A' }))).toMatch(
        /^40[04] /,
      )
    })

    it.each(['a.b', 'a%20b', 'x'.repeat(65), 'x'.repeat(129), '%23'])(
      'of a purchase like %s are refused',
      async (id) => {
        const get = () => ask(`GET ${customer.path}/purchases/${id}`, customer.admin)
        await expectInvalid(
          get,
          'path/purchaseId',
          /^must be a purchaseId as POST purchases returned/,
        )
      },
    )

    it('of 64 characters are good', async () => {
      const path = `/v1/workspaces/${fresh('x').padEnd(64, '_')}`
      expect(inShort(await send('put', { path }))).toBe('200')
    })
  })

  describe.each(callNames)('the idempotency key of %s', (name) => {
    it.each([
      ['missing', null],
      ['empty', ''],
      ['over 128 characters', 'x'.repeat(129)],
      ['of two words', 'two words'],
      ['not ASCII', 'clé'],
    ])('must not be %s', async (_what, key) => {
      const headers: Record<string, string> = key === null ? {} : { 'idempotency-key': key }
      await expectInvalid(
        () => send(name, { key: null, headers }),
        'header/Idempotency-Key',
        /^must be sent, with 1 to 128 visible ASCII characters: a new one for each new action$/,
      )
    })

    // The hold itself, not the key, is what makes a settle happen once.
    it.skipIf(name === 'settle')(
      'may have 128 characters, and not be used for another request',
      async () => {
        const key = fresh('~!#').padEnd(128, '~')
        const first = await send(name, { whose: busy, key })
        expect(first.status).toBeLessThan(300)
        const before = await stored(busy.id)
        const other = {
          consume: { tokens: 2 },
          holds: { tokens: 2, ttlSeconds: 60 },
          settle: undefined,
          grants: { tokens: 1, reason: 'another' },
          purchases: { tokens: 2_000_000 },
          put: { plan: 'teams' },
        }[name]
        const reused = await send(name, { whose: busy, key, body: other })
        expect(reused.status).toBe(422)
        problemIn(reused, 'idempotency_key_reused')
        expect(await stored(busy.id)).toEqual(before)

        const again = await send(name, { whose: busy, key })
        expect(again.status).toBe(first.status)
        expect(again.headers.get('idempotent-replayed')).toBe('true')
      },
    )
  })

  describe('the query of the activity', () => {
    const cursor = (value: unknown) =>
      `cursor=${Buffer.from(JSON.stringify(value)).toString('base64url')}`
    const listedAt = '2026-07-14T09:00:00.000Z'
    const unknown = /^is not a field of this request$/
    const hundred = /^must be a whole number from 1 to 100$/
    const twoYears = /^must be a whole number from 1 to 24$/
    const notOurs = /^must be the nextCursor of an earlier answer$/
    it.each([
      ['an unknown parameter', 'foo=1', 'foo', unknown],
      ['a limit of 0', 'limit=0', 'limit', hundred],
      ['a limit of 101', 'limit=101', 'limit', hundred],
      ['a fractional limit', 'limit=1.5', 'limit', hundred],
      ['an empty limit', 'limit=', 'limit', hundred],
      ['two limits', 'limit=1&limit=2', 'limit', hundred],
      ['no months', 'months=0', 'months', twoYears],
      ['all months', 'months=all', 'months', twoYears],
      ['25 months', 'months=25', 'months', twoYears],
      ['an empty cursor', 'cursor=', 'cursor', notOurs],
      ['a made-up cursor', 'cursor=next', 'cursor', notOurs],
      ['a cursor that is a list', cursor([]), 'cursor', notOurs],
      ['half a cursor', cursor({ entryId: 'e' }), 'cursor/listedAt', notOurs],
      ['a cursor with an empty id', cursor({ entryId: '', listedAt }), 'cursor/entryId', notOurs],
      [
        'a cursor with an endless id',
        cursor({ entryId: 'x'.repeat(2_000), listedAt }),
        'cursor/entryId',
        notOurs,
      ],
      [
        'a cursor without a time',
        cursor({ entryId: 'e', listedAt: 'now' }),
        'cursor/listedAt',
        notOurs,
      ],
      [
        'a cursor into another workspace',
        cursor({ entryId: 'e', listedAt, workspaceId: 'globex' }),
        'cursor/workspaceId',
        unknown,
      ],
    ])('must not have %s', async (_what, query, field, fix) => {
      const get = () => ask(`GET ${customer.path}/activity?${query}`, customer.admin)
      await expectInvalid(get, `query/${field}`, fix)
    })

    it('pages through everything once', async () => {
      for (let n = 1; n <= 5; n++) await send('grants', { whose: busy })
      const whole = await ask(`GET ${busy.path}/activity?limit=100`, busy.admin)
      const paged: unknown[] = []
      let next = ''
      do {
        const { body } = await ask(`GET ${busy.path}/activity?limit=3${next}`, busy.admin)
        paged.push(...body.entries)
        next = body.nextCursor ? `&cursor=${body.nextCursor}` : ''
      } while (next)
      expect(paged).toEqual(whole.body.entries)
      expect(paged.length).toBeGreaterThan(3)
    })
  })

  describe('a route that does not exist', () => {
    it.each([
      'GET /v1/nothing',
      'DELETE /v1/workspaces/acme',
      'GET /v1/workspaces/acme/consume',
      'GET /v1/workspaces//meter',
    ])('%s is a plain 404', async (to) => {
      expect(inShort(await ask(to, assistant))).toBe('404 Not Found')
    })
  })

  describe('a webhook', () => {
    const event = (over: Record<string, unknown> = {}, metadata: Record<string, string> = {}) => ({
      id: fresh('evt'),
      object: 'event',
      type: 'checkout.session.completed',
      livemode: false,
      data: {
        object: {
          object: 'checkout.session',
          metadata: { workspaceId: busy.id, purchaseId: 'pur_unknown', ...metadata },
        },
      },
      ...over,
    })
    const deliver = (payload: string, signature?: string, type = 'application/json') =>
      ask('POST /v1/stripe/webhook', undefined, {
        body: payload,
        headers: { 'content-type': type, ...(signature && { 'stripe-signature': signature }) },
      })

    /** Expects nothing to be written for the workspace, and the operator to be told. */
    async function expectUnmoved(
      sending: () => ReturnType<typeof ask>,
      outcome: string,
      heard: Record<string, unknown> | undefined,
    ) {
      const [before, told] = [await stored(busy.id), signals.length]
      const answer = await sending()
      expect(answer.body.outcome ?? inShort(answer)).toBe(outcome)
      expect(await stored(busy.id)).toEqual(before)
      const said = signals.slice(told)
      expect(said).toEqual(heard ? [expect.objectContaining(heard)] : [])
      return answer
    }

    const payload = () => JSON.stringify(event(), null, 2)
    it.each<[string, () => ReturnType<typeof ask>]>([
      ['without a signature', () => deliver(payload())],
      ['with a malformed signature', () => deliver(payload(), 'v1=abc')],
      [
        'with no time in its signature',
        () => deliver(payload(), sign(payload()).replace(/t=\d+,/, '')),
      ],
      ['forged', () => withSignature((body) => sign(body, { secret: 'whsec_guess' }))],
      ['signed with an empty secret', () => withSignature((body) => sign(body, { secret: '' }))],
      ['of another body', () => deliver(payload(), sign(`${payload()} `))],
      [
        'cut short on its way',
        () => {
          const body = payload()
          return deliver(body.slice(0, -1), sign(body))
        },
      ],
      ['older than five minutes', () => withSignature((body) => sign(body, { ageSeconds: 301 }))],
      ['dated ahead', () => withSignature((body) => sign(body, { ageSeconds: -301 }))],
      [
        'parsed and written anew on its way',
        () => {
          const body = payload()
          return deliver(JSON.stringify(JSON.parse(body)), sign(body))
        },
      ],
      ['that is not JSON', () => deliver('hello', sign('hello'))],
      ['of more than 1 MB', () => deliver(huge, sign(huge))],
    ])('%s is refused', async (_what, sending) => {
      const answer = await expectUnmoved(sending, '400 invalid_signature', {
        signal: 'webhook_rejected',
      })
      problemIn(answer, 'invalid_signature')
    })
    const huge = JSON.stringify(event({ padding: 'x'.repeat(1024 * 1024) }))
    function withSignature(signing: (payload: string) => string) {
      const body = payload()
      return deliver(body, signing(body))
    }

    it('captured and sent again later is refused', async () => {
      const body = payload()
      const signature = sign(body)
      expect((await deliver(body, signature)).status).toBe(200)
      // Six minutes from now: the clock has ticked since the journeys began.
      await moveClock(new Date(stack.clock.now().getTime() + 6 * 60_000).toISOString())
      await expectUnmoved(() => deliver(body, signature), '400 invalid_signature', {
        signal: 'webhook_rejected',
      })
    })

    it.each<[string, object, string, Record<string, unknown> | undefined]>([
      ['an unknown purchase', event(), 'unknown', { signal: 'webhook_unknown' }],
      [
        'no purchase of ours',
        event({ data: { object: { object: 'checkout.session', metadata: {} } } }),
        'unknown',
        { signal: 'webhook_unknown' },
      ],
      [
        'a payment Stripe does not know',
        event({ type: 'refund.created', data: { object: { payment_intent: 'pi_unknown' } } }),
        'unknown',
        { signal: 'webhook_unknown' },
      ],
      [
        'the other mode',
        event({ livemode: true }),
        'mismatch',
        { signal: 'webhook_mismatch', fact: 'livemode' },
      ],
      ['a type we do not follow', event({ type: 'customer.created' }), 'ignored', undefined],
      [
        'more than an API call may say',
        event({ padding: 'x'.repeat(20_000) }),
        'unknown',
        { signal: 'webhook_unknown' },
      ],
    ])(
      'signed by Stripe about %s is answered 200, and nothing is written',
      async (_what, sent, outcome, heard) => {
        const body = JSON.stringify(sent)
        const answer = await expectUnmoved(() => deliver(body, sign(body)), outcome, heard)
        expect(answer.status).toBe(200)
      },
    )

    it('is understood when the gateway hands it over as base64', async () => {
      const body = payload()
      const answer = await deliver(body, sign(body), 'application/octet-stream')
      expect(answer.body).toEqual({ outcome: 'unknown' })
    })

    it.each<[string, string, () => Promise<Record<string, unknown>>]>([
      ['an amount', 'amountSubtotal', async () => ({ amount: 999 })],
      ['a currency', 'currency', async () => ({ currency: 'eur' })],
      ['a mode', 'livemode', async () => ({ livemode: true })],
      ['a session, of another account,', 'session', async () => ({ sessionId: 'cs_of_others' })],
      [
        'a workspace',
        'workspaceId',
        async () => {
          const another = await order(await newCustomer('pro'))
          await atCheckout(another, 'pay')
          return { sessionId: another.session }
        },
      ],
    ])(
      'about %s that is not the order’s is answered 200, and credits nothing',
      async (_what, fact, fields) => {
        await setStripe('webhooks', 'drop')
        const made = await order(busy)
        await atCheckout(made, 'pay')
        await amend(busy, made, await fields())
        const session = await stripe.checkout.sessions.retrieve(made.session)
        const body = JSON.stringify(event({ data: { object: session } }))
        const answer = await expectUnmoved(() => deliver(body, sign(body)), 'mismatch', {
          signal: 'webhook_mismatch',
          fact,
          purchaseId: made.purchaseId,
        })
        expect(answer.status).toBe(200)
      },
    )

    it('about the session of another purchase credits neither', async () => {
      await setStripe('webhooks', 'drop')
      const [paid, unpaid] = [await order(busy), await order(busy)]
      await atCheckout(paid, 'pay')
      const session = await stripe.checkout.sessions.retrieve(paid.session)
      const metadata = { ...session.metadata, purchaseId: unpaid.purchaseId }
      const body = JSON.stringify(event({ data: { object: { ...session, metadata } } }))
      expect((await deliver(body, sign(body))).body).toEqual({ outcome: 'settled' })
      const { ledger } = await stored(busy.id)
      for (const { purchaseId } of [paid, unpaid]) {
        expect(ledger.find(({ entryId }) => entryId === `purchase#${purchaseId}`)).toMatchObject({
          status: 'open',
        })
      }
    })
  })

  describe('a workspace that holds as much as it can', () => {
    it('is given and sold no more', async () => {
      const full = await newCustomer('pro')
      const topUps = 1_000_000_000_000_000
      await damage(full.id, { topUps, balance: topUps + 2_000_000 })
      const before = await stored(full.id)
      const grant = { key: 'g', body: { tokens: 1, reason: 'r' } }
      const buy = { key: 'b', body: { tokens: 1_000_000 } }
      for (const answer of [
        await ask(`POST ${full.path}/grants`, rep, grant),
        await ask(`POST ${full.path}/purchases`, full.admin, buy),
      ]) {
        expect(answer.status).toBe(409)
        expect(problemIn(answer, 'top_ups_limit').meter.limit).toBe(topUps + 2_000_000)
      }
      expect(await stored(full.id)).toEqual(before)
    })
  })

  describe('a fault of ours', () => {
    it('is answered 500 with nothing but a request id, and its cause goes to the operator', async () => {
      const broken = await newCustomer('pro')
      await damage(broken.id, { plan: 'a plan that never was' })
      const answer = await ask(`GET ${broken.path}/meter`, person(broken.id, 'member'))
      expect(answer.status).toBe(500)
      const { requestId } = problemIn(answer, 'internal_error')
      expect(signals).toContainEqual(
        expect.objectContaining({
          signal: 'internal_error',
          requestId,
          cause: expect.stringMatching(/TypeError/),
        }),
      )
    })
  })
})
