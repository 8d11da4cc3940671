import { randomBytes } from 'node:crypto'
import { PutCommand } from '@aws-sdk/lib-dynamodb'
import { applied, type Store } from './dynamodb.ts'
import { notYetRecorded, readItem } from './ledger.ts'
import { ownPartitions } from './schema.ts'

const key = { workspaceId: ownPartitions.deployment, entryId: 'id' }

const known = new WeakMap<Store, string>()

/**
 * The id by which this deployment knows its own at a Stripe account that others use too. It is made once, by
 * whoever asks first, and lies in the tables: so it travels with tables that are restored or adopted.
 */
export async function deploymentId(store: Store): Promise<string> {
  const id = known.get(store) ?? (await readId(store)) ?? (await makeId(store))
  known.set(store, id)
  return id
}

async function readId(store: Store): Promise<string | undefined> {
  return (await readItem(store, key))?.deploymentId as string | undefined
}

async function makeId(store: Store): Promise<string> {
  const made = `dep_${randomBytes(12).toString('base64url')}`
  const isOurs = await applied(
    store.client.send(
      new PutCommand({
        TableName: store.ledgerTable,
        Item: { ...key, deploymentId: made },
        ConditionExpression: notYetRecorded,
      }),
    ),
  )
  return isOurs ? made : (await readId(store))!
}
