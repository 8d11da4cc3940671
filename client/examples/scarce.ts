import OpenAI from 'openai'
import { createCompletion } from 'token-top-up-client/openai'
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

/** Answers as long as there are tokens, and says where that is why it stops. */
export async function answer(workspace: string, question: string) {
  let cutShort = false
  const { choices } = await createCompletion(
    tokens,
    openai,
    {
      workspace,
      estimate: 2_000,
      atLeast: 500,
      onSettled: ({ endedBy }) => {
        cutShort = endedBy === 'tokens'
      },
    },
    { model: 'assistant-1', messages: [{ role: 'user', content: question }] },
  )
  return { text: choices[0]?.message.content ?? '', cutShort }
}
