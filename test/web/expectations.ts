import axe from 'axe-core'
import type { Page } from 'playwright-core'
import { expect } from 'vitest'

/** An expectation that may take a page and the service a while to come true. */
export function eventually<T>(look: () => T) {
  return expect.poll(look, { timeout: 6_000 })
}

/** What axe finds, in the light and in the dark; and whether anything sticks out of the window. */
export async function expectSound(page: Page): Promise<void> {
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    await page.evaluate(axe.source)
    const violations = await page.evaluate(async () => {
      const { violations } = await (
        globalThis as unknown as { axe: typeof import('axe-core') }
      ).axe.run()
      return violations.map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ target }) => target).join(', ')}`,
      )
    })
    expect(violations, colorScheme).toEqual([])
  }
  await page.emulateMedia({ colorScheme: 'light' })
  for (const width of [320, 1280]) {
    await page.setViewportSize({ width, height: 720 })
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)
    expect(overflow, `${width} px wide`).toBeLessThanOrEqual(0)
  }
}
