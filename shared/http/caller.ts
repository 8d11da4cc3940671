import type { ClaimsConfig } from '../config.ts'
import type { Role } from '../domain/plan.ts'

/** Who is calling, as the verified token says. */
export interface Caller {
  subject: string
  /** The workspace the token is bound to; people always have one, services usually not. */
  workspaceId?: string
  /** The caller's role in that workspace. */
  role?: Role
  scopes: ReadonlySet<string>
}

export type Scope = 'tokens:read' | 'tokens:consume' | 'tokens:grant' | 'tokens:manage'

/** Claims as the HTTP API passes them on: all as strings, lists as `[a b]`. */
export type Claims = Record<string, string | number | boolean | string[]>

export function callerOf(claims: Claims, config: ClaimsConfig): Caller {
  const workspaceId = text(claims[config.workspaceClaim])
  const role = text(claims[config.roleClaim])
  return {
    subject: text(claims.sub) ?? '',
    workspaceId,
    role: workspaceId === undefined ? undefined : roleOf(role, config),
    scopes: new Set(
      [...words(claims.scope), ...words(claims.scp)]
        .filter((scope) => scope.startsWith(config.scopePrefix))
        .map((scope) => scope.slice(config.scopePrefix.length)),
    ),
  }
}

/**
 * Whether the token is an ID token, made to tell an application who signed in. Issuers mark these in one of
 * two ways: a `token_use` of `id` (Cognito), or claims that only ID tokens carry.
 */
export function isIdToken(claims: Claims): boolean {
  return claims.token_use === 'id' || ['nonce', 'at_hash', 'c_hash'].some((name) => name in claims)
}

/** Who may make a call: people with one of the roles in their own workspace, or a service with the scope. */
export interface Who {
  roles?: readonly Role[]
  scope?: Scope
}

/**
 * Why the caller may not act on the workspace, or undefined when they may. A token bound to another
 * workspace learns nothing of this one, not even that it exists.
 */
export function barFor(
  caller: Caller,
  workspaceId: string,
  { roles = [], scope }: Who,
): 'workspace_not_found' | 'admin_required' | 'forbidden' | undefined {
  if (caller.workspaceId !== undefined && caller.workspaceId !== workspaceId) {
    return 'workspace_not_found'
  }
  if (scope && caller.scopes.has(scope)) return undefined
  if (caller.role && roles.includes(caller.role)) return undefined
  return caller.role === 'member' && roles.includes('admin') ? 'admin_required' : 'forbidden'
}

function roleOf(value: string | undefined, config: ClaimsConfig): Role | undefined {
  if (value === undefined) return undefined
  if (config.adminRoles.includes(value)) return 'admin'
  return config.memberRoles.includes(value) ? 'member' : undefined
}

function text(claim: Claims[string] | undefined): string | undefined {
  return typeof claim === 'string' && claim !== '' ? claim : undefined
}

function words(claim: Claims[string] | undefined): string[] {
  if (Array.isArray(claim)) return claim
  return typeof claim === 'string' ? claim.replace(/^\[|\]$/g, '').split(/[\s,]+/) : []
}
