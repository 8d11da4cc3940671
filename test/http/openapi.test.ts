import { readFileSync } from 'node:fs'
import { createConfig, lintFromString } from '@redocly/openapi-core'
import { type RulesetDefinition, Spectral } from '@stoplight/spectral-core'
import { oas } from '@stoplight/spectral-rulesets'
import { describe, expect, it } from 'vitest'
import { apiTypes, typesFile } from '../../client/generate.ts'
import { examples } from '../../shared/http/openapi/examples.ts'
import { openApiDocument } from '../../shared/http/openapi.ts'
import { problemCodes } from '../../shared/http/problem.ts'
import { synthesized } from '../infra/synthesized.ts'

const document = JSON.parse(JSON.stringify(openApiDocument()))

interface Operation {
  security: { accessToken: string[] }[]
  requestBody?: { content: Content }
  responses: Record<string, { content: Content }>
}

type Content = Record<string, { schema: unknown; examples?: Record<string, object> }>

/** Rules of Spectral's that the document does not keep, and why. */
const rulesNotKept: Record<string, string> = {
  'info-contact': 'Whom to ask is for each deployment to say, and the document is of all of them.',
  'oas3-operation-security-defined':
    'The rule counts scopes of OAuth only. Since OpenAPI 3.1 a requirement of any scheme may name roles.',
  'license-url': 'A licence has an SPDX identifier or an address, and never both.',
  'openapi-tags-alphabetical': 'What most callers look for comes first.',
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

  it.each([false, true])(
    'satisfies every rule of Spectral’s for OpenAPI, but those with a reason (services apart: %s)',
    async (servicesApart) => {
      const spectral = new Spectral()
      spectral.setRuleset({ extends: [[oas as RulesetDefinition, 'all']] })
      const found = await spectral.run(JSON.stringify(openApiDocument({ servicesApart })))
      const problems = found.map(({ code, path, message }) => ({ code, path, message }))
      expect(problems.filter(({ code }) => !(code in rulesNotKept))).toEqual([])
      // A reason goes when there is nothing left that it is for.
      expect(new Set(problems.map(({ code }) => code))).toEqual(new Set(Object.keys(rulesNotKept)))
    },
  )

  it('shows for every call an answer, and a request where it has a body', () => {
    for (const [name, { requestBody, responses }] of operations) {
      const [, answered] = Object.entries(responses).find(([status]) => status < '300')!
      expect(answered.content['application/json']?.examples, name).toBeDefined()
      if (requestBody) expect(requestBody.content['application/json']?.examples, name).toBeDefined()
    }
  })

  it('shows every example that is played, and of every problem what it looks like', () => {
    const shown = [...operations.values()].flatMap(({ responses }) =>
      Object.values(responses).flatMap(({ content }) =>
        Object.entries(content).flatMap(([type, media]) => {
          if (/problem/.test(type)) expect(media.examples).toBeDefined()
          return Object.values(media.examples ?? {}).filter((each) => !('$ref' in each))
        }),
      ),
    )
    expect(shown).toHaveLength(examples.length)
  })

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
