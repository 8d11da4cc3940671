import { readFileSync } from 'node:fs'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { type PlantedBug, plantedBugs } from './planted.ts'
import { simulate } from './simulate.ts'

/*
 * The simulator's own test: with a mistake put into the service, does it notice? Each bug takes the place of
 * real functions, in whatever module calls them.
 */
const planted = vi.hoisted(() => {
  // biome-ignore lint/suspicious/noExplicitAny: functions of every kind pass through here.
  const real: Record<string, any> = {}
  const now: { bug?: PlantedBug } = {}
  return {
    now,
    real,
    /** The module with each function asking, at every call, whether a bug stands in its place. */
    breakable(module: object): object {
      const functions = Object.entries(module).map(([name, exported]) => {
        if (typeof exported !== 'function' || /^class\b/.test(String(exported)))
          return [name, exported]
        real[name] = exported
        const call = (...given: unknown[]) =>
          (now.bug?.instead?.[name]?.(exported, real) ?? exported)(...given)
        return [name, call]
      })
      return Object.fromEntries(functions)
    },
  }
})

vi.mock('../../shared/domain/hold.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/domain/movements/hold-closing.ts', async (original) =>
  planted.breakable(await original()),
)
vi.mock('../../shared/domain/movements/hold-expiry.ts', async (original) =>
  planted.breakable(await original()),
)
vi.mock('../../shared/domain/movements/hold-opening.ts', async (original) =>
  planted.breakable(await original()),
)
vi.mock('../../shared/domain/movements/late-charge.ts', async (original) =>
  planted.breakable(await original()),
)
vi.mock('../../shared/domain/movements/payment.ts', async (original) =>
  planted.breakable(await original()),
)
vi.mock('../../shared/domain/movements/use.ts', async (original) =>
  planted.breakable(await original()),
)
vi.mock('../../shared/domain/movements/workspace-change.ts', async (original) =>
  planted.breakable(await original()),
)
vi.mock('../../shared/domain/owed.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/domain/purchase.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/domain/standing.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/domain/workspace.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/operations/derived-id.ts', async (original) =>
  planted.breakable(await original()),
)
vi.mock('../../shared/payments/checkout.ts', async (original) =>
  planted.breakable(await original()),
)
vi.mock('../../shared/payments/events.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/store/events-cursor.ts', async (original) =>
  planted.breakable(await original()),
)
vi.mock('../../shared/store/holds.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/store/ledger.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/store/purchases.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/store/retries.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/store/transact.ts', async (original) => planted.breakable(await original()))
vi.mock('../../shared/store/workspaces.ts', async (original) => planted.breakable(await original()))

const historiesMax = 300
/**
 * docs/reliability.md says which history found a bug when all were looked through, so that one is tried first. With
 * `SEARCH=1` nothing is believed, and the table is printed anew.
 */
const guide = readFileSync(new URL('../../docs/reliability.md', import.meta.url), 'utf8')
const foundBefore = process.env.SEARCH
  ? new Map<string, number>()
  : new Map(
      [...guide.matchAll(/^\| (.+) \| (\d+) \|$/gm)].map(([, name, at]) => [name!, Number(at)]),
    )

describe('the simulator notices', () => {
  const took: string[] = []

  afterEach(() => {
    delete planted.now.bug
  })
  afterAll(() => {
    if (took.length > 0)
      console.info(['| Planted bug | Histories |', '|---|---|', ...took].join('\n'))
  })

  it('for each bug is in the place of functions that are there', () => {
    const broken = plantedBugs.flatMap(({ instead = {} }) => Object.keys(instead))
    expect(broken.filter((name) => !(name in planted.real))).toEqual([])
  })

  it.each(plantedBugs)(
    '$name',
    async (bug) => {
      planted.now.bug = bug
      const look = (only?: number) =>
        simulate({
          histories: historiesMax,
          steps: 100,
          seed: 4,
          only,
          shorten: false,
          world: { tamper: bug.tamper },
        })
      const at = foundBefore.get(bug.name)
      if (at && (await look(at)).failure) return
      const { failure, histories } = await look()
      took.push(`| ${bug.name} | ${histories} |`)
      expect(failure?.message).toBeDefined()
    },
    300_000,
  )

  it('nothing where nothing is planted', async () => {
    const { failure } = await simulate({ histories: 5, steps: 100, seed: 4 })
    expect(failure).toBeUndefined()
  }, 120_000)
})
