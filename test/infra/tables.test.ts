import { RemovalPolicy } from 'aws-cdk-lib'
import { describe, expect, it } from 'vitest'
import { synthesized } from './synthesized.ts'

const { service, resourceOf } = synthesized()
const workspaces = resourceOf(service.workspacesTable)
const ledger = resourceOf(service.ledgerTable)

describe.each([
  ['workspaces', workspaces],
  ['ledger', ledger],
])('the %s table', (_, table) => {
  it('is paid by the request', () => {
    expect(table.Properties.BillingMode).toBe('PAY_PER_REQUEST')
  })

  it('can be put back to any second of the last 35 days', () => {
    expect(table.Properties.PointInTimeRecoverySpecification).toEqual({
      PointInTimeRecoveryEnabled: true,
    })
  })

  it('is encrypted', () => {
    expect(table.Properties.SSESpecification).toEqual({ SSEEnabled: true })
  })

  it('outlives its stack, and refuses to be deleted', () => {
    expect(table.Properties.DeletionProtectionEnabled).toBe(true)
    expect(table.DeletionPolicy).toBe('Retain')
    expect(table.UpdateReplacePolicy).toBe('Retain')
  })
})

describe('the tables of a trial', () => {
  it('go with their stack when asked to', () => {
    const trial = synthesized({ removalPolicy: RemovalPolicy.DESTROY })
    for (const table of [trial.service.workspacesTable, trial.service.ledgerTable]) {
      const resource = trial.resourceOf(table)
      expect(resource.DeletionPolicy).toBe('Delete')
      expect(resource.Properties.DeletionProtectionEnabled).toBe(false)
    }
  })
})

describe('the keys', () => {
  it('find a workspace by its id', () => {
    expect(workspaces.Properties.KeySchema).toEqual([
      { AttributeName: 'workspaceId', KeyType: 'HASH' },
    ])
  })

  it('find a ledger entry by workspace and entry', () => {
    expect(ledger.Properties.KeySchema).toEqual([
      { AttributeName: 'workspaceId', KeyType: 'HASH' },
      { AttributeName: 'entryId', KeyType: 'RANGE' },
    ])
  })

  it('list the ledger by time, whole entries', () => {
    expect(ledger.Properties.GlobalSecondaryIndexes).toEqual([
      {
        IndexName: 'byTime',
        KeySchema: [
          { AttributeName: 'workspaceId', KeyType: 'HASH' },
          { AttributeName: 'listedAt', KeyType: 'RANGE' },
        ],
        Projection: { ProjectionType: 'ALL' },
      },
    ])
  })

  it('let only ledger items expire, and only those that say when', () => {
    expect(ledger.Properties.TimeToLiveSpecification).toEqual({
      AttributeName: 'expiresAt',
      Enabled: true,
    })
    expect(workspaces.Properties.TimeToLiveSpecification).toBeUndefined()
  })
})
