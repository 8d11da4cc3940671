import { type Account, checkoutActions, type Outcome, paymentActions } from './state.ts'
import type { Wanted } from './taking-back.ts'
import { outageModes, type Trouble } from './trouble.ts'
import { type WebhookMode, webhookModes } from './webhooks.ts'

export interface ControlsOptions {
  account: Account
  trouble: Trouble
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

  const { account, trouble } = options
  if (id === undefined) {
    switch (kind) {
      case 'outage':
        return setMode(body, outageModes, (mode) => {
          trouble.outage = mode
        })
      case 'webhooks':
        return setMode(body, webhookModes, options.setWebhooks)
      case 'latency':
        return setLatency(trouble, body)
      case 'tax':
        return setTax(account, body)
    }
  }
  if (id !== undefined && actionName === undefined) {
    if (kind === 'failing') return setFailing(trouble, id, body)
    if (kind === 'promotion-codes') return addPromotionCode(account, id, body)
  }
  if (id !== undefined && rest.length === 0) {
    const checkoutAction = checkoutActions.find((one) => one === actionName)
    if (kind === 'checkout' && checkoutAction) {
      const { promotionCode } = body
      if (promotionCode !== undefined && typeof promotionCode !== 'string') {
        return problem(400, 'promotionCode must be text.')
      }
      return outcomeResponse(account.checkout(id, checkoutAction, { promotionCode }))
    }
    const paymentAction = paymentActions.find((one) => one === actionName)
    if (kind === 'payments' && paymentAction) {
      const wanted = readWanted(body)
      if (typeof wanted === 'string') return problem(400, wanted)
      return outcomeResponse(account.payment(id, paymentAction, wanted))
    }
  }
  return problem(
    404,
    `Unknown. There are checkout/{session}/{${checkoutActions.join('|')}}, payments/{paymentIntent}/{${paymentActions.join('|')}}, promotion-codes/{code}, failing/{id}, tax, latency, outage and webhooks.`,
  )
}

function setLatency(trouble: Trouble, { ms }: Record<string, unknown>): Response {
  if (!isWhole(ms, 0, 60_000)) return problem(400, 'ms must be a whole number up to 60,000.')
  trouble.latencyMs = ms
  return Response.json({ ms })
}

function setFailing(trouble: Trouble, id: string, { status }: Record<string, unknown>): Response {
  if (status === null) {
    trouble.failing.delete(id)
    return Response.json({ status })
  }
  if (!isWhole(status, 400, 599)) {
    return problem(400, 'status must be from 400 to 599, or null when the object is well again.')
  }
  trouble.failing.set(id, status)
  return Response.json({ status })
}

function setTax(
  account: Account,
  { percent, behavior, unasked = false }: Record<string, unknown>,
): Response {
  if (!isWhole(percent, 0, 100)) return problem(400, 'percent must be a whole number up to 100.')
  if (behavior !== 'exclusive' && behavior !== 'inclusive') {
    return problem(400, 'behavior must be exclusive or inclusive.')
  }
  if (typeof unasked !== 'boolean') return problem(400, 'unasked must be true or false.')
  account.tax = { percent, behavior, unasked }
  return Response.json(account.tax)
}

function addPromotionCode(
  account: Account,
  code: string,
  { percentOff }: Record<string, unknown>,
): Response {
  if (!isWhole(percentOff, 1, 100)) {
    return problem(400, 'percentOff must be a whole number from 1 to 100.')
  }
  account.promotionCodes.set(code, percentOff)
  return Response.json({ code, percentOff })
}

function readWanted({ amount, currency, status }: Record<string, unknown>): Wanted | string {
  if (amount !== undefined && !isWhole(amount, 1)) {
    return 'amount must be a whole number of minor units (cents) above zero.'
  }
  const isText = (value: unknown) => value === undefined || typeof value === 'string'
  if (!isText(currency) || !isText(status)) return 'currency and status must be text.'
  return { amount, currency, status } as Wanted
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

function isWhole(value: unknown, min: number, max = Number.MAX_SAFE_INTEGER): value is number {
  return Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max
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
