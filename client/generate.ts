import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { openApiDocument } from '../shared/http/openapi.ts'

/**
 * Writes the client's types from the API's own description: `npm run generate:client`. The result is kept in
 * the repository, so that a change of the API shows as a change of what its callers see; a test compares them.
 *
 * It covers the JSON Schema that the description uses, and throws on anything else.
 */
export const typesFile = fileURLToPath(new URL('src/api-types.ts', import.meta.url))

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(typesFile, apiTypes())

export function apiTypes(): string {
  // With every route that a deployment may have.
  const document = openApiDocument({ servicesApart: true }) as unknown as Document
  const schemas = Object.entries(document.components.schemas).map(
    ([name, schema]) => `export type ${name} = ${typeOf(schema)}`,
  )
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => operationType(path, method, operation)),
  )
  return formatted(
    [
      '/** Made from the OpenAPI document by `npm run generate:client`. Not to be edited. */',
      ...schemas,
      `export interface Operations {\n${operations.join('\n')}\n}`,
    ].join('\n\n'),
  )
}

interface Schema {
  $ref?: string
  type?: string
  description?: string
  enum?: string[]
  const?: string
  properties?: Record<string, Schema>
  required?: string[]
  items?: Schema
  anyOf?: Schema[]
  oneOf?: Schema[]
  allOf?: Schema[]
  additionalProperties?: unknown
}

interface Operation {
  summary: string
  requestBody?: { content: Content }
  responses: Record<string, { content: Content }>
}

type Content = Record<string, { schema: Schema }>

interface Document {
  components: { schemas: Record<string, Schema> }
  paths: Record<string, Record<string, Operation>>
}

function operationType(path: string, method: string, operation: Operation): string {
  const { summary, requestBody, responses } = operation
  const [, answer] = Object.entries(responses).find(([status]) => status.startsWith('2'))!
  const problems = Object.values(responses)
    .map(({ content }) => content['application/problem+json']?.schema)
    .flatMap((schema) => (schema ? codesOf(schema) : []))
  return `/** ${summary} */
  '${method.toUpperCase()} ${path}': {
    body: ${requestBody ? typeOf(jsonOf(requestBody.content)) : 'undefined'}
    answer: ${typeOf(jsonOf(answer.content))}
    problems: ${literals(problems)}
  }`
}

/** The codes a problem may carry: those named beside it, or the one its schema stands for. */
function codesOf({ $ref, allOf }: Schema): string[] {
  const named = allOf?.find(({ properties }) => properties)?.properties?.code?.enum
  if (named) return named
  const code = openApiDocument().components.schemas[nameOf($ref!)]
    ?.properties as Schema['properties']
  return [code!.code!.const!]
}

function jsonOf(content: Content): Schema {
  return content['application/json']!.schema
}

function typeOf(schema: Schema): string {
  if (schema.$ref) return nameOf(schema.$ref)
  if (schema.const !== undefined) return literals([schema.const])
  if (schema.enum) return literals(schema.enum)
  const union = schema.anyOf ?? schema.oneOf
  if (union) return union.map(typeOf).join(' | ')
  switch (schema.type) {
    case 'array':
      return `(${typeOf(schema.items!)})[]`
    case 'object':
      return objectType(schema)
    case 'null':
      return 'null'
    case 'integer':
    case 'number':
      return 'number'
    case 'string':
    case 'boolean':
      return schema.type
    default:
      throw new Error(`no type is known for ${JSON.stringify(schema)}`)
  }
}

function objectType({ properties = {}, required = [] }: Schema): string {
  const fields = Object.entries(properties).map(([name, schema]) => {
    const about = schema.description ? `/** ${schema.description} */\n` : ''
    return `${about}${name}${required.includes(name) ? '' : '?'}: ${typeOf(schema)}`
  })
  return fields.length > 0 ? `{\n${fields.join('\n')}\n}` : 'Record<string, unknown>'
}

function literals(values: readonly string[]): string {
  return values.map((value) => `'${value}'`).join(' | ')
}

function nameOf(ref: string): string {
  return ref.slice(ref.lastIndexOf('/') + 1)
}

/** In the house's format, so that the file reads and is checked like any other. */
function formatted(source: string): string {
  const biome = createRequire(import.meta.url).resolve('@biomejs/biome/bin/biome')
  return execFileSync(
    process.execPath,
    [biome, 'format', '--stdin-file-path=client/src/api-types.ts'],
    { input: source, encoding: 'utf8', cwd: fileURLToPath(new URL('..', import.meta.url)) },
  )
}
