import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ReplayingModel, startReplayingModel } from '../../support/replaying-model.ts'
import { shapes } from './index.ts'
import { read } from './reading.ts'

/*
 * That the shapes are true: what the real packages make of each is what it says. What they cost is tested where it
 * is charged.
 */
let model: ReplayingModel
beforeAll(async () => {
  model = await startReplayingModel()
})
afterAll(() => model.stop())

describe('every shape is what the real package makes of it', () => {
  it.each(shapes)('$provider: $name', async (shape) => {
    model.replay(shape)
    const { text, error } = await read(model.url, shape.api)
    expect({ text, fails: error !== undefined }, String(error)).toEqual({
      text: shape.text,
      fails: shape.fails ?? false,
    })
    expect(model.asked).toMatchObject([{ stream: true }])
  })
})

describe('the set', () => {
  it('is large enough, and no provider is missing', () => {
    expect(shapes.length).toBeGreaterThanOrEqual(48)
    const counts = Map.groupBy(shapes, ({ provider }) => provider)
    expect([...counts.keys()]).toEqual([
      'OpenAI',
      'Azure OpenAI',
      'Anthropic',
      'Gemini',
      'xAI',
      'Groq',
      'Mistral',
      'OpenRouter',
      'vLLM',
      'Ollama',
      'LM Studio',
    ])
    for (const [provider, its] of counts) {
      expect(its.length, provider).toBeGreaterThanOrEqual(3)
    }
  })

  it('tells its shapes apart', () => {
    const names = shapes.map(({ name }) => name)
    expect(names.filter((name, at) => names.indexOf(name) !== at)).toEqual([])
    for (const { name } of shapes) expect(name).not.toMatch(/[\n|]/)
  })

  it('says of each what it costs, why, and who says that it exists', () => {
    for (const { name, api, charge, end, why, source } of shapes) {
      expect(Number.isInteger(charge) && charge >= 0, name).toBe(true)
      if (charge === 0) expect(why, name).toMatch(/^nothing came/)
      else expect(why, name).toMatch(/\d.* (counted|as told|told|reasoning)/)
      expect(why, name).not.toMatch(/[\n|]/)
      expect(source, name).toMatch(/^https:\/\//)
      if (end === 'done') expect(api, name).toBe('chat')
    }
  })
})

describe('the model that replays them', () => {
  it('answers nothing but streams, of the API whose stream it has', async () => {
    model.replay({ api: 'chat', events: [], end: 'done' })
    const ask = async (path: string, body: object) =>
      (await fetch(model.url + path, { method: 'POST', body: JSON.stringify(body) })).status
    expect(await ask('/v1/chat/completions', { stream: false })).toBe(400)
    expect(await ask('/v1/messages', { stream: true })).toBe(404)
    expect(await ask('/v1/chat/completions', { stream: true })).toBe(200)
    expect(model.asked).toEqual([{ stream: false }, { stream: true }, { stream: true }])
  })
})
