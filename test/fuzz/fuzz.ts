import { randomUUID } from 'node:crypto'
import { Agent, type IncomingMessage, request } from 'node:http'
import fc from 'fast-check'
import { readBooks } from '../../audit/read.ts'
import { differencesIn } from '../../shared/domain/books.ts'
import { type PlanId, planIds } from '../../shared/domain/plan.ts'
import { isWorkspaceId } from '../../shared/domain/workspace-id.ts'
import {
  insufficientTokens,
  invalidRequest,
  otherProblem,
} from '../../shared/http/openapi/problem-schemas.ts'
import { problems } from '../../shared/http/problem.ts'
import type { Store } from '../../shared/store/dynamodb.ts'
import type { DynamoDbProxy, Write } from '../support/dynamodb-proxy.ts'
import type { LocalStack } from '../support/local-stack.ts'
import { type CallerName, callerNames, type Shot, shots } from './requests.ts'

export interface FuzzTarget {
  stack: LocalStack
  /** Between the functions and their tables, to see what is written. */
  dynamoDb: DynamoDbProxy
  store: Store
  /** Signs a webhook as Stripe would. */
  sign(payload: string): string
  moveClock(to: string): Promise<void>
}

export interface FuzzReport {
  requests: number
  statuses: Record<string, number>
  /** Answers of 2xx by route, and problem documents by code. */
  successes: Record<string, number>
  codes: Record<string, number>
  /** Months opened on the way. */
  rollovers: number
  /** What must never be, each with the request that did it. Nothing else should be looked at while there are any. */
  violations: string[]
}

/** Each lane has workspaces of its own, so that a write tells which request made it. */
const lanesMax = 8
const violationsMax = 20
const chunk = 500

/**
 * Sends generated requests to the whole running system, several at once, and holds every answer to what the
 * API promises: no 5xx, no write by what was refused but the opening of a month or the return of expired
 * holds, every error a problem document as documented. In the middle of it a month ends; at the end the
 * books of every workspace must add up. The same seed sends the same requests.
 */
