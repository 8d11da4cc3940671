/** Tokens by kind, as a provider tells of them. `cachedInput` is part of `input`, and `reasoning` most often of `output`. */
export interface TokenUsage {
  input?: number
  cachedInput?: number
  output?: number
  reasoning?: number
  total?: number
}

/** No call uses more; what says so is not counting tokens. */
const plausibleMax = 1_000_000_000

/**
 * What a usage object says, in whatever names its provider gives it: OpenAI's two interfaces and all that speak
 * them, Anthropic, Gemini, Ollama and the AI SDK. What is no plausible number is left out.
 */
export function usageOf(told: unknown): TokenUsage {
  const usage = recordOf(told)
  if (!usage) return {}
  const inputDetails = recordOf(usage.prompt_tokens_details ?? usage.input_tokens_details) ?? {}
  const outputDetails =
    recordOf(usage.completion_tokens_details ?? usage.output_tokens_details) ?? {}
  // Anthropic names what the cache had beside the input, and not as a part of it.
  const written = plausible(usage.cache_creation_input_tokens)
  const read = plausible(usage.cache_read_input_tokens)
  const input = first(
    usage.prompt_tokens,
    usage.input_tokens,
    usage.promptTokenCount,
    usage.prompt_eval_count,
    usage.inputTokens,
  )
  const besides = (written ?? 0) + (read ?? 0)
  return {
    input: input === undefined && besides === 0 ? undefined : (input ?? 0) + besides,
    cachedInput: first(
      read,
      inputDetails.cached_tokens,
      usage.cachedContentTokenCount,
      usage.prompt_cache_hit_tokens,
    ),
    output: first(
      usage.completion_tokens,
      usage.output_tokens,
      usage.candidatesTokenCount,
      usage.eval_count,
      usage.outputTokens,
    ),
    reasoning: first(
      outputDetails.reasoning_tokens,
      usage.thoughtsTokenCount,
      usage.reasoning_tokens,
    ),
    total: first(usage.total_tokens, usage.totalTokenCount, usage.totalTokens),
  }
}

/**
 * Two reports of one call as one. Providers repeat them, let them grow, and tell the halves apart, so they are
 * never added up: the later number counts, but for a zero that says nothing new.
 */
export function merged(earlier: TokenUsage, later: TokenUsage): TokenUsage {
  const known = { ...earlier }
  for (const kind of ['input', 'cachedInput', 'output', 'reasoning', 'total'] as const) {
    const told = plausible(later[kind])
    if (told !== undefined && (told > 0 || known[kind] === undefined)) known[kind] = told
  }
  return known
}

export function recordOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined
}

function first(...told: unknown[]): number | undefined {
  for (const one of told) {
    const number = plausible(one)
    if (number !== undefined) return number
  }
  return undefined
}

function plausible(told: unknown): number | undefined {
  return typeof told === 'number' && told >= 0 && told <= plausibleMax ? told : undefined
}
