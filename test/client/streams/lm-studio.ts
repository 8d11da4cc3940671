import { chunksOf, usage } from './events.ts'
import type { Shape } from './shape.ts'

const { chunk, says, ends, used } = chunksOf({
  id: 'chatcmpl-um3b',
  object: 'chat.completion.chunk',
  created: 1_763_000_000,
  model: 'qwen2.5-7b-instruct',
  system_fingerprint: 'qwen2.5-7b-instruct',
})

export const shapes: Shape[] = [
  {
    provider: 'LM Studio',
    name: 'no usage, even where it was asked for',
    api: 'chat',
    events: [
      chunk({ role: 'assistant', content: 'Salt keeps the road clear.' }),
      says(' Sand only makes it rough.'),
      ends(),
    ],
    end: 'done',
    charge: 113,
    why: '100 prompt + 13 counted (52 characters)',
    text: 'Salt keeps the road clear. Sand only makes it rough.',
    source: 'https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/676',
  },
  {
    provider: 'LM Studio',
    name: 'speeds in `stats` beside the usage, on the finish',
    api: 'chat',
    events: [
      chunk({ role: 'assistant', content: 'The clock tower was rebuilt in stone.' }),
      ends('stop', {
        usage: usage(93, 31),
        stats: {
          tokens_per_second: 51.437,
          time_to_first_token: 0.111,
          generation_time: 0.603,
          stop_reason: 'eosFound',
        },
        model_info: { arch: 'qwen2', quant: '4bit', format: 'gguf', context_length: 4_096 },
        runtime: { name: 'llama.cpp', version: '1.3.0' },
      }),
    ],
    end: 'done',
    charge: 124,
    why: '93 + 31 as told',
    text: 'The clock tower was rebuilt in stone.',
    source: 'https://www.lmstudio.ai/docs/api/rest-api',
  },
  {
    provider: 'LM Studio',
    name: 'a prompt too long for the context: no word, no error, a usage of the prompt alone',
    api: 'chat',
    events: [chunk({ role: 'assistant' }), ends(), used(usage(36_012, 0))],
    end: 'done',
    charge: 0,
    why: 'nothing came: the total is the prompt alone',
    text: '',
    source: 'https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/2339',
  },
  {
    provider: 'LM Studio',
    name: 'an error as a sentence instead of an object, as the first event',
    api: 'chat',
    events: [{ error: 'Failed to load the model.', message: 'Failed to load the model.' }],
    end: 'closed',
    charge: 0,
    why: 'nothing came',
    text: '',
    fails: true,
    source: 'https://github.com/nugget/thane-ai-agent/pull/1395',
  },
  {
    provider: 'LM Studio',
    name: 'thinking in the content itself, then a tool call, and no usage',
    api: 'chat',
    events: [
      chunk({ role: 'assistant', content: '<think>' }),
      says('\n\n'),
      says('</think>'),
      chunk({
        tool_calls: [
          {
            index: 0,
            id: '305310',
            type: 'function',
            function: { name: 'find_train', arguments: '' },
          },
        ],
      }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '{"from":"Bern",' } }] }),
      chunk({ tool_calls: [{ index: 0, function: { arguments: '"to":"Chur"}' } }] }),
      ends('tool_calls'),
    ],
    end: 'done',
    charge: 114,
    why: '100 prompt + 14 counted (17 characters of content, a name of 10 and 27 of arguments)',
    text: '<think>\n\n</think>',
    source: 'https://github.com/lmstudio-ai/lmstudio-bug-tracker/issues/649',
  },
  {
    provider: 'LM Studio',
    name: "a chat whose usage has the names of a response's (`input_tokens`)",
    api: 'chat',
    events: [
      chunk({ role: 'assistant', content: 'Bread needs time.' }),
      ends('stop', {
        usage: { input_tokens: 70, output_tokens: 21, total_tokens: 91, generation_tps: 81.56 },
      }),
    ],
    end: 'done',
    charge: 91,
    why: '91 as told in all',
    text: 'Bread needs time.',
    source: 'https://github.com/earendil-works/pi/issues/2326',
  },
]
