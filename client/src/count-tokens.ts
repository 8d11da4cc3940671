import { recordOf } from './usage.ts'

/** How tokens are counted where the provider does not say. */
export interface Counting {
  /** A tokenizer of the caller's own, for whole texts and for parts of one. */
  countTokens?: (text: string) => number
  /** 4 unless told: about what a token of English is. */
  charactersPerToken?: number
  /** What one of a kind counts, whatever its size: 1,000, 1,500 and 3,000 unless told. */
  media?: Partial<Record<MediaKind, number>>
}

export type MediaKind = 'image' | 'audio' | 'file'

const charactersPerTokenUsual = 4
const mediaUsual: Record<MediaKind, number> = { image: 1_000, audio: 1_500, file: 3_000 }
/** A tokenizer is given a long text in parts of about this size, so that none of it has to be kept. */
const partCharacters = 4_096

/** Adds up text and media; memory stays the same however much it is. */
export class Counter {
  readonly #counting: Counting
  #characters = 0
  #counted = 0
  #pending = ''
  #media = 0

  constructor(counting: Counting) {
    this.#counting = counting
  }

  get isEmpty(): boolean {
    return this.#characters === 0 && this.#media === 0
  }

  text(text: string): void {
    this.#characters += text.length
    if (!this.#counting.countTokens) return
    this.#pending += text
    if (this.#pending.length >= partCharacters) this.#countPending()
  }

  media(kind: MediaKind): void {
    this.#media += this.#counting.media?.[kind] ?? mediaUsual[kind]
  }

  /** Whole tokens so far. */
  get tokens(): number {
    if (this.#counting.countTokens) this.#countPending()
    const text = this.#counting.countTokens ? this.#counted : this.#byCharacters(this.#characters)
    return Math.ceil(text) + Math.ceil(this.#media)
  }

  #countPending(): void {
    const text = this.#pending
    this.#pending = ''
    if (text !== '') this.#counted += this.#tokensIn(text)
  }

  /** A tokenizer that fails, or counts no number, is no reason to lose an answer. */
  #tokensIn(text: string): number {
    try {
      const tokens = this.#counting.countTokens!(text)
      if (tokens >= 0 && tokens < Number.POSITIVE_INFINITY) return tokens
    } catch {}
    return this.#byCharacters(text.length)
  }

  #byCharacters(characters: number): number {
    const { charactersPerToken = charactersPerTokenUsual } = this.#counting
    return characters / (charactersPerToken > 0 ? charactersPerToken : charactersPerTokenUsual)
  }
}

/** Deeper than any prompt; what refers to itself ends here. */
const depthMax = 24
/** Text has spaces; what has none for so long is data. */
const encodedCharactersMin = 400
const encoded = /^[A-Za-z0-9+/_-]+={0,2}$/

/**
 * Counts what is sent to a model: messages, instructions, tools, of whatever package. All text in them counts;
 * images, audio and files count by kind and never by their bytes, in whatever form they come.
 */
export function countPrompt(counter: Counter, prompt: unknown, depth = 0): void {
  if (typeof prompt === 'string') {
    const kind = kindOfText(prompt)
    if (kind) counter.media(kind)
    else counter.text(prompt)
    return
  }
  if (typeof prompt !== 'object' || prompt === null || depth > depthMax) return
  if (Array.isArray(prompt)) {
    for (const one of prompt) countPrompt(counter, one, depth + 1)
    return
  }
  const kind = kindOf(prompt as Record<string, unknown>)
  if (kind) {
    counter.media(kind)
    return
  }
  for (const [name, value] of Object.entries(prompt)) {
    if (!labels.has(name)) countPrompt(counter, value, depth + 1)
  }
}

/** What says something about a part, and is not said to the model as text. */
const labels = new Set([
  ...['type', 'role', 'id', 'index', 'status', 'cache_control', 'providerOptions'],
  ...['providerMetadata', 'tool_call_id', 'toolCallId', 'tool_use_id', 'call_id', 'signature'],
  ...['mediaType', 'media_type', 'mime_type', 'mimeType', 'encrypted_content'],
])

/** Undefined for what is read as text. */
function kindOf(part: Record<string, unknown>): MediaKind | undefined {
  if (part instanceof ArrayBuffer || ArrayBuffer.isView(part)) return 'file'
  if (part instanceof URL) return 'file'
  if (typeof Blob !== 'undefined' && part instanceof Blob) return kindOfMedia(part.type) ?? 'file'
  const type = typeof part.type === 'string' ? part.type : ''
  const named = mediaPart.exec(type)
  // Gemini's parts have no type: what they carry names them.
  const carried = carriers.map((name) => recordOf(part[name])).find((value) => value !== undefined)
  if (!named && !carried) return undefined
  // A document may be plain text, and then it is read as such.
  const inner = carried ?? recordOf(part.source) ?? recordOf(part.data) ?? {}
  if (inner.type === 'text' || inner.type === 'content') return undefined
  const source = { ...inner, ...part }
  const media =
    source.mediaType ?? source.media_type ?? source.mimeType ?? source.mime_type ?? undefined
  return kindOfMedia(media) ?? kindOfMedia(named?.[1]) ?? 'file'
}

const mediaPart = /^(?:input_|output_)?(image|audio|video|file|document)(?:[_-](?:url|data|id))?$/
const carriers = ['inlineData', 'fileData', 'inline_data', 'file_data']

/** Of a media type, whole or its first half. */
export function kindOfMedia(type: unknown): MediaKind | undefined {
  if (typeof type !== 'string' || type === '') return undefined
  if (type.startsWith('image')) return 'image'
  return type.startsWith('audio') ? 'audio' : 'file'
}

function kindOfText(text: string): MediaKind | undefined {
  if (text.startsWith('data:')) return kindOfMedia(text.slice(5, 40)) ?? 'file'
  const isData = text.length >= encodedCharactersMin && encoded.test(text)
  // A word that somebody leans on for a page is text all the same.
  return isData && /[A-Z]/.test(text) && /[a-z]/.test(text) && /\d/.test(text) ? 'file' : undefined
}
