import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type LocalStack, startLocalStack } from '../support/local-stack.ts'

/* The whole system where machines get their tokens from another issuer than people, as at WorkOS. */
describe('services with an issuer of their own', () => {
  let stack: LocalStack
  beforeAll(async () => {
    stack = await startLocalStack({ servicesApart: true })
  })
  afterAll(() => stack?.stop())

  const meter = '/workspaces/acme/meter'
  const bearing = (token: string | undefined) => ({ authorization: `Bearer ${token}` })

  it('call with tokens of that issuer', async () => {
    const use = { key: 'k', body: { tokens: 1_000 } }
    const used = await stack.call({
      to: 'POST /v1/workspaces/acme/consume',
      as: 'assistant',
      ...use,
    })
    expect(used).toMatchObject({ status: 200, body: { taken: 1_000 } })
    const read = await stack.call({ to: `GET /v1/services${meter}`, as: 'assistant' })
    expect(read).toMatchObject({ status: 200, body: { used: 1_000 } })
  })

  it('are nobody to the routes of people, and people nobody to theirs', async () => {
    expect((await stack.call({ to: `GET /v1${meter}`, as: 'assistant' })).status).toBe(401)
    expect((await stack.call({ to: `GET /v1/services${meter}`, as: 'acme-admin' })).status).toBe(
      401,
    )
    expect((await stack.call({ to: `GET /v1${meter}`, as: 'acme-member' })).status).toBe(200)
  })

  it('have no rights by the issuer of people, whatever marks them there', async () => {
    const claims = { role: 'admin', workspace_id: 'acme' }
    const headers = bearing(await stack.identity.token('assistant', { claims }))
    const consumed = await stack.call({
      to: 'POST /v1/workspaces/acme/consume',
      headers,
      key: 'astray',
      body: { tokens: 1 },
    })
    expect(consumed.status).toBe(401)
    const looked = await stack.call({ to: `GET /v1${meter}`, headers })
    expect(looked).toMatchObject({ status: 403, body: { code: 'forbidden' } })
  })

  it('are services only where that issuer vouches for a client', async () => {
    // The same issuer may sign people into other applications, with whatever scopes those ask for.
    const claims = { scope: 'tokens:read tokens:consume', workspace_id: null }
    const headers = bearing(await stack.servicesIdentity.token('acme-member', { claims }))
    const looked = await stack.call({ to: `GET /v1/services${meter}`, headers })
    expect(looked).toMatchObject({ status: 403, body: { code: 'service_required' } })
  })

  it('are described as they are deployed', async () => {
    const { body } = await stack.call({ to: 'GET /v1/openapi.json' })
    const described = Object.entries(body.paths as Record<string, object>).flatMap(
      ([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    expect(described.sort()).toEqual(stack.deployment.routes.map(({ key }) => key).sort())
    expect(body.paths['/v1/workspaces/{workspaceId}/meter'].get.security).toEqual([
      { accessToken: ['member'] },
      { accessToken: ['admin'] },
    ])
    const forServices = body.paths['/v1/services/workspaces/{workspaceId}/meter'].get
    expect(forServices.security).toEqual([{ accessToken: ['tokens:read'] }])
    expect(forServices.operationId).toBe('meterForServices')
  })
})
