import type {
  ConsumeRequest,
  Extended,
  Granted,
  GrantRequest,
  HoldRequest,
  Planned,
  Released,
  WorkspaceRequest,
} from './api-types.ts'
import { type BacklogOptions, openBacklog, type Usage } from './backlog.ts'
import { isOutage, isRefused } from './errors.ts'
import type { Consumes, Hold, HoldRef, Holds, Once, SettleResult } from './holds.ts'
import { type PublicClient, publicClient } from './index.ts'
import { type Lease, type LeaseRequest, openLease } from './lease.ts'
import { type CallOptions, checkPlace, openTransport, type TransportOptions } from './transport.ts'

export type { UnreportedEvent } from './backlog.ts'
export { type ClientCredentials, clientCredentials } from './client-credentials.ts'
export type { ConsumeResult, Hold, SettleResult } from './holds.ts'
export * from './index.ts'
export type { Lease, LeaseRequest } from './lease.ts'
export { type Uncovered, type Work, type WorkRequest, withTokens } from './with-tokens.ts'

export interface ServerOptions extends TransportOptions, BacklogOptions {
  /**
   * What happens to work in an outage, which is what `isOutage` says it is. `closed`, the default: it is not
   * let through. `open`: it is, and its usage is kept in memory up to `unreportedMax` and reported later, as far
   * as the balance then goes. Past that bound, and for whatever the service answers, `open` is closed too.
   */
  failMode?: 'closed' | 'open'
  /** The deployment's services have an issuer or audience of their own, and so find the meter on their own route. */
  servicesApart?: boolean
}

/** What a service with scopes may ask for, and what people may. */
export interface Client extends PublicClient, Consumes, Holds {
  /** For a hold that another process opened. What `Hold.settle` says of failures holds here too. */
  settle(hold: HoldRef & { tokens: number }, options?: CallOptions): Promise<SettleResult>
  release(hold: HoldRef, options?: CallOptions): Promise<Released & Once>
  extend(hold: HoldRef & { ttlSeconds: number }, options?: CallOptions): Promise<Extended & Once>
  grant(grant: { workspace: string } & GrantRequest, options?: CallOptions): Promise<Granted & Once>
  putWorkspace(
    workspace: { workspace: string } & WorkspaceRequest,
    options?: CallOptions,
  ): Promise<Planned & Once>
  /** Serves many small uses of one workspace from few holds. */
  lease(request: LeaseRequest): Lease
  /** Usage the service has yet to be told of. */
  readonly unreported: { calls: number; tokens: number }
  /** Tries now to report it. */
  drain(): Promise<void>
  /** Closes every lease and reports what it can. Call it before the process ends. */
  close(): Promise<void>
}

