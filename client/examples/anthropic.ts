import Anthropic from '@anthropic-ai/sdk'
import { streamMessage } from 'token-top-up-client/anthropic'
import { clientCredentials, createClient } from 'token-top-up-client/server'

const tokens = createClient({
  baseUrl: process.env.TOKENS_API!,
  token: clientCredentials({
    tokenUrl: process.env.TOKENS_TOKEN_URL!,
    clientId: process.env.TOKENS_CLIENT_ID!,
    clientSecret: process.env.TOKENS_CLIENT_SECRET!,
  }),
})

const anthropic = new Anthropic({
  baseURL: process.env.MODELS_ORIGIN,
  apiKey: process.env.MODELS_KEY!,
})

export async function* chat(workspace: string, question: string, signal?: AbortSignal) {
  const events = await streamMessage(
    tokens,
    anthropic,
    { workspace, feature: 'chat', signal },
    {
      model: 'assistant-1',
      max_tokens: 1_000,
      messages: [{ role: 'user', content: question }],
    },
  )
  for await (const event of events) {
    if (event.type === 'content_block_delta' && event.delta.type === 'text_delta') {
      yield event.delta.text
    }
  }
}
