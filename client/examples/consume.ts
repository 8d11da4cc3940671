import { clientCredentials, createClient, isRefused } from 'token-top-up-client/server'

const tokens = createClient({
  baseUrl: process.env.TOKENS_API!,
  token: clientCredentials({
    tokenUrl: process.env.TOKENS_TOKEN_URL!,
    clientId: process.env.TOKENS_CLIENT_ID!,
    clientSecret: process.env.TOKENS_CLIENT_SECRET!,
  }),
})

/** Takes what a piece of work costs before it is done. */
export async function translate(workspace: string, text: string) {
  try {
    await tokens.consume({ workspace, tokens: Math.ceil(text.length / 2), feature: 'translate' })
  } catch (error) {
    if (!isRefused(error, 'insufficient_tokens')) throw error
    return { sorry: `No tokens left: ${error.problem.meter.text}` }
  }
  return { translated: text.toUpperCase() }
}
