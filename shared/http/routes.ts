import type * as z from 'zod/mini'
import type { Who } from './caller.ts'
import {
  activityQuery,
  consumeBody,
  extendBody,
  grantBody,
  holdBody,
  type pathParameters,
  purchaseBody,
  settleBody,
  webhookBody,
  workspaceBody,
} from './input.ts'

/**
 * Every route of the API as plain data. The door, the authorizers with their scopes, and the API's own
 * description are made from this list: who may call a route and what it takes is said here and nowhere else.
 */
export interface Route {
  method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  path: `/v1/${string}`
  /** Names `functions/<name>.ts`. */
  function: string
  who: 'anyone' | Who
  /** The call moves tokens, and so must carry an Idempotency-Key. */
  keyed?: true
  body?: z.ZodMiniType
  query?: z.ZodMiniType
}

const table = [
  { method: 'GET', path: '/v1/openapi.json', function: 'openapi', who: 'anyone' },
  { method: 'GET', path: '/v1/plans', function: 'plans', who: 'anyone' },
  {
    method: 'GET',
    path: '/v1/workspaces/{workspaceId}/meter',
    function: 'meter',
    who: { roles: ['member', 'admin'], scope: 'tokens:read' },
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/consume',
    function: 'consume',
    who: { scope: 'tokens:consume' },
    keyed: true,
    body: consumeBody,
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/holds',
    function: 'open-hold',
    who: { scope: 'tokens:consume' },
    keyed: true,
    body: holdBody,
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/holds/{holdId}/settle',
    function: 'settle-hold',
    who: { scope: 'tokens:consume' },
    keyed: true,
    body: settleBody,
  },
  {
    method: 'DELETE',
    path: '/v1/workspaces/{workspaceId}/holds/{holdId}',
    function: 'release-hold',
    who: { scope: 'tokens:consume' },
    keyed: true,
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/holds/{holdId}/extend',
    function: 'extend-hold',
    who: { scope: 'tokens:consume' },
    keyed: true,
    body: extendBody,
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/purchases',
    function: 'start-purchase',
    who: { roles: ['admin'], toldWhy: ['member'] },
    keyed: true,
    body: purchaseBody,
  },
  {
    method: 'GET',
    path: '/v1/workspaces/{workspaceId}/purchases/{purchaseId}',
    function: 'get-purchase',
    who: { roles: ['admin'] },
  },
  {
    method: 'GET',
    path: '/v1/workspaces/{workspaceId}/purchases/{purchaseId}/documents',
    function: 'get-documents',
    who: { roles: ['admin'] },
  },
  {
    method: 'GET',
    path: '/v1/workspaces/{workspaceId}/activity',
    function: 'activity',
    who: { roles: ['member', 'admin'] },
    query: activityQuery,
  },
  {
    method: 'POST',
    path: '/v1/workspaces/{workspaceId}/grants',
    function: 'grant',
    who: { scope: 'tokens:grant' },
    keyed: true,
    body: grantBody,
  },
  {
    method: 'PUT',
    path: '/v1/workspaces/{workspaceId}',
    function: 'put-workspace',
    who: { scope: 'tokens:manage' },
    keyed: true,
    body: workspaceBody,
  },
  {
    method: 'POST',
    path: '/v1/stripe/webhook',
    function: 'stripe-webhook',
    who: 'anyone',
    body: webhookBody,
  },
] as const satisfies readonly Route[]

export const routes: readonly Route[] = table

type Table = (typeof table)[number]

/** The functions that answer routes, by their names. */
export type RoutedFunction = Table['function']

/** Those whose callers are signed in. */
export type SignedInFunction = Exclude<Table, { who: 'anyone' }>['function']

/** The route that a function answers, as it stands in the list. */
export type RouteOf<Name extends RoutedFunction> = Extract<Table, { function: Name }>

/** The names between braces in a path. */
export type ParametersOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? Extract<Name, keyof typeof pathParameters> | ParametersOf<Rest>
  : never

/** The same of any path. */
export function parametersIn(path: string): (keyof typeof pathParameters)[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name as keyof typeof pathParameters)
}

export interface Routing {
  /**
   * Services have an issuer or audience of their own. A route has one authorizer, so one that serves people and
   * services becomes two: the second under `/v1/services/`.
   */
  servicesApart: boolean
}

/** The routes of a deployment. */
export function routesOf({ servicesApart }: Routing): readonly Route[] {
  return routes.flatMap((route) => {
    const { who } = route
    if (!servicesApart || who === 'anyone' || !who.roles || !who.scope) return [route]
    const { scope, ...people } = who
    const path = route.path.replace('/v1/', '/v1/services/') as Route['path']
    return [
      { ...route, who: people },
      { ...route, path, who: { scope } },
    ]
  })
}

/** As API Gateway names a route: `POST /v1/workspaces/{workspaceId}/consume`. */
export function keyOf({ method, path }: Route): string {
  return `${method} ${path}`
}

/** Who is let through by the authorizer of services. Everyone else who signs in comes through that of people. */
export function isForServices({ who }: Route): boolean {
  return who !== 'anyone' && who.scope !== undefined && who.roles === undefined
}
