import { Counter, type Counting, countPrompt } from './count-tokens.ts'
import type { Consumes, Holds } from './holds.ts'
import { type Sum, Tally } from './tally.ts'
import type { TokenUsage } from './usage.ts'
import { type Held, harmless, holdFor, soon, type WorkRequest } from './with-tokens.ts'

/** How a call of a model is paid for. */
export interface MeteredCall extends Omit<WorkRequest, 'estimate'>, Counting {
  /**
   * Tokens set aside for the call, answer included. Unless told: the prompt as counted, and the most that the call
   * itself allows for the answer, or 4,096 where it allows any.
   */
  estimate?: number
  /** Told once the call is over, whatever became of it. */
  onSettled?: (receipt: Receipt) => void
}

/** What a call came to. */
export interface Receipt {
  workspace: string
  holdId?: string
  model?: string
  /** Set aside before it began. */
  held: number
  /** What it used; 0 where nothing came. */
  used: number
  /** What was charged of it; undefined where the service has yet to be told. */
  charged?: number
  uncovered?: number
  /** The same by kind, in the provider's numbers where it named them. */
  usage: TokenUsage
  /** Whose numbers they are. */
  by: Sum['by']
  endedBy: EndedBy
}

/**
 * `tokens`: the answer was kept shorter than asked, since the workspace had no more; `idle`: nobody asked for more
 * of it for half the life of its hold.
 */
export type EndedBy = 'model' | 'tokens' | 'reader' | 'abort' | 'error' | 'idle'

/** What an adapter knows of a call before it is made. */
export interface Planned {
  /** Everything that is sent to the model. */
  prompt: unknown
  /** The most that it may answer. */
  outputMax?: number | null
  /** Images that it is to make, where that is all it does. */
  images?: number
  /** False where nothing comes out of it but numbers, as of embeddings. */
  answers?: boolean
}

/** What paying for calls needs of a client; `consume` only for readers who come back after they were given up. */
export type MeteringClient = Holds & Partial<Consumes>

/** Where a call sets no bound for its answer. */
const outputUsual = 4_096

/**
 * A call of a model under way: tokens are set aside, and its `tally` is to be told of everything that comes. Only
 * opening it throws; from then on the answer comes first, whatever becomes of the books.
 */
export class Call {
  readonly tally: Tally
  /** The most that may be answered, where fewer tokens were left than the estimate. */
  readonly cap: number | undefined
  readonly #client: MeteringClient
  readonly #request: MeteredCall
  readonly #held: Held
  readonly #waits: Waits
  readonly #prompt: Counter
  readonly #answers: boolean
  readonly #unlisten: () => void
  #idle: ReturnType<typeof setTimeout> | undefined
  #paid: number | undefined
  #endedBy: EndedBy | undefined

  private constructor(
    client: MeteringClient,
    request: MeteredCall,
    held: Held,
    waits: Waits,
    prompt: Counter,
    answers: boolean,
  ) {
    this.#client = client
    this.#request = request
    this.#held = held
    this.#waits = waits
    this.#prompt = prompt
    this.#answers = answers
    this.tally = new Tally(request)
    const { estimate = 0, signal } = request
    const { tokens } = held.hold
    if (tokens < estimate) this.cap = Math.max(1, tokens - prompt.tokens)
    // Whoever aborts need not ask once more to be heard.
    const aborted = () => void this.end('abort')
    signal?.addEventListener('abort', aborted, { once: true })
    this.#unlisten = () => signal?.removeEventListener('abort', aborted)
  }

  static async start(
    client: MeteringClient,
    request: MeteredCall,
    { prompt, outputMax, images, answers = true }: Planned,
  ): Promise<Call> {
    const counter = new Counter(request)
    harmless(() => countPrompt(counter, prompt))
    const most = answers ? outputOf(request, { outputMax, images }) : 0
    const estimate = Math.max(1, Math.ceil(request.estimate ?? counter.tokens + most))
    const waits: Waits = { readers: 1, lastAt: performance.now() }
    const held = await holdFor(client, { ...request, estimate }, () => waits.readers > 0)
    return new Call(client, { ...request, estimate }, held, waits, counter, answers)
  }

