/** Made from the OpenAPI document by `npm run generate:client`. Not to be edited. */

export type Meter = {
  workspaceId: string
  plan: 'starter' | 'pro' | 'teams' | 'enterprise'
  /** The name of the plan, to be shown to people. */
  planName: string
  /** A UTC month, `2026-07`. */
  period: string
  resetsAt: string
  used: number
  limit: number
  /** What may be used now. */
  remaining: number
  /** Set aside by open holds: neither used nor free to use. */
  held: number
  quota: {
    limit: number
    used: number
    remaining: number
  }
  topUps: {
    limit: number
    used: number
    remaining: number
  }
  /** `[500,000/2,000,000 used]` */
  text: string
  purchase: {
    /** Tokens an order goes up by. */
    step: number
    min: number
    max: number
    /** The price of one step, in the currency's minor unit, before tax. */
    unitAmount: number
    currency: string
    allowed: boolean
    reason?:
      | 'upgrade_required'
      | 'contact_account_representative'
      | 'admin_required'
      | 'purchases_blocked'
  }
}

export type Plans = {
  plans: {
    plan: 'starter' | 'pro' | 'teams' | 'enterprise'
    name: string
    monthlyQuota: number | 'per_workspace'
    topUps: 'self_serve' | 'upgrade_required' | 'contact_account_representative'
  }[]
  topUp: TopUpOffer
}

export type TopUpOffer = {
  /** Tokens an order goes up by. */
  step: number
  min: number
  max: number
  /** The price of one step, in the currency's minor unit, before tax. */
  unitAmount: number
  currency: string
}

export type Purchase = {
  purchaseId: string
  status: 'open' | 'processing' | 'paid' | 'failed' | 'expired' | 'refunded' | 'disputed'
  tokens: number
  /** Tokens this purchase has given and not had taken back. */
  credited: number
  /** Of these, tokens that will be taken back when open holds return them. */
  pending?: number
  /** In the currency's minor unit, before discounts and tax. */
  amount: number
  currency: string
  /** Where the buyer pays, while the purchase is open. */
  checkoutUrl?: string
  createdAt: string
}

export type Documents = {
  /** Stripe's receipt of the payment, once there is one. */
  receiptUrl?: string
  /** Stripe's page of the invoice, where the checkout makes one. */
  invoiceUrl?: string
  /** The same invoice, to download. */
  invoicePdf?: string
}

export type Activity = {
  workspaceId: string
  months: {
    /** A UTC month, `2026-07`. */
    period: string
    quota: number
    topUps: number
    used: number
    days: {
      date: string
      tokens: number
    }[]
  }[]
  /** Only for admins; newest first. */
  entries?: (
    | {
        type: 'purchase'
        at: string
        purchaseId: string
        status: 'open' | 'processing' | 'paid' | 'failed' | 'expired' | 'refunded' | 'disputed'
        tokens: number
        /** Tokens this purchase has given and not had taken back. */
        credited: number
        /** Of these, tokens that will be taken back when open holds return them. */
        pending?: number
        /** In the currency's minor unit, before discounts and tax. */
        amount: number
        currency: string
        /** Where the buyer pays, while the purchase is open. */
        checkoutUrl?: string
        createdAt: string
      }
    | {
        type: 'grant'
        at: string
        /** A UTC month, `2026-07`. */
        period: string
        tokens: number
        reason: string
        reference?: string
        by: string
      }
    | {
        type: 'plan'
        at: string
        /** A UTC month, `2026-07`. */
        period: string
        plan: 'starter' | 'pro' | 'teams' | 'enterprise'
        /** The name of the plan, to be shown to people. */
        planName: string
        quota: number
        effect: 'created' | 'applied' | 'waits_for_reset' | 'kept'
        tokens: number
        by: string
      }
    | {
        type: 'payment'
        at: string
        /** A UTC month, `2026-07`. */
        period: string
        purchaseId: string
        status: 'open' | 'processing' | 'paid' | 'failed' | 'expired' | 'refunded' | 'disputed'
        /** Tokens added, or below zero taken back. */
        tokens: number
        /** Spent before they could be taken back. */
        shortfall: number
        /** Held when they should have been taken back; what comes back of them still will be. */
        pending?: number
      }
    | {
        type: 'reset'
        at: string
        /** A UTC month, `2026-07`. */
        period: string
        plan: 'starter' | 'pro' | 'teams' | 'enterprise'
        quota: number
        topUps: number
        expired: number
      }
  )[]
  nextCursor?: string
}

