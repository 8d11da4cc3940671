import { clientCredentials, createClient } from 'token-top-up-client/server'

export const tokens = createClient({
  baseUrl: process.env.TOKENS_API!,
  token: clientCredentials({
    tokenUrl: process.env.TOKENS_TOKEN_URL!,
    clientId: process.env.TOKENS_CLIENT_ID!,
    clientSecret: process.env.TOKENS_CLIENT_SECRET!,
  }),
  failMode: 'open',
  unreportedMax: { tokens: 500_000, calls: 1_000 },
  onUnreported: ({ type, workspace, tokens, left }) =>
    console.warn(`usage ${type}: ${tokens} of ${workspace}; ${left.calls} calls to report`),
})
