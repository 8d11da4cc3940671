import { parameterInvalid, resourceMissing } from './errors.ts'
import type { Parameters } from './parameters.ts'

/** What every list takes. */
export const pageParameters = ['limit', 'starting_after', 'created', 'expand'] as const

/** One page of a list, newest first. `items` come in the order they were made. */
export function listed<Item extends { id: string; created: number }>(
  parameters: Parameters,
  url: string,
  items: Item[],
): object {
  const limit = parameters.integer('limit') ?? 10
  if (limit < 1 || limit > 100) {
    const message = 'This value must be between 1 and 100.'
    throw parameterInvalid('limit', message, 'parameter_invalid_integer')
  }
  const created = createdFilter(parameters)
  // The clock may have been set back between two of them, so being made later does not mean a later date.
  const newestFirst = items
    .filter(created)
    .reverse()
    .sort((one, other) => other.created - one.created)

  const start = startOf(newestFirst, parameters)
  const data = newestFirst.slice(start, start + limit)
  return { object: 'list', url, has_more: newestFirst.length > start + limit, data }
}

function startOf(items: readonly { id: string }[], parameters: Parameters): number {
  const after = parameters.text('starting_after')
  if (after === undefined) return 0
  const position = items.findIndex(({ id }) => id === after)
  if (position === -1) throw resourceMissing(400, 'object', after, 'starting_after')
  return position + 1
}

function createdFilter(parameters: Parameters): (item: { created: number }) => boolean {
  const range = parameters.has('created') ? parameters.group('created') : undefined
  if (!range) return () => true
  range.only('gte', 'lt')
  const [gte, lt] = [range.integer('gte') ?? -Infinity, range.integer('lt') ?? Infinity]
  return ({ created }) => created >= gte && created < lt
}

/** Whether an object is what a filter asks for; one that is not given asks for nothing. */
export function agrees(wanted: string | undefined, value: unknown): boolean {
  return wanted === undefined || wanted === value
}
