import * as z from 'zod/mini'
import {
  activity,
  consumed,
  documents,
  extended,
  granted,
  held,
  meter,
  planned,
  plans,
  purchase,
  released,
  settled,
} from '../output.ts'
import type { ProblemCode } from '../problem.ts'
import type { RoutedFunction } from '../routes.ts'

/** What a function's route is for and what it answers, in the words of the API's description. */
interface Description {
  tag: 'meter' | 'use' | 'buy' | 'manage' | 'machinery'
  summary: string
  description: string
  answer: z.ZodMiniType
  /** 200 where nothing is said. */
  status?: 201
  /** What it may be refused with besides what any call of its kind may be. */
  problems?: readonly ProblemCode[]
}

/** One for each function that answers a route: the compiler misses one that is left out. */
export const descriptions: Record<RoutedFunction, Description> = {
  openapi: {
    tag: 'machinery',
    summary: 'This document',
    description:
      'The routes of this deployment, with who may call them and all they answer. It needs no token.',
    answer: z.looseObject({ openapi: z.string() }),
  },
  plans: {
    tag: 'buy',
    summary: 'Plans, quotas and prices',
    description:
      'What each plan gives a month, how a workspace on it gets more (`topUps`), and what a top-up costs. It needs no token.',
    answer: plans,
  },
  meter: {
    tag: 'meter',
    summary: 'The meter of a workspace, and what this viewer may do about it',
    description:
      'Reading moves nothing. A month that has begun shows at once, and a paid top-up within seconds. `purchase` says whether this viewer may buy more, and if not, why; to services, which never buy, it says what a member would read.',
    answer: meter,
  },
  consume: {
    tag: 'use',
    summary: 'Take tokens that were used',
    description:
      'Takes all or nothing. With `onShortfall: drain` it takes what is left where that is less.',
    answer: consumed,
    problems: ['insufficient_tokens'],
  },
  'open-hold': {
    tag: 'use',
    summary: 'Set tokens aside for work that is about to begin',
    description:
      'All or nothing, or with `atLeast` what is there, down to that. `holder` is a random word that a try sends with its key: while its hold is open, a try with another one, or with none, is refused. A key whose hold is closed finds that hold again, with `closed`.',
    answer: held,
    status: 201,
    problems: ['insufficient_tokens', 'holds_limit', 'hold_taken'],
  },
  'settle-hold': {
    tag: 'use',
    summary: 'Pay for what was used, and get the rest back',
    description:
      'Never refused for lack of tokens, since they are already spent: more than was held is taken from the balance as far as it goes, and `uncovered` says what was not.',
    answer: settled,
    problems: ['hold_not_found', 'hold_closed'],
  },
  'release-hold': {
    tag: 'use',
    summary: 'Get all that was held back',
    description:
      'For work that was not done: nothing is charged. A hold that nobody closes is returned by itself when its time is over.',
    answer: released,
    problems: ['hold_not_found', 'hold_closed'],
  },
  'extend-hold': {
    tag: 'use',
    summary: 'Keep a hold for longer, counted from now',
    description: 'Never makes it shorter.',
    answer: extended,
    problems: ['hold_not_found', 'hold_closed'],
  },
  'start-purchase': {
    tag: 'buy',
    summary: 'Order tokens, and get a page to pay for them',
    description:
      'Nothing is charged here: the buyer pays at `checkoutUrl`, and the tokens are there once Stripe says they are paid for. The same key finds the same order and page. `returnUrl`, where the buyer is sent afterwards, must be on one of the origins that the deployment allows.',
    answer: purchase,
    status: 201,
    problems: [
      'upgrade_required',
      'contact_account_representative',
      'purchases_blocked',
      'top_ups_limit',
    ],
  },
  'get-purchase': {
    tag: 'buy',
    summary: 'Where an order stands',
    description:
      'While the buyer’s part is open Stripe is asked too, so whoever waits for the tokens may ask this until `status` is neither `open` nor `processing`. `credited` is what the order has given and not had taken back by a refund or dispute.',
    answer: purchase,
    problems: ['purchase_not_found'],
  },
  'get-documents': {
    tag: 'buy',
    summary: 'The receipt and the invoice of an order',
    description:
      'Links to pages of Stripe’s, as far as there are any. They are made anew at each call and die within 30 days, so keep none of them. Whoever has one can open it.',
    answer: documents,
    problems: ['purchase_not_found', 'too_many_looks'],
  },
  activity: {
    tag: 'meter',
    summary: 'Usage per day, and for admins what moved tokens and money',
    description:
      '`months` has the current one first, with the days on which tokens were used. `entries` are for admins: purchases, payments and refunds, grants, changes of plan, and resets. Where there are more, `nextCursor` begins the next page.',
    answer: activity,
  },
  grant: {
    tag: 'manage',
    summary: 'Give a workspace tokens',
    description:
      'As an account representative does: they are top-ups, so they are used after the quota and never expire. `reason`, `reference` and who gave them are recorded, and the workspace’s admins see them.',
    answer: granted,
    status: 201,
    problems: ['top_ups_limit'],
  },
  'put-workspace': {
    tag: 'manage',
    summary: 'Create a workspace, or change it',
    description:
      'What is absent stays as it is, and null removes; `plan` is needed only to create. `quota` is for the plans whose quota is set per workspace. A smaller quota than the current one waits for the reset. `stripeCustomerId` keeps a company that is a customer already the same one at its checkouts. `purchasing: allowed` lets a workspace buy again that a lost dispute has kept from it.',
    answer: planned,
  },
  'stripe-webhook': {
    tag: 'machinery',
    summary: 'For Stripe, which signs what it sends',
    description:
      'The `Stripe-Signature` header must be made with a current secret of the endpoint. An event is only a reason to look: what counts is what Stripe says when it is asked. Whatever is signed is answered 200 once it has been dealt with, ours or not.',
    answer: z.object({ outcome: z.string() }),
    problems: ['invalid_signature'],
  },
}
