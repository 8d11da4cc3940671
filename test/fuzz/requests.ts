import fc from 'fast-check'
import { eventTypes } from '../../shared/payments/events.ts'

/** A request before it is sent: what depends on who sends it, and on what exists by then, is filled in later. */
export interface Shot {
  method: string
  /** May hold `{workspaceId}`, `{purchaseId}` and `{holdId}`; anything else is sent as it stands. */
  path: string
  caller: CallerName
  /** What becomes of a good token on its way. */
  token: 'whole' | 'changed' | 'cut'
  key: { fresh: true } | { sent: string } | { missing: true }
  headers: Record<string, string>
  body?: string
  /** Signed as by Stripe; the body may hold placeholders too. */
  signed?: true
}

export const callerNames = [
  'nobody',
  'whoever may',
  'admin',
  'member',
  'stranger',
  'admin-with-scopes',
  'assistant',
  'rep',
  'host-app',
  'id-token',
  'expired',
] as const
export type CallerName = (typeof callerNames)[number]

/** Requests over these routes (`POST /v1/…`): from good ones with one thing wrong to pure noise. */
export function shots(routes: readonly string[]): fc.Arbitrary<Shot> {
  // Most of the time goes to the routes that do most.
  const [plain, about] = [false, true].map((is) => routes.filter((key) => key.includes('{') === is))
  return fc
    .oneof(
      { weight: 1, arbitrary: fc.constantFrom(...plain!) },
      { weight: 6, arbitrary: fc.constantFrom(...about!) },
    )
    .chain((route) => {
      const [method, path] = route.split(' ') as [string, string]
      return fc.record<Shot>(
        {
          method: often(method, fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD')),
          path: fc.tuple(pathLike(path), queryFor(path)).map((parts) => parts.join('')),
          caller: often('whoever may', fc.constantFrom(...callerNames), 5),
          token: often('whole', fc.constantFrom('changed', 'cut'), 20),
          key: keys,
          headers: often({}, headers, 2),
          ...(method !== 'GET' && { body: bodyFor(path) }),
        },
        { requiredKeys: ['method', 'path', 'caller', 'token', 'key', 'headers'] },
      )
    })
    .chain((shot) =>
      shot.path.startsWith('/v1/stripe')
        ? events.map((event) => ({ ...shot, ...event }))
        : fc.constant(shot),
    )
}

/** The usual thing in most cases, so that what is wrong elsewhere in the request comes to be looked at. */
function often<T>(usual: T, otherwise: fc.Arbitrary<T>, weight = 9): fc.Arbitrary<T> {
  return fc.oneof({ weight, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: otherwise })
}

const printable = (maxLength: number) => fc.string({ unit: 'grapheme-ascii', maxLength })

/** One part of a path, encoded in a way that a client can send. */
const segment = fc.oneof(
  fc.constantFrom(
    ...['', '.', '..', '%2e%2e', '%00', '%', '%E0%A4%A', 'a%2Fb', '%23stripe', 'purchase%23x'],
    ...['__proto__', 'constructor', 'toString', 'x'.repeat(64), 'x'.repeat(65), 'x'.repeat(3_000)],
    ...[
      'a.b',
      'a%7Cb',
      'org%3A1@x',
      '...',
      '%27',
      '*',
      '$',
      '{workspaceId}',
      '%F0%9F%92%A9',
      '-',
      '_',
      '0',
      'null',
    ],
  ),
  printable(40).map(encodeURIComponent),
  fc.stringMatching(/^[A-Za-z0-9_.:@|-]{1,64}$/).map(encodeURIComponent),
)

function pathLike(path: string): fc.Arbitrary<string> {
  const parts = path.split('/').slice(1)
  const withOneChanged = fc
    .tuple(fc.nat(parts.length - 1), segment)
    .map(([at, part]) => `/${parts.with(at, part).join('/')}`)
  const withId = (name: string) =>
    path.includes(name) ? [segment.map((part) => path.replace(name, part))] : []
  return fc.oneof(
    { weight: 12, arbitrary: fc.constant(path) },
    ...['{workspaceId}', '{purchaseId}', '{holdId}']
      .flatMap(withId)
      .map((arbitrary) => ({ weight: 1, arbitrary })),
    { weight: 1, arbitrary: withOneChanged },
    { weight: 1, arbitrary: segment.map((part) => `${path}/${part}`) },
  )
}

const number = fc.oneof(
  fc.constantFrom('0', '1', '24', '25', '100', '101', '-1', '1.5', '1e3', '', '٣'),
  printable(6),
)
const cursor = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      entryId: fc.oneof(fc.constantFrom('', 'grant#k', 'x'.repeat(2_000)), printable(300)),
      listedAt: often('2026-07-14T09:00:00.000Z', fc.oneof(fc.constant(''), printable(30)), 2),
    }),
  },
  { weight: 1, arbitrary: fc.jsonValue({ maxDepth: 2 }) },
)
const parameter = fc.oneof(
  fc.tuple(fc.constantFrom('limit', 'months'), number),
  fc.tuple(fc.constant('cursor'), fc.oneof(number, cursor.map(asCursor))),
  fc.tuple(fc.constantFrom('x', '__proto__', 'limit[]', ''), number),
)
const query = fc
  .array(parameter, { minLength: 1, maxLength: 2 })
  .map((pairs) => `?${new URLSearchParams(pairs)}`)

