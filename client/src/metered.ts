import type { Call, EndedBy } from './metering.ts'
import type { Tally } from './tally.ts'

/** An answer that is paid for as it is read. */
export interface MeteredStream<Piece> extends AsyncIterableIterator<Piece, void, undefined> {
  /** Why it ended; undefined until it has. */
  readonly endedBy: EndedBy | undefined
  /** The stream's own: aborting it leaves the model. */
  readonly controller: AbortController
  toReadableStream(): ReadableStream<Uint8Array>
}

/**
 * The same pieces in the same order, paid for as far as they came once the stream ends, fails, is aborted, or its
 * reader leaves it or just stops asking. An error of the stream's is thrown as it is, and no other.
 */
export function metered<Piece>(
  call: Call,
  stream: AsyncIterable<Piece> & { controller?: AbortController },
  read: (piece: Piece, tally: Tally) => void,
  signal: AbortSignal | undefined,
): MeteredStream<Piece> {
  const controller = stream.controller ?? new AbortController()
  let source: AsyncIterator<Piece> | undefined
  let over = false
  call.answered()

  const finish = async (endedBy: EndedBy) => {
    over = true
    await call.endStream(endedBy)
  }
  const iterator: MeteredStream<Piece> = {
    get endedBy() {
      return call.endedBy
    },
    controller,
    toReadableStream: () => asJsonLines(iterator),
    [Symbol.asyncIterator]: () => iterator,

    async next() {
      if (over) return { done: true, value: undefined }
      call.asked()
      let result: IteratorResult<Piece>
      try {
        source ??= stream[Symbol.asyncIterator]()
        result = await source.next()
      } catch (error) {
        call.answered()
        await finish('error')
        throw error
      }
      call.answered()
      if (!result.done) {
        call.read(read, result.value)
        return result
      }
      await finish(controller.signal.aborted ? 'abort' : 'model')
      // Packages end an aborted stream as if it had come to its end.
      signal?.throwIfAborted()
      return { done: true, value: undefined }
    },

    async return() {
      if (!over) {
        controller.abort()
        const left = source?.return?.()
        await finish('reader')
        await left?.catch(() => {})
      }
      return { done: true, value: undefined }
    },
  }
  return iterator
}

/** As the packages' own streams write themselves: a line of JSON for each piece. */
function asJsonLines(pieces: AsyncIterator<unknown>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder()
  return new ReadableStream(
    {
      async pull(controller) {
        const { done, value } = await pieces.next()
        if (done) controller.close()
        else controller.enqueue(encoder.encode(`${JSON.stringify(value)}\n`))
      },
      async cancel() {
        await pieces.return?.()
      },
    },
    { highWaterMark: 0 },
  )
}

/** A call without a stream: what it answers is paid for, and where it fails all goes back. */
export async function meteredAnswer<Answer>(
  call: Call,
  ask: () => PromiseLike<Answer>,
  read: (answer: Answer, tally: Tally) => void,
): Promise<Answer> {
  const answer = await call.opened(ask)
  call.answered()
  call.read(read, answer)
  await call.end('model')
  return answer
}
