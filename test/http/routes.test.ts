import { describe, expect, expectTypeOf, it } from 'vitest'
import type { RequestTo } from '../../shared/http/endpoint.ts'
import { pathParameters } from '../../shared/http/input.ts'
import { keyOf, routes, routesOf } from '../../shared/http/routes.ts'

describe('a route', () => {
  it('has parameters that are checked, and the workspace among them where people or services call', () => {
    for (const { path, who } of routes) {
      const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)
      for (const name of names) expect(Object.keys(pathParameters), path).toContain(name)
      if (who !== 'anyone') expect(names, path).toContain('workspaceId')
    }
  })

  it('says who may: nobody is let in by a route that names no one', () => {
    for (const { path, who } of routes) {
      if (who === 'anyone') continue
      expect([...(who.roles ?? []), who.scope].filter(Boolean).length, path).toBeGreaterThan(0)
    }
  })

  it('is one, and of one function, in any deployment', () => {
    for (const servicesApart of [false, true]) {
      const keys = routesOf({ servicesApart }).map(keyOf)
      expect(new Set(keys).size).toBe(keys.length)
    }
    expect(new Set(routes.map((route) => route.function)).size).toBe(routes.length)
  })

  // What follows is checked by the compiler.
  it('hands its function what its path and its body have, and nothing else', () => {
    expectTypeOf<RequestTo<'consume'>>().toHaveProperty('key')
    expectTypeOf<RequestTo<'consume'>['body']['tokens']>().toEqualTypeOf<number>()
    expectTypeOf<RequestTo<'consume'>>().not.toHaveProperty('holdId')
    expectTypeOf<RequestTo<'settle-hold'>>().toHaveProperty('holdId')
    expectTypeOf<RequestTo<'settle-hold'>>().not.toHaveProperty('purchaseId')
    expectTypeOf<RequestTo<'get-purchase'>>().toHaveProperty('purchaseId')
    expectTypeOf<RequestTo<'get-purchase'>>().not.toHaveProperty('key')
    expectTypeOf<RequestTo<'meter'>>().not.toHaveProperty('body')
    expectTypeOf<RequestTo<'activity'>['query']['limit']>().toEqualTypeOf<number>()
    expectTypeOf<RequestTo<'meter'>['caller']['subject']>().toEqualTypeOf<string>()
  })
})
