import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openApiDocument } from '../../shared/http/openapi.ts'
import { openPage, openSite, type Site } from './site.ts'

let site: Site
beforeAll(async () => {
  site = await openSite()
})
afterAll(() => site?.stop())

/** The page, and what went wrong in it or was asked of anywhere else. */
async function openApiPage() {
  const page = await openPage(site, { viewport: { width: 360, height: 800 } })
  const strange: string[] = []
  page.on('pageerror', (error) => strange.push(error.message))
  // The browser tells of what the page's policy forbids in this way.
  page.on('console', (said) => said.type() === 'error' && strange.push(said.text()))
  page.on('request', (request) => {
    const { origin, protocol } = new URL(request.url())
    if (origin !== site.url && protocol !== 'data:') strange.push(request.url())
  })
  await page.goto(`${site.url}/local/api`)
  await page.locator('.opblock').first().waitFor()
  return { page, strange }
}

async function execute(page: Page, operation: string): Promise<string> {
  const block = page.locator(`#operations-${operation}`)
  await block.locator('.opblock-summary-control').click()
  await block.locator('.try-out__btn').click()
  await block.locator('.execute').click()
  return block.locator('.live-responses-table').innerText()
}

describe('the page of the API', () => {
  it('shows every call there is, without asking anybody but this machine', async () => {
    const { page, strange } = await openApiPage()
    const calls = Object.entries(openApiDocument().paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    )
    const shown = await page.locator('.opblock-summary-control').evaluateAll((controls) =>
      controls.map((control) => {
        const text = (part: string) => control.querySelector(part)?.textContent ?? ''
        return `${text('.opblock-summary-method')} ${text('[data-path]').replaceAll('\u200b', '')}`
      }),
    )
    expect(shown.sort()).toEqual(calls.sort())
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(360)
    expect(strange).toEqual([])
    await page.context().close()
  })

  it('tries the examples as whom one says, or with a token that was pasted', async () => {
    const { page, strange } = await openApiPage()
    await page.getByLabel('Call as').selectOption('assistant')
    await page.getByText('Signed in').waitFor()
    expect(await execute(page, 'use-consume')).toContain('"taken": 1200')
    expect(strange).toEqual([])

    await page.getByLabel('Call as').selectOption('nobody')
    await page.locator('.btn.authorize').click()
    await page
      .locator('.auth-container input')
      .fill((await site.stack.identity.token('acme-member'))!)
    await page.locator('.auth-btn-wrapper .authorize').click()
    await page.locator('.btn-done').click()
    expect(await execute(page, 'meter-meter')).toContain('[1,200/2,000,000 used]')
    await page.context().close()
  })
})