/** The whole API, for backends: its tokens carry scopes, and must not reach a browser. */
export function createClient(options: ServerOptions): Client {
  const call = openTransport(options)
  const backlog = openBacklog(options)
  const opens = options.failMode === 'open'
  /** A signal may have been aborted with any error, and that is no outage. */
  const opensFor = (error: unknown, signal?: AbortSignal) =>
    opens && isOutage(error) && error !== signal?.reason
  const leases = new Set<Lease>()

  /** Usage that goes on the books when the service is back: as much of it as is left then. */
  function usageOf(
    { workspace, ...body }: { workspace: string } & ConsumeRequest,
    key: string,
  ): Usage {
    return {
      workspace,
      tokens: body.tokens,
      async report(reportOptions) {
        try {
          await call(
            'POST /v1/workspaces/{workspaceId}/consume',
            { params: { workspaceId: workspace }, body: { ...body, onShortfall: 'drain' } },
            { ...reportOptions, key },
          )
        } catch (error) {
          // The call whose answer was lost had been carried out: under this key it has its own entry.
          if (!isRefused(error, 'idempotency_key_reused')) throw error
        }
      },
    }
  }

  const client: Client = {
    ...publicClient(call),
    ...(options.servicesApart && {
      meter: ({ workspace }, callOptions) =>
        call(
          'GET /v1/services/workspaces/{workspaceId}/meter',
          { params: { workspaceId: workspace } },
          callOptions,
        ),
    }),

    async consume(use, { signal, key = crypto.randomUUID() } = {}) {
      const { workspace, ...body } = use
      const { tokens } = body
      const kept = () => backlog.keep(usageOf(use, key))
      const result = {
        requested: tokens,
        taken: tokens,
        replayed: false,
        unreported: true,
      } as const
      // While its reports go unanswered there is no use in making every caller wait for the same silence.
      if (opens && backlog.isAway(workspace) && kept()) return result
      try {
        const answer = await call(
          'POST /v1/workspaces/{workspaceId}/consume',
          { params: { workspaceId: workspace }, body },
          { signal, key },
        )
        return { ...answer, unreported: false }
      } catch (error) {
        if (opensFor(error, signal) && kept()) return result
        throw error
      }
    },

    async hold({ workspace, ...body }, callOptions) {
      const mayGoOn = () => backlog.reserve(body.tokens)
      if (opens && backlog.isAway(workspace) && mayGoOn()) return unreportedHold(workspace, body)
      try {
        const { holdId, tokens, expiresAt, meter, replayed, closed } = await call(
          'POST /v1/workspaces/{workspaceId}/holds',
          { params: { workspaceId: workspace }, body },
          callOptions,
        )
        const ref = { workspace, holdId }
        return {
          ...ref,
          tokens,
          expiresAt,
          meter,
          replayed,
          closed,
          unreported: false,
          settle: (tokens, options) => client.settle({ ...ref, tokens }, options),
          release: (options) => client.release(ref, options).then(() => {}),
          extend: (ttlSeconds, options) =>
            client.extend({ ...ref, ttlSeconds }, options).then(() => {}),
        }
      } catch (error) {
        if (opensFor(error, callOptions?.signal) && mayGoOn()) {
          return unreportedHold(workspace, body)
        }
        throw error
      }
    },

    async settle({ workspace, holdId, tokens }, { signal, key = crypto.randomUUID() } = {}) {
      checkPlace('workspaceId', workspace)
      checkPlace('holdId', holdId)
      const settle = (settleOptions: { signal?: AbortSignal; retries?: number }) =>
        call(
          'POST /v1/workspaces/{workspaceId}/holds/{holdId}/settle',
          { params: { workspaceId: workspace, holdId }, body: { tokens } },
          { ...settleOptions, key },
        )
      try {
        return { ...(await settle({ signal })), unreported: false }
      } catch (error) {
        // In either mode: the work is done, and only saying so has to wait. The tokens are still held.
        const abandoned = signal?.aborted && error === signal.reason
        backlog.keepDone(
          { workspace, tokens, report: settle },
          abandoned ? { atOnce: true } : { error },
        )
        return { used: tokens, replayed: false, unreported: true }
      }
    },

    release: ({ workspace, holdId }, options) =>
      call(
        'DELETE /v1/workspaces/{workspaceId}/holds/{holdId}',
        { params: { workspaceId: workspace, holdId } },
        options,
      ),

    extend: ({ workspace, holdId, ttlSeconds }, options) =>
      call(
        'POST /v1/workspaces/{workspaceId}/holds/{holdId}/extend',
        { params: { workspaceId: workspace, holdId }, body: { ttlSeconds } },
        options,
      ),

    grant: ({ workspace, ...body }, options) =>
      call(
        'POST /v1/workspaces/{workspaceId}/grants',
        { params: { workspaceId: workspace }, body },
        options,
      ),

    putWorkspace: ({ workspace, ...body }, options) =>
      call(
        'PUT /v1/workspaces/{workspaceId}',
        { params: { workspaceId: workspace }, body },
        options,
      ),

    lease(request) {
      const lease = openLease(client, request, () => leases.delete(lease))
      leases.add(lease)
      return lease
    },

    get unreported() {
      return backlog.left
    },

    drain: () => backlog.drain(),

    async close() {
      await Promise.all([...leases].map((lease) => lease.close()))
      await backlog.drain()
    },
  }

  /** Stands in for a hold while the service is away: its use is reported as a consume. */
  function unreportedHold(
    workspace: string,
    { tokens, member, feature, model }: HoldRequest,
  ): Hold {
    let open = true
    const close = () => {
      if (open) backlog.unreserve(tokens)
      open = false
    }
    return {
      workspace,
      tokens,
      replayed: false,
      unreported: true,
      async settle(used, { key = crypto.randomUUID() } = {}) {
        const first = open
        close()
        if (first && used > 0) {
          const use = { workspace, tokens: used, member, feature, model }
          backlog.keepDone(usageOf(use, key), { away: true })
        }
        return { used, replayed: !first, unreported: true }
      },
      release: async () => close(),
      extend: async () => {},
    }
  }

  return client
}
