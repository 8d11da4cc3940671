import { chunksOf, usage } from './events.ts'
import type { Shape } from './shape.ts'

const about = {
  id: 'gen-1763000000-aB3',
  provider: 'DeepInfra',
  model: 'deepseek/deepseek-v3.2',
  object: 'chat.completion.chunk',
  created: 1_763_000_000,
}
const { chunk, used } = chunksOf(about)
/** Each chunk has its role and a content, be it empty. */
const says = (content: string, more: object = {}) => chunk({ role: 'assistant', content, ...more })
const ends = (reason = 'stop', more?: object) =>
  chunk({ role: 'assistant', content: '' }, reason, more)
/** The usage comes in a chunk that has a choice with nothing in it. */
const tells = (usage: object) => chunk({ role: 'assistant', content: '' }, null, { usage })
const processing = ': OPENROUTER PROCESSING'
const failed = { code: 502, message: 'Provider disconnected', metadata: { error_type: 'provider' } }

export const shapes: Shape[] = [
  {
    provider: 'OpenRouter',
    name: 'comments while it waits, and usage in a chunk with an empty choice',
    api: 'chat',
    events: [
      processing,
      processing,
      says('The kettle is on.'),
      processing,
      says(' Tea will be ready soon.'),
      ends(),
      tells(usage(169, 14, { cost: 0.000_05, is_byok: false })),
    ],
    end: 'done',
    charge: 183,
    why: '169 + 14 as told',
    text: 'The kettle is on. Tea will be ready soon.',
    source: 'https://github.com/speakeasy-api/gram/pull/921',
  },
  {
    provider: 'OpenRouter',
    name: 'an error object beside a choice that finished with `error`, after some words',
    api: 'chat',
    events: [
      says('Harbours freeze late in the south.'),
      {
        ...about,
        error: failed,
        choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error' }],
      },
    ],
    end: 'done',
    charge: 109,
    why: '100 prompt + 9 counted (34 characters)',
    text: 'Harbours freeze late in the south.',
    fails: true,
    source: 'https://openrouter.ai/docs/api/reference/errors-and-debugging',
  },
  {
    provider: 'OpenRouter',
    name: 'an error object in the first chunk, beside no choices',
    api: 'chat',
    events: [processing, { ...about, choices: [], error: { ...failed, code: 429 } }],
    end: 'done',
    charge: 0,
    why: 'nothing came',
    text: '',
    fails: true,
    source: 'https://github.com/dcdpr/jp/pull/978',
  },
  {
    provider: 'OpenRouter',
    name: 'an error inside the choice, before the first word, which the package does not see',
    api: 'chat',
    events: [
      {
        ...about,
        choices: [
          {
            index: 0,
            delta: { role: 'assistant', content: '' },
            finish_reason: 'error',
            error: failed,
          },
        ],
      },
    ],
    end: 'done',
    charge: 0,
    why: 'nothing came',
    text: '',
    source: 'https://github.com/genkit-ai/genkit/pull/6079',
  },
  {
    provider: 'OpenRouter',
    name: 'an error inside the choice, after some words, which the package does not see',
    api: 'chat',
    events: [
      says('Salt keeps the road clear.'),
      {
        ...about,
        choices: [{ index: 0, delta: { content: '' }, finish_reason: 'error', error: failed }],
      },
    ],
    end: 'done',
    charge: 107,
    why: '100 prompt + 7 counted (26 characters)',
    text: 'Salt keeps the road clear.',
    source: 'https://github.com/genkit-ai/genkit/pull/6079',
  },
  {
    provider: 'OpenRouter',
    name: 'the same reasoning under two names, `reasoning` and `reasoning_details`',
    api: 'chat',
    events: [
      says('', {
        reasoning: 'The user wants a short answer,',
        reasoning_details: [
          { type: 'reasoning.text', text: 'The user wants a short answer,', index: 0 },
        ],
      }),
      says('', {
        reasoning: ' so one line is enough.',
        reasoning_details: [{ type: 'reasoning.text', text: ' so one line is enough.', index: 0 }],
      }),
      says('Bread needs time.'),
      ends(),
    ],
    end: 'done',
    charge: 118,
    why: '100 prompt + 18 counted (53 characters of reasoning, once, and 17 of text)',
    text: 'Bread needs time.',
    source: 'https://github.com/MorpheusAIs/Morpheus-Lumerin-Node/pull/757',
  },
  {
    provider: 'OpenRouter',
    name: 'reasoning in `reasoning_details` alone, part of it encrypted',
    api: 'chat',
    events: [
      says('', {
        reasoning: null,
        reasoning_details: [
          { type: 'reasoning.text', text: 'Let me weigh both sides before I write.', index: 0 },
        ],
      }),
      says('', {
        reasoning: null,
        reasoning_details: [
          { type: 'reasoning.encrypted', data: 'gAAAAABpHq1nZ3VlZWRhdGE', index: 1 },
        ],
      }),
      says('Salt keeps the road clear.'),
      ends(),
    ],
    end: 'done',
    charge: 117,
    why: '100 prompt + 17 counted (39 characters of reasoning and 26 of text)',
    bySdk: 107,
    text: 'Salt keeps the road clear.',
    source: 'https://github.com/NousResearch/hermes-agent/pull/93219',
  },
  {
    provider: 'OpenRouter',
    name: 'a picture in `images`, as a long data URL, and no usage',
    api: 'chat',
    events: [
      says('Salt keeps the road clear.'),
      says('', {
        images: [
          {
            type: 'image_url',
            image_url: { url: `data:image/png;base64,${'iVBORw0KGgoAAAANSUhEUgAA'.repeat(200)}` },
            index: 0,
          },
        ],
      }),
      ends(),
    ],
    end: 'done',
    charge: 1_107,
    why: '100 prompt + 7 counted (26 characters) + 1,000 for the picture',
    bySdk: 107,
    text: 'Salt keeps the road clear.',
    source: 'https://github.com/OpenRouterTeam/ai-sdk-provider/issues/167',
  },
  {
    provider: 'OpenRouter',
    name: 'the same usage in the last two chunks',
    api: 'chat',
    events: [
      says('Seven geese crossed the field at dawn.'),
      ends('stop', { usage: usage(120, 48) }),
      used(usage(120, 48)),
    ],
    end: 'done',
    charge: 168,
    why: '120 + 48 as told, once',
    text: 'Seven geese crossed the field at dawn.',
    source: 'https://github.com/InsForge/InsForge/pull/2016',
  },
  {
    provider: 'OpenRouter',
    name: "DeepSeek's own names for what the cache did, inside the prompt",
    api: 'chat',
    events: [
      says('The clock tower was rebuilt in stone.'),
      ends(),
      tells(usage(600, 75, { prompt_cache_hit_tokens: 512, prompt_cache_miss_tokens: 88 })),
    ],
    end: 'done',
    charge: 675,
    why: '600 + 75 as told, 512 of them cached',
    text: 'The clock tower was rebuilt in stone.',
    source: 'https://github.com/langchain-ai/langchain/pull/39668',
  },
  {
    provider: 'OpenRouter',
    name: 'more reasoning than completion tokens, and a total without the reasoning',
    api: 'chat',
    events: [
      says('Bread needs time.'),
      ends(),
      tells(usage(180, 293, { completion_tokens_details: { reasoning_tokens: 321 } })),
    ],
    end: 'done',
    charge: 794,
    why: '180 + 293 + 321 of reasoning: more than the completion cannot be inside it',
    text: 'Bread needs time.',
    source: 'https://github.com/Effect-TS/effect/pull/8170',
  },
  {
    provider: 'OpenRouter',
    name: 'a total and nothing else',
    api: 'chat',
    events: [says('A fern grows slowly.'), ends(), used({ total_tokens: 512 })],
    end: 'done',
    charge: 512,
    why: '512 as told in all',
    text: 'A fern grows slowly.',
    source: 'https://github.com/BerriAI/litellm/pull/33054',
  },
  {
    provider: 'OpenRouter',
    name: 'completion tokens and nothing else, through a gateway',
    api: 'chat',
    events: [says('A fern grows slowly.'), ends('stop', { usage: { completion_tokens: 25 } })],
    end: 'done',
    charge: 125,
    why: '100 prompt + 25 as told',
    text: 'A fern grows slowly.',
    source: 'https://github.com/Portkey-AI/gateway/issues/858',
  },
  {
    provider: 'OpenRouter',
    name: 'a tool call whose function is null in one piece and its name null in the next',
    api: 'chat',
    events: [
      says('', {
        tool_calls: [
          {
            index: 0,
            id: 'call_9f',
            type: 'function',
            function: { name: 'search_notes', arguments: '' },
          },
        ],
      }),
      says('', { tool_calls: [{ index: 0, id: null, type: null, function: null }] }),
      says('', { tool_calls: [{ index: 0, function: { name: null, arguments: '{"query":' } }] }),
      says('', { tool_calls: [{ index: 0, function: { name: null, arguments: null } }] }),
      says('', {
        tool_calls: [{ index: 0, function: { name: null, arguments: '"spare key"}' } }],
      }),
      ends('tool_calls'),
    ],
    end: 'done',
    charge: 109,
    why: '100 prompt + 9 counted (a name of 12 characters and 21 of arguments)',
    text: '',
    source: 'https://github.com/anomalyco/opencode/issues/43328',
  },
]
