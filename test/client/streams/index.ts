import { shapes as anthropic } from './anthropic.ts'
import { shapes as azure } from './azure.ts'
import { shapes as gemini } from './gemini.ts'
import { shapes as groq } from './groq.ts'
import { shapes as lmStudio } from './lm-studio.ts'
import { shapes as mistral } from './mistral.ts'
import { shapes as ollama } from './ollama.ts'
import { shapes as openai } from './openai.ts'
import { shapes as openrouter } from './openrouter.ts'
import type { Shape } from './shape.ts'
import { shapes as vllm } from './vllm.ts'
import { shapes as xai } from './xai.ts'

export type { Shape } from './shape.ts'

/** All of them, provider by provider. */
export const shapes: Shape[] = [
  openai,
  azure,
  anthropic,
  gemini,
  xai,
  groq,
  mistral,
  openrouter,
  vllm,
  ollama,
  lmStudio,
].flat()
