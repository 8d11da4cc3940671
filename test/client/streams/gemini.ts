import { chunksOf, usage } from './events.ts'
import type { Shape } from './shape.ts'

const about = {
  id: 'pZtWaY',
  object: 'chat.completion.chunk',
  created: 1_763_000_000,
  model: 'gemini-2.5-flash',
}
const { chunk } = chunksOf(about)
/** Each chunk has its role, as Gemini sends it. */
const says = (content: string, more?: object) => chunk({ role: 'assistant', content }, null, more)
const ends = (reason: string, more?: object) => chunk({ role: 'assistant' }, reason, more)

export const shapes: Shape[] = [
  {
    provider: 'Gemini',
    name: 'usage in every chunk, each time the count so far',
    api: 'chat',
    events: [
      says('The kettle', { usage: usage(90, 3) }),
      says(' is on.', { usage: usage(90, 9) }),
      says(' Tea will be ready soon.', { usage: usage(90, 21) }),
      ends('stop', { usage: usage(90, 21) }),
    ],
    end: 'done',
    charge: 111,
    why: '90 + 21 as told last',
    text: 'The kettle is on. Tea will be ready soon.',
    source: 'https://github.com/ogx-ai/ogx/issues/5122',
  },
  {
    provider: 'Gemini',
    name: 'thinking outside of the completion tokens, seen in the total alone',
    api: 'chat',
    events: [
      says('Seven geese crossed the field at dawn.', {
        usage: usage(90, 9, { total_tokens: 385 }),
      }),
      says(' None of them looked back.', { usage: usage(90, 16, { total_tokens: 420 }) }),
      ends('stop', { usage: usage(90, 16, { total_tokens: 420 }) }),
    ],
    end: 'done',
    charge: 420,
    why: '420 as told in all, 90 of them prompt',
    text: 'Seven geese crossed the field at dawn. None of them looked back.',
    source: 'https://github.com/Clarifai/clarifai-python/pull/978',
  },
  {
    provider: 'Gemini',
    name: 'torn while the total, with its thinking, was told in every chunk',
    api: 'chat',
    events: [
      says('The clock tower', { usage: usage(90, 4, { total_tokens: 344 }) }),
      says(' was rebuilt in stone.', { usage: usage(90, 9, { total_tokens: 350 }) }),
    ],
    end: 'broken',
    charge: 350,
    why: '90 + 260 as told so far (the total without the prompt), above our 10 counted',
    bySdk: 110,
    text: 'The clock tower was rebuilt in stone.',
    fails: true,
    source: 'https://github.com/BerriAI/litellm/issues/10667',
  },
  {
    provider: 'Gemini',
    name: 'an empty answer that says `stop`, its total the prompt alone',
    api: 'chat',
    events: [ends('stop', { usage: { prompt_tokens: 3_130, total_tokens: 3_130 } })],
    end: 'done',
    charge: 0,
    why: 'nothing came: the total is the prompt alone',
    text: '',
    source: 'https://github.com/BerriAI/litellm/issues/24442',
  },
  {
    provider: 'Gemini',
    name: 'thinking used the whole maximum: no word, no completion tokens, a larger total',
    api: 'chat',
    events: [ends('length', { usage: { prompt_tokens: 1_706, total_tokens: 4_705 } })],
    end: 'done',
    charge: 4_705,
    why: '4,705 as told in all: what is hidden is paid',
    text: '',
    source: 'https://github.com/google/adk-python/issues/1357',
  },
  {
    provider: 'Gemini',
    name: 'a tool call without an `index`, with a signature, that ends in `stop`',
    api: 'chat',
    events: [
      chunk({
        role: 'assistant',
        tool_calls: [
          {
            extra_content: { google: { thought_signature: 'EjQKMgEM0dbHJChLX75QUCJjyYlm' } },
            function: { arguments: '{"from":"Bern","to":"Chur"}', name: 'find_train' },
            id: 'function-call-1',
            type: 'function',
          },
        ],
      }),
      ends('stop'),
    ],
    end: 'done',
    charge: 110,
    why: '100 prompt + 10 counted (a name of 10 characters and 27 of arguments)',
    text: '',
    source: 'https://github.com/THU-MAIC/OpenMAIC/issues/1556',
  },
  {
    provider: 'Gemini',
    name: 'a tool call with its usage, the thinking in the total alone',
    api: 'chat',
    events: [
      chunk(
        {
          role: 'assistant',
          tool_calls: [
            {
              function: { arguments: '{"query":"spare key"}', name: 'search_notes' },
              id: 'function-call-2',
              type: 'function',
            },
          ],
        },
        'stop',
        { usage: usage(60, 18, { total_tokens: 310 }) },
      ),
    ],
    end: 'done',
    charge: 310,
    why: '310 as told in all, 60 of them prompt',
    text: '',
    source: 'https://github.com/googleapis/python-genai/issues/2868',
  },
]
