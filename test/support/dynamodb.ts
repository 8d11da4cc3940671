import type { TestProject } from 'vitest/node'
import { startDynamoDb } from '../../local/aws/dynamodb.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    dynamoDbEndpoint: string
  }
}

/** One engine in memory for the whole run; each test file has tables of its own in it. */
export default async function setup(project: TestProject) {
  const engine = await startDynamoDb()
  project.provide('dynamoDbEndpoint', engine.endpoint)
  return engine.stop
}