export async function fuzz(
  target: FuzzTarget,
  { requests, seed }: { requests: number; seed: number },
): Promise<FuzzReport> {
  const { stack, dynamoDb, store } = target
  const report: FuzzReport = {
    requests: 0,
    statuses: {},
    successes: {},
    codes: {},
    rollovers: 0,
    violations: [],
  }
  const run = randomUUID().slice(0, 8)
  const agent = new Agent({ keepAlive: true, maxSockets: lanesMax })
  const routes = stack.deployment.routes.map(({ key }) => key)
  const lanes: Lane[] = []
  for (let at = 0; at < lanesMax; at++) lanes.push(await newLane(target, `fuzz-${run}-${at}`, at))
  const violated = (text: string) => {
    if (report.violations.length < violationsMax) report.violations.push(text)
  }
  const unwatch = dynamoDb.watch((write) => {
    const { workspaceId } = write
    // The reconciliation keeps its place by the real clock.
    if (workspaceId.startsWith('#stripe#')) return
    if (write.entryIds.some((id) => id.startsWith('reset#'))) report.rollovers++
    // A look at Stripe is counted beside the workspace and changes nothing of it.
    const about = workspaceId.replace(/^#looks#/, '')
    const by = lanes.find(({ inFlight }) => inFlight?.about === about)
    if (by && about === workspaceId) by.inFlight!.writes.push(write)
    else if (!by)
      violated(`a write to ${workspaceId} that no request was about: ${JSON.stringify(write)}`)
  })

  const work = async (lane: Lane, itsShots: Shot[]) => {
    for (const generated of itsShots) {
      if (report.violations.length >= violationsMax) return
      const shot = resolved(generated, lane, target)
      lane.inFlight = { about: aboutOf(shot), writes: [] }
      const answer = await send(agent, stack.url, shot)
      const { writes } = lane.inFlight
      lane.inFlight = undefined
      tally(report, routes, shot, answer, lane)
      for (const wrong of violationsOf(answer, writes)) {
        violated(`${wrong}\n${JSON.stringify(shot)}\n→ ${JSON.stringify(answer).slice(0, 2_000)}`)
      }
    }
  }
  try {
    const arbitrary = shots(routes)
    for (let sent = 0; sent < requests; sent += chunk) {
      const numRuns = Math.min(chunk, requests - sent)
      if (sent <= requests / 2 && sent + chunk > requests / 2)
        await target.moveClock('2026-08-01T00:00:00Z')
      // Tokens last an hour of the stack's clock.
      for (const lane of lanes) lane.tokens = await tokensFor(target, lane)
      const all = fc.sample(arbitrary, { seed: seed + sent, numRuns })
      // Dealt out beforehand: who sends what must not depend on which lane happens to be quicker.
      const its = (lane: Lane) => all.filter((_, at) => at % lanesMax === lane.at)
      await Promise.all(lanes.map((lane) => work(lane, its(lane))))
    }
    for (const { created } of lanes) {
      for (const workspaceId of created) {
        const books = await readBooks(store, workspaceId)
        const differences = typeof books === 'object' ? differencesIn(books) : [books]
        if (differences.length > 0) {
          violated(`the books of ${workspaceId} differ: ${JSON.stringify(differences)}`)
        }
      }
    }
  } finally {
    unwatch()
    agent.destroy()
  }
  return report
}

interface Lane {
  at: number
  workspaceId: string
  /** Every workspace its requests have made. */
  created: Set<string>
  /** The holds it has open, newest last, and its newest purchase. */
  holds: string[]
  purchaseId: string
  tokens: Record<CallerName, string>
  keys: number
  inFlight?: { about: string | undefined; writes: Write[] }
}

async function newLane(target: FuzzTarget, workspaceId: string, at: number): Promise<Lane> {
  const plan = planIds[at % planIds.length] as PlanId
  const { status } = await target.stack.call({
    to: `PUT /v1/workspaces/${workspaceId}`,
    as: 'host-app',
    key: 'create',
    body: plan === 'enterprise' ? { plan, quota: 3_000_000 } : { plan },
  })
  if (status !== 200) throw new Error(`${workspaceId} could not be created: ${status}`)
  return {
    at,
    workspaceId,
    created: new Set([workspaceId]),
    holds: [],
    purchaseId: 'pur_none',
    tokens: {} as Lane['tokens'],
    keys: 0,
  }
}

async function tokensFor({ stack }: FuzzTarget, { workspaceId }: Lane): Promise<Lane['tokens']> {
  const person = (role: string, claims: Record<string, unknown> = {}) =>
    stack.token('acme-admin', { claims: { workspace_id: workspaceId, role, ...claims } })
  const everyScope = 'tokens:read tokens:consume tokens:grant tokens:manage'
  const making: Record<CallerName, Promise<string>> = {
    nobody: Promise.resolve(''),
    // With `admin`, whoever may: what is wrong with a request is then all that stops it.
    'whoever may': stack.token('assistant', {
      claims: { workspace_id: workspaceId, scope: everyScope },
    }),
    admin: person('admin'),
    'admin-with-scopes': person('admin', { scope: everyScope }),
    member: person('member'),
    stranger: person('admin', { workspace_id: `${workspaceId}-x`, scope: everyScope }),
    assistant: stack.token('assistant'),
    rep: stack.token('rep'),
    'host-app': stack.token('host-app'),
    'id-token': person('admin', { nonce: 'n' }),
    expired: stack.token('acme-admin', {
      claims: { workspace_id: workspaceId, role: 'admin', scope: everyScope },
      expiresInSeconds: -10,
    }),
  }
  const tokens = await Promise.all(callerNames.map(async (name) => [name, await making[name]]))
  return Object.fromEntries(tokens)
}

interface Sent {
  method: string
  path: string
  headers: Record<string, string>
  body: string | undefined
}

/** The shot with everything filled in that depends on its lane. */
function resolved(shot: Shot, lane: Lane, { sign }: FuzzTarget): Sent {
  const { workspaceId, holds, purchaseId } = lane
  const fill = (text: string) =>
    text
      .replaceAll('{workspaceId}', workspaceId)
      .replaceAll('{holdId}', holds.at(-1) ?? 'hold_none')
      .replaceAll('{purchaseId}', purchaseId)
  const path = ownWorkspace(fill(shot.path), lane)
  const body = shot.body === undefined ? undefined : fill(shot.body)
  const headers: Record<string, string> = {}
  const forPeople = shot.caller === 'whoever may' && /\/(purchases|activity)\b/.test(path)
  const token = lane.tokens[forPeople ? 'admin' : shot.caller]
  if (token) headers.authorization = `Bearer ${onItsWay(token, shot.token)}`
  if (!('missing' in shot.key)) {
    headers['idempotency-key'] = 'fresh' in shot.key ? `k${++lane.keys}` : shot.key.sent
  }
  if (body !== undefined) headers['content-type'] = 'application/json'
  if (shot.signed && body !== undefined) headers['stripe-signature'] = sign(body)
  return { method: shot.method, path, headers: { ...headers, ...shot.headers }, body }
}

/** Two lanes must not meet in one workspace; only the first uses the ids that were generated as they are. */
function ownWorkspace(path: string, { at, workspaceId }: Lane): string {
  const id = workspaceIn(path)
  if (!isWorkspaceId(id) || id.startsWith(workspaceId) || at === 0) return path
  const own = encodeURIComponent(`${workspaceId}-${id}`.slice(0, 64))
  return path.replace(/^(\/v1\/workspaces\/)[^/?]*/, (_, start: string) => start + own)
}

/** The id in the path, as the gateway decodes it; undefined where it is none. */
function workspaceIn(path: string): string | undefined {
  const encoded = /^\/v1\/workspaces\/([^/?]*)/.exec(path)?.[1]
  try {
    return encoded && decodeURIComponent(encoded)
  } catch {
    return undefined
  }
}

function onItsWay(token: string, what: Shot['token']): string {
  if (what === 'cut') return token.slice(0, -5)
  if (what === 'whole') return token
  const at = Math.floor(token.length / 2)
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}

/** The workspace a request may write to, if any: the one it names. */
function aboutOf({ path, body }: Sent): string | undefined {
  if (path.startsWith('/v1/stripe/')) return /"workspaceId":"([^"]*)"/.exec(body ?? '')?.[1]
  return workspaceIn(path)
}

