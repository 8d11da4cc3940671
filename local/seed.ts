import { type Identity, seededWorkspaces } from './identity/issuer.ts'

/**
 * Creates the workspaces that are there from the start, through the API, as a product would. The keys never
 * change, so after a restart each call is a replay and what became of the workspaces since then stays.
 */
export async function seed(url: string, identity: Identity): Promise<void> {
  const token = await identity.token('host-app')
  await Promise.all(
    seededWorkspaces.map(async ({ id, ...plan }) => {
      const response = await fetch(`${url}/v1/workspaces/${id}`, {
        method: 'PUT',
        headers: {
          authorization: `Bearer ${token}`,
          'content-type': 'application/json',
          'idempotency-key': `seed-${id}`,
        },
        body: JSON.stringify(plan),
      })
      if (!response.ok) {
        throw new Error(`creating ${id} was answered ${response.status}: ${await response.text()}`)
      }
    }),
  )
}