export type Consumed = {
  requested: number
  /** Less than requested only where `onShortfall` is `drain`. */
  taken: number
  meter: Meter
}

export type Held = {
  holdId: string
  /** What was set aside: less than asked for only where `atLeast` allows it. */
  tokens: number
  expiresAt: string
  /** Only where this hold is closed already: how. Nothing is set aside by it, so begin no work on it. */
  closed?: {
    /** `ended`: its month did. */
    outcome: 'settled' | 'released' | 'expired' | 'ended'
    /** What was used, where it was settled. */
    used?: number
  }
  meter: Meter
}

export type Settled = {
  holdId: string
  used: number
  charged: number
  /** Used beyond what the hold and the balance could pay for. */
  uncovered: number
  /** What went back to the balance. */
  returned: number
  meter: Meter
}

export type Released = {
  holdId: string
  returned: number
  meter: Meter
}

export type Extended = {
  holdId: string
  expiresAt: string
  meter: Meter
}

export type Granted = {
  granted: number
  meter: Meter
}

export type Planned = {
  effect: 'created' | 'applied' | 'waits_for_reset' | 'kept'
  /** A plan with a smaller quota, waiting for the reset. */
  next?: {
    plan: 'starter' | 'pro' | 'teams' | 'enterprise'
    quota: number
  }
  /** As it was given, if it was. */
  stripeCustomerId?: string
  /** Whether its admins may buy, as far as the plan lets them. */
  purchasing: 'allowed' | 'blocked'
  /** The purchases that keep it from buying. */
  blockedBy?: string[]
  meter: Meter
}

export type ConsumeRequest = {
  tokens: number
  member?: string
  feature?: string
  model?: string
  onShortfall?: 'refuse' | 'drain'
}

export type HoldRequest = {
  tokens: number
  atLeast?: number
  ttlSeconds: number
  holder?: string
  member?: string
  feature?: string
  model?: string
}

export type SettleRequest = {
  tokens: number
}

export type ExtendRequest = {
  ttlSeconds: number
}

export type PurchaseRequest = {
  tokens: number
  returnUrl?: string
}

export type GrantRequest = {
  tokens: number
  reason: string
  reference?: string
}

export type WorkspaceRequest = {
  plan?: 'starter' | 'pro' | 'teams' | 'enterprise'
  quota?: number
  stripeCustomerId?: string | null
  purchasing?: 'allowed'
}

export type InvalidRequest = {
  type: string
  title: string
  status: number
  detail: string
  requestId: string
  code: 'invalid_request'
  errors: {
    /** A JSON pointer into the body (`#/tokens`), or `header/…`, `path/…`, `query/…`. */
    pointer: string
    /** What it must be. */
    detail: string
  }[]
}

export type InsufficientTokens = {
  type: string
  title: string
  status: number
  detail: string
  requestId: string
  code: 'insufficient_tokens'
  requested: number
  meter: Meter
}

export type OtherProblem = {
  type: string
  title: string
  status: number
  detail: string
  requestId: string
  code:
    | 'invalid_signature'
    | 'access_token_required'
    | 'forbidden'
    | 'service_required'
    | 'admin_required'
    | 'upgrade_required'
    | 'contact_account_representative'
    | 'purchases_blocked'
    | 'workspace_not_found'
    | 'purchase_not_found'
    | 'hold_not_found'
    | 'top_ups_limit'
    | 'holds_limit'
    | 'hold_closed'
    | 'hold_taken'
    | 'body_too_large'
    | 'idempotency_key_reused'
    | 'too_many_looks'
    | 'internal_error'
    | 'busy'
    | 'unavailable'
  /** How the workspace stood, where that tells what to do next. */
  meter?: Meter
}

export type GatewayMessage = {
  message: string
}

