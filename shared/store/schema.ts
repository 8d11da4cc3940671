/** Names the tables are created with and read by; `infra/tables.ts` and the store share them. */
export const schema = {
  workspaces: { partitionKey: 'workspaceId' },
  ledger: {
    partitionKey: 'workspaceId',
    sortKey: 'entryId',
    /**
     * Sparse: only items that carry `listedAt` are in it, which leaves out usage, holds and the cursor. What is to
     * be tried again is listed by when it is due.
     */
    byTimeIndex: { name: 'byTime', sortKey: 'listedAt' },
    /** Epoch seconds. What is used and held carries it, and so do counted looks: see `entryPut` and `takeLook`. */
    timeToLive: 'expiresAt',
  },
} as const

/**
 * Partitions of the ledger's table that are the service's own. No workspace's id has a `#`, so nothing that reads a
 * workspace's ledger meets them.
 */
export const ownPartitions = {
  deployment: '#deployment',
  /**
   * How far Stripe's events have been followed, and what is to be tried again. Of test and of live mode apart: the
   * key of one can neither see nor settle what is the other's, and must not pass it over.
   */
  stripeIn: (livemode: boolean) => `#stripe#${livemode ? 'live' : 'test'}`,
  looksOf: (workspaceId: string) => `#looks#${workspaceId}`,
} as const
