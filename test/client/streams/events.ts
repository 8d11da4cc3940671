/*
 * What providers have in common: how the events of each format are put together. What is odd about one is written
 * out where its shape is.
 */

/** The chunks of a chat completion, each with the same fields `about` it. */
export function chunksOf(about: object) {
  const chunk = (delta: object, finish_reason: string | null = null, more: object = {}) => ({
    ...about,
    choices: [{ index: 0, delta, finish_reason }],
    ...more,
  })
  return {
    chunk,
    role: (more?: object) => chunk({ role: 'assistant', content: '' }, null, more),
    says: (content: string, more?: object) => chunk({ content }, null, more),
    ends: (reason = 'stop', more?: object) => chunk({}, reason, more),
    /** A chunk for the usage alone. */
    used: (usage: object) => ({ ...about, choices: [], usage }),
  }
}

export function usage(prompt_tokens: number, completion_tokens: number, more: object = {}) {
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    ...more,
  }
}

/** The events of a response, of the model and with the id given. */
export function responseOf(id: string, model: string) {
  const about = { id, object: 'response', created_at: 1_763_000_000, model }
  const item_id = `msg_${id}`
  const part = { item_id, output_index: 0, content_index: 0 }
  return {
    created: () => ({
      type: 'response.created',
      response: { ...about, status: 'in_progress', error: null, output: [], usage: null },
    }),
    added: (item: object) => ({ type: 'response.output_item.added', output_index: 0, item }),
    message: () => ({
      type: 'response.output_item.added',
      output_index: 0,
      item: {
        id: item_id,
        type: 'message',
        status: 'in_progress',
        role: 'assistant',
        content: [],
      },
    }),
    says: (delta: string) => ({ type: 'response.output_text.delta', ...part, delta, logprobs: [] }),
    /** The whole text again, as it is sent after its last piece. */
    said: (text: string) => ({ type: 'response.output_text.done', ...part, text, logprobs: [] }),
    /** The last event: `response.completed`, `response.incomplete` or `response.failed`. */
    ends: (status: 'completed' | 'incomplete' | 'failed', more: object) => ({
      type: `response.${status}`,
      response: { ...about, status, error: null, output: [], usage: null, ...more },
    }),
  }
}

export function responseUsage(input_tokens: number, output_tokens: number, reasoning_tokens = 0) {
  return {
    input_tokens,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens,
    output_tokens_details: { reasoning_tokens },
    total_tokens: input_tokens + output_tokens,
  }
}

/** The events of one of Anthropic's messages. */
export const message = {
  starts: (usage?: object) => ({
    type: 'message_start',
    message: {
      id: 'msg_01Fq8',
      type: 'message',
      role: 'assistant',
      model: 'claude-sonnet-4-5',
      content: [],
      stop_reason: null,
      stop_sequence: null,
      ...(usage && { usage }),
    },
  }),
  ping: { type: 'ping' },
  block: (index: number, content_block: object) => ({
    type: 'content_block_start',
    index,
    content_block,
  }),
  delta: (index: number, delta: object) => ({ type: 'content_block_delta', index, delta }),
  blockEnds: (index: number) => ({ type: 'content_block_stop', index }),
  /** A whole block of text, in the pieces given. */
  text: (index: number, ...pieces: string[]) => [
    message.block(index, { type: 'text', text: '' }),
    ...pieces.map((text) => message.delta(index, { type: 'text_delta', text })),
    message.blockEnds(index),
  ],
  ends: (stop_reason: string, more: object) => ({
    type: 'message_delta',
    delta: { stop_reason, stop_sequence: null },
    ...more,
  }),
  stops: { type: 'message_stop' },
}
