import { consume, createWorkspace, grant, type Site } from './site.ts'

const monthsBack = 12

/**
 * A workspace on Pro that has been used for a year and in the month under way, on most days and in some
 * months beyond its quota. The clock is moved through the year, and set back to real time at its end.
 */
export async function createYear(site: Site): Promise<string> {
  const { clock } = site.stack
  const today = new Date()
  const at = (month: number, day: number) =>
    new Date(Date.UTC(today.getUTCFullYear(), today.getUTCMonth() + month, day, 9))
  try {
    clock.set(at(-monthsBack, 1))
    const workspace = await createWorkspace(site, { id: 'northwind' })
    await grant(site.stack, workspace, 6_000_000)
    for (let month = -monthsBack; month <= 0; month++) {
      for (let day = 2; day <= 26 && at(month, day) < today; day += 2) {
        clock.set(at(month, day))
        await consume(site.stack, workspace, tokensOn(month, day))
      }
    }
    return workspace
  } finally {
    clock.set()
  }
}

/** Busier from month to month, in weekly waves; the same in every run. */
function tokensOn(month: number, day: number): number {
  const growth = 90_000 + (monthsBack + month) * 9_000
  return Math.round(growth * (1 + 0.6 * Math.sin(day / 1.7)))
}
