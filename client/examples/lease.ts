import { clientCredentials, createClient } from 'token-top-up-client/server'

const tokens = createClient({
  baseUrl: process.env.TOKENS_API!,
  token: clientCredentials({
    tokenUrl: process.env.TOKENS_TOKEN_URL!,
    clientId: process.env.TOKENS_CLIENT_ID!,
    clientSecret: process.env.TOKENS_CLIENT_SECRET!,
  }),
})

// One for the whole process: at most 50,000 tokens are set aside, for a minute.
const lease = tokens.lease({ workspace: 'acme', tokens: 50_000, ttlSeconds: 60 })

/** Hundreds a second: most of them make no request. */
export async function autocomplete(text: string) {
  await lease.consume(text.length)
  return `${text}…`
}

/** Pays for what was used and gives the rest back. */
export const shutDown = () => tokens.close()
process.once('SIGTERM', shutDown)
