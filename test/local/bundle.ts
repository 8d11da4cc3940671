import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { LambdaFunction } from '../../local/aws/lambda-host.ts'

/** A folder that is deleted by `remove`. */
export function temporaryFolder() {
  const path = mkdtempSync(join(tmpdir(), 'token-top-up-test-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}

/** Writes `code` as a function's bundle, as `Code.fromAsset` would lay it out. */
export function bundle(
  parent: string,
  name: string,
  code: string,
  definition: Partial<LambdaFunction> = {},
): LambdaFunction {
  const folder = join(parent, name)
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.mjs'), code)
  return {
    name,
    arn: `arn:aws:lambda:us-east-1:000000000000:function:${name}`,
    folder,
    handler: 'index.handler',
    timeoutMs: 3_000,
    memoryMb: 512,
    environment: {},
    ...definition,
  }
}
