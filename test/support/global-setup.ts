import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startDynamoDb } from '../../local/aws/dynamodb.ts'

declare module 'vitest' {
  export interface ProvidedContext {
    dynamoDbEndpoint: string
  }
}

/** One engine in memory for the whole run, in which each test file has tables of its own; and one synthesis. */
export default async function setup(project: TestProject) {
  const engine = await startDynamoDb()
  project.provide('dynamoDbEndpoint', engine.endpoint)
  const folder = mkdtempSync(join(tmpdir(), 'synthesis-'))
  // Workers inherit it: what is synthesized for one test file is kept there for the others.
  process.env.SYNTHESIS_FOLDER = folder
  return async () => {
    await engine.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
