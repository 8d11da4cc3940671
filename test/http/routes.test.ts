import { describe, expect, expectTypeOf, it } from 'vitest'
import type { Request } from '../../shared/http/endpoint.ts'
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
    expectTypeOf<Request<'consume'>>().toHaveProperty('key')
    expectTypeOf<Request<'consume'>['body']['tokens']>().toEqualTypeOf<number>()
    expectTypeOf<Request<'consume'>>().not.toHaveProperty('holdId')
    expectTypeOf<Request<'settle-hold'>>().toHaveProperty('holdId')
    expectTypeOf<Request<'settle-hold'>>().not.toHaveProperty('purchaseId')
    expectTypeOf<Request<'get-purchase'>>().toHaveProperty('purchaseId')
    expectTypeOf<Request<'get-purchase'>>().not.toHaveProperty('key')
    expectTypeOf<Request<'meter'>>().not.toHaveProperty('body')
    expectTypeOf<Request<'activity'>['query']['limit']>().toEqualTypeOf<number>()
    expectTypeOf<Request<'meter'>['caller']['subject']>().toEqualTypeOf<string>()
  })
})
