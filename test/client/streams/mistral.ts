import { chunksOf, usage } from './events.ts'
import type { Shape } from './shape.ts'

const { chunk, role, says } = chunksOf({
  id: 'c3c77283',
  object: 'chat.completion.chunk',
  created: 1_763_000_000,
  model: 'magistral-medium-2509',
})
const thinks = (text: string) => ({ type: 'thinking', thinking: [{ type: 'text', text }] })

export const shapes: Shape[] = [
  {
    provider: 'Mistral',
    name: 'usage on the finish, beside empty content',
    api: 'chat',
    events: [
      role(),
      says('The kettle is on.'),
      says(' Tea will be ready soon.'),
      chunk({ content: '' }, 'stop', { usage: usage(95, 24) }),
    ],
    end: 'done',
    charge: 119,
    why: '95 + 24 as told',
    text: 'The kettle is on. Tea will be ready soon.',
    source: 'https://github.com/Portkey-AI/gateway/pull/1260',
  },
  {
    provider: 'Mistral',
    name: 'content as a list of parts, thinking and text, and no usage',
    api: 'chat',
    events: [
      role(),
      chunk({ content: [thinks('The user wants a short answer,')] }),
      chunk({ content: [thinks(' so one line is enough.')] }),
      chunk({ content: [{ type: 'text', text: 'A fern grows slowly.' }] }),
      chunk({ content: '' }, 'stop'),
    ],
    end: 'done',
    charge: 119,
    why: '100 prompt + 19 counted (53 characters of thinking and 20 of text)',
    text: 'A fern grows slowly.',
    source: 'https://github.com/BerriAI/litellm/issues/16272',
  },
  {
    provider: 'Mistral',
    name: 'first parts, then plain content, with usage at the end',
    api: 'chat',
    events: [
      role(),
      chunk({ content: [thinks('First compare the two dates, then take the later one.')] }),
      chunk({ content: [{ type: 'text', text: 'Bread needs' }] }),
      says(' time.'),
      chunk({ content: '' }, 'stop', { usage: usage(140, 66) }),
    ],
    end: 'done',
    charge: 206,
    why: '140 + 66 as told',
    text: 'Bread needs time.',
    source: 'https://github.com/symfony/ai/issues/2422',
  },
  {
    provider: 'Mistral',
    name: 'a whole tool call, the finish and the usage in one chunk',
    api: 'chat',
    events: [
      role(),
      chunk(
        {
          content: '',
          tool_calls: [
            {
              id: 'D681PevKs',
              function: { name: 'find_train', arguments: '{"from":"Bern","to":"Chur"}' },
              index: 0,
            },
          ],
        },
        'tool_calls',
        { usage: usage(170, 29) },
      ),
    ],
    end: 'done',
    charge: 199,
    why: '170 + 29 as told',
    text: '',
    source: 'https://docs.mistral.ai/capabilities/function_calling/',
  },
  {
    provider: 'Mistral',
    name: 'finished by an `error` that is no error object, after some words',
    api: 'chat',
    events: [
      role(),
      says('The clock tower was rebuilt in stone.'),
      chunk({ content: '' }, 'error'),
    ],
    end: 'done',
    charge: 110,
    why: '100 prompt + 10 counted (37 characters)',
    text: 'The clock tower was rebuilt in stone.',
    source:
      'https://docs.rs/crate/mistral-openapi-client/latest/source/docs/CompletionResponseStreamChoice.md',
  },
  {
    provider: 'Mistral',
    name: 'torn after the first words of a long answer',
    api: 'chat',
    events: [chunk({ role: 'assistant' }), chunk({ role: null, content: 'Bread needs time.' })],
    end: 'broken',
    charge: 105,
    why: '100 prompt + 5 counted (17 characters)',
    text: 'Bread needs time.',
    fails: true,
    source: 'https://github.com/mistralai/client-python/issues/60',
  },
]
