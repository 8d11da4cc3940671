import type { ClaimsConfig } from '../../shared/config.ts'

/**
 * Tokens as identity providers document them, with what an adopter tells the deployment about each: the rows of
 * the README's table. Ids are made up; the claims and their shapes are the documented ones.
 */
export interface Provider {
  /** As the README's row is headed. */
  name: string
  /** As written behind `-c` on the command line. */
  options: Record<string, string>
  config: Partial<ClaimsConfig>
  issuer: string
  /** Where services have another. */
  servicesIssuer?: string
  admin: Record<string, unknown>
  member: Record<string, unknown>
  service: Record<string, unknown>
  /** Further shapes of a service's token. */
  alsoServices?: Record<string, unknown>[]
  idToken: Record<string, unknown>
}

const times = { iat: 1_796_000_000, exp: 1_796_003_600 }

const auth0 = 'https://example.eu.auth0.com/'
const auth0Person = {
  iss: auth0,
  sub: 'auth0|6553da60a54af58e29493993',
  // Who asks for `openid` too gets a second audience.
  aud: ['token-top-up', `${auth0}userinfo`],
  azp: 'K1AUPhZq8mRi0Q0pjhkfu1D7y6KjDQja',
  scope: 'openid profile',
  ...times,
  'https://app.example.com/workspace_id': 'org_9ybsU1dN2dKfDkBi',
}
const auth0Service = {
  iss: auth0,
  sub: 'awZfdIir8YFdGZWkvCejDoUb7SjTDicx@clients',
  aud: 'token-top-up',
  ...times,
  scope: 'tokens:consume tokens:read',
}

const clerkPerson = {
  iss: 'https://clerk.app.example.com',
  sub: 'user_2b6fcd92dvf96q05x8e4a8xvt6a',
  azp: 'https://app.example.com',
  aud: 'token-top-up',
  jti: '8f1c',
  nbf: times.iat - 5,
  ...times,
  workspace_id: 'org_2b6fcd92dvf96q05x8e4a8xvt6b',
}

const workosPerson = {
  iss: 'https://api.workos.com/user_management/client_01HXENV',
  sub: 'user_01HXYZ',
  sid: 'session_01HQSXZGF8FHF7A9ZZFCW4387R',
  org_id: 'org_01HXYZ',
  permissions: ['org:view'],
  jti: '01HQSXZXPPFPKMDD32RKTFY6PV',
  ...times,
  aud: 'token-top-up',
  workspace_id: 'org_01HXYZ',
}

const cognitoPool = 'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE'
const cognitoPerson = {
  sub: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  iss: cognitoPool,
  client_id: '1pageclient23456789',
  origin_jti: 'aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee',
  token_use: 'access',
  scope: 'openid',
  auth_time: times.iat,
  jti: 'bbbbbbbb-bbbb-cccc-dddd-eeeeeeeeeeee',
  username: 'zoe',
  version: 2,
  ...times,
  workspace_id: 'acme.com',
}

const keycloakRealm = 'https://id.example.com/realms/product'
const keycloakPerson = {
  iss: keycloakRealm,
  aud: ['token-top-up', 'account'],
  sub: 'f1c2a3b4-0000-4000-8000-000000000001',
  typ: 'Bearer',
  azp: 'page',
  // Before version 24 also in access tokens.
  nonce: 'n-0S6_WzA2Mj',
  session_state: 'c5b6',
  acr: '1',
  realm_access: { roles: ['offline_access', 'admin'] },
  scope: 'openid email profile',
  preferred_username: 'zoe',
  jti: 'onrtac:19b5',
  ...times,
  workspace_id: 'acme',
}

