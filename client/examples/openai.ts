import OpenAI from 'openai'
import { streamCompletion } from 'token-top-up-client/openai'
import { clientCredentials, createClient } from 'token-top-up-client/server'

const tokens = createClient({
  baseUrl: process.env.TOKENS_API!,
  token: clientCredentials({
    tokenUrl: process.env.TOKENS_TOKEN_URL!,
    clientId: process.env.TOKENS_CLIENT_ID!,
    clientSecret: process.env.TOKENS_CLIENT_SECRET!,
  }),
})

const openai = new OpenAI({ baseURL: process.env.MODELS_API!, apiKey: process.env.MODELS_KEY! })

export async function* chat(workspace: string, question: string, signal?: AbortSignal) {
  const chunks = await streamCompletion(
    tokens,
    openai,
    { workspace, estimate: 2_000, feature: 'chat', signal },
    { model: 'assistant-1', messages: [{ role: 'user', content: question }] },
  )
  for await (const chunk of chunks) yield chunk.choices[0]?.delta.content ?? ''
}
