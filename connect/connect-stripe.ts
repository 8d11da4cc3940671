import Stripe from 'stripe'
import { eventTypes } from '../shared/payments/events.ts'
import type { KeptSecret, StripeSecret } from './secret.ts'
import { SetupError } from './setup-error.ts'

export interface Connection {
  /** Where the service takes webhooks. */
  url: string
  /** The secret as it is kept now; undefined where there is none yet. */
  kept: KeptSecret | undefined
  apiKey: string
  client: Stripe
  /** Makes a new signing secret even where all is as it should be. */
  rotate: boolean
  now: Date
  store: (secret: StripeSecret) => Promise<void>
  print: (line: string) => void
}

export interface Connected {
  changed: boolean
  /** Until then functions may know the old signing secret alone; another run after that removes it. */
  runAgainAt?: Date
}

type Endpoint = Stripe.WebhookEndpoint

/** Functions read the secret anew every five minutes; one that cannot, tries after five more, and again. */
const readByAllAfterMs = 15 * 60_000

/**
 * Makes Stripe send exactly our events to `url`, and keeps the signing secret beside the key.
 *
 * What is to be done is told from what Stripe and the secret say now, so it may be stopped anywhere and run
 * again. An endpoint's secret is told once, when it is made, and its API version is fixed. So another secret
 * or version is another endpoint beside the first: both secrets are kept until every function has surely read
 * the new one, and then the first goes. Endpoints with other addresses are left alone.
 */
export async function connectStripe(connection: Connection): Promise<Connected> {
  const { kept, print, rotate, url } = connection
  const endpoints = await endpointsFor(connection)
  const stored: StripeSecret = { webhookSecrets: [], ...kept?.secret, apiKey: connection.apiKey }
  const [ours, ...olderIds] = stored.webhookEndpoints ?? []
  const current = endpoints.find(({ id }) => id === ours)
  const older = endpoints.filter(({ id }) => id !== ours)
  const rotating = stored.webhookSecrets.length > 1 || older.length > 0 || olderIds.length > 0

  if (!current || isOutdated(current) || (rotate && !rotating)) {
    await addEndpoint(connection, stored, current)
    return older.length === 0 && !current && stored.webhookSecrets.length === 0
      ? { changed: true }
      : { changed: true, runAgainAt: new Date(connection.now.getTime() + readByAllAfterMs) }
  }
  if (rotate)
    print('A change of the signing secret is under way already; this run goes on with it.')

  let changed = await mendEndpoint(connection, current)
  if (kept?.secret.apiKey !== connection.apiKey) {
    await keep(connection, stored, 'the new API key')
    changed = true
  }
  if (!rotating) {
    if (!changed) print(`Nothing to change: ${url} is connected as ${current.id}.`)
    return { changed }
  }
  const readByAllAt = new Date((kept?.storedAt.getTime() ?? 0) + readByAllAfterMs)
  if (connection.now < readByAllAt) return { changed, runAgainAt: readByAllAt }
  for (const { id } of older) {
    await asked(connection, `remove the endpoint ${id}`, (client) =>
      client.webhookEndpoints.del(id),
    )
    print(`Removed the endpoint ${id}.`)
  }
  const [secret] = stored.webhookSecrets
  await keep(
    connection,
    { ...stored, webhookSecrets: [secret!], webhookEndpoints: [current.id] },
    'only the signing secret that is in use',
  )
  return { changed: true }
}

/** Those of our address, however they came to be. */
async function endpointsFor(connection: Connection): Promise<Endpoint[]> {
  const all = await asked(connection, 'list the webhook endpoints', (client) =>
    client.webhookEndpoints.list({ limit: 100 }).autoPagingToArray({ limit: 1_000 }),
  )
  return all.filter(({ url }) => url === connection.url)
}

function isOutdated({ api_version }: Endpoint): boolean {
  return api_version !== Stripe.API_VERSION
}