export const providers: Provider[] = [
  {
    name: 'Auth0',
    options: {
      workspaceClaim: 'https://app.example.com/workspace_id',
      roleClaim: 'https://app.example.com/role',
    },
    config: {
      workspaceClaim: 'https://app.example.com/workspace_id',
      roleClaim: 'https://app.example.com/role',
    },
    issuer: auth0,
    admin: { ...auth0Person, 'https://app.example.com/role': 'admin' },
    member: { ...auth0Person, 'https://app.example.com/role': 'member' },
    service: {
      ...auth0Service,
      azp: 'awZfdIir8YFdGZWkvCejDoUb7SjTDicx',
      gty: 'client-credentials',
    },
    // The RFC 9068 profile has the client's id under another name, and no grant type.
    alsoServices: [{ ...auth0Service, client_id: 'awZfdIir8YFdGZWkvCejDoUb7SjTDicx', jti: 'x1' }],
    idToken: {
      iss: auth0,
      sub: auth0Person.sub,
      aud: auth0Person.azp,
      nonce: 'n-1',
      sid: 's',
      ...times,
    },
  },
  {
    name: 'Clerk',
    options: { adminRoles: 'org:admin', memberRoles: 'org:member' },
    config: { adminRoles: ['org:admin'], memberRoles: ['org:member'] },
    issuer: clerkPerson.iss,
    admin: { ...clerkPerson, role: 'org:admin' },
    member: { ...clerkPerson, role: 'org:member' },
    service: {
      iss: clerkPerson.iss,
      sub: 'mch_2xhFjEI5X2qWRvtV13BzSj8H6Dk',
      jti: 'mt_2xKa9Bgv7NxMRDFyQw8LpZ3cTmU1vHjE',
      ...times,
      aud: 'token-top-up',
      scope: 'tokens:consume tokens:read',
    },
    idToken: {
      iss: clerkPerson.iss,
      sub: clerkPerson.sub,
      aud: 'page',
      nonce: 'n-1',
      at_hash: 'h',
      ...times,
    },
  },
  {
    name: 'WorkOS',
    options: {
      servicesIssuer: 'https://YOUR-DOMAIN.authkit.app',
      servicesAudience: 'client_ENVIRONMENT',
    },
    config: { servicesApart: true },
    issuer: workosPerson.iss,
    servicesIssuer: 'https://example.authkit.app',
    admin: { ...workosPerson, role: 'admin', roles: ['admin'] },
    member: { ...workosPerson, role: 'member', roles: ['member'] },
    service: {
      iss: 'https://example.authkit.app',
      aud: 'client_01HXENV',
      sub: 'client_01HXMACHINE',
      client_id: 'client_01HXMACHINE',
      org_id: 'org_01OURS',
      scope: 'tokens:consume tokens:read',
      jti: '01HQ',
      ...times,
    },
    idToken: {
      iss: 'https://example.authkit.app',
      sub: workosPerson.sub,
      aud: 'client_01HXAPP',
      nonce: 'n-1',
      ...times,
    },
  },
  {
    name: 'Cognito',
    options: { scopePrefix: 'token-top-up/' },
    config: { scopePrefix: 'token-top-up/' },
    issuer: cognitoPool,
    admin: { ...cognitoPerson, role: 'admin', 'cognito:groups': ['eu-west-1_EXAMPLE_SAML'] },
    member: { ...cognitoPerson, role: 'member' },
    service: {
      sub: '2machineclient3456789',
      token_use: 'access',
      scope: 'token-top-up/tokens:consume token-top-up/tokens:read',
      auth_time: times.iat,
      iss: cognitoPool,
      ...times,
      version: 2,
      jti: 'cdbc77',
      client_id: '2machineclient3456789',
    },
    idToken: {
      iss: cognitoPool,
      sub: cognitoPerson.sub,
      aud: cognitoPerson.client_id,
      token_use: 'id',
      at_hash: 'h',
      'cognito:username': 'zoe',
      ...times,
    },
  },
  {
    name: 'Keycloak',
    options: {
      roleClaim: 'roles',
      roleClaimIsList: 'true',
      serviceMarkClaim: 'client_kind',
      serviceMarkValue: 'service',
    },
    config: {
      roleClaim: 'roles',
      roleClaimIsList: true,
      serviceMark: { claim: 'client_kind', value: 'service' },
    },
    issuer: keycloakRealm,
    admin: { ...keycloakPerson, roles: ['offline_access', 'admin'] },
    member: { ...keycloakPerson, roles: ['member'] },
    service: {
      iss: keycloakRealm,
      aud: 'token-top-up',
      sub: 'd952cf23-bf92-4c8f-a3ff-4972b4f2bc5b',
      typ: 'Bearer',
      azp: 'assistant',
      client_id: 'assistant',
      acr: '1',
      'allowed-origins': ['/*'],
      realm_access: { roles: ['offline_access'] },
      roles: ['offline_access'],
      scope: 'tokens:consume tokens:read email',
      clientHost: '10.0.0.1',
      preferred_username: 'service-account-assistant',
      ...times,
      client_kind: 'service',
    },
    idToken: {
      iss: keycloakRealm,
      aud: 'page',
      sub: keycloakPerson.sub,
      typ: 'ID',
      azp: 'page',
      nonce: 'n-1',
      at_hash: 'h',
      preferred_username: 'zoe',
      ...times,
    },
  },
]
