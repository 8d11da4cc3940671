import type { PurchaseChange } from '../../shared/domain/movement.ts'
import type { Tamper } from './dynamodb.ts'

// biome-ignore lint/suspicious/noExplicitAny: each bug knows the function it breaks.
type Any = any

/** A mistake that somebody could make, put in the place of a function of the service or on the wire. */
export interface PlantedBug {
  name: string
  /** Functions of `shared/` by name, each given the real one. */
  instead?: Record<string, (real: Any, others: Record<string, Any>) => Any>
  tamper?: Tamper
}

export const plantedBugs: PlantedBug[] = [
  {
    name: 'a retry is not looked for: the entry is written whether or not it is there',
    instead: {
      entryPut:
        (real) =>
        (...given: Any[]) =>
          without(real(...given), 'ConditionExpression'),
    },
  },
  {
    name: 'no period guard: a movement of one month counts in another',
    tamper: (operation, input) => {
      if (operation !== 'TransactWriteItems') return
      const { Update } = input.TransactItems[0]
      Update.ConditionExpression = Update.ConditionExpression.replace(
        / AND #period = :periodAsRead/,
        '',
      )
    },
  },
  {
    name: 'credit for the event that a checkout completed, not for having been paid',
    instead: {
      readFacts:
        (real) =>
        async (...given: Any[]) => {
          const facts = await real(...given)
          return facts?.status === 'processing' ? { ...facts, status: 'paid' } : facts
        },
    },
  },
  {
    name: 'the reset eats top-ups',
    instead: {
      rolledOver:
        (real) =>
        (...given: Any[]) => {
          const after = real(...given)
          return { ...after, topUps: 0, balance: after.quota }
        },
    },
  },
  {
    name: 'top-ups are used before the quota',
    instead: {
      rolledOver: (real) => (workspace: Any, period: Any) => {
        const after = real(workspace, period)
        const { quota, topUps, balance, held } = workspace
        const left = Math.max(0, topUps - (quota + topUps - balance - held))
        return { ...after, topUps: left, balance: after.quota + left }
      },
    },
  },
  {
    name: 'the balance is judged before the entry is',
    instead: {
      transact:
        (real, { readWorkspace }) =>
        async (store: Any, movement: Any) => {
          const result = await real(store, movement)
          if (result.entry?.type !== 'use') return result
          return { workspace: await readWorkspace(store, movement.entry.workspaceId) }
        },
      readEntry: (real) => (store: Any, workspaceId: string, id: string) =>
        id.startsWith('use#') ? undefined : real(store, workspaceId, id),
    },
  },
  {
    name: 'a conflict is answered before the entry that is there',
    instead: {
      transact: (real) => (store: Any, movement: Any) => {
        const conflictFirst = (error: Any) => {
          const conflicts = error.CancellationReasons?.map(({ Code }: Any) =>
            Code === 'TransactionConflict' ? { Code } : { Code: 'None' },
          )
          const one = conflicts?.some(({ Code }: Any) => Code !== 'None')
          throw one ? Object.assign(error, { CancellationReasons: conflicts }) : error
        }
        const send = (command: Any) => store.client.send(command).catch(conflictFirst)
        return real({ ...store, client: { send } }, movement)
      },
    },
  },
  {
    name: 'a refusal does not look for the entry once more',
    instead: {
      readEntry: (real) => (store: Any, workspaceId: string, id: string) =>
        id.startsWith('use#') ? undefined : real(store, workspaceId, id),
    },
  },
  {
    name: 'a drain takes what it saw, whatever is there by now',
    instead: {
      use:
        (real) =>
        (...given: Any[]) => {
          const movement = real(...given)
          return movement.when?.asRead ? { ...movement, when: {} } : movement
        },
    },
  },
  {
    name: 'a refund takes back what has been spent already',
    instead: {
      settle: (real) => (purchase: Any, standing: Any, moment: Any, seen: Any) => {
        const plenty = { ...seen, topUps: 9e14, balance: 9e14 }
        return { ...real(purchase, standing, moment, plenty), when: {} }
      },
    },
  },
  {
    name: 'what was taken is given back as often as a dispute is won',
    instead: {
      settle:
        (real) =>
        (purchase: Any, ...given: Any[]) => {
          const movement = real(purchase, ...given)
          const [change] = movement.also ?? []
          if (!change) return movement
          const taken = Math.max(purchase.taken, change.purchase.taken)
          return { ...movement, also: [{ ...change, purchase: { ...change.purchase, taken } }] }
        },
    },
  },
  {
    name: 'a purchase that was refunded is credited again',
    instead: {
      settle:
        (real) =>
        (purchase: Any, ...given: Any[]) =>
          real({ ...purchase, status: 'open' }, ...given),
    },
  },
  {
    name: 'the version of a purchase is ignored',
    tamper: (operation, input) => {
      const puts = operation === 'PutItem' ? [input] : (input.TransactItems ?? []).map(putOf)
      for (const put of puts) {
        if (put?.ConditionExpression === 'version = :version') delete put.ConditionExpression
      }
    },
  },
  {
    name: 'the amount that Stripe names is not held against the order',
    instead: { mismatchOf: () => () => undefined },
  },
  {
    name: 'tokens and purchase are written one after the other',
    instead: {
      transact:
        (real, { replacePurchase }) =>
        async (store: Any, movement: Any) => {
          const change = movement.also?.find((also: object) => 'purchase' in also) as
            | PurchaseChange
            | undefined
          if (!change) return real(store, movement)
          const result = await real(store, { ...movement, also: [] })
          if ('applied' in result) await replacePurchase(store, change)
          return result
        },
    },
  },
  {
    name: 'reconciling follows the newest event alone',
    instead: {
      eventsBetween: (real) =>
        async function* (...given: Any[]) {
          for await (const event of real(...given)) {
            yield event
            return
          }
        },
    },
  },
  {
    name: 'the cursor moves past what was not settled',
    instead: { addRetry: () => async () => undefined },
  },
  {
    name: 'one purchase that fails ends the run',
    instead: {
      addRetry:
        () =>
        async (...[, subject]: Any[]) => {
          throw new Error(`${JSON.stringify(subject)} could not be settled`)
        },
    },
  },
  {
    name: 'the retry list forgets what fails again',
    instead: {
      postponeRetry:
        (_real, { removeRetry }) =>
        (store: Any, retry: Any) =>
          removeRetry(store, retry),
    },
  },
  {
    name: 'a look counts for what happened after it',
    instead: {
      noteSeen: (real) => (store: Any, purchase: Any, seen: Any) =>
        real(store, purchase, { ...seen, upTo: seen.upTo + 86_400 }),
    },
  },
  {
    name: 'a late run sets the cursor back',
    tamper: (operation, input) => {
      if (operation !== 'UpdateItem' || !input.ConditionExpression?.includes('reconciledUntil')) {
        return
      }
      input.ConditionExpression = 'leaseBy = :holder'
      const reached = Number(input.ExpressionAttributeValues[':until'].N) - 7_200
      input.ExpressionAttributeValues[':until'].N = String(reached)
    },
  },
  {
    name: 'a smaller plan applies at once',
    instead: {
      changePlan: (real) => (change: Any, moment: Any, seen: Any) => {
        const movement = real(change, moment, seen)
        if (movement.entry.effect !== 'waits_for_reset') return movement
        const tokens = Math.max(change.quota - seen.quota, -seen.balance)
        const set = { plan: change.plan, next: undefined }
        return { ...movement, set, add: { quota: tokens, balance: tokens } }
      },
    },
  },
  {
    name: 'holds outlive the reset',
    instead: {
      rolledOver: (real) => (workspace: Any, period: Any) => {
        const { held, holds, holdsExpireFrom } = workspace
        return { ...real(workspace, period), held, holds, holdsExpireFrom }
      },
    },
  },
  {
    name: 'a hold is returned twice by two who look at once',
    instead: {
      holdClosed:
        (real) =>
        (...given: Any[]) =>
          without(real(...given), 'ConditionExpression'),
      entryPut: (real) => (store: Any, entry: Any) =>
        entry.type === 'hold' || entry.type === 'expire'
          ? without(real(store, entry), 'ConditionExpression')
          : real(store, entry),
    },
  },
  {
    name: 'an expired hold is returned, and settled from what it held too',
    instead: {
      chargeLate:
        (real) =>
        (hold: Any, ...given: Any[]) => {
          const movement = real(hold, ...given)
          return {
            ...movement,
            add: { ...movement.add, balance: movement.add.balance + hold.held },
          }
        },
    },
  },
  {
    name: 'a hold expires when it was extended in the meantime',
    instead: { holdClosed: (real) => (store: Any, hold: Any) => real(store, hold) },
  },
  {
    name: 'an expired hold comes back only by a settle',
    instead: { returnExpired: () => () => undefined },
  },
  {
    name: 'a settle that comes after its hold expired is refused',
    instead: {
      chargeLate:
        (real) =>
        (hold: Any, _tokens: number, ...given: Any[]) =>
          real(hold, 0, ...given),
    },
  },
]

function putOf({ Put }: { Put?: Any }): Any {
  return Put
}

function without(input: object, name: string): object {
  return Object.fromEntries(Object.entries(input).filter(([key]) => key !== name))
}
