import { readFileSync } from 'node:fs'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, expectSound } from './expectations.ts'
import {
  callService,
  createWorkspace,
  grant,
  type HostPage,
  openHost,
  openMeter,
  openPage,
  openSite,
  type Site,
  tokenFor,
} from './site.ts'
import { createYear } from './year.ts'

let site: Site
beforeAll(async () => {
  site = await openSite()
})
afterAll(() => site?.stop())

const panelOf = (page: Page) => page.locator('token-meter [part=panel]')

async function show(host: Partial<HostPage> & { workspace: string }): Promise<Page> {
  const page = await openPage(site)
  await openHost(site, page, host)
  await openMeter(page)
  return page
}

describe('what is used and left', () => {
  it('reads as one line and two parts, with the day of the reset', async () => {
    const workspace = await createWorkspace(site, { use: 500_000 })
    await grant(site.stack, workspace, 1_000_000)
    const page = await show({ workspace })
    await eventually(() => panelOf(page).locator('[part=text]').textContent()).toBe(
      '500,000/3,000,000 used',
    )
    const text = await panelOf(page).textContent()
    expect(text).toMatch(/Monthly quota\s*1,500,000 left\s*of 2,000,000/)
    expect(text).toMatch(/Purchased\s*1,000,000 left\s*of 1,000,000/)
    expect(text).toMatch(/Quota resets on [A-Z][a-z]+ 1, (in \d+ (days|hours)|tomorrow)/)
    await expectSound(page)
    const seen = await page.evaluate(() => (globalThis as never as { events: object[] }).events)
    expect(seen).toMatchObject([{ type: 'token-meter-change', meter: { used: 500_000 } }])
    const breaches = await page.evaluate(
      () => (globalThis as never as { policyBreaches: string[] }).policyBreaches,
    )
    expect(breaches).toEqual([])
    await page.context().close()
  })

  it('says that nothing was used yet', async () => {
    const page = await show({ workspace: await createWorkspace(site) })
    await eventually(() => panelOf(page).textContent()).toContain('Nothing used yet this month.')
    await expectSound(page)
    await page.context().close()
  })

  it.each([
    [1_499_999, 'calm', undefined],
    [1_500_000, 'almost', '75% used'],
    [1_800_000, 'nearly', '90% used: almost out'],
    [1_999_999, 'nearly', '99% used: almost out'],
    [2_000_000, 'out', 'Out of tokens'],
  ])('%i of 2,000,000 used is told by icon and words: %s', async (use, level, words) => {
    const page = await show({ workspace: await createWorkspace(site, { use }) })
    const trigger = page.locator('token-meter [part=trigger]')
    await eventually(() => trigger.getAttribute('data-level')).toBe(level)
    expect(await page.locator('token-meter [part=level] svg').count()).toBe(words ? 1 : 0)
    if (words) {
      expect(await page.locator('token-meter [part=level]').textContent()).toBe(words)
      expect(await trigger.getAttribute('aria-label')).toContain(words)
      await expectSound(page)
    }
    await page.context().close()
  })

  it('is forecast after three days, at the pace of the week', async () => {
    const workspace = await createWorkspace(site, { use: 400_000 })
    const { period } = (await callService(
      site.stack,
      'assistant',
      'GET',
      `/v1/workspaces/${workspace}/meter`,
    )) as { period: string }
    const page = await openPage(site)
    // Ten days of history cannot be made in a new workspace, so the days are dealt out anew on the way here.
    const spread = (days: number[]) =>
      page.route('**/activity?*', async (route) => {
        const response = await route.fetch()
        const body = (await response.json()) as { months: { days: object[] }[] }
        body.months[0]!.days = days.map((tokens, index) => ({
          date: `${period}-${String(index + 1).padStart(2, '0')}`,
          tokens,
        }))
        await route.fulfill({ response, json: body })
      })
    await page.clock.setFixedTime(new Date(`${period}-04T12:00:00Z`))
    await spread([100_000, 100_000, 100_000, 100_000])
    await openHost(site, page, { workspace })
    await openMeter(page)
    const month = new Intl.DateTimeFormat('en', { month: 'long', timeZone: 'UTC' }).format(
      new Date(`${period}-01`),
    )
    // 400,000 in three and a half days, so the 1,600,000 left last fourteen more.
    await eventually(() => panelOf(page).textContent()).toContain(
      `your tokens run out around ${month} 18`,
    )
    await page.unroute('**/activity?*')
    await spread([1_000, 1_000, 1_000, 1_000])
    await page.reload()
    await openMeter(page)
    await eventually(() => panelOf(page).textContent()).toContain(
      'your tokens last until the reset',
    )
    await page.context().close()
  })
})

