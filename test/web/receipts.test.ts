import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, expectSound } from './expectations.ts'
import {
  comeBack,
  createWorkspace,
  openHost,
  openPage,
  openSite,
  payBy,
  type Site,
  startPurchase,
} from './site.ts'

let site: Site
beforeAll(async () => {
  site = await openSite()
})
afterAll(() => site?.stop())

/** The dialog after a purchase, or the usage page that lists it, for an admin who has just paid. */
async function openPaid(where: 'dialog' | 'usage page') {
  const workspace = await createWorkspace(site)
  const page = await openPage(site)
  await openHost(site, page, { workspace })
  await startPurchase(page)
  await page.locator('[part=confirm]').click()
  await payBy(page, 'pay')
  await comeBack(page)
  await page.locator('[data-outcome=credited]').waitFor()
  if (where === 'dialog') return { page, workspace, close: () => page.context().close() }
  const usage = await openPage(site)
  await openHost(site, usage, { workspace, element: 'token-usage' })
  await page.context().close()
  return { page: usage, workspace, close: () => usage.context().close() }
}

const button = (page: Page) => page.locator('[part=receipt]')
const message = (page: Page) => page.locator('.receipt + .said')
const documentsRoute = '**/v1/workspaces/*/purchases/*/documents'

describe.each(['dialog', 'usage page'] as const)('in the %s, a receipt', (where) => {
  it('opens in a tab of its own, that cannot reach back, by a link made for this press', async () => {
    const { page, close } = await openPaid(where)
    await eventually(() => button(page).count()).toBe(1)
    expect(await button(page).textContent()).toContain('View receipt')
    await expectSound(page)
    const addresses = new Set<string>()
    for (let press = 1; press <= 2; press++) {
      const opened = page.waitForEvent('popup')
      await button(page).click()
      const tab = await opened
      await tab.waitForURL('**/local/checkout/**')
      addresses.add(tab.url())
      expect(await tab.evaluate(() => globalThis.opener)).toBeNull()
      await tab.close()
    }
    expect(addresses.size).toBe(2)
    await eventually(() => button(page).textContent()).toContain('View receipt')
    expect(await message(page).textContent()).toBe('')
    await close()
  })

  it('is a link where the browser opens no tab', async () => {
    const { page, close } = await openPaid(where)
    await page.evaluate(() => {
      globalThis.open = () => null
    })
    await button(page).click()
    const link = page.getByRole('link', { name: 'open the receipt here' })
    await link.waitFor()
    expect(await link.getAttribute('rel')).toContain('noopener')
    await expectSound(page)
    const opened = page.waitForEvent('popup')
    await link.click()
    await (await opened).waitForURL('**/local/checkout/**')
    await close()
  })

  it('that cannot be had is told in words, and the empty tab is gone', async () => {
    const { page, close } = await openPaid(where)
    const answers = [
      [200, {}, 'There is no receipt for this order.'],
      [200, { receiptUrl: 'javascript:alert(1)' }, 'The receipt cannot be reached right now'],
      [403, { code: 'admin_required' }, 'The receipt cannot be reached right now'],
      [401, {}, 'You are signed out'],
      [503, { code: 'unavailable' }, 'The receipt cannot be reached right now'],
    ] as const
    for (const [status, json, words] of answers) {
      await page.route(documentsRoute, (route) =>
        route.fulfill({ status, json, headers: { 'retry-after': '0' } }),
      )
      await button(page).click()
      await eventually(() => message(page).textContent()).toContain(words)
      expect(await message(page).getAttribute('role')).toBe('alert')
      await eventually(() => page.context().pages().length).toBe(1)
    }
    await page.unroute(documentsRoute)
    await page.context().setOffline(true)
    await button(page).click()
    await eventually(() => message(page).textContent()).toContain('You are offline')
    await page.context().setOffline(false)
    await expectSound(page)
    await close()
  })
})

describe('a receipt', () => {
  it('is asked for once, however often the button is pressed, and again after the time it is told', async () => {
    const { page, close } = await openPaid('usage page')
    let asked = 0
    await page.route(documentsRoute, async (route) => {
      asked += 1
      if (asked > 1) return route.fallback()
      const json = { code: 'too_many_looks', status: 429 }
      return route.fulfill({ status: 429, json, headers: { 'retry-after': '1' } })
    })
    const opened = page.waitForEvent('popup')
    await button(page).click()
    const tab = await opened
    expect(await button(page).getAttribute('aria-disabled')).toBe('true')
    expect(await tab.title()).toBe('Opening receipt…')
    await button(page).click({ force: true })
    await tab.waitForURL('**/local/checkout/**')
    expect(asked).toBe(2)
    expect(page.context().pages()).toHaveLength(2)
    await close()
  })

  it('is opened by keyboard, and each button says which order it is about', async () => {
    const { page, close } = await openPaid('usage page')
    await page.getByRole('button', { name: 'View receipt' }).focus()
    const opened = page.waitForEvent('popup')
    await page.keyboard.press('Enter')
    await (await opened).waitForURL('**/local/checkout/**')
    const described = await button(page).evaluate((node) => {
      const id = node.getAttribute('aria-describedby')!
      return (node.getRootNode() as ShadowRoot).getElementById(id)?.textContent
    })
    expect(described).toBe('Order of 1,000,000 tokens for $2.50: paid')
    await close()
  })

  it('is offered for no order that was not paid, and to no member', async () => {
    const workspace = await createWorkspace(site)
    const page = await openPage(site)
    await openHost(site, page, { workspace })
    await startPurchase(page)
    await page.locator('[part=confirm]').click()
    await payBy(page, 'decline')
    for (const role of ['admin', 'member'] as const) {
      const usage = await openPage(site)
      await openHost(site, usage, { workspace, element: 'token-usage', role })
      await usage.locator('token-usage [part=title]').waitFor()
      expect(await button(usage).count()).toBe(0)
      await usage.context().close()
    }
    await page.context().close()
  })
})
