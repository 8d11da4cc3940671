import { RemovalPolicy } from 'aws-cdk-lib'
import {
  AttributeType,
  BillingMode,
  ProjectionType,
  Table,
  TableEncryption,
  type TableProps,
} from 'aws-cdk-lib/aws-dynamodb'
import { Construct } from 'constructs'
import { schema } from '../shared/store/schema.ts'

export interface TablesProps {
  removalPolicy: RemovalPolicy
}

/** The two tables. They hold what customers paid for, so losing one must take a deliberate act. */
export class Tables extends Construct {
  readonly workspaces: Table
  readonly ledger: Table

  constructor(scope: Construct, id: string, { removalPolicy }: TablesProps) {
    super(scope, id)
    const kept: Partial<TableProps> = {
      billingMode: BillingMode.PAY_PER_REQUEST,
      // AWS encrypts every table; its managed key adds a CloudTrail record of who used the key.
      encryption: TableEncryption.AWS_MANAGED,
      pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
      deletionProtection: removalPolicy !== RemovalPolicy.DESTROY,
      removalPolicy,
    }
    this.workspaces = new Table(this, 'Workspaces', {
      ...kept,
      partitionKey: stringKey(schema.workspaces.partitionKey),
    })
    this.ledger = new Table(this, 'Ledger', {
      ...kept,
      partitionKey: stringKey(schema.ledger.partitionKey),
      sortKey: stringKey(schema.ledger.sortKey),
      timeToLiveAttribute: schema.ledger.timeToLive,
    })
    this.ledger.addGlobalSecondaryIndex({
      indexName: schema.ledger.byTimeIndex.name,
      partitionKey: stringKey(schema.ledger.partitionKey),
      sortKey: stringKey(schema.ledger.byTimeIndex.sortKey),
      projectionType: ProjectionType.ALL,
    })
  }

  /** The one index, by its exact ARN: `grant` on a table would allow `index/*`. */
  get ledgerByTimeArn(): string {
    return `${this.ledger.tableArn}/index/${schema.ledger.byTimeIndex.name}`
  }
}

function stringKey(name: string) {
  return { name, type: AttributeType.STRING }
}
