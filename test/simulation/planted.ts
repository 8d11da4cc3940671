import type { PurchaseChange } from '../../shared/domain/movement.ts'
import { topUpsMax } from '../../shared/domain/workspace.ts'
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
    name: 'a hold that makes do with less takes what it saw, whatever is there by now',
    instead: {
      holdOpening:
        (real) =>
        (...given: Any[]) => {
          const movement = real(...given)
          if (movement.when?.asRead?.balance === undefined) return movement
          return {
            ...movement,
            when: { ...movement.when, asRead: without(movement.when.asRead, 'balance') },
          }
        },
    },
  },
  {
    name: 'a hold makes do with less than would do',
    instead: {
      holdOpening:
        (real) =>
        (request: Any, ...given: Any[]) => {
          const { atLeast } = request
          const movement = real({ ...request, atLeast: atLeast && 1 }, ...given)
          return movement.entry ? { ...movement, entry: { ...movement.entry, atLeast } } : movement
        },
    },
  },
  {
    name: 'two tries with one key get one hold',
    instead: { isHeldBy: () => () => true },
  },
  {
    name: 'a try is refused its own hold',
    instead: { isHeldBy: () => () => false },
  },
  {
    name: 'a closed hold is given out as an open one',
    instead: {
      holdEndOf: (real) => (hold: Any, moment: Any) =>
        hold.type === 'hold' ? undefined : real(hold, moment),
    },
  },
  {
    name: 'a hold whose time or month is over is given out until somebody returns it',
    instead: {
      holdEndOf: (real) => (hold: Any, moment: Any) =>
        hold.type === 'open' ? undefined : real(hold, moment),
    },
  },
  {
    name: 'the key of a closed hold is known by what it set aside, not by what was asked',
    instead: {
      wasAskedFor: () => (closed: Any, request: Any) => closed.held === request.tokens,
    },
  },
  {
    name: 'a refund takes back what has been spent already',
    instead: {
      payment: (real) => (purchase: Any, standing: Any, moment: Any, seen: Any) => {
        const plenty = { ...seen, topUps: 9e14, balance: 9e14 }
        return { ...real(purchase, standing, moment, plenty), when: {} }
      },
    },
  },
  {
    name: 'what was taken is given back as often as a dispute is won',
    instead: {
      payment:
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
      payment:
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
    name: 'a receipt, which Stripe words anew, decides whether a purchase stands',
    instead: {
      readFacts: (real) => async (account: Any, sessionId: string) => {
        const expand = ['payment_intent.latest_charge']
        const session = await account.client.checkout.sessions.retrieve(sessionId, { expand })
        const receiptUrl = session.payment_intent?.latest_charge.receipt_url ?? undefined
        return { ...(await real(account, sessionId)), receiptUrl }
      },
      standingOf: (real) => (purchase: Any, facts: Any) => ({
        ...real(purchase, facts),
        receiptUrl: facts.receiptUrl,
      }),
      stands: (real) => (purchase: Any, standing: Any) =>
        real(purchase, standing) && purchase.receiptUrl === standing.receiptUrl,
      atStanding: (real) => (purchase: Any, standing: Any, at: string) => ({
        ...real(purchase, standing, at),
        receiptUrl: standing.receiptUrl,
      }),
    },
  },
  {
    name: 'a dispute in another currency is measured as if it were in the charge’s',
    instead: { readFacts: sayingOfDisputes((one) => ({ ...one, currency: 'usd' })) },
  },
  {
    name: 'an inquiry takes tokens',
    instead: {
      readFacts: sayingOfDisputes((one) => ({
        ...one,
        status: one.status.startsWith('warning_') ? 'needs_response' : one.status,
      })),
    },
  },
  {
    name: 'an appeal counts as won until it is lost',
    instead: {
      readFacts: sayingOfDisputes((one) => ({
        ...one,
        status: one.status.startsWith('appeal_') ? 'won' : one.status,
      })),
    },
  },
  {
    name: 'a dispute of nearly all is of a part',
    instead: {
      readFacts: sayingOfDisputes((one) => ({ ...one, amount: Math.floor(one.amount * 0.94) })),
    },
  },
  {
    name: 'a checkout of another deployment is taken for our own',
    instead: {
      mismatchOf: (real) => (purchase: Any, facts: Any) =>
        real(purchase, { ...facts, deploymentId: purchase.deploymentId }),
      pokeOf: (real) => (account: Any, deploymentId: Any, event: Any) =>
        real(account, event.data.object.metadata?.deploymentId ?? deploymentId, event),
    },
  },
  {
    name: 'an order that is closed still counts as open',
    instead: {
      openOrdersAdded:
        (real) =>
        (...given: Any[]) =>
          Math.max(0, real(...given)),
    },
  },
  {
    name: 'orders are placed without a bound',
    tamper: (operation, input) => {
      if (operation !== 'TransactWriteItems') return
      const { Update } = input.TransactItems[1]
      if (Update?.ConditionExpression?.includes('openOrders')) {
        Update.ConditionExpression = 'attribute_exists(workspaceId)'
        delete Update.ExpressionAttributeValues[':below']
      }
    },
  },
  {
    name: 'an order gets its checkout however old it is',
    instead: { isAbandoned: () => () => false },
  },
  {
    name: 'what has been paid for is refused where a workspace has much already',
    instead: {
      payment:
        (real) =>
        (...given: Any[]) => {
          const movement = real(...given)
          const { topUps = 0 } = movement.add
          if (topUps <= 0) return movement
          return { ...movement, when: { ...movement.when, topUpsAtMost: topUpsMax - topUps } }
        },
    },
  },
  {
    name: 'tax counts as part of the order',
    instead: {
      readFacts:
        (real) =>
        async (...given: Any[]) => {
          const facts = await real(...given)
          return facts && { ...facts, amountSubtotal: facts.amountTotal }
        },
    },
  },
  {
    name: 'a code that nobody had allowed settles an order',
    instead: {
      mismatchOf: (real) => (purchase: Any, facts: Any) =>
        real({ ...purchase, checkout: { allow_promotion_codes: true } }, facts),
    },
  },
  {
    name: 'what a code took off counts as not paid',
    instead: { readFacts: sayingOfPaid(() => ({ amountDiscounted: 0 })) },
  },
  {
    name: 'an order that a code made free is never paid',
    instead: {
      readFacts: sayingOfPaid(({ amountTotal }) => (amountTotal === 0 ? { status: 'open' } : {})),
    },
  },
  {
    name: 'a refund is measured against the price, and not against what was paid',
    instead: {
      standingOf: (real) => (purchase: Any, facts: Any) =>
        real(purchase, facts.amountTotal > 0 ? { ...facts, amountTotal: purchase.amount } : facts),
    },
  },
  {
    name: 'an order loses the options of its checkout before it gets one',
    instead: {
      openCheckout: (real) => (account: Any, purchase: Any) =>
        real(account, without(purchase, 'checkout')),
    },
  },
  {
    name: 'a key of the other mode passes events over',
    instead: {
      takeTurn: (real) => (store: Any, _livemode: boolean, now: Any) => real(store, false, now),
    },
  },
  {
    name: 'a key of the other mode empties the list',
    instead: {
      retryPut:
        (real) =>
        (store: Any, purchase: Any, ...when: Any[]) =>
          real(store, { ...purchase, livemode: false }, ...when),
      addRetry:
        (real) =>
        (store: Any, _livemode: boolean, ...given: Any[]) =>
          real(store, false, ...given),
      pageOfDue:
        (real) =>
        (store: Any, _livemode: boolean, ...given: Any[]) =>
          real(store, false, ...given),
    },
  },
  {
    name: 'a lost dispute blocks nobody',
    instead: { blockOf: () => () => undefined },
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
        async (...[, , subject]: Any[]) => {
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
      workspaceChange: (real) => (change: Any, moment: Any, seen: Any) => {
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
      lateCharge:
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
    instead: { holdExpiry: () => () => undefined },
  },
  {
    name: 'a settle that comes after its hold expired is refused',
    instead: {
      lateCharge:
        (real) =>
        (hold: Any, _tokens: number, ...given: Any[]) =>
          real(hold, 0, ...given),
    },
  },
  {
    name: 'a refund while tokens are held forgets what was held',
    instead: {
      reversalOf:
        (real) =>
        (purchase: Any, reversed: number, ...given: Any[]) => {
          const reversal = real(purchase, reversed, ...given)
          const { pending, shortfall } = reversal
          return { ...reversal, pending: 0, shortfall: shortfall + pending, owed: undefined }
        },
    },
  },
  {
    name: 'later holds pay for an earlier refund',
    instead: {
      payOwed: (real) => (seen: Any, closed: Any[]) =>
        real(
          seen,
          closed.map((one) => ({ ...one, hold: { ...one.hold, at: '' } })),
        ),
    },
  },
  {
    name: 'a release forgets to look at what is owed',
    instead: {
      holdClosing: (real) => (hold: Any, closing: Any, moment: Any, seen: Any) => {
        const movement = real(hold, closing, moment, seen && { ...seen, owed: undefined })
        if (closing.outcome === 'settled') return movement
        const { owed: _, ...asRead } = movement.when.asRead ?? {}
        return { ...movement, when: { ...movement.when, asRead } }
      },
    },
  },
  {
    name: 'what expired holds return pays nothing',
    instead: {
      payOwed: (real) => (seen: Any, closed: Any[]) => {
        const expires = closed.every(({ hold }) => hold.holdId)
        return expires
          ? { when: {}, set: {}, paid: closed.map(() => 0), total: 0 }
          : real(seen, closed)
      },
    },
  },
  {
    name: 'what is owed is paid twice',
    instead: {
      payOwed: (real) => (seen: Any, closed: Any[]) => {
        const payment = real(seen, closed)
        return payment.total > 0 ? { ...payment, set: {} } : payment
      },
    },
  },
  {
    name: 'impounded is lost at the reset',
    instead: {
      rolledOver:
        (real) =>
        (...given: Any[]) => {
          const { impounded = 0, ...after } = real(...given)
          return { ...after, topUps: after.topUps - impounded }
        },
    },
  },
  {
    name: 'what is owed is forgiven by the reset',
    instead: {
      rolledOver: (real) => (workspace: Any, period: Any) =>
        real({ ...workspace, owed: undefined }, period),
    },
  },
  {
    name: 'released pending is not given back when a dispute is won',
    instead: {
      reversalOf:
        (real) => (purchase: Any, reversed: number, moment: Any, seen: Any, ahead: Any) => {
          const reversal = real(purchase, reversed, moment, seen, ahead)
          return reversed < purchase.reversed ? { ...reversal, owed: seen.owed } : reversal
        },
    },
  },
  {
    name: 'who settles first is served first, whoever was reversed first',
    instead: {
      payment: (real) => (purchase: Any, standing: Any, moment: Any, seen: Any) =>
        real(purchase, standing, moment, seen, 0),
    },
  },
  {
    name: 'a purchase with tokens pending is not put on the list',
    instead: {
      payment:
        (real) =>
        (...given: Any[]) => {
          const movement = real(...given)
          return { ...movement, also: movement.also?.filter((one: object) => !('retry' in one)) }
        },
    },
  },
  {
    name: 'a reversal is computed from a workspace that has moved since',
    instead: {
      payment:
        (real) =>
        (...given: Any[]) => {
          const movement = real(...given)
          return movement.when?.asRead ? { ...movement, when: {} } : movement
        },
    },
  },
  {
    name: 'the next look at holds is put off, whoever came between',
    tamper: (operation, input) => {
      if (operation !== 'UpdateItem') return
      const guard = / AND holdsExpireFrom = :from AND version = :version/
      input.ConditionExpression = input.ConditionExpression.replace(guard, '')
    },
  },
  {
    name: 'an open hold is kept for fourteen days',
    instead: {
      entryPut: (real) => (store: Any, entry: Any) => {
        const put = real(store, entry)
        if (entry.type !== 'open') return put
        return { ...put, Item: { ...put.Item, expiresAt: put.Item.expiresAt - 26 * 86_400 } }
      },
    },
  },
  {
    name: 'an id is made of a workspace and a key with nothing between them',
    instead: {
      derivedId: (real) => (kind: Any, workspaceId: string, key: string) =>
        real(kind, '', workspaceId + key),
    },
  },
]

/** Facts as if Stripe had said something else of each dispute. */
function sayingOfDisputes(say: (dispute: Any) => Any) {
  return (real: Any) => (account: Any, sessionId: string) => {
    const list = (page: Any) => ({
      autoPagingToArray: async (all: Any) =>
        (await account.client.disputes.list(page).autoPagingToArray(all)).map(say),
    })
    const client = Object.create(account.client, { disputes: { value: { list } } })
    return real({ ...account, client }, sessionId)
  }
}

/** Facts with something else about an order that was paid. */
function sayingOfPaid(say: (facts: Any) => object) {
  return (real: Any) =>
    async (...given: Any[]) => {
      const facts = await real(...given)
      return facts?.status === 'paid' ? { ...facts, ...say(facts) } : facts
    }
}

function putOf({ Put }: { Put?: Any }): Any {
  return Put
}

function without(input: object, name: string): object {
  return Object.fromEntries(Object.entries(input).filter(([key]) => key !== name))
}
