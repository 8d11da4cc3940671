import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createStripeApi } from './api.ts'
import { serveControls } from './controls.ts'
import { DataFile, readDataFile } from './data-file.ts'
import { type KeptAnswer, KeptAnswers } from './kept-answers.ts'
import { serveCheckoutPage } from './pages.ts'
import { Account, type AccountSnapshot } from './state.ts'
import { noTrouble } from './trouble.ts'
import { type Delivery, Webhooks } from './webhooks.ts'

export interface StripeStandInOptions {
  /** The local clock: dates objects, ends sessions and signs webhooks. */
  now: () => Date
  /** Where people reach this machine; checkout pages are at `${publicUrl}/local/checkout/{sessionId}`. */
  publicUrl: string
  /** Where events are delivered. */
  webhookUrl: string
  /** The only key the API accepts. A live one makes everything live; there is no money in it either way. */
  apiKey: string
  webhookSecret: string
  /** A JSON file that keeps the account across restarts. Without one it lives in memory. */
  dataFile?: string
  log?: (line: string) => void
}

export interface StripeStandIn {
  /** The API's own address. It has its own port because the service's API also lives under `/v1`. */
  apiBase: string
  /** Serves the control calls and the checkout pages; `undefined` for a path that is neither. */
  handle(request: Request): Promise<Response | undefined>
  /** Something time-driven may have happened: call it after the clock was moved. */
  tick(): Promise<void>
  /** Waits until no delivery is under way or due within a second. */
  idle(): Promise<void>
  stop(): Promise<void>
}

/** How often sessions are looked at while nobody calls; a call always looks first. */
const expiryCheckMs = 10_000

interface Saved {
  version: 2
  account: AccountSnapshot
  answers: KeptAnswer[]
  deliveries: Delivery[]
}

/** A Stripe account on this machine: its API, its checkout page, and its webhooks. No money moves. */
export async function startStripeStandIn(options: StripeStandInOptions): Promise<StripeStandIn> {
  const log = options.log ?? (() => undefined)
  const saved = options.dataFile === undefined ? undefined : await readSaved(options.dataFile)
  const trouble = noTrouble()

  const account = new Account({
    now: options.now,
    livemode: /^[rs]k_live_/.test(options.apiKey),
    publicUrl: options.publicUrl,
    onEvent: (event) => webhooks.send(event),
    saved: saved?.account,
  })
  const answers = new KeptAnswers(() => account.now(), saved?.answers)
  const webhooks = new Webhooks({
    url: options.webhookUrl,
    secret: options.webhookSecret,
    now: options.now,
    eventOf: (id) => account.events.get(id),
    onChange: () => saveLater(),
    log,
    saved: saved?.deliveries,
  })
  const file =
    options.dataFile === undefined
      ? undefined
      : new DataFile<Saved>(options.dataFile, () => ({
          version: 2,
          account: account.snapshot(),
          answers: answers.snapshot(),
          deliveries: webhooks.snapshot(),
        }))
  const save = async () => file?.save()
  const saveLater = () => {
    save().catch((error: unknown) => log(`stripe stand-in: not saved: ${error}`))
  }
  const tick = async () => {
    account.expireDue()
    await save()
  }

  const server = createStripeApi({
    account,
    answers,
    apiKey: options.apiKey,
    trouble,
    save,
    log,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const expiryCheck = setInterval(() => {
    account.expireDue()
    saveLater()
  }, expiryCheckMs).unref()
  await tick()

  return {
    apiBase: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async handle(request) {
      const path = new URL(request.url).pathname
      const response = await respond(path, request)
      if (response) await save()
      return response
    },
    tick,
    idle: () => webhooks.idle(),
    async stop() {
      clearInterval(expiryCheck)
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await Promise.all([closed, webhooks.stop()])
      await save()
    },
  }

  async function respond(path: string, request: Request): Promise<Response | undefined> {
    const page = path.match(/^\/local\/checkout\/([^/]+)$/)
    if (page) return serveCheckoutPage(account, page[1]!, request)
    if (!path.startsWith('/local/stripe/')) return undefined
    const setWebhooks = webhooks.setMode.bind(webhooks)
    return serveControls({ account, trouble, setWebhooks }, path, request)
  }
}

async function readSaved(path: string): Promise<Saved | undefined> {
  const saved = (await readDataFile(path)) as Saved | undefined
  if (saved !== undefined && saved?.version !== 2) {
    throw new Error(`${path} was written by another version: delete it to start anew`)
  }
  return saved
}