describe('what a viewer may do', () => {
  it.each([
    ['admin', 'pro', 'Purchase Tokens', 'button'],
    ['admin', 'teams', 'Purchase Tokens', 'button'],
    ['member', 'pro', 'Ask a workspace admin', 'p'],
    ['admin', 'starter', 'Upgrade plan', 'a'],
    ['member', 'starter', 'Upgrade plan', 'a'],
    ['admin', 'enterprise', 'Contact representative', 'a'],
  ] as const)('%s on %s: %s', async (role, plan, text, tag) => {
    const quota = plan === 'enterprise' ? 50_000_000 : undefined
    const workspace = await createWorkspace(site, { plan, ...(quota && { quota }) })
    const attributes =
      'upgrade-url="/plans" contact-url="mailto:rep@example.com" usage-url="/usage"'
    const page = await show({ workspace, role, attributes })
    const action = panelOf(page).locator(tag, { hasText: text })
    await action.waitFor()
    if (tag === 'a') expect(await action.getAttribute('href')).toMatch(/^(\/plans|mailto:)/)
    expect(await panelOf(page).locator('button').count()).toBe(tag === 'button' ? 1 : 0)
    await expectSound(page)
    await page.context().close()
  })
})

describe('coming to life', () => {
  const rules = /```css\n(token-meter:not\(:defined[\s\S]*?)```/.exec(
    readFileSync(new URL('../../docs/embedding.md', import.meta.url), 'utf8'),
  )![1]!

  interface Layout {
    boxes: object[]
    /** As the browser scores it, since the page began. */
    shift: number
  }

  /** The layout around a meter before its script has come, and once it shows what is used. */
  async function layouts(css: string, content: string): Promise<{ before: Layout; after: Layout }> {
    const workspace = await createWorkspace(site, { use: 1_900_000 })
    const page = await openPage(site)
    let send = () => {}
    const delayed = new Promise<void>((resolve) => {
      send = resolve
    })
    await page.route('**/token-meter.js', async (route) => {
      await delayed
      await route.continue()
    })
    const opened = openHost(site, page, { workspace, css, content })
    const layout = async (): Promise<Layout> =>
      page.evaluate(async () => {
        const shifts: PerformanceEntry[] = []
        const seen = new PerformanceObserver((list) => shifts.push(...list.getEntries()))
        seen.observe({ type: 'layout-shift', buffered: true })
        for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame)
        shifts.push(...seen.takeRecords())
        return {
          boxes: [...document.querySelectorAll('main, h1, token-meter, p')].map((element) =>
            element.getBoundingClientRect().toJSON(),
          ),
          shift: shifts.reduce((sum, entry) => sum + (entry as { value?: number }).value!, 0),
        }
      })
    await page.locator('main > p').waitFor()
    const before = await layout()
    send()
    await opened
    await page.locator('token-meter [part=badge]').waitFor()
    const after = await layout()
    await page.context().close()
    return { before, after }
  }

  it.each([
    ['alone', ''],
    ['with text beside it', '<span>Tokens</span>'],
  ])(
    'moves nothing, %s, where the page reserves its room as docs/embedding.md says',
    async (_how, content) => {
      const { before, after } = await layouts(rules, content)
      expect(after.boxes).toEqual(before.boxes)
      expect(after.shift).toBe(0)
    },
  )

  it('would move what is around it otherwise, and be seen to', async () => {
    const { before, after } = await layouts('', '')
    expect(after.boxes).not.toEqual(before.boxes)
    expect(after.shift).toBeGreaterThan(0)
  })
})

describe('opening and closing', () => {
  it('by hover, focus and press; Esc closes; the pointer may move into it', async () => {
    const page = await openPage(site)
    await openHost(site, page, { workspace: await createWorkspace(site) })
    const trigger = page.locator('token-meter [part=trigger]')
    const panel = panelOf(page)
    await trigger.hover()
    await panel.waitFor()
    await panel.hover()
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(await panel.isVisible()).toBe(true)
    await page.mouse.move(1_000, 600)
    await panel.waitFor({ state: 'hidden' })

    await page.keyboard.press('Tab')
    await panel.waitFor()
    expect(await trigger.getAttribute('aria-expanded')).toBe('true')
    await page.keyboard.press('Escape')
    await panel.waitFor({ state: 'hidden' })

    await trigger.click()
    await panel.waitFor()
    await page.mouse.move(1_000, 600)
    await new Promise((resolve) => setTimeout(resolve, 400))
    expect(await panel.isVisible()).toBe(true)
    await page.mouse.click(1_000, 600)
    await panel.waitFor({ state: 'hidden' })
    await page.context().close()
  })
})

