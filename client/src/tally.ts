import { Counter, type Counting, type MediaKind } from './count-tokens.ts'
import { merged, type TokenUsage } from './usage.ts'

/** What a call comes to. */
export interface Sum {
  /** To be paid; 0 where nothing came. */
  tokens: number
  /** By kind: as told where it makes sense, else as counted. */
  usage: TokenUsage
  /** Whose word it is. */
  by: 'provider' | 'both' | 'count' | 'nothing'
}

/** Why a model stopped, as far as it matters here. */
type Stop = 'end' | 'length' | 'refused'

/**
 * Adds up one answer while it comes: what of it was seen, and what its provider says of it. It keeps no text, and
 * nothing in it throws.
 */
export class Tally {
  readonly #output: Counter
  #told: TokenUsage = {}
  #isTold = false
  /** Something came after the last report, so that report was none of the whole. */
  #outdated = false
  #stop: Stop | undefined
  readonly #once = new Set<string>()

  constructor(counting: Counting) {
    this.#output = new Counter(counting)
  }

  get isEmpty(): boolean {
    return this.#output.isEmpty
  }

  get stop(): Stop | undefined {
    return this.#stop
  }

  text(text: unknown): void {
    if (typeof text !== 'string' || text === '') return
    this.#output.text(text)
    this.#outdated = true
  }

  /** With `once`, however many pieces of it come. */
  media(kind: MediaKind, once?: string): void {
    if (once !== undefined && !this.#isFirst(once)) return
    this.#output.media(kind)
    this.#outdated = true
  }

  /** A tool is called by this name; false where that was told before. */
  called(id: unknown, name: unknown): boolean {
    const first = this.#isFirst(`call ${String(id)}`)
    if (first) this.text(name)
    return first
  }

  #isFirst(what: string): boolean {
    const { size } = this.#once
    return this.#once.add(what).size > size
  }

  /** `early`: said before the answer began, with an output that only stands for the one to come. */
  told(usage: TokenUsage, { early = false } = {}): void {
    const { input, cachedInput, output, total } = usage
    this.#told = merged(this.#told, early ? { input, cachedInput } : usage)
    if (early || (input ?? output ?? total) === undefined) return
    this.#isTold = true
    this.#outdated = false
  }

  /** The model says why it stopped, in whatever words. */
  stopped(reason: unknown): void {
    if (typeof reason !== 'string' || reason === '') return
    if (/length|max_?(output_)?tokens/i.test(reason)) this.#stop = 'length'
    else if (/filter|refusal|safety|prohibited|blocklist/i.test(reason)) this.#stop = 'refused'
    else this.#stop ??= 'end'
  }

  /**
   * What the call comes to. The provider's word counts where it was said of the whole and makes sense, and is then
   * never raised; what it leaves out is counted. Where nothing came, nothing is to be paid.
   */
  sum({ prompt, complete, answers = true }: Circumstances): Sum {
    const counted = this.#output.tokens
    const whole = (complete || this.#stop !== undefined) && this.#isTold && !this.#outdated
    const told = whole ? this.#ofWhole() : this.#ofPart(counted)
    const input = told.input || undefined
    const { cachedInput, reasoning } = told
    if (!answers) return ofInput(whole ? told : {}, complete ? prompt : () => 0)
    if (this.isEmpty && (!whole || this.#stop === 'refused' || !producedUnseen(told))) {
      return { tokens: 0, usage: {}, by: 'nothing' }
    }
    if (told.total !== undefined) {
      const total = Math.ceil(told.total)
      const output = told.output ?? (input === undefined ? undefined : told.total - input)
      return {
        tokens: total,
        usage: { input, cachedInput, output, reasoning, total },
        by: 'provider',
      }
    }
    const output = told.output ?? counted
    const all = { input: input ?? prompt(), cachedInput, output, reasoning }
    const total = Math.ceil(all.input + all.output)
    const theirs = [input, told.output].filter((one) => one !== undefined).length
    const by = theirs === 2 ? 'provider' : theirs === 1 ? 'both' : 'count'
    return { tokens: total, usage: { ...all, total }, by }
  }

  /**
   * What was said of the whole answer, where it fits together. Reasoning that is no part of the output is still
   * part of the total; an output of 0 beside text is none.
   */
  #ofWhole(): TokenUsage {
    const { input, output: told, reasoning = 0, ...others } = this.#told
    const unlikely = told === 0 && !this.isEmpty
    const { total = 0 } = others
    // More reasoning than output is no part of it, unless the total says that the output was told too low.
    const outside = reasoning > (told ?? reasoning) && total < (input ?? 0) + reasoning
    const output = outside ? told! + reasoning : told
    const explained = (input ?? 0) + (unlikely ? 0 : (output ?? 0))
    // Less than its parts is no total; and where a part is missing, or none, it must be more to stand for it.
    const partMissing = !input || output === undefined || unlikely
    const stands = partMissing ? total > explained : total >= explained && total > 0
    const usage = { ...others, input, reasoning: this.#told.reasoning }
    if (stands) {
      const rest = input ? total - input : output
      return { ...usage, total, output: unlikely || total > explained ? rest : output }
    }
    return { ...usage, total: undefined, output: unlikely ? undefined : output }
  }

  /** Said before the end: what went in is known by then, and of what came out it may be the lesser part. */
  #ofPart(counted: number): TokenUsage {
    const { input, cachedInput, output = 0, reasoning, total = 0 } = this.#told
    const running = Math.max(output, input ? total - input : 0)
    return { input, cachedInput, reasoning, output: running > counted ? running : undefined }
  }
}

interface Circumstances {
  /** Counts what went in. */
  prompt: () => number
  /** It came to its own end. */
  complete: boolean
  /** Whether there is an answer to be paid for, as there is none of an embedding. */
  answers?: boolean
}

/** Nothing comes out of it, so what went in is all there is to pay. */
function ofInput({ input, total }: TokenUsage, prompt: () => number): Sum {
  const told = input || total || undefined
  const tokens = Math.ceil(told ?? prompt())
  if (tokens === 0) return { tokens, usage: {}, by: 'nothing' }
  return { tokens, usage: { input: tokens, total: tokens }, by: told ? 'provider' : 'count' }
}

/** Output that nobody saw, such as reasoning that is kept back. */
function producedUnseen({ input = 0, output, total = 0 }: TokenUsage): boolean {
  return output === undefined ? total > input : output > 0
}
