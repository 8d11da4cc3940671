import * as z from 'zod/mini'
import { namedBodies } from '../input.ts'
import { namedAnswers } from '../output.ts'
import { namedProblems } from './problem-schemas.ts'
import type { Shown } from './shown-examples.ts'

const named: Record<string, z.ZodMiniType> = { ...namedAnswers, ...namedBodies, ...namedProblems }

export type JsonSchema = Record<string, unknown>

/** The schemas that have a name. */
export function componentSchemas(): Record<string, JsonSchema> {
  const registry = z.registry<{ id: string }>()
  for (const [id, schema] of Object.entries(named)) registry.add(schema, { id })
  const { schemas } = z.toJSONSchema(registry, { io: 'input', uri: refTo })
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema, $id, ...schema }]) => [name, schema]),
  )
}

const refTo = (name: string) => `#/components/schemas/${name}`

/** The schema where it is used: by its name if it has one. */
export function schemaOf(schema: z.ZodMiniType): JsonSchema {
  const name = Object.keys(named).find((name) => named[name] === schema)
  if (name) return { $ref: refTo(name) }
  const { $schema, ...written } = z.toJSONSchema(schema, { io: 'input' })
  return written
}

export function json(schema: JsonSchema, examples?: Shown) {
  return { 'application/json': { schema, ...(examples && { examples }) } }
}
