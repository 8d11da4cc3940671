import type { Tally } from './tally.ts'
import { recordOf, usageOf } from './usage.ts'

/*
 * What the answers of OpenAI's interfaces say, as they are really sent by all who speak them: anything may be
 * missing, null, of another type or under another name.
 */

/** A chunk of a streamed chat completion, or a whole one. */
export function readCompletion(sent: unknown, tally: Tally): void {
  const chunk = recordOf(sent)
  if (!chunk) return
  for (const [at, one] of listOf(chunk.choices).entries()) {
    const choice = recordOf(one)
    if (!choice) continue
    const said = recordOf(choice.delta) ?? recordOf(choice.message)
    if (said) readMessage(said, tally, `audio ${choice.index ?? at}`)
    else tally.text(choice.text)
    tally.stopped(choice.finish_reason)
  }
  // Groq tells it apart in streams.
  const usage = chunk.usage ?? recordOf(chunk.x_groq)?.usage
  if (usage) tally.told(usageOf(usage))
}

function readMessage(message: Record<string, unknown>, tally: Tally, audioId: string): void {
  readContent(message.content, tally)
  tally.text(message.refusal)
  readReasoning(message, tally)
  for (const call of listOf(message.tool_calls)) {
    const { function: called, custom } = recordOf(call) ?? {}
    readCalled(called ?? custom, tally)
  }
  readCalled(message.function_call, tally)
  for (const _ of listOf(message.images)) tally.media('image')
  const audio = recordOf(message.audio)
  if (!audio) return
  if (audio.data) tally.media('audio', audioId)
  tally.text(audio.transcript)
}

/** Text, or a list of parts; Mistral's reasoning is a part that has parts. */
function readContent(content: unknown, tally: Tally): void {
  if (typeof content === 'string') {
    tally.text(content)
    return
  }
  for (const one of listOf(content)) {
    const part = recordOf(one)
    if (typeof one === 'string') tally.text(one)
    else if (part?.image_url) tally.media('image')
    else if (part) {
      tally.text(part.text ?? part.refusal)
      readContent(part.thinking, tally)
    }
  }
}

/** Some send the same under two names. */
function readReasoning(message: Record<string, unknown>, tally: Tally): void {
  const { reasoning_content: one, reasoning: other, thinking } = message
  const text = [one, other, thinking].find((named) => typeof named === 'string' && named !== '')
  if (text) {
    tally.text(text)
    return
  }
  for (const detail of listOf(message.reasoning_details)) {
    const { text: whole, summary } = recordOf(detail) ?? {}
    tally.text(whole ?? summary)
  }
}

function readCalled(called: unknown, tally: Tally): void {
  const { name, arguments: given, input } = recordOf(called) ?? {}
  tally.text(name)
  tally.text(typeof given === 'object' && given !== null ? JSON.stringify(given) : given)
  tally.text(input)
}

/** An event of a streamed response. */
export function readResponseEvent(sent: unknown, tally: Tally): void {
  const event = recordOf(sent)
  if (!event) return
  const type = String(event.type)
  if (type === 'response.audio.delta') tally.media('audio', 'audio')
  else if (type.endsWith('.delta')) tally.text(event.delta)
  else if (type === 'response.output_item.added') tally.text(recordOf(event.item)?.name)
  else if (type === 'response.output_item.done') readImage(recordOf(event.item), tally)
  else if (/^response\.(completed|incomplete|failed)$/.test(type)) {
    readResponse(event.response, tally)
  }
}

/** A whole response; of a streamed one, only what its events have not told. */
export function readResponse(sent: unknown, tally: Tally): void {
  const response = recordOf(sent)
  if (!response) return
  if (tally.isEmpty) {
    for (const one of listOf(response.output)) {
      const item = recordOf(one)
      if (!item) continue
      readContent(item.content, tally)
      for (const summary of listOf(item.summary)) tally.text(recordOf(summary)?.text)
      readCalled(item, tally)
      readImage(item, tally)
    }
  }
  if (response.usage) tally.told(usageOf(response.usage))
  const incomplete = recordOf(response.incomplete_details)?.reason
  if (response.status !== 'failed') tally.stopped(incomplete ?? response.status)
}

function readImage(item: Record<string, unknown> | undefined, tally: Tally): void {
  if (item?.type === 'image_generation_call' && item.result) tally.media('image')
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}
