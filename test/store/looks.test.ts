import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { deploymentId } from '../../shared/store/deployment.ts'
import { takeLook } from '../../shared/store/looks.ts'
import { openTestStore } from '../support/store.ts'

const store = await openTestStore()
const at = (time: string) => new Date(`2026-07-14T${time}Z`)

describe('looks at Stripe on behalf of a workspace', () => {
  it('are five in ten seconds, however many ask at once, and then it is said when there are more', async () => {
    const workspaceId = randomUUID()
    const asked = await Promise.all(
      Array.from({ length: 30 }, () => takeLook(store, workspaceId, at('09:00:03'))),
    )
    expect(asked.filter((answer) => 'taken' in answer)).toHaveLength(5)
    expect(asked).toContainEqual({ retryAfterSeconds: 7 })
    expect(await takeLook(store, workspaceId, at('09:00:09.999'))).toEqual({ retryAfterSeconds: 1 })
    expect(await takeLook(store, workspaceId, at('09:00:10'))).toEqual({ taken: true })
  })

  it('are each workspace’s own', async () => {
    const [one, other] = [randomUUID(), randomUUID()]
    for (let look = 0; look < 6; look++) await takeLook(store, one, at('09:00:00'))
    expect(await takeLook(store, other, at('09:00:00'))).toEqual({ taken: true })
  })
})

describe('the id of a deployment', () => {
  it('is made once, whoever asks first, and stays', async () => {
    const fresh = await openTestStore()
    const sides = Array.from({ length: 16 }, () => ({ ...fresh }))
    const ids = await Promise.all(sides.map(deploymentId))
    expect(new Set(ids).size).toBe(1)
    expect(ids[0]).toMatch(/^dep_[\w-]{16}$/)
    expect(await deploymentId({ ...fresh })).toBe(ids[0])
  })

  it('is another in other tables', async () => {
    expect(await deploymentId(await openTestStore())).not.toBe(
      await deploymentId(await openTestStore()),
    )
  })
})