/** Makes an endpoint and keeps its secret before any that is in use. */
async function addEndpoint(
  connection: Connection,
  stored: StripeSecret,
  current: Endpoint | undefined,
): Promise<void> {
  const { url, print } = connection
  const made = await asked(connection, 'make the webhook endpoint', (client) =>
    client.webhookEndpoints.create({
      url,
      enabled_events: [...eventTypes],
      api_version: Stripe.API_VERSION,
      description: 'Token Top-up (made by connect-stripe)',
    }),
  )
  print(
    `Made the endpoint ${made.id} for ${url}: ${eventTypes.length} event types, API version ${made.api_version}.`,
  )
  // The service takes two. The first is of the endpoint in use, or was put there by hand.
  const inUse = stored.webhookSecrets.slice(0, 1)
  const secret = {
    ...stored,
    webhookSecrets: [made.secret!, ...inUse],
    webhookEndpoints: [made.id, ...(current ? [current.id] : [])],
  }
  try {
    await keep(connection, secret, 'its signing secret')
  } catch (cause) {
    throw await withoutEndpoint(connection, made.id, cause)
  }
}

/** Its secret was told once and is kept nowhere, so the endpoint is of no use to anybody. */
async function withoutEndpoint(
  connection: Connection,
  id: string,
  cause: unknown,
): Promise<SetupError> {
  const why = cause instanceof Error ? cause.message : String(cause)
  const removed = await connection.client.webhookEndpoints.del(id).then(
    () => true,
    () => false,
  )
  return new SetupError(
    removed
      ? `${why} The endpoint ${id} was removed again, so nothing has changed. Run this again when the cause is gone.`
      : `${why} The endpoint ${id} stays at Stripe, and nobody has its signing secret: what it sends is refused. Run this again when the cause is gone; it makes another and removes this one.`,
  )
}

/** What of an endpoint may be changed in place: its events, and whether it is switched on. */
async function mendEndpoint(connection: Connection, current: Endpoint): Promise<boolean> {
  const wanted = new Set<string>(eventTypes)
  const sameEvents =
    current.enabled_events.length === wanted.size &&
    current.enabled_events.every((type) => wanted.has(type))
  const disabled = current.status !== 'enabled'
  if (sameEvents && !disabled) return false
  await asked(connection, `change the endpoint ${current.id}`, (client) =>
    client.webhookEndpoints.update(current.id, {
      ...(!sameEvents && { enabled_events: [...eventTypes] }),
      ...(disabled && { disabled: false }),
    }),
  )
  if (!sameEvents)
    connection.print(`Set the event types of ${current.id}: ${eventTypes.length} of them.`)
  if (disabled) connection.print(`Switched ${current.id} on again.`)
  return true
}

async function keep(connection: Connection, secret: StripeSecret, what: string): Promise<void> {
  await connection.store(secret)
  connection.print(`Stored ${what}.`)
}

/** Stripe's own words may repeat what it was sent, so an error says what was asked, and Stripe's codes. */
async function asked<T>(
  { client, url }: Connection,
  what: string,
  ask: (client: Stripe) => Promise<T>,
): Promise<T> {
  try {
    return await ask(client)
  } catch (error) {
    if (!(error instanceof Stripe.errors.StripeError)) throw error
    const { statusCode, rawType, code, param, requestId } = error
    const codes = [statusCode, rawType, code, param, requestId].filter(Boolean).join(' ')
    const said = statusCode === undefined ? 'Stripe did not answer' : `Stripe answered ${codes}`
    throw new SetupError(`Could not ${what} for ${url}: ${said}. ${adviceFor(statusCode)}`)
  }
}

function adviceFor(statusCode: number | undefined): string {
  if (statusCode === 401) return 'The API key is not valid: give another one with --key-file.'
  if (statusCode === 403) return 'A restricted key needs write access to Webhook Endpoints.'
  if (statusCode === undefined || statusCode === 429 || statusCode >= 500) {
    return 'Run this again: it goes on from where it got to.'
  }
  return "The request's id finds the details in Stripe's dashboard, under Developers, Logs."
}
