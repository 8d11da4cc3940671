import type { Act, History, Step } from './history.ts'

/**
 * Histories in which the simulator once found the service, or itself, to be wrong, at their shortest. They stay
 * as tests. Each names the run that found it; a later change of the generator gives that seed another history.
 */
export const foundHistories: { was: string; seed: number; history: History }[] = [
  {
    was: 'a settle beyond an expired hold: refused as closed',
    seed: 1,
    history: [
      calm({ do: 'hold', at: 0, tokens: 516_853, ttlSeconds: 60 }),
      calm({ do: 'settle hold', hold: 0, tenths: 100 }, 100),
    ],
  },
  {
    was: 'a purchase refused by last month’s plan',
    seed: 1,
    history: [
      calm({ do: 'plan', at: 1, plan: 'enterprise', quota: 5_000_000 }),
      calm({ do: 'plan', at: 1, plan: 'pro', quota: 2_000_000 }),
      calm({ do: 'wait for the month to end', secondsBefore: -5 }),
      calm({ do: 'buy', at: 1, steps: 2 }),
    ],
  },
  {
    was: 'a retried purchase refused by a later plan',
    seed: 1,
    history: [
      calm({ do: 'buy', at: 0, steps: 1 }),
      calm({ do: 'plan', at: 0, plan: 'enterprise', quota: 5_000_000 }),
      calm({ do: 'again', earlier: 1 }),
    ],
  },
  {
    was: 'the key of a closed hold, used again for more than there is: told of the lack of tokens',
    seed: 2026,
    history: [
      calm({ do: 'consume', at: 0, tokens: 99_999, drain: false }),
      calm({ do: 'hold', at: 0, tokens: 1_000_000, ttlSeconds: 60 }, -100),
      {
        act: { do: 'reuse key', earlier: 0, tokens: 1_999_999 },
        luck: 1_036_011_914,
        faultRate: 0.3,
        turns: 1_000,
        skewSeconds: 0,
      },
    ],
  },
  {
    was: 'a hold was refused for tokens that somebody else had just returned from an expired one',
    seed: 4242,
    history: [
      calm({ do: 'hold', at: 0, tokens: 1_999_999, ttlSeconds: 30 }),
      calm({ do: 'wait', seconds: 45 }),
      { ...calm({ do: 'hold', at: 0, tokens: 1, ttlSeconds: 900 }), turns: 0 },
      { ...calm({ do: 'hold', at: 0, tokens: 1_000_000, ttlSeconds: 1 }), luck: 1 },
    ],
  },
  {
    was: 'a payment tried again for as long as its purchase, which is on the list itself, waits for holds',
    seed: 20261125,
    history: [
      { ...calm({ do: 'buy', at: 0, steps: 1 }), luck: 3 },
      { ...calm({ do: 'buyer', purchase: 0, action: 'pay' }), luck: 4 },
      { ...calm({ do: 'deliver', event: 0, again: false }), luck: 5 },
      { ...calm({ do: 'consume', at: 0, tokens: 900_000_000, drain: true }), luck: 6 },
      { ...calm({ do: 'grant', at: 0, tokens: 2_000_000 }), luck: 7 },
      { ...calm({ do: 'hold', at: 0, tokens: 2_000_000, ttlSeconds: 900 }), luck: 8 },
      { ...calm({ do: 'release hold', hold: 0 }), luck: 13 },
      {
        ...calm({ do: 'bank', purchase: 487, action: 'refund', tenths: 100, kind: 'plain' }),
        luck: 3636825452,
      },
      {
        ...calm({ do: 'hold', at: 0, tokens: 1_758_577, ttlSeconds: 1, leastTenths: 3 }, 259_200),
        luck: 1695867432,
        slow: true,
      },
      { ...calm({ do: 'reconcile', minutesLate: 0 }), luck: 522204869, faultRate: 0.3 },
    ],
  },
  {
    was: 'a hold that was late for the month it was asked in, forgotten before the end of the one it counts in',
    seed: 20261125,
    history: [
      { ...calm({ do: 'hold', at: 0, tokens: 1, ttlSeconds: 30 }), luck: 16, turns: 0 },
      { ...calm({ do: 'wait for the month to end', secondsBefore: -5 }), turns: 0 },
      {
        ...calm({ do: 'hold', at: 0, tokens: 9_000_000, ttlSeconds: 60 }),
        luck: 2370868306,
        turns: 0,
      },
      { ...calm({ do: 'release hold', hold: 999 }), luck: 1388518220 },
      calm({ do: 'wait for the month to end', secondsBefore: 1 }),
    ],
  },
  {
    was: 'a hold returned twice in one movement: a mistake of the engine in memory, whose listing began anew',
    seed: 20261124,
    history: [
      { ...calm({ do: 'grant', at: 1, tokens: 2662822 }), luck: 4294967269 },
      { ...calm({ do: 'grant', at: 0, tokens: 400000 }), luck: 2153166756 },
      { ...calm({ do: 'hold', at: 0, tokens: 1, ttlSeconds: 60 }), luck: 52718 },
      { ...calm({ do: 'extend hold', hold: 0, ttlSeconds: 60 }), luck: 52719 },
      { ...calm({ do: 'hold', at: 0, tokens: 100001, ttlSeconds: 1 }), luck: 20 },
      { ...calm({ do: 'consume', at: 1, tokens: 17, drain: false }), luck: 27809082 },
      { ...calm({ do: 'hold', at: 0, tokens: 149998, ttlSeconds: 1 }, -100), luck: 1534580466 },
      { ...calm({ do: 'buy', at: 0, steps: 2 }), luck: 3556659014 },
      { ...calm({ do: 'again', earlier: 997 }), luck: 1184296966, turns: 0 },
      { ...calm({ do: 'settle hold', hold: 214, tenths: 5 }), luck: 2328077130, turns: 3 },
      { ...calm({ do: 'buyer', purchase: 915, action: 'pay' }), luck: 2 },
    ],
  },
]

function calm(act: Act, skewSeconds = 0): Step {
  return { act, luck: 0, faultRate: 0, turns: 1_000, skewSeconds }
}
