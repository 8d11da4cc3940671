import type Stripe from 'stripe'

/** What a checkout sells, as the API call that opened it said. Kept beside the session, which shows part of it. */
export interface Order {
  lineItems: OrderLine[]
  currency: string
  successUrl: string
  cancelUrl: string | null
  clientReferenceId: string | null
  metadata: Record<string, string>
  paymentMetadata: Record<string, string>
  paymentDescription: string | null
  customer: string | null
  customerCreation: 'always' | 'if_required' | null
  billingAddressCollection: 'auto' | 'required' | null
  invoiceCreation: boolean
  adaptivePricing: boolean | null
  automaticTax: boolean
  taxIdCollection: Stripe.Checkout.Session.TaxIdCollection | null
  allowPromotionCodes: boolean | null
  customText: Stripe.Checkout.Session.CustomText
  locale: string | null
  submitType: 'auto' | 'pay' | 'book' | 'donate' | 'subscribe' | null
  /** Epoch seconds. */
  expiresAt: number
}

export interface OrderLine {
  name: string
  description: string | null
  unitAmount: number
  quantity: number
}

export interface BillingDetails {
  name: string
  email: string
  address: Stripe.Address
}

/** In the currency's minor unit, before discounts and taxes. */
export function subtotalOf(order: Order): number {
  return order.lineItems.reduce((sum, line) => sum + line.unitAmount * line.quantity, 0)
}
