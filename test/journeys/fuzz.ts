import { describe, expect, it } from 'vitest'
import { problemCodes } from '../../shared/http/problem.ts'
import { fuzz } from '../fuzz/fuzz.ts'
import { dynamoDb, moveClock, setStripe, sign, stack, store } from './world.ts'

const seed = 20_260_714
const requests = 2_000

describe('generated requests', () => {
  it(`are answered as promised, ${requests} of them (seed ${seed})`, {
    timeout: 240_000,
  }, async () => {
    await setStripe('webhooks', 'drop')
    const target = { stack, dynamoDb, store, sign, moveClock }
    const { violations, successes, codes, rollovers } = await fuzz(target, { requests, seed })
    expect(violations).toEqual([])
    // They got past the door, too: every route has done its work, and most errors were met.
    expect(Object.keys(successes).sort()).toEqual(
      stack.deployment.routes.map(({ key }) => key).sort(),
    )
    expect(Object.keys(codes).length).toBeGreaterThan(problemCodes.length / 2)
    expect(rollovers).toBeGreaterThan(0)
  })
})
