import { setTimeout as delay } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openClock, parseMoment } from '../../local/clock.ts'
import { openDataFolder } from '../../local/data-folder.ts'
import { temporaryFolder } from './bundle.ts'

describe('the clock', () => {
  let folder: ReturnType<typeof temporaryFolder>
  const open = () => openClock(openDataFolder(folder.path))
  const august = new Date('2026-08-01T00:00:00Z')

  beforeEach(() => {
    folder = temporaryFolder()
  })
  afterEach(() => folder.remove())

  it('shows real time until it is set', () => {
    const clock = open()
    expect(clock.isReal()).toBe(true)
    expect(Math.abs(clock.now().getTime() - Date.now())).toBeLessThan(50)
  })

  it('ticks on from the moment it was set to', async () => {
    const clock = open()
    clock.set(august)
    const first = clock.now().getTime()
    expect(first).toBeGreaterThanOrEqual(august.getTime())
    await delay(20)
    const passed = clock.now().getTime() - first
    expect(passed).toBeGreaterThanOrEqual(19)
    expect(passed).toBeLessThan(5_000)
    expect(clock.isReal()).toBe(false)
  })

  it('stays moved over a restart, and goes back to real time', () => {
    open().set(august)
    const restarted = open()
    expect(restarted.now().toISOString()).toMatch(/^2026-08-01T00:00:0/)
    restarted.set()
    expect(open().isReal()).toBe(true)
  })

  it.each([
    ['2026-08-01T00:00:00Z', '2026-08-01T00:00:00.000Z'],
    ['2026-08-01T00:00:00.250Z', '2026-08-01T00:00:00.250Z'],
    ['2026-08-01T02:00+02:00', '2026-08-01T00:00:00.000Z'],
  ])('reads %s', (text, moment) => {
    expect(parseMoment(text)?.toISOString()).toBe(moment)
  })

  it.each(['2026-08-01', '2026-08-01T00:00:00', '2026-13-01T00:00:00Z', 'tomorrow', '', 5, null])(
    'does not guess what %j means',
    (text) => {
      expect(parseMoment(text)).toBeUndefined()
    },
  )
})
