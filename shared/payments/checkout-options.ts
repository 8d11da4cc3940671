import type Stripe from 'stripe'
import * as z from 'zod/mini'

/** What a deployment may choose of a checkout, in Stripe's own words. A purchase keeps what was chosen then. */
export type CheckoutOptions = Pick<
  Stripe.Checkout.SessionCreateParams,
  | 'automatic_tax'
  | 'tax_id_collection'
  | 'allow_promotion_codes'
  | 'invoice_creation'
  | 'locale'
  | 'custom_text'
>

const text = z.looseObject({ message: z.string().check(z.minLength(1), z.maxLength(1_200)) })

/** As far as a mistake can be told without Stripe; what is inside an option in detail is Stripe's to say. */
const options = z.strictObject({
  automatic_tax: z.optional(z.looseObject({ enabled: z.boolean() })),
  tax_id_collection: z.optional(z.looseObject({ enabled: z.boolean() })),
  allow_promotion_codes: z.optional(z.boolean()),
  invoice_creation: z.optional(z.looseObject({ enabled: z.boolean() })),
  locale: z.optional(z.string().check(z.regex(/^(auto|[a-z]{2,3}(-[A-Za-z0-9]{2,4})?)$/))),
  custom_text: z.optional(
    z.strictObject({
      after_submit: z.optional(text),
      shipping_address: z.optional(text),
      submit: z.optional(text),
      terms_of_service_acceptance: z.optional(text),
    }),
  ),
} satisfies Record<keyof CheckoutOptions, unknown>)

/** The first of the options that cannot be, as `custom_text.submit`, or undefined where all may be. */
export function wrongCheckoutOption(given: unknown): string | undefined {
  const { error } = options.safeParse(given)
  const [issue] = error?.issues ?? []
  if (!issue) return undefined
  const names = issue.code === 'unrecognized_keys' ? issue.keys.slice(0, 1) : []
  return [...issue.path, ...names].join('.') || 'all of it'
}
