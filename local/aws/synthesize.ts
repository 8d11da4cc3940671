import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Template } from './intrinsics.ts'
import { apiType, type Deployment, readDeployment } from './template.ts'

/** The props of the CDK app that have another value here; the app reads them from its context. */
export interface LocalProps {
  issuer: string
  audience: string
  servicesIssuer?: string
  servicesAudience?: string
  allowedOrigins: readonly string[]
  returnUrl: string
  stripeSecretName: string
  stripeApiBase?: string
}

/** Synthesizes the app into `outputFolder`, bundles included, and reads what came out. */
export async function synthesize(props: LocalProps, outputFolder: string): Promise<Deployment> {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  // What an earlier version of the app left there would be read as part of this one.
  rmSync(outputFolder, { recursive: true, force: true })
  try {
    await promisify(execFile)(process.execPath, ['infra/app.ts'], {
      cwd: root,
      env: {
        ...process.env,
        CDK_OUTDIR: outputFolder,
        CDK_CONTEXT_JSON: JSON.stringify({
          ...props,
          // With it each resource says which construct it came from, which names it better than its logical id.
          'aws:cdk:enable-path-metadata': true,
        }),
      },
    })
  } catch (cause) {
    const { stderr } = cause as { stderr?: string }
    throw new Error(`The CDK app could not be synthesized:\n${stderr?.trim() || cause}`)
  }
  return readSynthesized(outputFolder)
}

/** What the app came to that was synthesized there; `edit` gets each template's text first. */
export function readSynthesized(
  outputFolder: string,
  edit = (template: string) => template,
): Deployment {
  const templates = readdirSync(outputFolder)
    .filter((name) => name.endsWith('.template.json'))
    .map((name) => edit(readFileSync(join(outputFolder, name), 'utf8')))
    .map((text) => JSON.parse(text) as Template)
    .filter(({ Resources }) => Object.values(Resources).some(({ Type }) => Type === apiType))
  if (templates.length !== 1) {
    throw new Error(
      `Expected one stack with an HTTP API in ${outputFolder}, found ${templates.length}.`,
    )
  }
  return readDeployment(templates[0]!, outputFolder)
}
