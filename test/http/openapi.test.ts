import { readFileSync } from 'node:fs'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { describe, expect, it } from 'vitest'
import { apiTypes, typesFile } from '../../client/generate.ts'
import { openApiDocument } from '../../shared/http/openapi.ts'
import { problemCodes } from '../../shared/http/problem.ts'
import { synthesized } from '../infra/synthesized.ts'

const document = JSON.parse(JSON.stringify(openApiDocument()))

interface Operation {
  security: { accessToken: string[] }[]
  responses: Record<string, { content: Record<string, { schema: unknown }> }>
}

const operations = new Map(
  Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(
    ([path, methods]) =>
      Object.entries(methods).map(
        ([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const,
      ),
  ),
)

describe('the OpenAPI document', () => {
  it.each([false, true])(
    'satisfies every rule of a strict linter (services apart: %s)',
    async (servicesApart) => {
      const problems = await lintFromString({
        source: JSON.stringify(openApiDocument({ servicesApart })),
        config: await createConfig({ extends: ['recommended-strict'] }),
      })
      expect(
        problems.map(({ message, location }) => `${location[0]?.pointer}: ${message}`),
      ).toEqual([])
    },
  )

  it('describes the routes that would be deployed, and what each asks of a token', () => {
    const deployed = Object.values(synthesized().all('AWS::ApiGatewayV2::Route')).map(
      ({ Properties: { RouteKey, AuthorizationType, AuthorizationScopes = [] } }) => [
        RouteKey,
        AuthorizationType === 'NONE' ? 'public' : AuthorizationScopes,
      ],
    )
    const described = [...operations].map(([name, { security }]) => [
      name,
      security.length === 0 ? 'public' : scopesAlone(security),
    ])
    expect(described.sort()).toEqual(deployed.sort())
  })

  it('says of every problem which calls it may come from', () => {
    const text = JSON.stringify([...operations.values()])
    const missing = problemCodes.filter((code) => !text.includes(`\`${code}\``))
    expect(missing).toEqual([])
  })

  it('is what the client is typed from', () => {
    expect(readFileSync(typesFile, 'utf8') === apiTypes(), 'run npm run generate:client').toBe(true)
  })
})

/** The scopes without which nobody may: none where a role will do as well. */
function scopesAlone(security: Operation['security']): string[] {
  const all = security.flatMap(({ accessToken }) => accessToken)
  return all.every((each) => each.startsWith('tokens:')) ? all : []
}
