/** What a function answers the gateway with. */
export interface Answer {
  statusCode: number
  headers: Record<string, string>
  body: string
}

/** A result. `replayed` says that this request had been carried out before, and nothing happened now. */
export function answer(statusCode: number, body: object, replayed = false): Answer {
  return {
    statusCode,
    headers: {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      ...(replayed && { 'idempotent-replayed': 'true' }),
    },
    body: JSON.stringify(body),
  }
}
