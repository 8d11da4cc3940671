import { chunksOf, usage } from './events.ts'
import type { Shape } from './shape.ts'

const { chunk, role, says, ends, used } = chunksOf({
  id: 'chatcmpl-eb06',
  object: 'chat.completion.chunk',
  created: 1_763_000_000,
  model: 'openai/gpt-oss-20b',
  system_fingerprint: 'fp_7f2c',
})
/** Groq tells how long everything took beside how much it was. */
const timed = (prompt: number, completion: number) => ({
  queue_time: 0.0421,
  ...usage(prompt, completion),
  prompt_time: 0.0031,
  completion_time: 0.0614,
  total_time: 0.0645,
})
const started = role({ x_groq: { id: 'req_01ka' } })

export const shapes: Shape[] = [
  {
    provider: 'Groq',
    name: 'usage in `x_groq` on the finish, among times in seconds',
    api: 'chat',
    events: [
      started,
      says('The clock tower was rebuilt in stone.'),
      ends('stop', { x_groq: { id: 'req_01ka', usage: timed(118, 43) } }),
    ],
    end: 'done',
    charge: 161,
    why: '118 + 43 as told in `x_groq`',
    bySdk: 110,
    text: 'The clock tower was rebuilt in stone.',
    source: 'https://github.com/langchain-ai/langchain/pull/30379',
  },
  {
    provider: 'Groq',
    name: 'usage in `x_groq`, and the same again in a chunk of its own',
    api: 'chat',
    events: [
      started,
      says('Bread needs time.'),
      ends('stop', { x_groq: { id: 'req_01ka', usage: timed(88, 31) } }),
      used(timed(88, 31)),
    ],
    end: 'done',
    charge: 119,
    why: '88 + 31 as told, once',
    text: 'Bread needs time.',
    source: 'https://github.com/Portkey-AI/gateway/issues/1338',
  },
  {
    provider: 'Groq',
    name: 'reasoning in `reasoning`, and no usage',
    api: 'chat',
    events: [
      started,
      chunk({ reasoning: 'The user wants a short answer,', channel: 'analysis' }),
      chunk({ reasoning: ' so one line is enough.', channel: 'analysis' }),
      says('Salt keeps the road clear.'),
      ends(),
    ],
    end: 'done',
    charge: 120,
    why: '100 prompt + 20 counted (53 characters of reasoning and 26 of text)',
    text: 'Salt keeps the road clear.',
    source: 'https://github.com/lazy-hq/aisdk/pull/123',
  },
  {
    provider: 'Groq',
    name: 'chunks with empty content alone, for which tokens are told',
    api: 'chat',
    events: [
      started,
      says(''),
      says(''),
      ends('stop', { x_groq: { id: 'req_01ka', usage: timed(74, 52) } }),
    ],
    end: 'done',
    charge: 126,
    why: '74 + 52 as told: what is hidden is paid',
    bySdk: 0,
    text: '',
    source: 'https://github.com/langchain-ai/langchain/pull/32414',
  },
  {
    provider: 'Groq',
    name: 'a tool call that failed (`tool_use_failed`), as the first event',
    api: 'chat',
    events: [
      {
        error: {
          message: 'Failed to call a function. Please adjust your prompt.',
          type: 'invalid_request_error',
          code: 'tool_use_failed',
          failed_generation: '<function=find_train{"from":"Bern"}>',
          status_code: 400,
        },
      },
    ],
    end: 'done',
    charge: 0,
    why: 'nothing came: an error tells of a call, and makes none',
    text: '',
    fails: true,
    source: 'https://github.com/sipeed/picoclaw/issues/748',
  },
]
