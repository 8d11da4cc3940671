import { chunksOf, responseOf, usage } from './events.ts'
import type { Shape } from './shape.ts'

const { chunk, used } = chunksOf({
  id: 'chatcmpl-693',
  object: 'chat.completion.chunk',
  created: 1_763_000_000,
  model: 'qwen3:8b',
  system_fingerprint: 'fp_ollama',
})
/** Each chunk has its role. */
const says = (content: string, finish: string | null = null, more: object = {}) =>
  chunk({ role: 'assistant', content, ...more }, finish)
const response = responseOf('resp_o1', 'qwen3:8b')

export const shapes: Shape[] = [
  {
    provider: 'Ollama',
    name: 'an empty string for the reason of a finish that has not come, and no usage',
    api: 'chat',
    events: [says('The kettle is on.', ''), says(' Tea will be ready soon.', ''), says('', 'stop')],
    end: 'done',
    charge: 111,
    why: '100 prompt + 11 counted (41 characters)',
    text: 'The kettle is on. Tea will be ready soon.',
    source: 'https://github.com/ollama/ollama/issues/4357',
  },
  {
    provider: 'Ollama',
    name: 'usage asked for: a chunk of its own, as OpenAI sends it',
    api: 'chat',
    events: [says('Salt keeps the road clear.'), chunk({}, 'stop'), used(usage(58, 14))],
    end: 'done',
    charge: 72,
    why: '58 + 14 as told',
    text: 'Salt keeps the road clear.',
    source: 'https://github.com/ollama/ollama/pull/17485',
  },
  {
    provider: 'Ollama',
    name: 'the whole answer and its finish in the only chunk',
    api: 'chat',
    events: [says('Harbours freeze late in the south.', 'stop')],
    end: 'done',
    charge: 109,
    why: '100 prompt + 9 counted (34 characters)',
    text: 'Harbours freeze late in the south.',
    source:
      'https://github.com/g0t4/ask-openai.nvim/blob/HEAD/lua/ask-openai/backends/sse_parse_notes.md',
  },
  {
    provider: 'Ollama',
    name: 'a whole tool call in one chunk, and no usage',
    api: 'chat',
    events: [
      says('', null, {
        tool_calls: [
          {
            id: 'call_hk81',
            index: 0,
            type: 'function',
            function: { name: 'search_notes', arguments: '{"query":"spare key"}' },
          },
        ],
      }),
      says('', 'tool_calls'),
    ],
    end: 'done',
    charge: 109,
    why: '100 prompt + 9 counted (a name of 12 characters and 21 of arguments)',
    text: '',
    source: 'https://github.com/ollama/ollama/issues/9632',
  },
  {
    provider: 'Ollama',
    name: 'reasoning in `reasoning` beside empty content, and no usage',
    api: 'chat',
    events: [
      says('', null, { reasoning: 'Let me weigh both sides' }),
      says('', null, { reasoning: ' before I write.' }),
      says('Bread needs time.'),
      says('', 'stop'),
    ],
    end: 'done',
    charge: 114,
    why: '100 prompt + 14 counted (39 characters of reasoning and 17 of text)',
    text: 'Bread needs time.',
    source: 'https://github.com/anomalyco/opencode/issues/46061',
  },
  {
    provider: 'Ollama',
    name: 'zeros for usage beside an answer',
    api: 'chat',
    events: [
      says('The clock tower was rebuilt in stone.'),
      says(' Its bell is older than the town.'),
      says('', 'stop'),
      used(usage(0, 0)),
    ],
    end: 'done',
    charge: 118,
    why: '100 prompt + 18 counted (70 characters)',
    text: 'The clock tower was rebuilt in stone. Its bell is older than the town.',
    source: 'https://github.com/anomalyco/opencode/issues/423',
  },
  {
    provider: 'Ollama',
    name: 'a usage whose fields are all null',
    api: 'chat',
    events: [
      says('A fern grows slowly.'),
      says(' It likes the shade of a wall.', 'stop'),
      used({ prompt_tokens: null, completion_tokens: null, total_tokens: null }),
    ],
    end: 'done',
    charge: 113,
    why: '100 prompt + 13 counted (50 characters)',
    text: 'A fern grows slowly. It likes the shade of a wall.',
    source: 'https://github.com/langchain-ai/langchain/pull/31151',
  },
  {
    provider: 'Ollama',
    name: 'a response that is closed while it still reasons',
    api: 'responses',
    events: [
      response.created(),
      response.added({ id: 'rs_o1', type: 'reasoning', summary: [] }),
      {
        type: 'response.reasoning_summary_text.delta',
        item_id: 'rs_o1',
        output_index: 0,
        summary_index: 0,
        delta: 'First compare the two dates,',
      },
      {
        type: 'response.reasoning_summary_text.delta',
        item_id: 'rs_o1',
        output_index: 0,
        summary_index: 0,
        delta: ' then take the later one.',
      },
    ],
    end: 'closed',
    charge: 114,
    why: '100 prompt + 14 counted (53 characters of reasoning)',
    text: '',
    source: 'https://github.com/ollama/ollama/issues/17118',
  },
]
