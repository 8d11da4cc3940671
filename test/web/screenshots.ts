import { mkdirSync, statSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Page } from 'playwright-core'
import { openMeter, openPage, openSite, payBy, type Site, tokenFor } from './site.ts'
import { createYear } from './year.ts'

/** `npm run screenshots`: the pictures of docs/images, of the real pages on the real local system. */

const folder = fileURLToPath(new URL('../../docs/images/', import.meta.url))
const bytesMax = 100 * 1024

mkdirSync(folder, { recursive: true })
const site = await openSite()
try {
  const workspace = await createYear(site)
  await assistant(site)
  await usagePage(site, workspace)
} finally {
  await site.stop()
}

/** The demo: the meter open, the dialog, the tokens added; and the meter once more, narrow and dark. */
async function assistant(site: Site): Promise<void> {
  const page = await openPage(site, { viewport: { width: 1000, height: 620 } })
  await page.goto(`${site.url}/`)
  await page.selectOption('#size', '1000000')
  for (let messages = 0; messages < 2; messages++) await page.click('#composer button')
  await page.locator('.assistant small').nth(1).waitFor()
  await openMeter(page)
  await page.locator('token-meter [part=level]').waitFor()
  await take(page, 'meter')
  await page.locator('token-meter [part=purchase]').click()
  await page.locator('[part=preset]').nth(1).click()
  await take(page, 'purchase')
  await page.locator('[part=confirm]').click()
  await payBy(page, 'pay')
  await page.locator('[data-outcome=credited]').waitFor()
  await take(page, 'credited')
  await page.keyboard.press('Escape')
  await page.emulateMedia({ colorScheme: 'dark' })
  await page.setViewportSize({ width: 320, height: 640 })
  await openMeter(page)
  await take(page, 'meter-dark-narrow')
  await page.context().close()
}

async function usagePage(site: Site, workspace: string): Promise<void> {
  const page = await openPage(site, { viewport: { width: 1000, height: 1000 } })
  await page.route('**/local/identity/token', async (route) =>
    route.fulfill({
      json: {
        access_token: await tokenFor(site, workspace, 'admin'),
        token_type: 'Bearer',
        expires_in: 600,
      },
    }),
  )
  await page.goto(`${site.url}/usage`)
  await page.getByRole('link', { name: 'Sign in' }).click()
  await page.getByRole('link', { name: 'acme-admin' }).click()
  await page.locator('token-usage [part=months]').waitFor()
  await take(page, 'usage')
  await page.context().close()
}

async function take(page: Page, name: string): Promise<void> {
  const path = `${folder}${name}.png`
  await page.screenshot({ path })
  const { size } = statSync(path)
  if (size > bytesMax)
    throw new Error(`${name}.png has ${size} bytes; at most ${bytesMax} are kept`)
  console.log(`docs/images/${name}.png: ${Math.round(size / 1024)} KB`)
}
