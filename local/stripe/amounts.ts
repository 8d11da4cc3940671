import type Stripe from 'stripe'

/** How an account's prices are taxed where a checkout asks for tax. */
export interface TaxSetting {
  percent: number
  /** Whether it comes on top of the prices or is part of them. */
  behavior: 'exclusive' | 'inclusive'
  /** Sessions that do not ask are taxed as well: what Stripe adds is not for those who open sessions to say. */
  unasked?: boolean
}

/** The amounts of a session, in minor units. */
export type Amounts = Pick<
  Stripe.Checkout.Session,
  'amount_subtotal' | 'amount_total' | 'total_details'
> & { amount_total: number }

/**
 * What a checkout comes to. As at Stripe the subtotal is the items at their prices: before the discount,
 * without a tax that comes on top, and with a tax that the prices include.
 */
export function amountsOf(
  subtotal: number,
  percentOff: number,
  { percent, behavior }: TaxSetting,
): Amounts {
  const discount = Math.round((subtotal * percentOff) / 100)
  const rest = subtotal - discount
  const included = behavior === 'inclusive'
  const tax = Math.round((rest * percent) / (included ? 100 + percent : 100))
  return {
    amount_subtotal: subtotal,
    amount_total: included ? rest : rest + tax,
    total_details: { amount_discount: discount, amount_shipping: 0, amount_tax: tax },
  }
}
