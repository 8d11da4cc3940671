/** Pages of Stripe's about a payment. Whoever has a link can open it, and it works for some weeks. */
export interface Documents {
  receiptUrl?: string
  invoiceUrl?: string
  invoicePdf?: string
}