function asCursor(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}

function queryFor(path: string): fc.Arbitrary<string> {
  return path.endsWith('/activity') ? fc.oneof(fc.constant(''), query) : often('', query)
}

const keys: fc.Arbitrary<Shot['key']> = fc.oneof(
  { weight: 8, arbitrary: fc.constant({ fresh: true as const }) },
  { weight: 3, arbitrary: fc.nat(3).map((n) => ({ sent: `again-${n}` })) },
  {
    weight: 1,
    arbitrary: fc
      .oneof(
        fc.constantFrom('', 'x'.repeat(128), 'x'.repeat(129), 'two words', 'clé'),
        printable(150),
      )
      .map((sent) => ({ sent })),
  },
  { weight: 1, arbitrary: fc.constant({ missing: true as const }) },
)

const headers: fc.Arbitrary<Record<string, string>> = fc
  .array(
    fc.oneof(
      {
        weight: 3,
        arbitrary: fc.tuple(
          fc.constant('content-type'),
          fc.constantFrom(
            ...['application/json', 'text/plain', 'application/octet-stream', 'image/png', ''],
            ...['application/json; charset=utf-16', 'multipart/form-data; boundary=x', 'nonsense'],
          ),
        ),
      },
      {
        weight: 1,
        arbitrary: fc.tuple(
          fc.constantFrom(
            ...['origin', 'accept', 'accept-encoding', 'content-encoding', 'x-forwarded-for'],
            ...['user-agent', 'cookie', 'stripe-signature', 'if-none-match', '__proto__', 'range'],
          ),
          printable(60),
        ),
      },
      {
        weight: 1,
        arbitrary: fc.tuple(
          fc.constant('authorization'),
          fc.oneof(
            fc.constantFrom('', 'Bearer', 'Bearer ', 'Basic YTpi', 'Bearer a.b.c', 'bearer null'),
            printable(80).map((text) => `Bearer ${text}`),
          ),
        ),
      },
    ),
    { maxLength: 2 },
  )
  .map((pairs) => Object.fromEntries(pairs))

const tokens = fc.constantFrom(1, 2, 10, 1_000, 90_000, 1_000_000, 2_000_000, 1_000_000_000_000)
const few = fc.constantFrom(1, 10, 100, 1_000)
const plan = fc.constantFrom('starter', 'pro', 'teams')

/** What a good body of each call looks like. */
const goodBodies: [ending: RegExp, body: fc.Arbitrary<Record<string, unknown>>][] = [
  [
    /\/consume$/,
    fc.record(
      {
        tokens: fc.oneof(few, tokens),
        onShortfall: fc.constantFrom('refuse', 'drain'),
        member: printable(20).map((text) => `m${text}`),
        feature: fc.constant('chat'),
      },
      { requiredKeys: ['tokens'] },
    ),
  ],
  [
    /\/holds$/,
    fc.record(
      {
        tokens: fc.oneof({ weight: 9, arbitrary: few }, { weight: 1, arbitrary: tokens }),
        atLeast: few,
        ttlSeconds: fc.constantFrom(1, 600, 900),
        holder: fc.constantFrom('one', 'another'),
      },
      { requiredKeys: ['tokens', 'ttlSeconds'] },
    ),
  ],
  [/\/settle$/, fc.record({ tokens: fc.oneof(few, tokens) })],
  [/\/extend$/, fc.record({ ttlSeconds: fc.constantFrom(1, 60, 900) })],
  [/\/purchases$/, fc.record({ tokens: fc.constantFrom(1_000_000, 5_000_000, 1_000_000_000) })],
  [/\/grants$/, fc.record({ tokens: fc.oneof(few, tokens), reason: fc.constant('generated') })],
  [
    /\{workspaceId\}$/,
    fc.oneof(
      fc.record({ plan }),
      fc.record({ plan: fc.constant('enterprise'), quota: fc.constantFrom(0, 10, 5_000_000) }),
    ),
  ],
]

