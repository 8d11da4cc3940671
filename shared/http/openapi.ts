import { type activityQuery, idempotencyKey, pathParameters } from './input.ts'
import { descriptions } from './openapi/descriptions.ts'
import type { Example } from './openapi/examples.ts'
import { problemResponses } from './openapi/problem-responses.ts'
import { componentSchemas, type JsonSchema, json, schemaOf } from './openapi/schemas.ts'
import { answersOf, bodiesOf, componentExamples, examplesOf } from './openapi/shown-examples.ts'
import { parametersIn, type Route, type RoutedFunction, type Routing, routesOf } from './routes.ts'

/** The API as an OpenAPI 3.1 document, made from the routes, the input schemas and the table of problems. */
export function openApiDocument(routing: Routing = { servicesApart: false }) {
  const paths = pathsOf(routesOf(routing))
  return {
    openapi: '3.1.0',
    info: {
      title: 'Token Top-up',
      version: '1.0.0',
      summary: 'Meters the AI tokens of workspaces and sells top-ups.',
      description:
        'Every call that moves tokens carries an `Idempotency-Key`: the same key and request give the first outcome again with `Idempotent-Replayed: true`, so any call may be repeated. Errors are problem documents (RFC 9457); `code` is what a program should look at.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    // The document is served by the API that it describes.
    servers: [{ url: '/', description: 'Where this document came from.' }],
    tags: [
      { name: 'meter', description: 'What is used and left.' },
      { name: 'use', description: 'Taking tokens, at once or after setting them aside.' },
      { name: 'buy', description: 'Plans and purchases.' },
      { name: 'manage', description: 'Workspaces and what they are given.' },
      { name: 'machinery', description: 'For tools and for Stripe.' },
    ],
    paths,
    components: {
      securitySchemes: {
        accessToken: {
          type: 'http',
          scheme: 'bearer',
          bearerFormat: 'JWT',
          description:
            "An access token of the deployment's own issuer. Requirements name a scope of the token, with the prefix the deployment gives its scopes, or the role of a person in the workspace; any one of an operation's requirements will do.",
        },
      },
      schemas: componentSchemas(),
      examples: componentExamples(paths),
    },
  }
}

function pathsOf(routes: readonly Route[]): Record<string, JsonSchema> {
  const paths: Record<string, JsonSchema> = {}
  for (const route of routes) {
    paths[route.path] = {
      ...paths[route.path],
      [route.method.toLowerCase()]: operationOf(route),
    }
  }
  return paths
}

function operationOf(route: Route): JsonSchema {
  const { body, keyed } = route
  const operation = descriptions[route.function as RoutedFunction]
  const { tag, summary, description, status = 200, answer } = operation
  const shown = examplesOf(route)
  return {
    operationId: operationIdOf(route),
    tags: [tag],
    summary,
    description,
    security: securityOf(route),
    parameters: parametersOf(route, shown[0]),
    requestBody: body && {
      required: true,
      content: json(schemaOf(body), bodiesOf(shown)),
    },
    responses: {
      [status]: {
        description: summary,
        headers: keyed && { 'Idempotent-Replayed': replayedHeader },
        content: json(schemaOf(answer), answersOf(shown, { status })),
      },
      ...problemResponses(route, operation.problems, shown),
    },
  }
}

/** A function may answer a second route, for services whose issuer is another than people's. */
function operationIdOf(route: Route): string {
  const name = route.function.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  return route.path.startsWith('/v1/services/') ? `${name}ForServices` : name
}

function securityOf({ who }: Route): JsonSchema[] {
  if (who === 'anyone') return []
  const { roles = [], scope } = who
  return [...roles, ...(scope ? [scope] : [])].map((each) => ({ accessToken: [each] }))
}

const parameterDescriptions = {
  workspaceId: 'The workspace, by the id that the product gave it.',
  purchaseId: 'The order, by the id that placing it returned.',
  holdId: 'The hold, by the id that opening it returned.',
  months: 'How many months of usage, the current one first.',
  limit: 'The most entries of one page.',
  cursor: 'Where the page begins: the `nextCursor` of the one before.',
} satisfies Record<keyof typeof pathParameters | keyof typeof activityQuery.shape, string>

function parametersOf(
  { path, keyed, query }: Route,
  shown: Example | undefined,
): JsonSchema[] | undefined {
  const inPath = parametersIn(path).map((name) => ({
    name,
    in: 'path',
    required: true,
    description: parameterDescriptions[name],
    schema: schemaOf(pathParameters[name]),
    example: shown?.path?.[name],
  }))
  const key = {
    name: 'Idempotency-Key',
    in: 'header',
    required: true,
    description: 'A new one for each new action; the same one for each retry of it.',
    schema: schemaOf(idempotencyKey),
    example: shown?.key,
  }
  const asked = query ? (schemaOf(query).properties as Record<string, JsonSchema>) : {}
  const inQuery = Object.entries(asked).map(([name, schema]) => ({
    name,
    in: 'query',
    description: parameterDescriptions[name as keyof typeof parameterDescriptions],
    schema,
    example: shown?.query?.[name],
  }))
  const all = [...inPath, ...(keyed ? [key] : []), ...inQuery]
  return all.length > 0 ? all : undefined
}

const replayedHeader = {
  description: '`true` where this request had been carried out before, and nothing happened now.',
  schema: { type: 'string', enum: ['true'] },
}
