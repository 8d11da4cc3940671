import type { Scope } from './caller.ts'

/**
 * Every route of the API as plain data: the stack and the API's own description are both made from this list.
 *
 * `access` is what the JWT authorizer demands before a function runs. `signed-in` routes decide the rest
 * themselves, because who may depends on the caller's workspace and role.
 */
export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: `/v1/${string}`
  /** Names `functions/<name>.ts`. */
  function: string
  access: 'public' | 'signed-in' | { scope: Scope }
}

const table = [
  { method: 'GET', path: '/v1/openapi.json', function: 'openapi', access: 'public' },
  { method: 'GET', path: '/v1/plans', function: 'plans', access: 'public' },
  {
    method: 'GET',
    path: '/v1/workspaces/{workspaceId}/meter',
    function: 'meter',
    access: 'signed-in',
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/consume',
    function: 'consume',
    access: { scope: 'tokens:consume' },
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/holds',
    function: 'open-hold',
    access: { scope: 'tokens:consume' },
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/holds/{holdId}/settle',
    function: 'settle-hold',
    access: { scope: 'tokens:consume' },
  },
  {
    method: 'DELETE',
    path: '/v1/workspaces/{workspaceId}/holds/{holdId}',
    function: 'release-hold',
    access: { scope: 'tokens:consume' },
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/holds/{holdId}/extend',
    function: 'extend-hold',
    access: { scope: 'tokens:consume' },
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/purchases',
    function: 'start-purchase',
    access: 'signed-in',
  },
  {
    method: 'GET',
    path: '/v1/workspaces/{workspaceId}/purchases/{purchaseId}',
    function: 'get-purchase',
    access: 'signed-in',
  },
  {
    method: 'GET',
    path: '/v1/workspaces/{workspaceId}/activity',
    function: 'activity',
    access: 'signed-in',
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/grants',
    function: 'grant',
    access: { scope: 'tokens:grant' },
  },
  {
    method: 'PUT',
    path: '/v1/workspaces/{workspaceId}',
    function: 'put-workspace',
    access: { scope: 'tokens:manage' },
  },
  { method: 'POST', path: '/v1/stripe/webhook', function: 'stripe-webhook', access: 'public' },
] as const satisfies readonly Route[]

export const routes: readonly Route[] = table

/** The functions that answer routes, by their names. */
export type RoutedFunction = (typeof table)[number]['function']
