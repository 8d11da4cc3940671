import { type OutageMode, outageModes } from './api.ts'
import { type Account, checkoutActions, type Outcome, paymentActions } from './state.ts'
import { type WebhookMode, webhookModes } from './webhooks.ts'

export interface ControlsOptions {
  account: Account
  setOutage: (mode: OutageMode) => void
  setWebhooks: (mode: WebhookMode) => void
}

const bodyCharactersMax = 16_000

/** The calls under `/local/stripe/` that move things along from a script, as a buyer or a bank would. */
export async function serveControls(
  options: ControlsOptions,
  path: string,
  request: Request,
): Promise<Response> {
  const [kind, id, actionName, ...rest] = path.slice('/local/stripe/'.length).split('/')
  if (request.method !== 'POST') return problem(405, 'Use POST.', { allow: 'POST' })
  const body = await readJson(request)
  if (typeof body === 'string') return problem(400, body)

  if (kind === 'outage' && id === undefined) {
    return setMode(body, outageModes, options.setOutage)
  }
  if (kind === 'webhooks' && id === undefined) {
    return setMode(body, webhookModes, options.setWebhooks)
  }
  if (id !== undefined && rest.length === 0) {
    const checkoutAction = checkoutActions.find((one) => one === actionName)
    if (kind === 'checkout' && checkoutAction) {
      return outcomeResponse(options.account.checkout(id, checkoutAction))
    }
    const paymentAction = paymentActions.find((one) => one === actionName)
    if (kind === 'payments' && paymentAction) {
      const { amount } = body
      if (amount !== undefined && !isAmount(amount)) {
        return problem(400, 'amount must be a whole number of minor units (cents) above zero.')
      }
      return outcomeResponse(options.account.payment(id, paymentAction, amount))
    }
  }
  return problem(
    404,
    `Unknown. There are checkout/{session}/{${checkoutActions.join('|')}}, payments/{paymentIntent}/{${paymentActions.join('|')}}, outage and webhooks.`,
  )
}

function setMode<const Mode extends string>(
  body: Record<string, unknown>,
  modes: readonly Mode[],
  set: (mode: Mode) => void,
): Response {
  const mode = modes.find((one) => one === body.mode)
  if (!mode) return problem(400, `mode must be one of ${modes.join(', ')}.`)
  set(mode)
  return Response.json({ mode })
}

function outcomeResponse(outcome: Outcome): Response {
  if (outcome.refused === undefined) return Response.json(outcome)
  return problem({ unknown: 404, conflict: 409 }[outcome.refused], outcome.message)
}

function isAmount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) > 0
}

/** The JSON object of the body, an empty one when there is no body, or what is wrong with it. */
async function readJson(request: Request): Promise<Record<string, unknown> | string> {
  const text = await request.text()
  if (text.trim() === '') return {}
  if (text.length > bodyCharactersMax) return 'The body is too large.'
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>
    }
  } catch {
    // Told below, like any other body that is not an object.
  }
  return 'The body must be a JSON object.'
}

function problem(status: number, message: string, headers: Record<string, string> = {}): Response {
  return Response.json({ message }, { status, headers })
}
