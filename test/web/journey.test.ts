import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, expectSound } from './expectations.ts'
import { openPage, openSite, payBy, type Site } from './site.ts'

let site: Site
beforeAll(async () => {
  site = await openSite()
})
afterAll(() => site?.stop())

describe('an admin on Pro', () => {
  it('uses all tokens, buys more, sees them added, and keeps them next month', async () => {
    const page = await openPage(site)
    await page.goto(`${site.url}/?persona=acme-admin`)
    const meter = page.locator('token-meter')
    const figure = meter.locator('[part=text]')
    const send = async (tokens: string) => {
      await page.selectOption('#size', tokens)
      await page.click('#composer button')
      await page.waitForFunction(() => !document.body.textContent?.includes('Thinking…'))
    }

    await send('1000000')
    await send('1000000')
    await send('250000')
    await eventually(() => page.locator('.assistant').last().textContent()).toContain('0 are left')

    await meter.locator('[part=trigger]').hover()
    await eventually(() => figure.textContent()).toBe('2,000,000/2,000,000 used')
    expect(await meter.locator('[part=level]').textContent()).toContain('Out of tokens')
    await expectSound(page)
    await page.setViewportSize({ width: 1280, height: 720 })

    await meter.locator('[part=trigger]').hover()
    await meter.locator('[part=purchase]').click()
    expect(await page.locator('[part=price]').textContent()).toBe('$2.50')
    await expectSound(page)
    await page.locator('[part=confirm]').click()
    await payBy(page, 'pay')

    const outcome = page.locator('[data-outcome=credited]')
    await outcome.waitFor()
    expect(await outcome.textContent()).toContain('1,000,000 tokens added')
    expect(await outcome.textContent()).toContain('2,000,000/3,000,000 used')
    await expectSound(page)
    await page.keyboard.press('Escape')
    await eventually(() => page.url()).toBe(`${site.url}/?persona=acme-admin`)

    await send('250000')
    await eventually(() => page.locator('.assistant').last().textContent()).toContain('Done')
    await page.setViewportSize({ width: 1280, height: 720 })
    await page.click('#next-month')
    await page.locator('#real-time').waitFor()
    await meter.locator('[part=trigger]').hover()
    await eventually(() => figure.textContent()).toBe('0/2,750,000 used')

    await page.mouse.move(1_000, 300)
    await meter.locator('[part=panel]').waitFor({ state: 'hidden' })
    await page.click('nav a[href="#usage"]')
    await eventually(() => page.locator('token-usage section').textContent()).toContain(
      'Month by month',
    )
    expect(await page.locator('token-usage [part=activity]').textContent()).toContain('New month')
    await expectSound(page)
    await page.setViewportSize({ width: 1280, height: 720 })
    await page.click('#real-time')
    await page.locator('#real-time').waitFor({ state: 'hidden' })
    await page.context().close()
  })

  it('does it all by keyboard', async () => {
    const page = await openPage(site)
    await page.goto(`${site.url}/?persona=crew-admin`)
    const panel = page.locator('token-meter [part=panel]')
    const focused = () =>
      page.evaluate(() => {
        let at = document.activeElement
        while (at?.shadowRoot?.activeElement) at = at.shadowRoot.activeElement
        return at?.ariaLabel || at?.textContent?.trim() || at?.id
      })
    await page.waitForFunction(() =>
      document.querySelector('token-meter')?.shadowRoot?.querySelector('[data-level=calm]'),
    )

    await page.keyboard.press('Tab')
    await panel.waitFor()
    await page.keyboard.press('Escape')
    await panel.waitFor({ state: 'hidden' })
    expect(await focused()).toBe('Tokens: 0/10,000,000 used')

    await page.keyboard.press('Enter')
    await panel.waitFor()
    await page.keyboard.press('Tab')
    await eventually(focused).toBe('Purchase Tokens')
    await page.keyboard.press('Enter')
    await eventually(focused).toBe('amount')
    await page.keyboard.type('3000000')
    await page.keyboard.press('Enter')
    await page.waitForURL('**/local/checkout/**')
    for (const value of ['Ada', 'ada@example.com', '1 Road', '', 'Town', '', '12345', 'D', '']) {
      await page.keyboard.press('Tab')
      await page.keyboard.type(value)
    }
    await page.keyboard.press('Enter')
    await page.locator('[data-outcome=credited]').waitFor()
    expect(await page.locator('[data-outcome=credited]').textContent()).toContain('3,000,000')
    await eventually(focused).toBe('Done')
    await page.keyboard.press('Enter')
    await page.locator('[part=dialog]').waitFor({ state: 'hidden' })
    await page.context().close()
  })
})

describe('the usage page as deployed', () => {
  it('signs in at the issuer, shows usage and exports it, and signs out', async () => {
    const page = await openPage(site)
    await page.goto(`${site.url}/usage`)
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.getByRole('link', { name: 'acme-admin' }).click()
    await eventually(() => page.locator('token-usage section').textContent()).toContain(
      'tokens used',
    )
    expect(page.url()).toBe(`${site.url}/usage`)
    await expectSound(page)

    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('token-usage [part=export]').click(),
    ])
    const csv = (await (await download.createReadStream()).toArray()).join('')
    expect(csv).toMatch(
      /^date,used,from_quota,from_purchased\r\n(\d{4}-\d\d-\d\d,\d+,\d+,\d+\r\n)+$/,
    )

    const usage = page.locator('token-usage')
    await usage.getByRole('button', { name: 'Earlier month' }).click()
    await usage.getByRole('button', { name: 'Table' }).click()
    await page.locator('token-usage [part=table]').waitFor()
    await expectSound(page)

    await page.click('#sign-out')
    await page.getByRole('link', { name: 'Sign in' }).waitFor()
    await page.context().close()
  })

  it('asks a buyer whose session has ended to sign in, and then tells how the purchase went', async () => {
    const page = await openPage(site)
    await page.goto(`${site.url}/usage`)
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.getByRole('link', { name: 'crew-admin' }).click()
    await page.locator('token-meter [part=trigger]').click()
    await page.locator('token-meter [part=purchase]').click()
    await page.locator('[part=confirm]').click()
    await page.waitForURL('**/local/checkout/**')
    await page.evaluate(() => sessionStorage.clear())
    await payBy(page, 'pay')
    await page.getByRole('link', { name: 'Sign in' }).click()
    await page.getByRole('link', { name: 'crew-admin' }).click()
    await page.locator('[data-outcome=credited]').waitFor()
    await page.context().close()
  })

  it('says so when signing in fails, and lets the visitor try again', async () => {
    const page = await openPage(site)
    await page.route('**/local/identity/token', (route) => route.fulfill({ status: 500 }))
    await page.goto(`${site.url}/usage?sign-in`)
    await page.getByRole('link', { name: 'acme-member' }).click()
    await eventually(() => page.locator('#reason').textContent()).toContain('did not work')
    await page.getByRole('link', { name: 'Sign in' }).waitFor()
    await page.context().close()
  })
})
