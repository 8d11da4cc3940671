import { createOpenAICompatible } from '@ai-sdk/openai-compatible'
import { streamText, wrapLanguageModel } from 'ai'
import { tokensMiddleware } from 'token-top-up-client/ai-sdk'
import { clientCredentials, createClient } from 'token-top-up-client/server'

const tokens = createClient({
  baseUrl: process.env.TOKENS_API!,
  token: clientCredentials({
    tokenUrl: process.env.TOKENS_TOKEN_URL!,
    clientId: process.env.TOKENS_CLIENT_ID!,
    clientSecret: process.env.TOKENS_CLIENT_SECRET!,
  }),
})

const provider = createOpenAICompatible({
  name: 'models',
  baseURL: process.env.MODELS_API!,
  // Without it a stream ends without saying what it used.
  includeUsage: true,
})

export function chat(workspace: string, prompt: string, abortSignal?: AbortSignal) {
  const model = wrapLanguageModel({
    model: provider('assistant-1'),
    middleware: tokensMiddleware(tokens, { workspace, estimate: 2_000, feature: 'chat' }),
  })
  // The SDK tries again by itself, and each try would set tokens aside; refusals are not tried again.
  return streamText({ model, prompt, abortSignal, maxRetries: 0 })
}
