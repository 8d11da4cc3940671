import * as z from 'zod/mini'
import { grouped } from '../domain/grouped.ts'
import { holdSecondsMax } from '../domain/hold.ts'
import type { Labels } from '../domain/labels.ts'
import { planIds, topUpOffer } from '../domain/plan.ts'
import { movementTokensMax } from '../domain/workspace.ts'
import { workspaceIdPattern } from '../domain/workspace-id.ts'

/**
 * What callers may send. Everything is checked here, at the door, each message names the fix, and an
 * unknown field is an error: a misspelt `onShortfall` must not change what a request means.
 */

const wholeNumber = (min: number, max: number) => {
  const error = `must be a whole number from ${grouped(min)} to ${grouped(max)}`
  return z.int(error).check(z.minimum(min, error), z.maximum(max, error))
}

const label = (lengthMax: number) => {
  const error = `must be text of 1 to ${lengthMax} characters without control characters`
  return z.string(error).check(z.maxLength(lengthMax, error), z.regex(noControls, error))
}

/** Written out, since the description carries it and not every reader of that knows `\p{Cc}`. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about.
const noControls = /^[^\u0000-\u001f\u007f-\u009f]+$/u

const oneOf = <const Value extends string>(values: readonly Value[]) =>
  z.enum(values, `must be one of ${values.join(', ')}`)

const ownId = (name: string, from: string) =>
  z
    .string()
    .check(z.regex(/^[A-Za-z0-9_-]{1,64}$/, `must be a ${name} as POST ${from} returned it`))

/** Every parameter that a path may have. */
export const pathParameters = {
  workspaceId: z
    .string()
    .check(
      z.regex(
        workspaceIdPattern,
        'must be 1 to 64 letters, digits or any of _ . : @ | - and not dots alone',
      ),
    ),
  purchaseId: ownId('purchaseId', 'purchases'),
  holdId: ownId('holdId', 'holds'),
}

const keyError =
  'must be sent, with 1 to 128 visible ASCII characters: a new one for each new action'
export const idempotencyKey = z.string(keyError).check(z.regex(/^[\x21-\x7e]{1,128}$/, keyError))

const labels = {
  member: z.optional(label(128)),
  feature: z.optional(label(128)),
  model: z.optional(label(128)),
} satisfies Record<keyof Labels, z.ZodMiniType<string | undefined>>

export const consumeBody = z.strictObject({
  tokens: wholeNumber(1, movementTokensMax),
  ...labels,
  onShortfall: z._default(oneOf(['refuse', 'drain']), 'refuse'),
})

export const holdBody = z
  .strictObject({
    tokens: wholeNumber(1, movementTokensMax),
    atLeast: z.optional(wholeNumber(1, movementTokensMax)),
    ttlSeconds: wholeNumber(1, holdSecondsMax),
    holder: z.optional(label(128)),
    ...labels,
  })
  .check(
    z.refine(({ tokens, atLeast = tokens }) => atLeast <= tokens, {
      path: ['atLeast'],
      error: 'must be at most tokens',
    }),
  )

export const settleBody = z.strictObject({ tokens: wholeNumber(0, movementTokensMax) })

export const extendBody = z.strictObject({ ttlSeconds: wholeNumber(1, holdSecondsMax) })

export const grantBody = z.strictObject({
  tokens: wholeNumber(1, movementTokensMax),
  reason: label(500),
  reference: z.optional(label(128)),
})

const customerError = 'must be the id of a Stripe customer, cus_…, or null for none'

/** What is absent stays as it is. What must be there beside what depends on the workspace: see `workspaceChange`. */
export const workspaceBody = z.strictObject({
  plan: z.optional(oneOf(planIds)),
  quota: z.optional(wholeNumber(0, movementTokensMax)),
  stripeCustomerId: z.optional(
    z.nullable(z.string(customerError).check(z.regex(/^cus_[A-Za-z0-9]{1,255}$/, customerError))),
  ),
  purchasing: z.optional(oneOf(['allowed'])),
})

const { step, min, max } = topUpOffer()
const amountError = `must be a multiple of ${grouped(step)} from ${grouped(min)} to ${grouped(max)}`

const returnUrlBytesMax = 2_000
const returnUrlTooLong = `must have at most ${grouped(returnUrlBytesMax)} characters`

export const purchaseBody = z.strictObject({
  tokens: z
    .int(amountError)
    .check(
      z.minimum(min, amountError),
      z.maximum(max, amountError),
      z.multipleOf(step, amountError),
    ),
  returnUrl: z.optional(
    z
      .string('must be a URL on one of the allowed origins')
      .check(z.maxLength(returnUrlBytesMax, returnUrlTooLong)),
  ),
})

/**
 * What is wrong with an address to send a buyer back to, or undefined. Orders may only lead back to pages of the
 * adopter's own, and that is for each deployment to say. A `blob:` has the origin of the page that made it, and a
 * name before the host is somebody's to be fooled by.
 */
export function returnUrlFault(
  returnUrl: string,
  allowedOrigins: readonly string[],
): string | undefined {
  const url = URL.parse(returnUrl)
  const isPage = url && /^https?:$/.test(url.protocol) && !url.username && !url.password
  if (!isPage || !allowedOrigins.includes(url.origin)) {
    return `must be a URL on one of ${allowedOrigins.join(', ')}`
  }
  return url.href.length > returnUrlBytesMax ? returnUrlTooLong : undefined
}

/** Stripe's library reads the body's bytes, which the signature is about. */
export const webhookBody = z.looseObject({})

const numeral = (min: number, max: number, otherwise: number) =>
  z.pipe(
    z._default(
      z.string().check(z.regex(/^\d{1,4}$/, `must be a whole number from ${min} to ${max}`)),
      `${otherwise}`,
    ),
    z.pipe(z.transform(Number), wholeNumber(min, max)),
  )

const cursorError = 'must be the nextCursor of an earlier answer'

/** DynamoDB refuses empty and overlong keys as a fault of the one who asks, and that would be us. */
const cursorKeys = z.strictObject(
  {
    entryId: z.string(cursorError).check(z.regex(/^.{1,256}$/, cursorError)),
    listedAt: z.string(cursorError).check(z.regex(/^[\dT:.-]{19,29}Z$/, cursorError)),
  },
  cursorError,
)

export const activityQuery = z.strictObject({
  months: numeral(1, 24, 1),
  limit: numeral(1, 100, 50),
  cursor: z.optional(z.pipe(z.pipe(z.string(), z.transform(decodeCursor)), cursorKeys)),
})

/** A cursor travels as one opaque word; the inverse of `encodeCursor`, or null for what is not one. */
function decodeCursor(word: string): unknown {
  try {
    return JSON.parse(Buffer.from(word, 'base64url').toString())
  } catch {
    return null
  }
}

export function encodeCursor(cursor: object): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url')
}

/** Bodies that have a name of their own, which is also the name of their type in the client. */
export const namedBodies = {
  ConsumeRequest: consumeBody,
  HoldRequest: holdBody,
  SettleRequest: settleBody,
  ExtendRequest: extendBody,
  PurchaseRequest: purchaseBody,
  GrantRequest: grantBody,
  WorkspaceRequest: workspaceBody,
}
