import { createClient, type GetToken } from 'token-top-up-client'

/** In a page: the token is the signed-in person's, and so is what it may do. */
export async function buy(api: string, token: GetToken, workspace: string) {
  const client = createClient({ baseUrl: api, token })
  const { purchase } = await client.meter({ workspace })
  if (!purchase.allowed) return purchase.reason
  const { checkoutUrl } = await client.startPurchase({ workspace, tokens: purchase.min })
  return checkoutUrl
}
