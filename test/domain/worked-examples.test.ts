import { describe, expect, it } from 'vitest'
import { type Meter, meterOf } from '../../shared/domain/meter.ts'
import { momentOf } from '../../shared/domain/movement.ts'
import { payment } from '../../shared/domain/movements/payment.ts'
import { reset } from '../../shared/domain/movements/reset.ts'
import { use } from '../../shared/domain/movements/use.ts'
import { workspaceChange } from '../../shared/domain/movements/workspace-change.ts'
import { type PlanId, quotaOf } from '../../shared/domain/plan.ts'
import { isRefusal } from '../../shared/domain/refusal.ts'
import { standingOf } from '../../shared/domain/standing.ts'
import type { Workspace } from '../../shared/domain/workspace.ts'
import { allowed, apply } from '../support/apply.ts'
import { factsWith, purchaseWith } from '../support/purchase.ts'

/*
 * The product document tells one story: 500,000 of 2,000,000 tokens are used, 1,000,000 are bought, 1,000,000
 * more are used, and on August 1 the meter reads [0/2,500,000], because "1 million of the free tokens and
 * 500k of the purchased tokens" were used.
 *
 * With a quota of 2,000,000 that last figure cannot be. All 1,500,000 tokens used fit into the free quota, so
 * every purchased token is left, and they never expire: August opens at [0/3,000,000]. The explanation is
 * right, to the digit, for a quota of 1,000,000, which is what an older revision of the same document has.
 * The quota was raised and the figures were left behind; the rule, quota first, was not.
 *
 * So both are kept here: the story with the quota its explanation belongs to, and the story with the quota Pro
 * has today, once as told and once with the use that does lead to the printed figure.
 */
const july = new Date('2026-07-14T09:00:00Z')
const august = new Date('2026-08-01T00:00:00Z')

describe('the worked example with the quota it was written for, 1,000,000', () => {
  const story = tell('enterprise', 1_000_000)

  it('reads as the document says at every step', () => {
    expect(story.used(500_000)).toMatchObject({ text: '[500,000/1,000,000 used]' })
    expect(story.bought(1_000_000)).toMatchObject({ text: '[500,000/2,000,000 used]' })
    expect(story.used(1_000_000)).toMatchObject({
      text: '[1,500,000/2,000,000 used]',
      quota: { limit: 1_000_000, used: 1_000_000, remaining: 0 },
      topUps: { limit: 1_000_000, used: 500_000, remaining: 500_000 },
    })
    expect(story.resetInAugust()).toMatchObject({
      text: '[0/1,500,000 used]',
      quota: { limit: 1_000_000, used: 0, remaining: 1_000_000 },
      topUps: { limit: 500_000, used: 0, remaining: 500_000 },
    })
  })
})

describe('the worked example with the quota Pro has', () => {
  it('keeps every purchased token while the quota covers the use', () => {
    const story = tell('pro')
    expect(story.used(500_000)).toMatchObject({ text: '[500,000/2,000,000 used]' })
    expect(story.bought(1_000_000)).toMatchObject({ text: '[500,000/3,000,000 used]' })
    expect(story.used(1_000_000)).toMatchObject({
      text: '[1,500,000/3,000,000 used]',
      quota: { used: 1_500_000, remaining: 500_000 },
      topUps: { used: 0, remaining: 1_000_000 },
    })
    expect(story.resetInAugust()).toMatchObject({
      text: '[0/3,000,000 used]',
      topUps: { limit: 1_000_000, remaining: 1_000_000 },
    })
  })

  it('comes to the printed 2,500,000 when 2,000,000 more are used', () => {
    const story = tell('pro')
    story.used(500_000)
    story.bought(1_000_000)
    expect(story.used(2_000_000)).toMatchObject({
      text: '[2,500,000/3,000,000 used]',
      quota: { used: 2_000_000, remaining: 0 },
      topUps: { used: 500_000, remaining: 500_000 },
    })
    expect(story.resetInAugust()).toMatchObject({ text: '[0/2,500,000 used]' })
  })
})

/** A new workspace, and the steps of the story; each answers with the meter after it. */
function tell(plan: PlanId, ownQuota = 0) {
  const quota = quotaOf(plan, ownQuota)
  const moment = momentOf(july)
  const creation = { workspaceId: 'acme', key: 'create', plan, quota, by: 'host-app' }
  let workspace: Workspace = apply(undefined, allowed(workspaceChange(creation, moment)))
  let uses = 0

  const then = (movement: Parameters<typeof apply>[1] | { refused: string }, now = july): Meter => {
    if (isRefusal(movement)) throw new Error(movement.refused)
    workspace = apply(workspace, movement as Parameters<typeof apply>[1])
    return meterOf(workspace, now, 'admin')
  }
  return {
    used: (tokens: number) => {
      const request = { workspaceId: 'acme', key: `use-${++uses}`, tokens }
      return then(use({ ...request, onShortfall: 'refuse' }, moment))
    },
    bought: (tokens: number) => {
      const purchase = purchaseWith({ tokens })
      return then(payment(purchase, standingOf(purchase, factsWith()), moment, workspace))
    },
    resetInAugust: () => {
      const unwritten = meterOf(workspace, august, 'admin')
      const written = then(reset(workspace, '2026-08'), august)
      // Nobody has to wait for the reset to be written: the meter reads the same before it is.
      expect(unwritten).toEqual(written)
      return written
    },
  }
}
