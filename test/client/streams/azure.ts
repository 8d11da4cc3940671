import { chunksOf, usage } from './events.ts'
import type { Shape } from './shape.ts'

const about = {
  id: 'chatcmpl-Az7',
  object: 'chat.completion.chunk',
  created: 1_763_000_000,
  model: 'gpt-4o-2024-11-20',
  system_fingerprint: 'fp_ee1d',
}
const { chunk, role, says, ends, used } = chunksOf(about)

const nobody = { id: '', object: '', created: 0, model: '' }
const safe = { hate: { filtered: false, severity: 'safe' } }
const blocked = { hate: { filtered: true, severity: 'high' } }
/** The first chunk: about the prompt, with no choices and no id. */
const promptFilter = {
  ...nobody,
  choices: [],
  prompt_filter_results: [{ prompt_index: 0, content_filter_results: safe }],
}
/** A chunk of the asynchronous filter: a choice without a delta. */
const annotation = (check_offset: number, end_offset: number) => ({
  ...nobody,
  choices: [
    {
      index: 0,
      finish_reason: null,
      content_filter_results: safe,
      content_filter_offsets: { check_offset, start_offset: check_offset, end_offset },
    },
  ],
  usage: null,
})

export const shapes: Shape[] = [
  {
    provider: 'Azure OpenAI',
    name: 'first a chunk about the prompt (`prompt_filter_results`), without choices',
    api: 'chat',
    events: [promptFilter, role(), says('Bread needs time.'), ends(), used(usage(130, 17))],
    end: 'done',
    charge: 147,
    why: '130 + 17 as told',
    text: 'Bread needs time.',
    source: 'https://github.com/pydantic/pydantic-ai/issues/797',
  },
  {
    provider: 'Azure OpenAI',
    name: 'choices without a `delta` after the finish (`content_filter_offsets`), and no usage',
    api: 'chat',
    events: [
      promptFilter,
      role(),
      says('The clock tower was rebuilt in stone.'),
      annotation(44, 81),
      says(' Its bell is older than the town.'),
      ends(),
      annotation(81, 114),
    ],
    end: 'done',
    charge: 118,
    why: '100 prompt + 18 counted (70 characters)',
    text: 'The clock tower was rebuilt in stone. Its bell is older than the town.',
    source: 'https://github.com/langchain-ai/langchain/issues/18977',
  },
  {
    provider: 'Azure OpenAI',
    name: 'an annotation of the asynchronous filter after the usage',
    api: 'chat',
    events: [
      promptFilter,
      role(),
      says('Seven geese crossed the field at dawn.'),
      ends(),
      used(usage(96, 25)),
      annotation(44, 82),
    ],
    end: 'done',
    charge: 121,
    why: '96 + 25 as told: no output came after it',
    text: 'Seven geese crossed the field at dawn.',
    source: 'https://learn.microsoft.com/azure/foundry/openai/concepts/content-streaming',
  },
  {
    provider: 'Azure OpenAI',
    name: '`delta: null` in chunks that are only about the filter',
    api: 'chat',
    events: [
      promptFilter,
      role(),
      says('Salt keeps the road clear.'),
      { ...about, choices: [{ index: 0, delta: null, finish_reason: null }] },
      says(' Sand only makes it rough.'),
      { ...about, choices: [{ index: 0, delta: null, finish_reason: 'stop' }], usage: null },
    ],
    end: 'done',
    charge: 113,
    why: '100 prompt + 13 counted (52 characters)',
    text: 'Salt keeps the road clear. Sand only makes it rough.',
    source: 'https://github.com/bagofwords1/bagofwords/pull/742',
  },
  {
    provider: 'Azure OpenAI',
    name: 'filtered before the first word (`content_filter`)',
    api: 'chat',
    events: [promptFilter, role(), ends('content_filter')],
    end: 'done',
    charge: 0,
    why: 'nothing came',
    text: '',
    source: 'https://github.com/microsoft/semantic-kernel/issues/5289',
  },
  {
    provider: 'Azure OpenAI',
    name: 'filtered before the first word, with a usage of the prompt alone',
    api: 'chat',
    events: [promptFilter, role(), ends('content_filter'), used(usage(84, 0))],
    end: 'done',
    charge: 0,
    why: 'nothing came: the total is the prompt alone',
    text: '',
    source: 'https://learn.microsoft.com/azure/foundry/openai/concepts/content-streaming',
  },
  {
    provider: 'Azure OpenAI',
    name: 'filtered after some words, then closed without `[DONE]`',
    api: 'chat',
    events: [
      role(),
      says('Seven geese crossed the field at dawn.'),
      chunk({}, 'content_filter', { content_filter_results: blocked }),
    ],
    end: 'closed',
    charge: 110,
    why: '100 prompt + 10 counted (38 characters)',
    text: 'Seven geese crossed the field at dawn.',
    source: 'https://github.com/experientiallabs/experiential/pull/962',
  },
  {
    provider: 'Azure OpenAI',
    name: "an error of the filter itself inside a choice, which is none of the model's",
    api: 'chat',
    events: [
      promptFilter,
      role(),
      says('A fern grows slowly.'),
      {
        ...about,
        choices: [
          {
            index: 0,
            delta: {},
            finish_reason: 'stop',
            content_filter_result: {
              error: { code: 'content_filter_error', message: 'The contents are not filtered' },
            },
          },
        ],
      },
      used(usage(112, 17)),
    ],
    end: 'done',
    charge: 129,
    why: '112 + 17 as told',
    text: 'A fern grows slowly.',
    source: 'https://github.com/envoyproxy/ai-gateway/pull/1503',
  },
  {
    provider: 'Azure OpenAI',
    name: 'usage whose numbers are words and nulls',
    api: 'chat',
    events: [
      promptFilter,
      role(),
      says('Harbours freeze late in the south.'),
      says(' Ships wait outside until noon.'),
      ends(),
      used({ prompt_tokens: 'NaN', completion_tokens: '12', total_tokens: null }),
    ],
    end: 'done',
    charge: 117,
    why: '100 prompt + 17 counted (65 characters): no field is a number',
    text: 'Harbours freeze late in the south. Ships wait outside until noon.',
    source: 'https://github.com/vercel/ai/issues/2543',
  },
]
