import { randomUUID } from 'node:crypto'
import type { Browser, BrowserContextOptions, Page } from 'playwright-core'
import { type Stack, startStack } from '../../local/stack.ts'
import type { PlanId } from '../../shared/catalog.ts'
import { securityHeaders } from '../../web/site.ts'
import { launchBrowser } from './browser.ts'

export interface Site {
  url: string
  stack: Stack
  browser: Browser
  stop(): Promise<void>
}

/** The whole local system, in memory and on a free port, and a browser to look at it with. */
export async function openSite(): Promise<Site> {
  const [stack, browser] = await Promise.all([startStack(), launchBrowser()])
  return {
    url: stack.url,
    stack,
    browser,
    async stop() {
      await browser.close()
      await stack.stop()
    },
  }
}

/** A page of its own, with nothing stored. What goes wrong in it unnoticed fails the test that looks. */
export async function openPage(site: Site, options: BrowserContextOptions = {}) {
  const context = await site.browser.newContext({
    locale: 'en-US',
    timezoneId: 'UTC',
    reducedMotion: 'reduce',
    ...options,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  return page
}

/** A fresh workspace, and how much of its tokens are used already. */
export async function createWorkspace(
  { stack }: Site,
  {
    id = `w-${randomUUID()}`,
    plan = 'pro',
    quota,
    use = 0,
  }: { id?: string; plan?: PlanId; quota?: number; use?: number } = {},
): Promise<string> {
  await callService(stack, 'host-app', 'PUT', `/v1/workspaces/${id}`, { plan, quota })
  if (use > 0) await consume(stack, id, use)
  return id
}

export async function consume(stack: Stack, workspace: string, tokens: number): Promise<void> {
  await callService(stack, 'assistant', 'POST', `/v1/workspaces/${workspace}/consume`, { tokens })
}

export async function grant(stack: Stack, workspace: string, tokens: number): Promise<void> {
  const body = { tokens, reason: 'to begin with' }
  await callService(stack, 'rep', 'POST', `/v1/workspaces/${workspace}/grants`, body)
}

export async function callService(
  stack: Stack,
  persona: string,
  method: string,
  path: string,
  body?: object,
): Promise<unknown> {
  const response = await fetch(`${stack.url}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${await stack.identity.token(persona)}`,
      'idempotency-key': randomUUID(),
      'content-type': 'application/json',
    },
    ...(body && { body: JSON.stringify(body) }),
  })
  if (!response.ok)
    throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`)
  return response.json()
}

export type Role = 'admin' | 'member'

export function tokenFor({ stack }: Site, workspace: string, role: Role, expiresInSeconds = 600) {
  const claims = { workspace_id: workspace, role }
  return stack.identity.token('acme-member', { claims, expiresInSeconds })
}

export interface HostPage {
  workspace: string
  role?: Role
  /** Attributes beside `workspace`. */
  attributes?: string
  element?: 'token-meter' | 'token-usage'
  /** What stands inside the element. */
  content?: string
  /** Rules of the page's own. */
  css?: string
  lang?: string
  dir?: 'ltr' | 'rtl'
  /** In place of a good token. */
  getToken?: (wish?: { refresh: boolean }) => Promise<string | undefined>
}

/**
 * A page that embeds an element as its host would, under the strict policy of our own pages and on the same
 * origin. It collects the element's events in `window.events`.
 */
export async function openHost(site: Site, page: Page, host: HostPage): Promise<void> {
  const { workspace, role = 'admin', attributes = '', element = 'token-meter' } = host
  const { content = '', css = '' } = host
  const getToken = host.getToken ?? (() => tokenFor(site, workspace, role))
  await page.exposeFunction('askForToken', getToken)
  const headers = { ...securityHeaders([]), 'content-type': 'text/html' }
  const body = `<!doctype html><html lang="${host.lang ?? 'en'}" dir="${host.dir ?? 'ltr'}"><head>
    <title>Host</title><meta name="color-scheme" content="light dark"><meta name="viewport" content="width=device-width">
    <link rel="stylesheet" href="/host.css"><script type="module" src="/${element}.js"></script><script type="module" src="/host.js"></script></head>
    <body><main><h1>Host</h1><${element} workspace="${workspace}" ${attributes}>${content}</${element}><p>Below</p></main></body></html>`
  await page.route(/\/host(\?.*)?$/, (route) => route.fulfill({ headers, body }))
  await page.route('**/host.js', (route) =>
    route.fulfill({ headers: { 'content-type': 'text/javascript' }, body: hostScript }),
  )
  await page.route('**/host.css', (route) =>
    route.fulfill({
      headers: { 'content-type': 'text/css' },
      body: `body { background: Canvas; color: CanvasText } ${css}`,
    }),
  )
  await page.goto(`${site.url}/host`)
}

const hostScript = `
  window.events = []
  window.policyBreaches = []
  addEventListener('securitypolicyviolation', ({ violatedDirective }) => policyBreaches.push(violatedDirective))
  for (const type of ['token-meter-change', 'token-purchase']) {
    addEventListener(type, ({ detail }) => events.push({ type, ...detail }))
  }
  document.querySelector('token-meter, token-usage').getToken = (wish) => askForToken(wish)
`

/** The meter on the page, opened. */
export async function openMeter(page: Page): Promise<void> {
  await page.locator('token-meter [part=trigger]').click()
  await page.locator('token-meter [part=panel]').waitFor()
}

export async function startPurchase(page: Page): Promise<void> {
  await openMeter(page)
  await page.locator('token-meter [part=purchase]').click()
  await page.locator('[part=dialog]').waitFor()
}

/** On the checkout page: fills in the billing details, and does what the button says. */
export async function payBy(page: Page, action: 'pay' | 'decline' | 'pay-later'): Promise<void> {
  await page.waitForURL('**/local/checkout/**')
  const details = {
    name: 'Ada Lovelace',
    email: 'ada@example.com',
    line1: '1 Example Road',
    city: 'Example',
    postal_code: '12345',
  }
  for (const [field, value] of Object.entries(details)) await page.fill(`#${field}`, value)
  await page.click(`button[value=${action}]`)
}

/** Back from checkout. What is routed for a test is not for redirects, so the page is asked for once more. */
export async function comeBack(page: Page): Promise<void> {
  await page.waitForURL('**/host?*')
  await page.reload()
}
