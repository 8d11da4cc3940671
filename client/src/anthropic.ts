import type Anthropic from '@anthropic-ai/sdk'
import { type MeteredStream, metered, meteredAnswer } from './metered.ts'
import { Call, type MeteredCall, type MeteringClient } from './metering.ts'
import type { Tally } from './tally.ts'
import { recordOf, usageOf } from './usage.ts'

export type { MeteredStream } from './metered.ts'
export type { EndedBy, MeteredCall, Receipt } from './metering.ts'

type Body = Omit<Anthropic.MessageCreateParams, 'stream'>

/*
 * The calls of the `@anthropic-ai/sdk` package, paid for: each sets tokens aside first, throws `TokensRefused`
 * where the workspace cannot pay, before the model is asked, and pays for what the model says it used, what its
 * cache read and wrote included.
 */

/** A streaming message. */
export async function streamMessage(
  client: MeteringClient,
  anthropic: Pick<Anthropic, 'messages'>,
  request: MeteredCall,
  body: Body,
): Promise<MeteredStream<Anthropic.RawMessageStreamEvent>> {
  const { signal } = request
  const call = await start(client, request, body)
  const asked = { ...within(call, body), stream: true } as const
  const stream = await call.opened(() => anthropic.messages.create(asked, { signal }))
  return metered(call, stream, readingEvents(), signal)
}

/** A message in one piece. */
export async function createMessage(
  client: MeteringClient,
  anthropic: Pick<Anthropic, 'messages'>,
  request: MeteredCall,
  body: Body,
): Promise<Anthropic.Message> {
  const { signal } = request
  const call = await start(client, request, body)
  const asked = { ...within(call, body), stream: false } as const
  return meteredAnswer(call, () => anthropic.messages.create(asked, { signal }), readMessage)
}

function start(client: MeteringClient, request: MeteredCall, body: Body): Promise<Call> {
  const { system, messages, tools, max_tokens: outputMax } = body
  const prompt = [system, messages, tools]
  return Call.start(client, { model: body.model, ...request }, { prompt, outputMax })
}

function within({ cap }: Call, body: Body): Body {
  return cap === undefined ? body : { ...body, max_tokens: Math.min(cap, body.max_tokens) }
}

/** Reads one stream. What its end leaves out of the usage is as its start has told it. */
function readingEvents(): (sent: unknown, tally: Tally) => void {
  const told: Record<string, unknown> = {}
  const tell = (usage: unknown, tally: Tally, early: boolean) => {
    // At the start the output is a number that stands for one.
    const news = Object.entries(recordOf(usage) ?? {}).filter(
      ([name, value]) => Number.isFinite(value) && !(early && name === 'output_tokens'),
    )
    Object.assign(told, Object.fromEntries(news))
    if (news.length > 0) tally.told(usageOf(told), { early })
  }
  return (sent, tally) => readEvent(sent, tally, tell)
}

function readEvent(
  sent: unknown,
  tally: Tally,
  tell: (usage: unknown, tally: Tally, early: boolean) => void,
): void {
  const event = recordOf(sent)
  const delta = recordOf(event?.delta)
  switch (event?.type) {
    case 'message_start':
      tell(recordOf(event.message)?.usage, tally, true)
      return
    case 'content_block_start':
      readBlock(event.content_block, tally)
      return
    case 'content_block_delta':
      tally.text(delta?.text ?? delta?.thinking ?? delta?.partial_json)
      return
    case 'message_delta':
      tell(event.usage, tally, false)
      tally.stopped(delta?.stop_reason)
      return
    case 'message_stop':
      tally.stopped('message_stop')
  }
}

function readMessage(sent: unknown, tally: Tally): void {
  const { content, usage, stop_reason } = recordOf(sent) ?? {}
  for (const block of Array.isArray(content) ? content : []) readBlock(block, tally)
  tally.told(usageOf(usage))
  tally.stopped(stop_reason)
}

function readBlock(sent: unknown, tally: Tally): void {
  const block = recordOf(sent)
  if (!block) return
  tally.text(block.text ?? block.thinking)
  tally.text(block.name)
  // At the start of a stream it is empty, and comes in pieces.
  const { input } = block
  if (recordOf(input) && Object.keys(input as object).length > 0) tally.text(JSON.stringify(input))
}