describe('when there is no answer', () => {
  const problem = (status: number, code: string, headers = {}) => ({
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
    body: JSON.stringify({ code }),
  })

  it('loading shows as loading', async () => {
    const workspace = await createWorkspace(site)
    const page = await openPage(site)
    let answer = () => {}
    await page.route('**/meter', async (route) => {
      await new Promise<void>((resolve) => {
        answer = resolve
      })
      await route.continue()
    })
    await openHost(site, page, { workspace })
    await openMeter(page)
    await page.locator('token-meter [part=loading]').waitFor({ state: 'attached' })
    await expectSound(page)
    answer()
    await page.locator('token-meter [part=text]').waitFor()
    await page.context().close()
  })

  it('offline says so, and comes back by itself', async () => {
    const workspace = await createWorkspace(site)
    const page = await openPage(site)
    await page.route('**/meter', (route) => route.abort())
    await page.addInitScript(() => {
      Object.defineProperty(navigator, 'onLine', { get: () => false, configurable: true })
    })
    await openHost(site, page, { workspace })
    await openMeter(page)
    await page.locator('[data-trouble=offline]').waitFor()
    await expectSound(page)
    await page.unroute('**/meter')
    await page.evaluate(() => dispatchEvent(new Event('online')))
    await page.locator('token-meter [part=text]').waitFor()
    await page.context().close()
  })

  it('a busy service is asked again after the time it names, and a broken one a few times', async () => {
    const workspace = await createWorkspace(site)
    const page = await openPage(site)
    let asked = 0
    await page.route('**/meter', (route) =>
      ++asked < 3 ? route.fulfill(problem(503, 'busy', { 'retry-after': '1' })) : route.continue(),
    )
    const begun = Date.now()
    await openHost(site, page, { workspace })
    await openMeter(page)
    await page.locator('token-meter [part=text]').waitFor()
    expect(Date.now() - begun).toBeGreaterThan(1_900)

    await page.unroute('**/meter')
    asked = 0
    await page.route('**/meter', (route) => {
      asked++
      return route.fulfill({ status: 500, body: '<html>' })
    })
    await page.reload()
    await openMeter(page)
    await page.locator('[data-trouble=unavailable]').waitFor()
    expect(asked).toBe(3)
    await expectSound(page)
    await page.unroute('**/meter')
    await page.locator('token-meter [part=retry]').click()
    await page.locator('token-meter [part=text]').waitFor()
    await page.context().close()
  })

  it('an answer that does not come ends in a way on', async () => {
    const workspace = await createWorkspace(site)
    const page = await openPage(site)
    await page.route('**/meter', () => {})
    await openHost(site, page, { workspace })
    await openMeter(page)
    await page.locator('[data-trouble=unavailable]').waitFor({ timeout: 15_000 })
    await page.context().close()
  })

  it('what was read stays, with its age, when it cannot be read again', async () => {
    const page = await show({ workspace: await createWorkspace(site, { use: 1 }) })
    await page.locator('token-meter [part=text]').waitFor()
    await page.route('**/meter', (route) => route.fulfill(problem(404, 'x')))
    await page.evaluate(() =>
      (document.querySelector('token-meter') as never as { refresh(): Promise<void> }).refresh(),
    )
    await eventually(() => panelOf(page).textContent()).toContain(
      'Could not refresh. This is as of',
    )
    await expectSound(page)
    await page.context().close()
  })

  it('another workspace looks like none', async () => {
    const page = await show({
      workspace: 'nobody-knows',
      getToken: () => tokenFor(site, 'another', 'admin'),
    })
    await page.locator('[data-trouble=not_found]').waitFor()
    await expectSound(page)
    await page.context().close()
  })
})

