/** A stream as a provider really sends it, and what it costs. */
export interface Shape {
  provider: string // as its maker writes it
  /** What is odd about it, in one line, unique; it is printed in a table of the docs. */
  name: string
  /** Whose format: OpenAI's chat completions or responses, or Anthropic's messages. */
  api: 'chat' | 'responses' | 'messages'
  /**
   * The `data:` of each server-sent event: an object is sent as JSON, a string as it is. A string that begins with
   * a colon is a comment between the events, and no data.
   */
  events: (object | string)[]
  /** `done`: with a last `[DONE]` (chat only); `closed`: the response ends without one; `broken`: the connection is torn. */
  end: 'done' | 'closed' | 'broken'
  /** Tokens, by hand, and how: '100 prompt + 12 counted', '300 + 450 as told', … printed in the docs. */
  charge: number
  why: string
  /** The same through the AI SDK, where its provider hands on less of what was sent. */
  bySdk?: number
  /** Text that a reader of content gets, for a check that nothing was changed. */
  text: string
  /** True where the reader gets an error (the package throws for an error object or a torn connection). */
  fails?: true
  /** Where it is documented or was reported: a URL. */
  source: string
}
