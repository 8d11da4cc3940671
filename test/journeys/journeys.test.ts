import { afterAll, afterEach, describe, expect, it } from 'vitest'
import { problemCodes } from '../../shared/http/problem.ts'
import { codesSeen, restoreWorld, stopWorld } from './world.ts'

import './main-journey.ts'
import './money.ts'
import './finance.ts'
import './holds.ts'
import './access.ts'
import './climbing.ts'
import './bad-input.ts'
import './outages.ts'
import './fuzz.ts'
import './logs.ts'

afterEach(restoreWorld)
afterAll(stopWorld)

describe('the errors', () => {
  it('have all been met above, each in an answer over HTTP', () => {
    expect([...codesSeen].sort()).toEqual([...problemCodes].sort())
  })
})
