import { createHash } from 'node:crypto'

/**
 * The id of what a caller's key creates in a workspace, 128 bits of a digest after its kind: a retry finds the
 * same one, and it tells nothing of workspace or key.
 */
export function derivedId(kind: 'hold' | 'pur', workspaceId: string, key: string): string {
  const digest = createHash('sha256').update(`${workspaceId}\n${key}`).digest()
  return `${kind}_${digest.subarray(0, 16).toString('base64url')}`
}
