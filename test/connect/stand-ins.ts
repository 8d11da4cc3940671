import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import type Stripe from 'stripe'
import { serve } from '../../local/http.ts'

export const apiKey = 'sk_test_connect'

export interface Endpoint
  extends Pick<Stripe.WebhookEndpoint, 'id' | 'url' | 'status' | 'api_version' | 'enabled_events'> {
  /** What Stripe tells once; kept here to see where it ends up. */
  secret: string
}

/** The webhook endpoints of an account, as Stripe's API keeps them: a secret is told when one is made, and never again. */
export async function startStripeEndpoints() {
  const endpoints: Endpoint[] = []
  const asked: string[] = []
  const faults: { method: string; answer: () => Response | Promise<Response> }[] = []
  const told = ({ secret: _, ...endpoint }: Endpoint) => ({
    object: 'webhook_endpoint',
    ...endpoint,
  })
  const failed = (status: number, type: string, words: string) =>
    Response.json({ error: { type, message: words } }, { status })

  const server = await serve(async (request) => {
    const url = new URL(request.url)
    asked.push(`${request.method} ${url.pathname}`)
    if (request.headers.get('authorization') !== `Bearer ${apiKey}`) {
      return failed(401, 'invalid_request_error', 'Invalid API Key provided: sk_test_****oops')
    }
    const fault = faults.findIndex(({ method }) => method === request.method)
    if (fault >= 0) return faults.splice(fault, 1)[0]!.answer()
    const form = new URLSearchParams(await request.text())
    const events = [...form].filter(([name]) => name.startsWith('enabled_events')).map(([, v]) => v)
    const [, , , id] = url.pathname.split('/')
    const known = endpoints.find((endpoint) => endpoint.id === id)
    if (id && !known) return failed(404, 'invalid_request_error', 'No such webhook endpoint')
    switch (`${request.method} ${known ? 'one' : 'all'}`) {
      case 'GET all': {
        const after = url.searchParams.get('starting_after')
        const newestFirst = [...endpoints].reverse()
        const from = after ? newestFirst.findIndex((one) => one.id === after) + 1 : 0
        const limit = Number(url.searchParams.get('limit') ?? 10)
        const data = newestFirst.slice(from, from + limit).map(told)
        const has_more = from + limit < newestFirst.length
        return Response.json({ object: 'list', url: url.pathname, has_more, data })
      }
      case 'POST all': {
        const made: Endpoint = {
          id: `we_${randomBytes(6).toString('hex')}`,
          url: form.get('url')!,
          status: 'enabled',
          api_version: form.get('api_version'),
          enabled_events: events,
          secret: `whsec_${randomBytes(12).toString('hex')}`,
        }
        endpoints.push(made)
        return Response.json({ ...told(made), secret: made.secret })
      }
      case 'POST one':
        if (events.length > 0) known!.enabled_events = events
        if (form.has('disabled')) {
          known!.status = form.get('disabled') === 'true' ? 'disabled' : 'enabled'
        }
        return Response.json(told(known!))
      case 'DELETE one':
        endpoints.splice(endpoints.indexOf(known!), 1)
        return Response.json({ id, object: 'webhook_endpoint', deleted: true })
      default:
        return failed(404, 'invalid_request_error', 'Unrecognized request URL')
    }
  })
  return {
    url: server.url,
    endpoints,
    /** Requests so far. */
    asked,
    /** The next request of this method fares so. */
    next: (method: string, answer: () => Response | Promise<Response>) =>
      void faults.push({ method, answer }),
    changes: () => asked.filter((line) => !line.startsWith('GET')),
    stop: () => server.stop(),
  }
}

/** Secrets Manager and CloudFormation, as far as the command asks them. */
export async function startAws(stacks: Record<string, Record<string, string>> = {}) {
  const secrets = new Map<string, { value: string; storedAt: number }>()
  const stored: string[] = []
  const refused = new Map<string, string>()
  const json = (status: number, body: object) =>
    new Response(JSON.stringify(body), {
      status,
      headers: { 'content-type': 'application/x-amz-json-1.1' },
    })
  const server = await serve(async (request) => {
    const target = request.headers.get('x-amz-target')?.split('.')[1]
    if (!target) return describeStacks(stacks, new URLSearchParams(await request.text()))
    const { SecretId, Name, SecretString } = (await request.json()) as Record<string, string>
    const name = (SecretId ?? Name)!
    const why = refused.get(target)
    if (why) return json(400, { __type: why, message: `${target} is not allowed` })
    const exists = secrets.has(name)
    if (target === 'CreateSecret' ? exists : !exists) {
      const __type = exists ? 'ResourceExistsException' : 'ResourceNotFoundException'
      return json(400, { __type, message: 'It is not so.' })
    }
    if (target !== 'GetSecretValue') {
      stored.push(target)
      secrets.set(name, { value: SecretString!, storedAt: Date.now() })
      return json(200, { Name: name })
    }
    const { value, storedAt } = secrets.get(name)!
    return json(200, { Name: name, SecretString: value, CreatedDate: storedAt / 1000 })
  })
  return {
    url: server.url,
    secrets,
    /** The operations that stored something. */
    stored,
    refuse: (operation: string, why = 'AccessDeniedException') => void refused.set(operation, why),
    allow: () => refused.clear(),
    /** As if a secret had been stored so long ago. */
    age(name: string, ms: number) {
      const secret = secrets.get(name)
      if (secret) secret.storedAt -= ms
    },
    stop: () => server.stop(),
  }
}

function describeStacks(stacks: Record<string, Record<string, string>>, form: URLSearchParams) {
  const name = form.get('StackName') ?? ''
  const outputs = stacks[name]
  const xml = (status: number, body: string) =>
    new Response(body, { status, headers: { 'content-type': 'text/xml' } })
  if (!outputs) {
    const words = `Stack with id ${name} does not exist`
    return xml(
      400,
      `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>${words}</Message></Error></ErrorResponse>`,
    )
  }
  const members = Object.entries(outputs).map(
    ([key, value]) =>
      `<member><OutputKey>${key}</OutputKey><OutputValue>${value}</OutputValue></member>`,
  )
  return xml(
    200,
    `<DescribeStacksResponse><DescribeStacksResult><Stacks><member><StackName>${name}</StackName><CreationTime>2026-07-14T12:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>${members.join('')}</Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`,
  )
}

/** Runs the command as it is run, and everything that it says. */
export function connect(
  { aws, stripe }: { aws: string; stripe: string },
  ...given: string[]
): Promise<{ code: number; said: string }> {
  const { PATH } = process.env
  const env = {
    PATH,
    AWS_ENDPOINT_URL: aws,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'local',
    AWS_SECRET_ACCESS_KEY: 'local',
    AWS_MAX_ATTEMPTS: '1',
  }
  return new Promise((resolve) => {
    const command = ['connect/main.ts', '--stripe-api', stripe, ...given]
    const child = execFile(process.execPath, command, { env }, (error, stdout, stderr) => {
      resolve({ code: error ? Number(error.code) : 0, said: stdout + stderr })
    })
    child.stdin?.end()
  })
}