const odd: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown[]>(
    ...[0, -0, -1, 1.5, 1e12, 1e12 + 1, 2 ** 53, 1e21, 1e300, null, true, '', '1', ' ', [], {}],
    ...['\u0000', '\u202e', '\ud800', '__proto__', 'x'.repeat(129), 'x'.repeat(501), [1], { a: 1 }],
    ...['https://evil.example/', 'javascript:alert(1)', 'http://localhost', '\n', '😀'.repeat(64)],
  ),
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 60 }),
)
const oddName = fc.oneof(
  fc.constantFrom('__proto__', 'constructor', 'workspaceId', 'tokens ', '', 'a/b~c', 'TOKENS'),
  printable(20),
)

function bodyFor(path: string): fc.Arbitrary<string> {
  const good = goodBodies.find(([ending]) => ending.test(path))?.[1] ?? fc.constant({})
  const name = good.chain((body) => fc.constantFrom(...Object.keys(body), 'returnUrl', 'model'))
  const asText = (parts: [Record<string, unknown>, string, unknown]) => {
    const [body, field, value] = parts
    // Put together as text, since assigning would lose a field named __proto__.
    const rest = JSON.stringify({ ...body, [field]: undefined }).slice(1)
    const given = `{${JSON.stringify(field)}:${JSON.stringify(value) ?? 'null'}`
    return rest === '}' ? `${given}}` : `${given},${rest}`
  }
  return fc.oneof(
    { weight: 8, arbitrary: good.map((body) => JSON.stringify(body)) },
    { weight: 5, arbitrary: fc.tuple(good, name, odd).map(asText) },
    { weight: 2, arbitrary: fc.tuple(good, oddName, odd).map(asText) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(good, name)
        .map(([body, field]) => JSON.stringify({ ...body, [field]: undefined })),
    },
    { weight: 1, arbitrary: fc.json({ maxDepth: 4 }) },
    { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 200 }) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ...['[', '{"a":', '"', '{}{}', '\u0000', '\ufeff{}', 'null', '1e999'],
        `${'['.repeat(5_000)}`,
        `{"tokens":1,"model":"${'x'.repeat(17_000)}"}`,
        `{"tokens":${'9'.repeat(400)}}`,
        '{"tokens":1,"tokens":2}',
      ),
    },
  )
}

/** What arrives at the webhook: unsigned noise, and signed events about purchases there are and are not. */
const events: fc.Arbitrary<Pick<Shot, 'body' | 'signed'>> = fc.oneof(
  { weight: 1, arbitrary: bodyFor('').map((body) => ({ body })) },
  { weight: 1, arbitrary: bodyFor('').map((body) => ({ body, signed: true as const })) },
  {
    weight: 4,
    arbitrary: fc
      .record({
        id: fc.constant('evt_generated'),
        object: fc.constant('event'),
        type: often<string>(
          'checkout.session.completed',
          fc.oneof(fc.constantFrom(...eventTypes), printable(20)),
          1,
        ),
        livemode: often(false, fc.boolean()),
        data: fc.record({
          object: fc.oneof(
            fc.record({
              object: fc.constant('checkout.session'),
              metadata: fc.oneof(
                fc.constant({ workspaceId: '{workspaceId}', purchaseId: '{purchaseId}' }),
                fc.dictionary(fc.constantFrom('workspaceId', 'purchaseId', 'x'), printable(500)),
              ),
            }),
            fc.record({
              object: fc.constantFrom('refund', 'charge', 'dispute'),
              payment_intent: fc.oneof(fc.constantFrom(null, 'pi_unknown'), printable(40)),
            }),
          ),
        }),
      })
      .map((event) => ({ body: JSON.stringify(event), signed: true as const })),
  },
)
