import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { flattened } from '../../local/aws/authorizer.ts'
import { type ClaimsConfig, claimsDefaults } from '../../shared/config.ts'
import { barFor, callerOf, isIdToken, type Who } from '../../shared/http/caller.ts'
import { routesOf } from '../../shared/http/routes.ts'
import { type Provider, providers } from './providers.ts'

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

const everyScope = 'tokens:read tokens:consume tokens:grant tokens:manage'

describe.each(providers)('with $name', (provider) => {
  const config: ClaimsConfig = { servicesApart: false, ...claimsDefaults, ...provider.config }
  const callerIn = (claims: Record<string, unknown>) => {
    const given = flattened(claims)
    expect(isIdToken(given)).toBe(false)
    return callerOf(given, config)
  }
  const may = (claims: Record<string, unknown>, workspace: string) =>
    routesOf(config)
      .filter(({ who }) => who !== 'anyone')
      .filter(({ who }) => !barFor(callerIn(claims), workspace, { ...(who as Who), toldWhy: [] }))
      .map((route) => route.function)
  const { admin, member, service, alsoServices = [] } = provider
  const workspaceOf = (claims: Record<string, unknown>) => String(claims[config.workspaceClaim])

  it('an admin may buy in their workspace, a member look, and neither anything elsewhere', () => {
    const workspace = workspaceOf(admin)
    expect(may(admin, workspace)).toEqual([
      'meter',
      'start-purchase',
      'get-purchase',
      'get-documents',
      'activity',
    ])
    expect(may(member, workspace)).toEqual(['meter', 'activity'])
    expect(may(admin, 'crew')).toEqual([])
    expect(may(member, 'crew')).toEqual([])
  })

  it('a backend may what its scopes say, in any workspace', () => {
    for (const claims of [service, ...alsoServices]) {
      expect(callerIn(claims)).toMatchObject({ kind: 'service', subject: claims.sub })
      for (const workspace of ['acme', 'crew']) {
        const uses = ['consume', 'open-hold', 'settle-hold', 'release-hold', 'extend-hold']
        expect(may(claims, workspace)).toEqual(['meter', ...uses])
      }
    }
  })

  it('nobody becomes a service by the scopes that an application asked for', () => {
    const scope = everyScope
      .split(' ')
      .map((each) => `${config.scopePrefix}${each}`)
      .join(' ')
    expect(may({ ...member, scope }, workspaceOf(member))).toEqual(['meter', 'activity'])
    const unbound = { ...admin, [config.workspaceClaim]: null, scope }
    expect(may(unbound, 'acme')).toEqual([])
    expect(callerIn(unbound).kind).toBe('person')
  })

  it('an ID token is known', () => {
    expect(isIdToken(flattened(provider.idToken))).toBe(true)
  })

  it('the README says how', () => {
    const row = readme.split('\n').find((line) => line.startsWith(`| ${provider.name} |`)) ?? ''
    for (const [name, value] of Object.entries(provider.options)) {
      expect(row).toContain(`-c ${name}=${value}`)
    }
    const others = [...row.matchAll(/-c (\w+)=/g)].map(([, name]) => name)
    expect(others.sort()).toEqual(Object.keys(provider.options).sort())
  })
})

it('every row of the README’s table has a provider here', () => {
  const table = /\| Provider \|.*\n\|[-| ]+\n((?:\|.*\n)+)/.exec(readme)?.[1] ?? ''
  const named = table.match(/^\| \w+/gm)?.map((start) => start.slice(2))
  expect(named?.sort()).toEqual(providers.map(({ name }: Provider) => name).sort())
})
