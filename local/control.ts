import { readFile } from 'node:fs/promises'
import type { Run, Schedules } from './aws/schedules.ts'
import { type Clock, parseMoment } from './clock.ts'
import { message } from './http.ts'
import type { Identity, TokenChanges } from './identity/issuer.ts'

export interface ControlOptions {
  clock: Clock
  /** Who signs a persona's tokens. */
  identityOf: (persona: string) => Identity
  schedules: Pick<Schedules, 'runMonthly' | 'runRecurring'>
  tables: LocalTables
  stripe: LocalStripe
  /** Called when the clock has been moved, so that what is due by the new time happens. */
  clockMoved: () => Promise<void>
}

/** Where the data is, for programs that look at it past the API. */
export interface LocalTables {
  endpoint: string
  region: string
  workspacesTable: string
  ledgerTable: string
}

/**
 * How to reach the Stripe stand-in, whose key opens nothing else. Where Stripe's own test mode is used, nothing
 * is told: that key is somebody's.
 */
export type LocalStripe = { standIn: true; apiBase: string; apiKey: string } | { standIn: false }

/**
 * What exists on this machine only: signing in as a persona, moving the clock, running the schedules.
 * Undefined for a path that is none of these.
 */
export function openControl(options: ControlOptions) {
  const { clock, identityOf, schedules } = options
  const time = () => ({ now: clock.now().toISOString(), real: clock.isReal() })

  const routes: Record<string, (request: Request) => Promise<Response>> = {
    'GET /local': async () => text('text/plain', overview),
    // The problem documents' `type` leads here.
    'GET /docs/errors.md': async () =>
      text('text/markdown', await readFile(new URL('../docs/errors.md', import.meta.url), 'utf8')),

    async 'POST /local/token'(request) {
      const body = await readObject(request)
      if (typeof body?.persona !== 'string') {
        return message(400, 'Send {"persona": "acme-admin"}.')
      }
      const { claims, expiresInSeconds } = body as TokenChanges
      const identity = identityOf(body.persona)
      const token = await identity.token(body.persona, { claims, expiresInSeconds })
      if (token) return Response.json({ token })
      const { personas } = identity
      return Response.json(
        { message: `There is no persona ${body.persona}.`, personas },
        { status: 404 },
      )
    },

    'GET /local/tables': async () => Response.json(options.tables),

    'GET /local/stripe': async () => Response.json(options.stripe),

    'GET /local/clock': async () => Response.json(time()),

    async 'POST /local/clock'(request) {
      const body = await readObject(request)
      const toRealTime = body && Object.keys(body).length === 0
      const moment = parseMoment(body?.now)
      if (!toRealTime && !moment) {
        return message(400, 'Send {"now": "2026-08-01T00:00:00Z"}, or {} for real time.')
      }
      clock.set(moment)
      await options.clockMoved()
      return Response.json(time())
    },

    'POST /local/reset': async () => report(await schedules.runMonthly()),
    'POST /local/reconcile': async () => report(await schedules.runRecurring()),
  }

  return async function handle(request: Request): Promise<Response | undefined> {
    return routes[`${request.method} ${new URL(request.url).pathname}`]?.(request)
  }
}

const overview = `Token Top-up, on this machine

/                                    the assistant demo, and /usage the usage page
/v1/…                                the API
/local/api                           the same, to read and to try
POST /local/token {"persona":"acme-admin"}   an access token
GET  /local/clock                    the time all functions go by
POST /local/clock {"now":"2026-08-01T00:00:00Z"}   moves it; {} goes back to real time
POST /local/reset                    runs the monthly schedules for that time
POST /local/reconcile                runs the reconciliation with Stripe
GET  /local/tables                   where the tables are; npm run audit checks them
GET  /local/stripe                   where the Stripe stand-in is; npm run audit -- --stripe asks it
/local/stripe/…                      its controls
/local/identity/.well-known/openid-configuration   the issuer of the tokens
/docs/errors.md                      every error the API answers

docs/local.md tells the rest.
`

function report(runs: Run[]): Response {
  return Response.json({ runs }, { status: runs.some((run) => run.error) ? 500 : 200 })
}

/** Undefined for anything but a JSON object; no body at all stands for an empty one. */
async function readObject(request: Request): Promise<Record<string, unknown> | undefined> {
  try {
    const parsed: unknown = JSON.parse((await request.text()) || '{}')
    const isObject = typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)
    return isObject ? (parsed as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function text(type: string, body: string): Response {
  return new Response(body, { headers: { 'content-type': `${type}; charset=utf-8` } })
}
