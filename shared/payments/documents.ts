import type Stripe from 'stripe'
import type { Documents } from '../domain/documents.ts'
import type { Purchase } from '../domain/purchase.ts'
import { type StripeAccount, unlessMissing } from './stripe.ts'

/**
 * The receipt and the invoice of a purchase, as far as there are any: a payment that a code made unnecessary
 * has no receipt, and one that failed has neither. Stripe makes the links anew at each look and lets them die
 * within 30 days, so they are asked for when somebody wants them, and never stored.
 */
export async function readDocuments(
  { client }: StripeAccount,
  { sessionId }: Purchase,
): Promise<Documents> {
  if (!sessionId) return {}
  const session = await unlessMissing(
    client.checkout.sessions.retrieve(sessionId, {
      expand: ['invoice', 'payment_intent.latest_charge'],
    }),
  )
  const intent = session?.payment_intent as Stripe.PaymentIntent | null | undefined
  const charge = intent?.latest_charge as Stripe.Charge | null | undefined
  const invoice = session?.invoice as Stripe.Invoice | null | undefined
  return {
    receiptUrl: charge?.receipt_url ?? undefined,
    invoiceUrl: invoice?.hosted_invoice_url ?? undefined,
    invoicePdf: invoice?.invoice_pdf ?? undefined,
  }
}
