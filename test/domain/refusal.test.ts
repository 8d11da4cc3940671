import { describe, expect, it } from 'vitest'
import { isRefusal, Unavailable } from '../../shared/domain/refusal.ts'

describe('what stood in the way', () => {
  it('is a refusal, where the rules said no', () => {
    expect(isRefusal({ refused: 'busy' })).toBe(true)
    expect(isRefusal({ entry: {}, replayed: false })).toBe(false)
  })

  it('or an outage, which says of whom, and keeps its cause for the log', () => {
    const cause = new Error('socket hang up')
    const outage = new Unavailable('dynamodb', cause)
    expect(outage).toMatchObject({ name: 'Unavailable', service: 'dynamodb', cause })
    expect(outage.message).toBe('dynamodb did not answer')
  })
})
