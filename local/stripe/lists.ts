import { parameterInvalid, resourceMissing } from './errors.ts'
import type { Parameters } from './parameters.ts'

/** What every list takes. */
export const pageParameters = [
  'limit',
  'starting_after',
  'ending_before',
  'created',
  'expand',
] as const

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

  const after = positionOf(newestFirst, parameters, 'starting_after')
  const before = positionOf(newestFirst, parameters, 'ending_before')
  if (before !== undefined) {
    const start = Math.max(0, before - limit)
    return { object: 'list', url, has_more: start > 0, data: newestFirst.slice(start, before) }
  }
  const start = after === undefined ? 0 : after + 1
  const data = newestFirst.slice(start, start + limit)
  return { object: 'list', url, has_more: newestFirst.length > start + limit, data }
}

function positionOf(
  items: readonly { id: string }[],
  parameters: Parameters,
  key: 'starting_after' | 'ending_before',
): number | undefined {
  const id = parameters.text(key)
  if (id === undefined) return undefined
  const position = items.findIndex((item) => item.id === id)
  if (position === -1) throw resourceMissing(400, 'object', id, key)
  return position
}

function createdFilter(parameters: Parameters): (item: { created: number }) => boolean {
  const range = parameters.has('created') ? parameters.group('created') : undefined
  if (!range) return () => true
  range.only('gt', 'gte', 'lt', 'lte')
  const [gt, gte] = [range.integer('gt') ?? -Infinity, range.integer('gte') ?? -Infinity]
  const [lt, lte] = [range.integer('lt') ?? Infinity, range.integer('lte') ?? Infinity]
  return ({ created }) => created > gt && created >= gte && created < lt && created <= lte
}

/** Whether an object is what a filter asks for; one that is not given asks for nothing. */
export function agrees(wanted: string | undefined, value: unknown): boolean {
  return wanted === undefined || wanted === value
}
