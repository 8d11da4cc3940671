import { chunksOf, responseOf, responseUsage, usage } from './events.ts'
import type { Shape } from './shape.ts'

const { chunk, says, ends, used } = chunksOf({
  id: 'a3d1607e',
  object: 'chat.completion.chunk',
  created: 1_763_000_000,
  model: 'grok-4',
  system_fingerprint: 'fp_19e2',
})
const response = responseOf('resp_x7', 'grok-4.3')
const reasoned = (reasoning_tokens: number) => ({ completion_tokens_details: { reasoning_tokens } })

export const shapes: Shape[] = [
  {
    provider: 'xAI',
    name: 'usage in every chunk, one token more each time',
    api: 'chat',
    events: [
      says('The kettle', { usage: usage(160, 2) }),
      says(' is on.', { usage: usage(160, 3) }),
      says(' Tea will be', { usage: usage(160, 6) }),
      says(' ready soon.', { usage: usage(160, 8) }),
      ends('stop', { usage: usage(160, 9) }),
    ],
    end: 'done',
    charge: 169,
    why: '160 + 9 as told last, below our 11 counted',
    text: 'The kettle is on. Tea will be ready soon.',
    source: 'https://github.com/zeitlings/ayai-gpt-nexus/issues/23',
  },
  {
    provider: 'xAI',
    name: 'reasoning outside of the completion tokens and inside the total',
    api: 'chat',
    events: [
      chunk({ role: 'assistant', content: '', reasoning_content: 'Thinking... ' }),
      chunk({ content: '', reasoning_content: 'Thinking... ' }),
      says('Seven geese crossed the field at dawn.'),
      ends(),
      used(usage(220, 41, { total_tokens: 571, ...reasoned(310) })),
    ],
    end: 'done',
    charge: 571,
    why: '220 + 41 + 310 of reasoning, as told in all',
    text: 'Seven geese crossed the field at dawn.',
    source: 'https://github.com/vercel/ai/pull/12425',
  },
  {
    provider: 'xAI',
    name: 'more reasoning than completion tokens, and no total',
    api: 'chat',
    events: [
      says('Bread needs time.'),
      ends(),
      used({ prompt_tokens: 210, completion_tokens: 6, ...reasoned(386) }),
    ],
    end: 'done',
    charge: 602,
    why: '210 + 6 + 386 of reasoning: more than the completion cannot be inside it',
    text: 'Bread needs time.',
    source: 'https://github.com/UKGovernmentBEIS/inspect_ai/issues/5528',
  },
  {
    provider: 'xAI',
    name: 'torn while usage was in every chunk',
    api: 'chat',
    events: [
      says('Seven geese', { usage: usage(160, 5) }),
      says(' crossed the field at dawn.', { usage: usage(160, 12) }),
    ],
    end: 'broken',
    charge: 172,
    why: '160 + 12 as told so far, above our 10 counted',
    text: 'Seven geese crossed the field at dawn.',
    fails: true,
    source: 'https://github.com/zeitlings/ayai-gpt-nexus/issues/23',
  },
  {
    provider: 'xAI',
    name: 'torn long after the only usage that was told',
    api: 'chat',
    events: [
      says('Harbours', { usage: usage(160, 2) }),
      says(' freeze late in the south.'),
      says(' Ships wait outside until noon.'),
    ],
    end: 'broken',
    charge: 177,
    why: '160 as told + 17 counted (65 characters), above the 2 told',
    text: 'Harbours freeze late in the south. Ships wait outside until noon.',
    fails: true,
    source: 'https://github.com/zeitlings/ayai-gpt-nexus/issues/23',
  },
  {
    provider: 'xAI',
    name: 'usage on the finish, and an empty chunk after it',
    api: 'chat',
    events: [
      says('Salt keeps the road clear.'),
      ends('stop', { usage: usage(130, 22) }),
      { ...used({}), usage: null, citations: ['https://example.com/roads'] },
    ],
    end: 'done',
    charge: 152,
    why: '130 + 22 as told',
    text: 'Salt keeps the road clear.',
    source: 'https://github.com/BerriAI/litellm/issues/17136',
  },
  {
    provider: 'xAI',
    name: 'reasoning and a whole tool call in a chunk each, and no usage',
    api: 'chat',
    events: [
      chunk({
        role: 'assistant',
        content: null,
        reasoning_content: 'Let me weigh both sides before I write.',
      }),
      chunk({
        tool_calls: [
          {
            index: 0,
            id: 'call_58',
            type: 'function',
            function: { name: 'search_notes', arguments: '{"query":"spare key"}' },
          },
        ],
      }),
      ends('tool_calls'),
    ],
    end: 'done',
    charge: 118,
    why: '100 prompt + 18 counted (39 characters of reasoning, a name of 12 and 21 of arguments)',
    text: '',
    source: 'https://docs.x.ai/docs/guides/function-calling',
  },
  {
    provider: 'xAI',
    name: 'a response that tells its reasoning in `response.reasoning_text.delta`',
    api: 'responses',
    events: [
      response.created(),
      response.added({ id: 'rs_x7', type: 'reasoning', summary: [] }),
      {
        type: 'response.reasoning_text.delta',
        item_id: 'rs_x7',
        output_index: 0,
        content_index: 0,
        delta: 'First compare the two dates, then take the later one.',
      },
      response.message(),
      response.says('A fern grows slowly.'),
      response.ends('completed', {
        usage: {
          ...responseUsage(199, 301, 288),
          num_sources_used: 0,
          cost_in_usd_ticks: 9_012_500,
        },
      }),
    ],
    end: 'closed',
    charge: 500,
    why: '199 + 301 as told',
    text: 'A fern grows slowly.',
    source: 'https://github.com/lobehub/lobehub/pull/18259',
  },
]
