import type { Client, Hold } from '../../client/src/server.ts'

/** What became of one hold. */
export interface Kept {
  tokens: number
  settled: number[]
  released: number
  extended: number
}

export interface TokensInMemory {
  client: Pick<Client, 'hold' | 'consume'>
  holds: Kept[]
  consumed: number[]
  /** Throws from the next settle or release on, as often as there are errors. */
  failing: unknown[]
}

/** A workspace's tokens without a service, for streams by the thousand: what is left, and what became of holds. */
export function tokensInMemory({ left = Number.MAX_SAFE_INTEGER } = {}): TokensInMemory {
  const tokens: TokensInMemory = { holds: [], consumed: [], failing: [], client: { hold, consume } }
  let balance = left
  const mayFail = () => {
    if (tokens.failing.length > 0) throw tokens.failing.shift()
  }
  const take = (wanted: number) => {
    const taken = Math.min(wanted, balance)
    balance -= taken
    return taken
  }
  return tokens

  async function hold(request: Parameters<Client['hold']>[0] & { atLeast?: number }) {
    const { workspace, tokens: wanted, atLeast = wanted } = request
    if (balance < atLeast) throw new Error('insufficient_tokens')
    const kept: Kept = { tokens: take(wanted), settled: [], released: 0, extended: 0 }
    tokens.holds.push(kept)
    const holdId = `hold_${tokens.holds.length}`
    return {
      workspace,
      holdId,
      tokens: kept.tokens,
      replayed: false,
      unreported: false,
      async settle(used: number) {
        kept.settled.push(used)
        mayFail()
        balance += kept.tokens
        const charged = take(used)
        return { holdId, used, charged, uncovered: used - charged, unreported: false }
      },
      async release() {
        kept.released++
        mayFail()
        balance += kept.tokens
      },
      async extend() {
        kept.extended++
      },
    } as unknown as Hold
  }

  async function consume({ tokens: wanted }: { tokens: number }) {
    tokens.consumed.push(wanted)
    return { taken: take(wanted), unreported: false } as Awaited<ReturnType<Client['consume']>>
  }
}
