/**
 * The id of a workspace, as the host writes its customers: an organization's id, a domain, `auth0|…`. These
 * characters are safe in paths, in Stripe's metadata and between the `#` of the ledger's own ids. A dot alone,
 * or two, would lead to another path.
 */
export const workspaceIdPattern = /^(?!\.{1,2}$)[A-Za-z0-9_.:@|-]{1,64}$/

/** Whether the text may be the id of a workspace; there need not be one. */
export function isWorkspaceId(text: unknown): text is string {
  return typeof text === 'string' && workspaceIdPattern.test(text)
}
