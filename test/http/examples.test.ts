import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type * as z from 'zod/mini'
import type { Scope } from '../../shared/http/caller.ts'
import { descriptions } from '../../shared/http/openapi/descriptions.ts'
import { type Example, examples, storyBegins } from '../../shared/http/openapi/examples.ts'
import {
  gatewayMessage,
  insufficientTokens,
  invalidRequest,
  otherProblem,
} from '../../shared/http/openapi/problem-schemas.ts'
import { type Route, routes, routesOf } from '../../shared/http/routes.ts'
import { type Answer, type LocalStack, signer, startLocalStack } from '../support/local-stack.ts'

/*
 * The examples in the API's description, played in their order against the whole local system, with every route
 * that a deployment may have. What an answer really says is what is printed; only a moment may be some seconds
 * later, and a request's id and a link to Stripe are known by their shape.
 */
let stack: LocalStack
let sign: ReturnType<typeof signer>
const folder = mkdtempSync(join(tmpdir(), 'token-top-up-examples-'))

beforeAll(async () => {
  // The seeded workspaces must be new when the story begins, so the clock is moved before they are there.
  const offsetMs = Date.parse(storyBegins) - Date.now()
  writeFileSync(join(folder, 'clock.json'), JSON.stringify({ offsetMs }))
  stack = await startLocalStack({ dataFolder: folder, servicesApart: true })
  sign = signer(folder, stack)
}, 60_000)
afterAll(async () => {
  await stack.stop()
  rmSync(folder, { recursive: true, force: true })
})

describe('an example in the description', () => {
  it.each(examples.map((example) => [titleOf(example), example] as const))(
    'is what really happens: %s',
    async (_title, example) => {
      if (example.name === 'paid') await payOrder(example)
      const { status, body } = await play(example)
      expect(status).toBe(example.status)
      const told = asPrinted(body, example.answer)
      if (example.abridged) expect(told).toMatchObject(example.answer)
      else expect(told).toEqual(example.answer)
    },
  )

  it.each(examples.map((example) => [titleOf(example), example] as const))(
    'has the shape that is described: %s',
    (_title, { of, body, status, answer }) => {
      const { body: bodySchema } = routes.find((route) => route.function === of)!
      // A request that is refused for its shape shows what not to send.
      if (body && status !== 400) expect(bodySchema!.safeParse(body).error).toBeUndefined()
      const schema: z.ZodMiniType = status < 300 ? descriptions[of].answer : problemSchema(answer)
      expect(schema.parse(answer)).toEqual(answer)
    },
  )
})

function titleOf({ of, summary, status }: Example): string {
  return `${of}: ${summary} (${status})`
}

function problemSchema(answer: object): z.ZodMiniType {
  if (!('code' in answer)) return gatewayMessage
  if (answer.code === 'invalid_request') return invalidRequest
  return answer.code === 'insufficient_tokens' ? insufficientTokens : otherProblem
}

async function play({ of, by, scope, path = {}, query, key, body }: Example): Promise<Answer> {
  const isFor = ({ who }: Route) =>
    who === 'anyone' || (by === 'service') === (who.roles === undefined)
  const routes = routesOf({ servicesApart: true })
  const route = routes.find((each) => each.function === of && isFor(each))!
  const filled = route.path.replace(/\{(\w+)\}/g, (_, name) => path[name]!)
  const sent = body && JSON.stringify(body)
  return stack.call({
    to: `${route.method} ${filled}?${new URLSearchParams(query)}`,
    as: personaOf(by, path.workspaceId, scope ?? scopeOf(route)),
    key,
    body: sent,
    ...(of === 'stripe-webhook' && { headers: { 'stripe-signature': sign(sent!) } }),
  })
}

const scopeOf = ({ who }: Route) => (who === 'anyone' ? undefined : who.scope)

/** Who there is on this machine to play it. */
function personaOf(by: Example['by'], workspaceId?: string, scope?: Scope): string | undefined {
  if (by === 'anyone') return undefined
  if (by !== 'service') return `${workspaceId === 'sprout' ? 'sprout' : 'acme'}-${by}`
  if (scope === 'tokens:grant') return 'rep'
  return scope === 'tokens:manage' ? 'host-app' : 'assistant'
}

/** As the buyer does between ordering and looking; how late the credit may be is tested elsewhere. */
async function payOrder({ path }: Example): Promise<void> {
  const look = () =>
    stack.call({ to: `GET /v1/workspaces/acme/purchases/${path!.purchaseId}`, as: 'acme-admin' })
  const { body } = await look()
  if (body.status === 'paid') return
  const session = body.checkoutUrl.split('/').at(-1)
  await stack.call({ to: `POST /local/stripe/checkout/${session}/pay` })
  await vi.waitFor(async () => expect((await look()).body.status).toBe('paid'), 10_000)
}

/** The real value, with the printed one in place of what is different each time and has its shape. */
function asPrinted(real: unknown, printed: unknown, name = ''): unknown {
  if (Array.isArray(real) && Array.isArray(printed)) {
    return real.map((each, at) => asPrinted(each, printed[at]))
  }
  if (isObject(real) && isObject(printed)) {
    return Object.fromEntries(
      Object.entries(real).map(([name, value]) => [name, asPrinted(value, printed[name], name)]),
    )
  }
  return typeof real === 'string' && typeof printed === 'string' && isAlike(real, printed, name)
    ? printed
    : real
}

function isAlike(real: string, printed: string, name: string): boolean {
  if (name === 'requestId') return real.length > 0
  if (/^https?:/.test(printed)) return URL.canParse(real)
  const minutesLater = (Date.parse(real) - Date.parse(printed)) / 60_000
  return real.endsWith('Z') && printed.endsWith('Z') && minutesLater >= 0 && minutesLater < 5
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
