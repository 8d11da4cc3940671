import { clientCredentials, createClient, withTokens } from 'token-top-up-client/server'

const tokens = createClient({
  baseUrl: process.env.TOKENS_API!,
  token: clientCredentials({
    tokenUrl: process.env.TOKENS_TOKEN_URL!,
    clientId: process.env.TOKENS_CLIENT_ID!,
    clientSecret: process.env.TOKENS_CLIENT_SECRET!,
  }),
})

/** Sets 5,000 tokens aside, and pays for what the pages of a document really took. */
export function summarize(workspace: string, pages: string[], signal?: AbortSignal) {
  return withTokens(tokens, { workspace, estimate: 5_000, signal }, async ({ used }) => {
    let total = 0
    const summaries: string[] = []
    for (const page of pages) {
      signal?.throwIfAborted()
      summaries.push(page.slice(0, 20))
      total += Math.ceil(page.length / 4)
      used(total)
    }
    return summaries
  })
}
