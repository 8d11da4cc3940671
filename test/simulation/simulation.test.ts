import { describe, expect, it } from 'vitest'
import { allFaults } from './faults.ts'
import { foundHistories } from './seeds.ts'
import { failureOf, printed, simulate } from './simulate.ts'

describe('the service under any history, whatever fails', () => {
  it('loses nothing, doubles nothing and comes right in 300 histories of 100 steps', async () => {
    const { failure, histories, tally } = await simulate({ histories: 300, steps: 100, seed: 2026 })
    expect(failure && printed(failure)).toBeUndefined()
    expect(histories).toBe(300)
    // A fault that never comes about proves nothing.
    for (const fault of allFaults) {
      expect(tally.get(fault) ?? 0, fault).toBeGreaterThan(2)
    }
  }, 400_000)

  for (const { was, history } of foundHistories) {
    it(`has not come back: ${was}`, async () => {
      expect(await failureOf(history)).toBeUndefined()
    })
  }
})
