import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { bundleOptions } from '../infra/bundle.ts'
import type { Stack } from '../local/stack.ts'

type Handler = (event: unknown, context?: unknown) => Promise<{ statusCode: number; body: string }>

/** The consume bundle that would be deployed, and the bare one beside it, bundled alike. */
export async function bundles(stack: Stack): Promise<{ consume: string; bare: string }> {
  const consume = stack.deployment.functions.find(({ name }) => name.includes('consume'))
  if (!consume) throw new Error('the deployment has no consume function')
  const bare = fileURLToPath(new URL('../.build/bench/bare/index.mjs', import.meta.url))
  mkdirSync(join(bare, '..'), { recursive: true })
  await build({
    ...bundleOptions,
    entryPoints: [fileURLToPath(new URL('bare-handler.ts', import.meta.url))],
    outfile: bare,
  })
  return { consume: join(consume.folder, 'index.mjs'), bare }
}

/** The environment a bundle finds in Lambda, with DynamoDB at `endpoint`. */
export function environment(stack: Stack, endpoint: string): Record<string, string> {
  const consume = stack.deployment.functions.find(({ name }) => name.includes('consume'))
  return {
    ...consume?.environment,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_ENDPOINT_URL_DYNAMODB: endpoint,
  }
}

let instances = 0

/** A fresh instance of a bundle in this process, with connections of its own to `endpoint`. */
export async function load(stack: Stack, bundle: string, endpoint: string): Promise<Handler> {
  Object.assign(process.env, environment(stack, endpoint))
  const { handler } = await import(`${bundle}?${++instances}`)
  return handler
}

/** What API Gateway hands the consume function. */
export function consumeEvent(workspaceId: string, key: string, tokens: number, now = new Date()) {
  return {
    version: '2.0',
    headers: { 'idempotency-key': key, 'content-type': 'application/json' },
    pathParameters: { workspaceId },
    requestContext: {
      requestId: key,
      timeEpoch: now.getTime(),
      authorizer: {
        jwt: {
          claims: { sub: 'bench', client_id: 'bench', scope: 'tokens:consume' },
          scopes: null,
        },
      },
    },
    body: JSON.stringify({ tokens }),
    isBase64Encoded: false,
  }
}

/** Creates an Enterprise workspace through the API, with tokens enough for any benchmark unless told. */
export async function createWorkspace(
  { url }: Stack,
  workspaceId: string,
  quota = 1_000_000_000_000,
) {
  const { token } = (await fetch(`${url}/local/token`, {
    method: 'POST',
    body: '{"persona":"host-app"}',
  }).then((answer) => answer.json())) as { token: string }
  const answer = await fetch(`${url}/v1/workspaces/${workspaceId}`, {
    method: 'PUT',
    headers: { authorization: `Bearer ${token}`, 'idempotency-key': 'bench' },
    body: JSON.stringify({ plan: 'enterprise', quota }),
  })
  if (!answer.ok) throw new Error(`the workspace could not be created: ${await answer.text()}`)
}

export function median(values: number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

export function table(heads: string[], rows: (string | number)[][]): string {
  const line = (cells: (string | number)[]) => `| ${cells.join(' | ')} |`
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n')
}
