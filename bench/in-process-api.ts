import { join } from 'node:path'
import type { Stack } from '../local/stack.ts'
import { load } from './handlers.ts'

export interface InProcessApi {
  fetch: typeof fetch
  /** Answers of 500 and above since the last call. */
  takeFailures(): number
}

const operations = [
  { function: 'consume', method: 'POST', path: '/v1/workspaces/:workspaceId/consume' },
  { function: 'open-hold', method: 'POST', path: '/v1/workspaces/:workspaceId/holds' },
  {
    function: 'settle-hold',
    method: 'POST',
    path: '/v1/workspaces/:workspaceId/holds/:holdId/settle',
  },
  { function: 'release-hold', method: 'DELETE', path: '/v1/workspaces/:workspaceId/holds/:holdId' },
  { function: 'meter', method: 'GET', path: '/v1/workspaces/:workspaceId/meter' },
]

/**
 * The bundles that would be deployed, called by a `fetch` in this process: what a client costs them is not
 * mixed with what a local HTTP server and its token checks cost. DynamoDB is at `endpoint`.
 */
export async function openInProcessApi(stack: Stack, endpoint: string): Promise<InProcessApi> {
  const routes = await Promise.all(
    operations.map(async ({ function: name, method, path }) => ({
      method,
      pattern: new URLPattern({ pathname: path }),
      handler: await load(stack, bundleOf(stack, name), endpoint),
    })),
  )
  let failures = 0
  return {
    async fetch(input, { method = 'GET', headers, body } = {}) {
      const { pathname } = new URL(String(input))
      const route = routes.find(
        (route) => route.method === method && route.pattern.test({ pathname }),
      )
      if (!route) throw new Error(`no bundle answers ${method} ${pathname}`)
      const answer = (await route.handler({
        version: '2.0',
        headers,
        pathParameters: { ...route.pattern.exec({ pathname })!.pathname.groups },
        requestContext: { requestId: 'bench', timeEpoch: Date.now(), authorizer: { jwt } },
        ...(body && { body }),
        isBase64Encoded: false,
      })) as { statusCode: number; headers: Record<string, string>; body: string }
      if (answer.statusCode >= 500) failures++
      return new Response(answer.body, { status: answer.statusCode, headers: answer.headers })
    },
    takeFailures() {
      const taken = failures
      failures = 0
      return taken
    },
  }
}

const jwt = {
  claims: { sub: 'bench', client_id: 'bench', scope: 'tokens:consume tokens:read' },
  scopes: null,
}

function bundleOf(stack: Stack, name: string): string {
  const found = stack.deployment.functions.find((each) => each.name.includes(name))
  if (!found) throw new Error(`the deployment has no function ${name}`)
  return join(found.folder, 'index.mjs')
}
