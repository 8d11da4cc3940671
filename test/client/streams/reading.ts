import Anthropic from '@anthropic-ai/sdk'
import OpenAI from 'openai'
import type { Shape } from './shape.ts'

/** The prompt of every shape: 400 characters, so 100 tokens by our count. */
export const prompt = 'q'.repeat(400)

/** An event as it may really be, whatever the packages' types promise. */
// biome-ignore lint/suspicious/noExplicitAny: that is the point.
type Event = any

/** What a reader of content takes of an event. */
export const contentOf: Record<Shape['api'], (event: Event) => string> = {
  chat: (chunk) =>
    (chunk.choices ?? []).map((choice: Event) => textIn(choice.delta?.content)).join(''),
  responses: (event) => (event.type === 'response.output_text.delta' ? event.delta : ''),
  messages: (event) => (event.delta?.type === 'text_delta' ? event.delta.text : ''),
}

function textIn(content: Event): string {
  if (!Array.isArray(content)) return content ?? ''
  return content.map((part) => (part.type === 'text' ? part.text : '')).join('')
}

/** Reads the stream that the model at the URL sends, to its end or error, with the package for its format. */
export async function read(
  url: string,
  api: Shape['api'],
): Promise<{ text: string; error?: unknown }> {
  let text = ''
  try {
    for await (const event of await opened[api](url)) text += contentOf[api](event)
    return { text }
  } catch (error) {
    return { text, error }
  }
}

const messages = [{ role: 'user' as const, content: prompt }]
const options = { apiKey: 'x', maxRetries: 0, logLevel: 'off' as const }
const opened: Record<Shape['api'], (url: string) => PromiseLike<AsyncIterable<Event>>> = {
  chat: (url) =>
    new OpenAI({ baseURL: `${url}/v1`, ...options }).chat.completions.create({
      model: 'any',
      messages,
      stream: true,
    }),
  responses: (url) =>
    new OpenAI({ baseURL: `${url}/v1`, ...options }).responses.create({
      model: 'any',
      input: prompt,
      stream: true,
    }),
  messages: (url) =>
    new Anthropic({ baseURL: url, ...options }).messages.create({
      model: 'any',
      max_tokens: 1_000,
      messages,
      stream: true,
    }),
}