  get endedBy(): EndedBy | undefined {
    return this.#endedBy
  }

  /** What the model answers, or its own error once everything has gone back. */
  async opened<Answer>(ask: () => PromiseLike<Answer>): Promise<Answer> {
    try {
      return await ask()
    } catch (error) {
      await this.end('error')
      throw error
    }
  }

  /** Reads something of the answer. What is odd about it harms nobody. */
  read<Piece>(reader: (piece: Piece, tally: Tally) => void, piece: Piece): void {
    try {
      reader(piece, this.tally)
    } catch {}
  }

  /** Somebody waits for the next piece, so the hold lives. */
  asked(): void {
    this.#waits.readers++
  }

  /** The piece has come, and it is the reader's turn. */
  answered(): void {
    this.#waits.readers--
    this.#waits.lastAt = performance.now()
    if (this.#idle === undefined && !this.#held.closed) this.#watch(this.#held.ttlMs / 2)
  }

  /** `end` of a stream: however one that was aborted ends, that is why. */
  endStream(endedBy: EndedBy): Promise<void> {
    return this.end(this.#request.signal?.aborted ? 'abort' : endedBy)
  }

  /** Pays for what came. It never throws, and waits for the service for a moment at most. */
  end(endedBy: EndedBy): Promise<void> {
    clearTimeout(this.#idle)
    this.#idle = undefined
    this.#unlisten()
    const wasCapped = endedBy === 'model' && this.cap !== undefined && this.tally.stop === 'length'
    const sum = this.tally.sum({
      prompt: () => this.#prompt.tokens,
      complete: endedBy === 'model',
      answers: this.#answers,
    })
    if (this.#paid !== undefined) return soon(this.#payMore(sum.tokens))
    this.#endedBy = wasCapped ? 'tokens' : endedBy
    this.#paid = sum.tokens
    return soon(this.#pay(sum))
  }

  async #pay({ tokens: used, usage, by }: Sum): Promise<void> {
    const { hold } = this.#held
    const { charged, uncovered } = await this.#held.close(used)
    const { workspace, model } = this.#request
    const receipt = { workspace, holdId: hold.holdId, model, held: hold.tokens, used }
    const endedBy = this.#endedBy!
    harmless(() =>
      this.#request.onSettled?.({ ...receipt, charged, uncovered, usage, by, endedBy }),
    )
  }

  /** A reader who had been given up came back: the rest is paid from what there is. */
  async #payMore(tokens: number): Promise<void> {
    const more = tokens - this.#paid!
    if (more <= 0) return
    this.#paid = tokens
    const { workspace, member, feature, model, onUncovered } = this.#request
    const use = { workspace, tokens: more, member, feature, model, onShortfall: 'drain' as const }
    const answer = await this.#client.consume?.(use).catch(() => undefined)
    const charged = answer?.taken ?? 0
    const uncovered = more - charged
    if (answer?.unreported || uncovered === 0) return
    harmless(() => onUncovered?.({ workspace, used: more, charged, uncovered }))
  }

  /** Looks whether the reader has left without a word, at the moment from which that would be so. */
  #watch(afterMs: number): void {
    this.#idle = setTimeout(() => {
      this.#idle = undefined
      // Whoever waits says so again when the piece has come.
      if (this.#waits.readers > 0 || this.#held.closed) return
      const leftMs = this.#waits.lastAt + this.#held.ttlMs / 2 - performance.now()
      if (leftMs > 0) this.#watch(leftMs)
      else void this.end('idle')
    }, afterMs)
    ;(this.#idle as { unref?: () => void }).unref?.()
  }
}

function outputOf(counting: Counting, { outputMax, images }: Omit<Planned, 'prompt'>): number {
  if (images === undefined) return outputMax && outputMax > 0 ? outputMax : outputUsual
  const counter = new Counter(counting)
  for (let n = 0; n < images; n++) counter.media('image')
  return counter.tokens
}

interface Waits {
  readers: number
  /** When a piece was last handed over. */
  lastAt: number
}