export interface Operations {
  /** This document */
  'GET /v1/openapi.json': {
    body: undefined
    answer: {
      openapi: string
    }
    problems: 'internal_error' | 'unavailable'
  }
  /** Plans, quotas and prices */
  'GET /v1/plans': {
    body: undefined
    answer: Plans
    problems: 'internal_error' | 'unavailable'
  }
  /** The meter of a workspace, and what this viewer may do about it */
  'GET /v1/workspaces/{workspaceId}/meter': {
    body: undefined
    answer: Meter
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'workspace_not_found'
      | 'internal_error'
      | 'unavailable'
  }
  /** The meter of a workspace, and what this viewer may do about it */
  'GET /v1/services/workspaces/{workspaceId}/meter': {
    body: undefined
    answer: Meter
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'service_required'
      | 'workspace_not_found'
      | 'internal_error'
      | 'unavailable'
  }
  /** Take tokens that were used */
  'POST /v1/workspaces/{workspaceId}/consume': {
    body: ConsumeRequest
    answer: Consumed
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'insufficient_tokens'
      | 'forbidden'
      | 'service_required'
      | 'workspace_not_found'
      | 'body_too_large'
      | 'idempotency_key_reused'
      | 'internal_error'
      | 'busy'
      | 'unavailable'
  }
  /** Set tokens aside for work that is about to begin */
  'POST /v1/workspaces/{workspaceId}/holds': {
    body: HoldRequest
    answer: Held
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'insufficient_tokens'
      | 'forbidden'
      | 'service_required'
      | 'workspace_not_found'
      | 'holds_limit'
      | 'hold_taken'
      | 'body_too_large'
      | 'idempotency_key_reused'
      | 'internal_error'
      | 'busy'
      | 'unavailable'
  }
  /** Pay for what was used, and get the rest back */
  'POST /v1/workspaces/{workspaceId}/holds/{holdId}/settle': {
    body: SettleRequest
    answer: Settled
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'service_required'
      | 'workspace_not_found'
      | 'hold_not_found'
      | 'hold_closed'
      | 'body_too_large'
      | 'idempotency_key_reused'
      | 'internal_error'
      | 'busy'
      | 'unavailable'
  }
  /** Get all that was held back */
  'DELETE /v1/workspaces/{workspaceId}/holds/{holdId}': {
    body: undefined
    answer: Released
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'service_required'
      | 'workspace_not_found'
      | 'hold_not_found'
      | 'hold_closed'
      | 'idempotency_key_reused'
      | 'internal_error'
      | 'busy'
      | 'unavailable'
  }
  /** Keep a hold for longer, counted from now */
  'POST /v1/workspaces/{workspaceId}/holds/{holdId}/extend': {
    body: ExtendRequest
    answer: Extended
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'service_required'
      | 'workspace_not_found'
      | 'hold_not_found'
      | 'hold_closed'
      | 'body_too_large'
      | 'idempotency_key_reused'
      | 'internal_error'
      | 'busy'
      | 'unavailable'
  }
  /** Order tokens, and get a page to pay for them */
  'POST /v1/workspaces/{workspaceId}/purchases': {
    body: PurchaseRequest
    answer: Purchase
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'admin_required'
      | 'upgrade_required'
      | 'contact_account_representative'
      | 'purchases_blocked'
      | 'workspace_not_found'
      | 'top_ups_limit'
      | 'body_too_large'
      | 'idempotency_key_reused'
      | 'internal_error'
      | 'busy'
      | 'unavailable'
  }
  /** Where an order stands */
  'GET /v1/workspaces/{workspaceId}/purchases/{purchaseId}': {
    body: undefined
    answer: Purchase
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'admin_required'
      | 'workspace_not_found'
      | 'purchase_not_found'
      | 'internal_error'
      | 'unavailable'
  }
  /** The receipt and the invoice of an order */
  'GET /v1/workspaces/{workspaceId}/purchases/{purchaseId}/documents': {
    body: undefined
    answer: Documents
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'admin_required'
      | 'workspace_not_found'
      | 'purchase_not_found'
      | 'too_many_looks'
      | 'internal_error'
      | 'unavailable'
  }
  /** Usage per day, and for admins what moved tokens and money */
  'GET /v1/workspaces/{workspaceId}/activity': {
    body: undefined
    answer: Activity
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'workspace_not_found'
      | 'internal_error'
      | 'unavailable'
  }
  /** Give a workspace tokens */
  'POST /v1/workspaces/{workspaceId}/grants': {
    body: GrantRequest
    answer: Granted
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'service_required'
      | 'workspace_not_found'
      | 'top_ups_limit'
      | 'body_too_large'
      | 'idempotency_key_reused'
      | 'internal_error'
      | 'busy'
      | 'unavailable'
  }
  /** Create a workspace, or change it */
  'PUT /v1/workspaces/{workspaceId}': {
    body: WorkspaceRequest
    answer: Planned
    problems:
      | 'invalid_request'
      | 'access_token_required'
      | 'forbidden'
      | 'service_required'
      | 'workspace_not_found'
      | 'body_too_large'
      | 'idempotency_key_reused'
      | 'internal_error'
      | 'busy'
      | 'unavailable'
  }
  /** For Stripe, which signs what it sends */
  'POST /v1/stripe/webhook': {
    body: Record<string, unknown>
    answer: {
      outcome: string
    }
    problems: 'invalid_signature' | 'internal_error' | 'unavailable'
  }
}