interface Answer {
  status: number
  headers: IncomingMessage['headers']
  body: string
}

function send(agent: Agent, url: string, { method, path, headers, body }: Sent): Promise<Answer> {
  const { hostname, port } = new URL(url)
  return new Promise((resolve, reject) => {
    const bytes = Buffer.from(body ?? '')
    const sending = request(
      {
        agent,
        host: hostname === 'localhost' ? '127.0.0.1' : hostname,
        port,
        method,
        // Spaces and control characters cannot be in a request line; all else goes as generated.
        path: path.replace(/[^\x21-\x7e]/g, encodeURIComponent),
        headers: {
          ...Object.fromEntries(
            Object.entries(headers).map(([name, value]) => [
              name,
              value.replace(/[^\x20-\xff]/g, '?'),
            ]),
          ),
          'content-length': bytes.length,
        },
      },
      (response) => {
        const chunks: Buffer[] = []
        response.on('data', (data: Buffer) => chunks.push(data))
        response.on('error', reject)
        response.on('end', () =>
          resolve({
            status: response.statusCode!,
            headers: response.headers,
            body: Buffer.concat(chunks).toString(),
          }),
        )
      },
    )
    sending.on('error', reject)
    sending.end(bytes)
  })
}

/** Counts the answer, and keeps the ids it tells of for later requests of the lane. */
function tally(report: FuzzReport, routes: string[], sent: Sent, answer: Answer, lane: Lane): void {
  const count = (counts: Record<string, number>, name: string) => {
    counts[name] = (counts[name] ?? 0) + 1
  }
  report.requests++
  count(report.statuses, String(answer.status))
  const body = parsed(answer.body)
  if (answer.status >= 300) {
    if (typeof body?.code === 'string') count(report.codes, body.code)
    return
  }
  const path = sent.path.replace(/\?.*/s, '')
  const route = routes.find((key) => matches(key, sent.method, path))
  if (route) count(report.successes, route)
  if (typeof body?.holdId === 'string') {
    const others = lane.holds.filter((holdId) => holdId !== body.holdId)
    lane.holds = path.endsWith('/holds') ? [...others, body.holdId] : others
  }
  if (typeof body?.purchaseId === 'string') lane.purchaseId = body.purchaseId
  if (sent.method === 'PUT' && answer.status === 200) lane.created.add(aboutOf(sent)!)
}

function matches(key: string, method: string, path: string): boolean {
  const [of, template] = key.split(' ') as [string, string]
  return of === method && new RegExp(`^${template.replace(/\{\w+\}/g, '[^/]+')}$`).test(path)
}

function violationsOf(answer: Answer, writes: Write[]): string[] {
  const { status, headers } = answer
  if (status >= 500) return [`answered ${status}`]
  if (status < 400) return []
  const wrong: string[] = []
  const unasked = writes.filter((write) => !isHousekeeping(write))
  if (unasked.length > 0) wrong.push(`${status}, and yet it wrote ${JSON.stringify(unasked)}`)
  const body = parsed(answer.body)
  if (headers['content-type'] !== 'application/problem+json') {
    const isGateways = [400, 401, 403, 404, 413].includes(status)
    const isHead = answer.body === '' && headers['content-length'] !== '0'
    if (!isGateways || !(isHead || Object.keys(body ?? {}).join() === 'message')) {
      wrong.push(`${status} is neither a problem document nor the gateway’s`)
    }
    return wrong
  }
  const schema = { invalid_request: invalidRequest, insufficient_tokens: insufficientTokens }[
    String(body?.code)
  ]
  const { success } = (schema ?? otherProblem).safeParse(body)
  const documented = Object.entries(problems).find(([code]) => code === body?.code)?.[1]
  const [ofCode, title, detail] = documented ?? []
  const asDocumented =
    body?.type === `/docs/errors.md#${body?.code}` &&
    [body?.status, ofCode].every((each) => each === status) &&
    body?.title === title &&
    body?.detail === detail &&
    typeof body?.requestId === 'string' &&
    headers['cache-control'] === 'no-store'
  if (!success || !asDocumented) wrong.push(`${status} is not a problem document as documented`)
  return wrong
}

/** A month opened, expired holds returned, or the next look for such holds put off, which moves no token. */
function isHousekeeping({ operation, entryIds }: Write): boolean {
  const isPutOff = operation === 'UpdateItem' && entryIds.length === 0
  return isPutOff || entryIds.some((id) => /^(reset|expire)#/.test(id))
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
