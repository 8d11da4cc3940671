import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, expectSound } from './expectations.ts'
import {
  comeBack,
  consume,
  createWorkspace,
  type HostPage,
  openHost,
  openMeter,
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

async function openShop(host: Partial<HostPage> = {}): Promise<{ page: Page; workspace: string }> {
  const page = await openPage(site)
  const workspace = host.workspace ?? (await createWorkspace(site, { use: 500_000 }))
  await openHost(site, page, { workspace, ...host })
  await startPurchase(page)
  return { page, workspace }
}

const confirm = (page: Page) => page.locator('[part=confirm]').click()
const outcome = (page: Page, name: string) => page.locator(`[data-outcome=${name}]`)

interface Purchase {
  purchaseId: string
  status: string
}

async function purchasesOf(workspace: string): Promise<Purchase[]> {
  const token = await site.stack.identity.token('acme-admin', {
    claims: { workspace_id: workspace },
  })
  const response = await fetch(`${site.url}/v1/workspaces/${workspace}/activity`, {
    headers: { authorization: `Bearer ${token}` },
  })
  const { entries } = (await response.json()) as { entries: ({ type: string } & Purchase)[] }
  return entries.filter(({ type }) => type === 'purchase')
}

async function sessionOf(page: Page): Promise<string> {
  await page.waitForURL('**/local/checkout/**')
  return new URL(page.url()).pathname.split('/').at(-1)!
}

describe('coming back from checkout', () => {
  it('without paying, after a declined card: no money moved, and the same checkout goes on', async () => {
    const { page, workspace } = await openShop()
    await confirm(page)
    await payBy(page, 'decline')
    await page.locator('.notice.bad').waitFor()
    const checkout = page.url()
    await page.click('button[value=cancel]')
    await comeBack(page)
    await outcome(page, 'cancelled').waitFor()
    expect(await outcome(page, 'cancelled').textContent()).toContain(
      'No money moved, even if a card was declined',
    )
    await expectSound(page)
    const resume = page.locator('[part=outcome] a.primary')
    expect(checkout).toContain(await resume.getAttribute('href'))

    await page.keyboard.press('Escape')
    await startPurchase(page)
    await confirm(page)
    await payBy(page, 'pay')
    await comeBack(page)
    await outcome(page, 'credited').waitFor()
    expect(await purchasesOf(workspace)).toHaveLength(1)
    await page.context().close()
  })

  it('with a payment that takes days: says so, and adds the tokens when the money comes', async () => {
    const { page, workspace } = await openShop()
    await confirm(page)
    const session = await sessionOf(page)
    await payBy(page, 'pay-later')
    await comeBack(page)
    await outcome(page, 'processing').waitFor()
    expect(await outcome(page, 'processing').textContent()).toContain('no need to pay again')
    await expectSound(page)
    await stripe(`checkout/${session}/settle`)
    await page.reload()
    await outcome(page, 'credited').waitFor()
    expect(await purchasesOf(workspace)).toMatchObject([{ status: 'paid' }])
    await page.context().close()
  })

  it('with a payment that the bank does not make: no money moved, and a new order may be made', async () => {
    const { page, workspace } = await openShop()
    await confirm(page)
    const session = await sessionOf(page)
    await payBy(page, 'pay-later')
    await comeBack(page)
    await outcome(page, 'processing').waitFor()
    await stripe(`checkout/${session}/fail`)
    await page.reload()
    await outcome(page, 'failed').waitFor()
    expect(await outcome(page, 'failed').textContent()).toContain('No money moved')
    await expectSound(page)
    await page.locator('[part=outcome] button.primary').click()
    await confirm(page)
    await payBy(page, 'pay')
    await comeBack(page)
    await outcome(page, 'credited').waitFor()
    expect(await purchasesOf(workspace)).toMatchObject([{ status: 'paid' }, { status: 'failed' }])
    await page.context().close()
  })

  it('past the promised minute: reassures with a reference, never asks to pay, and still adds the tokens', async () => {
    const { page } = await openShop()
    await page.clock.install()
    await confirm(page)
    await page.waitForURL('**/local/checkout/**')
    // As it would be while Stripe does not answer and its webhooks are late.
    await page.route('**/purchases/*', async (route) => {
      const response = await route.fetch()
      const purchase = (await response.json()) as object
      await route.fulfill({ response, json: { ...purchase, status: 'open' } })
    })
    await payBy(page, 'pay')
    await comeBack(page)
    await outcome(page, 'waiting').waitFor()
    expect(await outcome(page, 'waiting').textContent()).toContain('Payment received')
    await expectSound(page)
    await passTime(page, 70)
    await outcome(page, 'late').waitFor()
    const text = await outcome(page, 'late').textContent()
    expect(text).toContain('no need to pay again')
    expect(text).toMatch(/Reference\s+pur_/)
    expect(await page.locator('[part=outcome] .primary').allTextContents()).toEqual([
      expect.stringContaining('Close'),
    ])
    await expectSound(page)
    await page.unroute('**/purchases/*')
    await passTime(page, 30)
    await outcome(page, 'credited').waitFor()
    await page.context().close()
  })
})

/** Seconds go by at once, with a moment after every few for the answers that are on their way. */
async function passTime(page: Page, seconds: number): Promise<void> {
  for (let passed = 0; passed < seconds; passed += 5) {
    await page.clock.runFor(5_000)
    await new Promise((resolve) => setTimeout(resolve, 60))
  }
}

async function stripe(control: string, body: object = {}): Promise<Record<string, string>> {
  const response = await fetch(`${site.url}/local/stripe/${control}`, {
    method: 'POST',
    body: JSON.stringify(body),
  })
  if (!response.ok) throw new Error(await response.text())
  return (await response.json()) as Record<string, string>
}

describe('one order is bought once', () => {
  it('by a double click', async () => {
    const { page, workspace } = await openShop()
    await page.locator('[part=confirm]').dblclick()
    await payBy(page, 'pay')
    await comeBack(page)
    await outcome(page, 'credited').waitFor()
    expect(await purchasesOf(workspace)).toHaveLength(1)
    await page.context().close()
  })

  it('by two tabs that confirm at once, and by one that confirms after the other has paid', async () => {
    const { page, workspace } = await openShop()
    const other = await page.context().newPage()
    await openHost(site, other, { workspace })
    await startPurchase(other)
    const third = await page.context().newPage()
    await openHost(site, third, { workspace })
    await startPurchase(third)

    await Promise.all([confirm(page), confirm(other)])
    await Promise.all([
      page.waitForURL('**/local/checkout/**'),
      other.waitForURL('**/local/checkout/**'),
    ])
    expect(page.url()).toBe(other.url())
    await payBy(page, 'pay')
    await comeBack(page)
    await outcome(page, 'credited').waitFor()

    await confirm(third)
    await outcome(third, 'already').waitFor()
    expect(await outcome(third, 'already').textContent()).toContain('Nothing was charged now')
    await expectSound(third)
    expect(await purchasesOf(workspace)).toHaveLength(1)
    await page.context().close()
  })

  it('by a reload in the middle, also where the first answer was lost', async () => {
    const { page, workspace } = await openShop()
    await page.route('**/purchases', async (route) => {
      await route.fetch()
      await route.abort()
    })
    await confirm(page)
    await eventually(() => page.locator('[part=dialog]').textContent()).toContain(
      'Checkout did not open. Nothing was charged.',
    )
    await page.unroute('**/purchases')
    await page.reload()
    await startPurchase(page)
    await confirm(page)
    await payBy(page, 'pay')
    await comeBack(page)
    await outcome(page, 'credited').waitFor()
    await page.reload()
    await outcome(page, 'credited').waitFor()
    expect(await purchasesOf(workspace)).toHaveLength(1)
    await page.context().close()
  })

  it('while the service is busy, with the same key each time', async () => {
    const { page, workspace } = await openShop()
    const keys: (string | undefined)[] = []
    await page.route('**/purchases', (route) => {
      keys.push(route.request().headers()['idempotency-key'])
      const headers = { 'retry-after': '0', 'content-type': 'application/problem+json' }
      return keys.length < 3
        ? route.fulfill({ status: 503, headers, body: '{"code":"busy"}' })
        : route.continue()
    })
    await confirm(page)
    await payBy(page, 'pay')
    await comeBack(page)
    await outcome(page, 'credited').waitFor()
    expect(keys).toHaveLength(3)
    expect(new Set(keys).size).toBe(1)
    expect(await purchasesOf(workspace)).toHaveLength(1)
    await page.context().close()
  })

  it('and gives up on a service that stays down, saying that nothing was charged', async () => {
    const { page, workspace } = await openShop()
    let asked = 0
    await page.route('**/purchases', (route) => {
      asked++
      return route.fulfill({ status: 500, body: 'no' })
    })
    await confirm(page)
    await eventually(() => page.locator('[part=dialog]').textContent()).toContain(
      'Nothing was charged',
    )
    expect(asked).toBe(3)
    await expectSound(page)
    expect(await purchasesOf(workspace)).toHaveLength(0)
    await page.context().close()
  })

  it('and offers a new order of the same amount once the first is done', async () => {
    const { page, workspace } = await openShop()
    for (const bought of [1, 2]) {
      await confirm(page)
      await payBy(page, 'pay')
      await comeBack(page)
      await outcome(page, 'credited').waitFor()
      expect(await purchasesOf(workspace)).toHaveLength(bought)
      await page.keyboard.press('Escape')
      await startPurchase(page)
    }
    await page.context().close()
  })
})

describe('the amount', () => {
  it.each([
    ['1500000', 'Tokens are sold in steps of 1,000,000.'],
    ['1.5', 'Tokens come whole'],
    ['-1,000,000', 'The smallest order is 1,000,000 tokens.'],
    ['0', 'The smallest order is 1,000,000 tokens.'],
    ['999999999999999999999999', 'The largest order is 1,000,000,000 tokens.'],
    ['a lot <b>please</b>', 'Enter a number, in digits only.'],
    ['1e6', 'Enter a number, in digits only.'],
    ['', 'Enter a number of tokens.'],
  ])('%j is not ordered, and the field says why', async (text, fault) => {
    const { page, workspace } = await openShop()
    const amount = page.locator('[part=amount]')
    await amount.fill(text)
    await confirm(page)
    await eventually(() => page.locator('#fault').textContent()).toContain(fault)
    expect(await amount.getAttribute('aria-invalid')).toBe('true')
    expect(await page.locator('[part=price]').textContent()).toBe('–')
    if (text === '1500000') await expectSound(page)
    expect(await purchasesOf(workspace)).toHaveLength(0)
    await page.context().close()
  })

  it('may be pasted with spaces or grouping, slid, or taken from a preset; the price follows', async () => {
    const { page } = await openShop()
    const amount = page.locator('[part=amount]')
    const price = page.locator('[part=price]')
    await amount.fill('  4,000,000 ')
    await eventually(() => price.textContent()).toBe('$10.00')
    await page.locator('[part=preset]').nth(3).click()
    await eventually(() => amount.inputValue()).toBe('10,000,000')
    await eventually(() => price.textContent()).toBe('$25.00')
    await page.locator('[part=slider]').focus()
    await page.keyboard.press('End')
    await eventually(() => price.textContent()).toBe('$2,500.00')
    await page.keyboard.press('Home')
    await eventually(() => amount.inputValue()).toBe('1,000,000')
    expect(await page.locator('[part=dialog] dl').textContent()).toContain('2,500,000')
    await page.context().close()
  })
})

describe('the page an order leads back to', () => {
  it.each([
    { attributes: '', search: '' },
    { attributes: 'return-query="view of"', search: '?view=a+%26+b&of=1&of=2' },
  ])('keeps of its query what $attributes names, however long the rest is', async (host) => {
    const { page } = await openShop({ attributes: host.attributes })
    const secrets = `state=${'s'.repeat(3_000)}&purchase=x&checkout=cancel`
    await page.goto(`${site.url}/host?view=a+%26+b&${secrets}&of=1&of=2#part`)
    await startPurchase(page)
    const ordered = page.waitForRequest((request) => request.method() === 'POST')
    await confirm(page)
    const { returnUrl } = (await ordered).postDataJSON() as { returnUrl: string }
    expect(returnUrl).toBe(`${site.url}/host${host.search}`)
    await sessionOf(page)
    await page.context().close()
  })
})

describe('tokens taken back', () => {
  it('are explained to an admin, with what had been used already', async () => {
    const { page, workspace } = await openShop()
    await confirm(page)
    const session = await sessionOf(page)
    const { paymentIntent } = await stripe(`checkout/${session}/pay`)
    await page.goto(`${site.url}/host`)
    const statusIs = (status: string) =>
      eventually(async () => (await purchasesOf(workspace))[0]?.status).toBe(status)
    await statusIs('paid')
    await consume(site.stack, workspace, 2_200_000)
    await stripe(`payments/${paymentIntent}/refund`)
    await statusIs('refunded')
    await page.reload()
    await openMeter(page)
    await eventually(() => page.locator('token-meter [part=panel]').textContent()).toMatch(
      /300,000 tokens were taken back .* refunded\.\s+700,000 more had already been used/,
    )
    await expectSound(page)
    await page.context().close()
  })
})
