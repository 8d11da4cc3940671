import type { ClaimsConfig } from '../config.ts'
import type { Role } from '../domain/plan.ts'
import { isWorkspaceId } from '../domain/workspace-id.ts'

/**
 * Who is calling, as the verified token says: a person, who acts by a role in one workspace, or a service, which
 * acts by its scopes. Only what the issuer vouches for tells them apart. A scope does not: at some issuers an
 * application may ask for any, so in a person's token it counts for nothing.
 */
export interface Caller {
  kind: 'person' | 'service'
  /** Who is recorded as having done it: the token's subject, or a service's client id. */
  subject?: string
  /** The workspace the token is bound to. People act there or nowhere; a service without one acts in any. */
  workspaceId?: string
  /** The claim that would bind a service is there, and names no workspace. */
  boundToNone?: true
  /** A person's role in that workspace. */
  role?: Role
  /** What the token carries. They are a service's rights, and nobody else's. */
  scopes: ReadonlySet<string>
}

export type Scope = 'tokens:read' | 'tokens:consume' | 'tokens:grant' | 'tokens:manage'

/** Claims as the HTTP API passes them on: each as text, a list as `[a b]`. */
export type Claims = Record<string, unknown>

export function callerOf(claims: Claims, config: ClaimsConfig): Caller {
  const kind = isService(claims, config) ? 'service' : 'person'
  const bound = claims[config.workspaceClaim]
  const workspaceId = isWorkspaceId(bound) ? bound : undefined
  return {
    kind,
    subject: text(claims.sub) ?? (kind === 'service' ? clientIdsOf(claims)[0] : undefined),
    workspaceId,
    ...(bound !== undefined && workspaceId === undefined && { boundToNone: true }),
    role: kind === 'person' && workspaceId ? roleOf(claims[config.roleClaim], config) : undefined,
    scopes: new Set(
      [...wordsOf(claims.scope), ...wordsOf(claims.scp)]
        .filter((scope) => scope.startsWith(config.scopePrefix))
        .map((scope) => scope.slice(config.scopePrefix.length)),
    ),
  }
}

/**
 * Whether the issuer made the token for a client of its own and not for a person. Issuers write that in
 * different ways: the grant type in `gty` (Auth0, Kinde), a subject that is the client itself (Cognito, WorkOS,
 * RFC 9068) or the client with `@clients` behind it (Auth0), or a machine's id (Clerk). Who uses an issuer that
 * writes none of these names a claim that it does write.
 */
function isService(claims: Claims, { serviceMark }: ClaimsConfig): boolean {
  if (serviceMark && claims[serviceMark.claim] === serviceMark.value) return true
  const [grantType, ...otherGrants] = valuesOf(claims.gty)
  if (otherGrants.length === 0 && /^client[-_]credentials$/.test(grantType ?? '')) return true
  const subject = text(claims.sub)
  if (subject === undefined) return false
  const clients = clientIdsOf(claims)
  if (clients.some((id) => subject === id || subject === `${id}@clients`)) return true
  // Clerk's machines have no session, and nobody's browser is their authorized party.
  return /^mch_[A-Za-z0-9]+$/.test(subject) && !('sid' in claims) && clients.length === 0
}

/** The client that asked for the token, under the names that issuers give it. */
function clientIdsOf({ client_id, azp }: Claims): string[] {
  return [text(client_id), text(azp)].filter((id) => id !== undefined)
}

/**
 * Whether the token is an ID token, made to tell an application who signed in. Issuers mark these by `token_use`
 * (Cognito) or `typ` (Keycloak), or by claims that only ID tokens carry. A nonce is one of these unless the token
 * shows that it gives access: older Keycloak writes it into access tokens too.
 */
export function isIdToken(claims: Claims): boolean {
  if (claims.token_use === 'id' || claims.typ === 'ID') return true
  if ('at_hash' in claims || 'c_hash' in claims) return true
  return 'nonce' in claims && !isForAccess(claims)
}

function isForAccess(claims: Claims): boolean {
  const marked = claims.token_use === 'access' || claims.typ === 'Bearer'
  return marked || ['scope', 'scp', 'client_id'].some((name) => text(claims[name]) !== undefined)
}

/** Who may make a call: people with one of the roles in their own workspace, and services with the scope. */
export interface Who {
  roles?: readonly Role[]
  /** Roles that are let in only to be told why not, since the plan's reason comes before theirs. */
  toldWhy?: readonly Role[]
  scope?: Scope
}

export type Bar =
  | 'workspace_not_found'
  | 'admin_required'
  | 'service_required'
  | 'forbidden'
  | undefined

/**
 * Why the caller may not act on the workspace, or undefined when they may. A token bound to another
 * workspace learns nothing of this one, not even that it exists.
 */
export function barFor(caller: Caller, workspaceId: string, who: Who): Bar {
  if (caller.workspaceId !== undefined && caller.workspaceId !== workspaceId) {
    return 'workspace_not_found'
  }
  const bar = caller.kind === 'service' ? barForService(caller, who) : barForPerson(caller, who)
  // What is done is recorded with who did it, so nobody without a name may do anything.
  return bar ?? (caller.subject === undefined ? 'forbidden' : undefined)
}

function barForService({ scopes, boundToNone }: Caller, { scope }: Who): Bar {
  return scope && scopes.has(scope) && !boundToNone ? undefined : 'forbidden'
}

function barForPerson({ role, scopes }: Caller, { roles = [], toldWhy = [], scope }: Who): Bar {
  if (role && (roles.includes(role) || toldWhy.includes(role))) return undefined
  if (scope && scopes.has(scope)) return 'service_required'
  return role === 'member' && roles.includes('admin') ? 'admin_required' : 'forbidden'
}

export type StaffRight = 'read' | 'grant' | 'manage'

const staffRights: readonly StaffRight[] = ['read', 'grant', 'manage']

/** What a member of the product's own staff may do, from a claim that is a text or a list. */
export function staffRightsOf(claim: unknown): StaffRight[] {
  const held = wordsOf(claim)
  return staffRights.filter((right) => held.includes(right))
}

/** Where the adopter says that the claim is a list, any of its values will do, and admin outranks member. */
function roleOf(claim: unknown, config: ClaimsConfig): Role | undefined {
  const held = config.roleClaimIsList ? valuesOf(claim) : [text(claim)]
  const holds = (values: readonly string[]) => held.some((value) => value && values.includes(value))
  if (holds(config.adminRoles)) return 'admin'
  return holds(config.memberRoles) ? 'member' : undefined
}

function text(claim: unknown): string | undefined {
  return typeof claim === 'string' && claim.trim() !== '' ? claim : undefined
}

/** The values of a claim that may be a list: one text is one value, whatever spaces it holds. */
function valuesOf(claim: unknown): string[] {
  const value = text(claim)
  if (value === undefined) return []
  const list = /^\[(.*)\]$/s.exec(value)?.[1]
  return list === undefined ? [value] : list.split(' ').filter((word) => word !== '')
}

/** The words of a claim that is text with spaces between them, or a list. */
function wordsOf(claim: unknown): string[] {
  return valuesOf(claim).flatMap((value) => value.split(' ').filter((word) => word !== ''))
}
