import * as z from 'zod/mini'
import { count, meter, told } from '../output.ts'
import { type ProblemCode, problemCodes } from '../problem.ts'

/*
 * What callers get in place of an answer, for the API's description as well.
 */

const problemFields = {
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string(),
  requestId: z.string(),
}

export const invalidRequest = z.object({
  ...problemFields,
  code: z.literal('invalid_request'),
  errors: z.array(
    z.object({
      pointer: told(
        z.string(),
        'A JSON pointer into the body (`#/tokens`), or `header/…`, `path/…`, `query/…`.',
      ),
      detail: told(z.string(), 'What it must be.'),
    }),
  ),
})

export const insufficientTokens = z.object({
  ...problemFields,
  code: z.literal('insufficient_tokens'),
  requested: count(),
  meter,
})

const otherCodes = problemCodes.filter(
  (code): code is Exclude<ProblemCode, 'invalid_request' | 'insufficient_tokens'> =>
    code !== 'invalid_request' && code !== 'insufficient_tokens',
)

export const otherProblem = z.object({
  ...problemFields,
  code: z.enum(otherCodes),
  meter: told(z.optional(meter), 'How the workspace stood, where that tells what to do next.'),
})

export const gatewayMessage = z.object({ message: z.string() })

/** Those that have a name of their own, which is also the name of their type in the client. */
export const namedProblems = {
  InvalidRequest: invalidRequest,
  InsufficientTokens: insufficientTokens,
  OtherProblem: otherProblem,
  GatewayMessage: gatewayMessage,
}
