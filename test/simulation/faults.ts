import { chanceFrom } from './chance.ts'

/** What the network and the two services behind it can do to one request. */
export const dynamoDbFaults = [
  /** Applied, and the connection breaks before the answer. */
  'dynamodb: response lost',
  /** Not applied, and no answer in time. */
  'dynamodb: timeout',
  /** No answer in time, and applied after everybody gave up waiting. */
  'dynamodb: applied after the timeout',
  'dynamodb: throttle',
  'dynamodb: conflict',
  'dynamodb: transaction in progress',
  'dynamodb: 5xx',
  /** A scan that still sees what an item was before its last write. */
  'dynamodb: stale scan',
  'crash before a write or read',
  'crash after a write or read',
] as const

export const stripeFaults = [
  'stripe: response lost',
  'stripe: timeout',
  'stripe: refused connection',
  'stripe: 429',
  'stripe: 409',
  'stripe: 503',
  /** Refused, though nothing is wrong with what was asked. */
  'stripe: 402',
  /** Stripe remembers a 500 under the idempotency key, and repeats it. */
  'stripe: remembered 500',
  'crash before a call to Stripe',
  'crash after a call to Stripe',
] as const

/** Faults of whole deliveries and of clocks, which the world brings about itself. */
export const worldFaults = [
  /** Stripe refuses to say anything of one order, for as long as a whole reconciling. */
  'stripe: one object fails',
  'webhook: duplicated',
  'webhook: reordered',
  'webhook: late',
  'webhook: dropped',
  'clock: behind',
  'clock: ahead',
  'clock: in another month',
  'sweep: stopped half-way',
  'sweep: late',
  'hold: forgotten',
  /** A key that can ask nothing of what was ordered with the one before. */
  'stripe: a key of the other mode',
  'stripe: nothing left to pay',
] as const

/** A cancelled transaction that does not say that the entry was there too. */
export const reasonNotNamed = 'dynamodb: reason not named'

export const allFaults = [
  ...dynamoDbFaults,
  reasonNotNamed,
  ...stripeFaults,
  ...worldFaults,
] as const

export type Fault = (typeof allFaults)[number]

export type Tally = Map<Fault, number>

export function count(tally: Tally, fault: Fault): void {
  tally.set(fault, (tally.get(fault) ?? 0) + 1)
}

/** The SDK and the Stripe client try a request again; a fault that lasts this long outlasts them. */
const lastingAttempts = 3

/** The bad luck of one operation: which of its requests go wrong, and how. */
export class Faults {
  readonly chance: () => number
  readonly #rate: number
  readonly #tally: Tally
  #lasting: { fault: Fault; left: number } | undefined
  #over = false
  /** How many faults it has met, which excuses an answer of "busy" or "unavailable". */
  met = 0

  constructor(seed: number, rate: number, tally: Tally) {
    this.chance = chanceFrom(seed)
    this.#rate = rate
    this.#tally = tally
  }

  next<Kind extends Fault>(kinds: readonly Kind[]): Kind | undefined {
    if (this.#over) return undefined
    let fault = this.#lasts(kinds)
    if (!fault) {
      if (this.chance() >= this.#rate) return undefined
      fault = kinds[Math.floor(this.chance() * kinds.length)]!
      const lasts = this.chance() < 0.3
      this.#lasting = lasts ? { fault, left: lastingAttempts - 1 } : undefined
    }
    return fault
  }

  /** Whether something that is no failure, but need not be expected, happens this time. */
  sometimes(fault: Fault): boolean {
    if (this.#over || this.#rate === 0 || this.chance() < 0.5) return false
    this.happened(fault)
    return true
  }

  /** Notes a fault that could be brought about: not every one fits every request. */
  happened(fault: Fault): void {
    this.met++
    count(this.#tally, fault)
  }

  /** From here on everything works. */
  stop(): void {
    this.#over = true
  }

  #lasts<Kind extends Fault>(kinds: readonly Kind[]): Kind | undefined {
    const lasting = this.#lasting
    if (!lasting || lasting.left === 0 || !kinds.includes(lasting.fault as Kind)) return undefined
    lasting.left--
    return lasting.fault as Kind
  }
}
