/** What is said of a receipt, wherever one is offered. */
export const englishReceiptStrings = {
  receipt: 'View receipt',
  receiptOpening: 'Opening receipt…',
  receiptNone: 'There is no receipt for this order.',
  receiptReady: 'No tab opened: open the receipt here',
  receiptUnavailable: 'The receipt cannot be reached right now.',
}
