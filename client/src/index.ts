import type { Activity, Documents, Meter, Plans, Purchase, PurchaseRequest } from './api-types.ts'
import {
  type CallOptions,
  openTransport,
  type Transport,
  type TransportOptions,
} from './transport.ts'

export type { Activity, Documents, Meter, Plans, Purchase } from './api-types.ts'
export {
  isOutage,
  isRefused,
  type Problem,
  type ProblemCode,
  type RefusalCode,
  TokensError,
  TokensRefused,
  TokensUnavailable,
} from './errors.ts'
export type { CallOptions, GetToken, TransportOptions } from './transport.ts'

/** What a signed-in person may ask for. */
export interface PublicClient {
  plans(options?: CallOptions): Promise<Plans>
  meter(of: { workspace: string }, options?: CallOptions): Promise<Meter>
  /** `months` of usage, the current one first; entries only for admins, `limit` a page. */
  activity(
    of: { workspace: string; months?: number; limit?: number; cursor?: string },
    options?: CallOptions,
  ): Promise<Activity>
  /** Admins only. The answer has the page to pay on. */
  startPurchase(
    order: { workspace: string } & PurchaseRequest,
    options?: CallOptions,
  ): Promise<Purchase & { replayed: boolean }>
  /** Admins only. */
  getPurchase(
    of: { workspace: string; purchaseId: string },
    options?: CallOptions,
  ): Promise<Purchase>
  /** Admins only. Links to Stripe's pages: open them, and keep none, for they die within 30 days. */
  documents(
    of: { workspace: string; purchaseId: string },
    options?: CallOptions,
  ): Promise<Documents>
}

/**
 * The part of the API that is meant for pages: it needs no more than the token of the person who looks at it.
 * `token-top-up-client/server` has the rest.
 */
export function createClient(options: TransportOptions): PublicClient {
  return publicClient(openTransport(options))
}

export function publicClient(call: Transport): PublicClient {
  return {
    plans: (options) => call('GET /v1/plans', {}, options),
    meter: ({ workspace }, options) =>
      call(
        'GET /v1/workspaces/{workspaceId}/meter',
        { params: { workspaceId: workspace } },
        options,
      ),
    activity: ({ workspace, ...query }, options) =>
      call(
        'GET /v1/workspaces/{workspaceId}/activity',
        { params: { workspaceId: workspace }, query },
        options,
      ),
    startPurchase: ({ workspace, ...body }, options) =>
      call(
        'POST /v1/workspaces/{workspaceId}/purchases',
        { params: { workspaceId: workspace }, body },
        options,
      ),
    getPurchase: ({ workspace, purchaseId }, options) =>
      call(
        'GET /v1/workspaces/{workspaceId}/purchases/{purchaseId}',
        { params: { workspaceId: workspace, purchaseId } },
        options,
      ),
    documents: ({ workspace, purchaseId }, options) =>
      call(
        'GET /v1/workspaces/{workspaceId}/purchases/{purchaseId}/documents',
        { params: { workspaceId: workspace, purchaseId } },
        options,
      ),
  }
}