describe('the token callback', () => {
  it('is asked once more when its token has expired', async () => {
    const workspace = await createWorkspace(site)
    const wishes: unknown[] = []
    const page = await show({
      workspace,
      async getToken(wish) {
        wishes.push(wish ?? null)
        return tokenFor(site, workspace, 'admin', wish?.refresh ? 600 : -10)
      },
    })
    await page.locator('token-meter [part=text]').waitFor()
    expect(wishes.slice(0, 2)).toEqual([null, { refresh: true }])
    await page.context().close()
  })

  it.each([
    ['returns expired tokens only', (workspace: string) => tokenFor(site, workspace, 'admin', -10)],
    ['fails', () => Promise.reject(new Error('no session'))],
    ['returns nothing', () => Promise.resolve(undefined)],
  ])('that %s leads to signing in', async (_what, getToken) => {
    const workspace = await createWorkspace(site)
    let asked = 0
    const page = await show({
      workspace,
      attributes: 'sign-in-url="/sign-in"',
      getToken: () => {
        asked++
        return getToken(workspace)
      },
    })
    await page.locator('[data-trouble=signed_out]').waitFor()
    expect(asked).toBeLessThanOrEqual(4)
    expect(await panelOf(page).getByRole('link', { name: 'Sign in' }).getAttribute('href')).toBe(
      '/sign-in',
    )
    await expectSound(page)
    await page.context().close()
  })
})

describe('in the host’s language', () => {
  it('numbers and dates follow lang, and the panel stays whole from right to left', async () => {
    const workspace = await createWorkspace(site, { use: 500_000 })
    const german = await show({ workspace, lang: 'de' })
    await eventually(() => panelOf(german).locator('[part=text]').textContent()).toBe(
      '500.000/2.000.000 used',
    )
    await german.context().close()

    const hebrew = await show({ workspace, lang: 'he', dir: 'rtl' })
    await hebrew.locator('token-meter [part=text]').waitFor()
    await expectSound(hebrew)
    const box = (await panelOf(hebrew).boundingBox())!
    expect(box.x).toBeGreaterThanOrEqual(0)
    expect(box.x + box.width).toBeLessThanOrEqual(1_280)
    await hebrew.context().close()
  })

  it('texts are the host’s where it gives some', async () => {
    const page = await show({ workspace: await createWorkspace(site, { use: 500_000 }) })
    await page.evaluate(() => {
      const meter = document.querySelector('token-meter') as never as { strings: object }
      meter.strings = { used: '{used} von {limit} verbraucht', purchase: 'Token kaufen' }
    })
    await eventually(() => panelOf(page).textContent()).toContain(
      '500,000 von 2,000,000 verbraucht',
    )
    expect(await page.locator('token-meter [part=purchase]').textContent()).toBe('Token kaufen')
    await page.context().close()
  })
})

describe('the usage element', () => {
  it('shows an admin a year of months and pages of activity, and a member the months only', async () => {
    const workspace = await createWorkspace(site, { use: 2_000_000 })
    await grant(site.stack, workspace, 5_000_000)
    for (let grants = 0; grants < 25; grants++) await grant(site.stack, workspace, 1_000)
    await callService(site.stack, 'assistant', 'POST', `/v1/workspaces/${workspace}/consume`, {
      tokens: 700_000,
    })
    const page = await openPage(site)
    await openHost(site, page, { workspace, element: 'token-usage' })
    const usage = page.locator('token-usage section')
    await eventually(() => usage.textContent()).toContain('2,700,000 tokens used')
    expect(await usage.textContent()).toContain(
      '2,000,000 from the monthly quota, 700,000 purchased',
    )
    const rows = page.locator('token-usage [part=activity] tbody tr')
    expect(await rows.count()).toBe(20)
    await page.locator('token-usage [part=more]').click()
    await eventually(() => rows.count()).toBe(27)
    expect(await page.locator('token-usage [part=more]').count()).toBe(0)
    await expectSound(page)
    await page.context().close()

    const member = await openPage(site)
    await openHost(site, member, { workspace, element: 'token-usage', role: 'member' })
    await eventually(() => member.locator('token-usage section').textContent()).toContain(
      '2,700,000 tokens used',
    )
    expect(await member.locator('token-usage [part=activity]').count()).toBe(0)
    await member.context().close()
  })

  it('shows a year of use after one request, in a second', async () => {
    const workspace = await createYear(site)
    const page = await openPage(site)
    let asked = 0
    page.on('request', (request) => {
      if (request.url().includes('/v1/')) asked++
    })
    const begun = performance.now()
    await openHost(site, page, { workspace, element: 'token-usage' })
    const months = page.locator('token-usage [part=months] li')
    await months.first().waitFor()
    expect(performance.now() - begun).toBeLessThan(1_000)
    expect(asked).toBe(1)
    expect(await months.count()).toBe(13)
    await months.nth(3).locator('button').click()
    await page.getByRole('button', { name: 'Table' }).click()
    expect(await page.locator('token-usage [part=table] tbody tr').count()).toBeGreaterThan(9)
    await expectSound(page)
    await page.context().close()
  })
})
