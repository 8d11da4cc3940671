import { type ProblemCode, problemCodes, problems } from '../problem.ts'
import type { Route } from '../routes.ts'
import { type Example, examples, problemExamples } from './examples.ts'

/** Where examples stand in the OpenAPI document, by their names: a request and its answer have the same one. */
export type Shown = Record<string, unknown>

/** Those of a route: of its function, and called by somebody for whom the route is. */
export function examplesOf(route: Route): Example[] {
  const { who } = route
  const isFor = ({ by }: Example) =>
    who === 'anyone' || (by === 'service' ? who.scope : who.roles) !== undefined
  return examples.filter((each) => each.of === route.function && isFor(each))
}

export function bodiesOf(shown: readonly Example[]): Shown | undefined {
  // What is refused for its shape would not fit the schema that it stands beside.
  return under(
    shown.filter(({ body, status }) => body && status !== 400),
    'body',
  )
}

/** What is answered with a status: problems of the service's, or everything else. */
export function answersOf(
  shown: readonly Example[],
  { status, problems = false }: { status: number; problems?: boolean },
): Shown | undefined {
  const here = shown.filter((each) => each.status === status && 'code' in each.answer === problems)
  return under(here, 'answer')
}

function under(shown: readonly Example[], part: 'body' | 'answer'): Shown | undefined {
  if (shown.length === 0) return undefined
  return Object.fromEntries(
    shown.map((each) => [each.name, { summary: each.summary, value: each[part] }]),
  )
}

/** What problems look like wherever they come from, for calls whose own examples do not have them. */
export function refsTo(codes: readonly ProblemCode[]): Shown {
  return Object.fromEntries(codes.map((code) => [code, { $ref: refTo(code) }]))
}

const refTo = (code: ProblemCode) => `#/components/examples/${code}`

/** Those that the paths lead to. */
export function componentExamples(paths: object): Shown {
  const text = JSON.stringify(paths)
  return Object.fromEntries(
    problemCodes
      .filter((code) => text.includes(`"${refTo(code)}"`))
      .map((code) => [code, { summary: problems[code][1], value: problemExamples[code] }]),
  )
}
