import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const output = mkdtempSync(join(tmpdir(), 'token-top-up-app-'))
afterAll(() => rmSync(output, { recursive: true }))

const needed = {
  issuer: 'https://issuer.example.com/',
  audience: 'token-top-up, token-top-up-staging',
  allowedOrigins: 'https://app.example.com,https://eu.example.com',
}

// Each test starts a process that loads the CDK library.
describe('the app', { timeout: 60_000 }, () => {
  it.each(Object.keys(needed))('asks for a missing %s in one line', (name) => {
    const { status, stderr } = synth({ ...needed, [name]: undefined })
    expect(status).toBe(1)
    expect(stderr.trim().split('\n')).toEqual([
      expect.stringMatching(new RegExp(`its ${name}: add -c ${name}=`)),
    ])
  })

  it('asks in one line for what must come with an option', () => {
    const { status, stderr } = synth({ ...needed, servicesIssuer: 'https://services.example.com' })
    expect(status).toBe(1)
    expect(stderr.trim()).toBe(
      'Token Top-up needs to know its servicesAudience too: add -c servicesAudience=…',
    )
  })

  it('reads its context, passes its own checks and writes the template', () => {
    const { status, stderr } = synth({
      ...needed,
      stackName: 'Trial',
      adminRoles: 'org:admin',
      roleClaimIsList: 'true',
      servicesIssuer: 'https://services.example.com',
      servicesAudience: 'client_1,client_2',
      serviceMarkClaim: 'client_kind',
      serviceMarkValue: 'backend',
      stripeSecretName: 'trial/stripe',
      alarmEmail: 'pager@example.com',
    })
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const template = readFileSync(join(output, 'Trial.template.json'), 'utf8')
    for (const given of [
      '"token-top-up-staging"',
      '"https://eu.example.com"',
      '"org:admin"',
      '"ROLE_CLAIM_IS_LIST"',
      '"https://services.example.com"',
      '"client_2"',
      '"client_kind"',
      '"backend"',
      '"trial/stripe"',
      '"pager@example.com"',
    ]) {
      expect(template).toContain(given)
    }
  })

  it('serves the site when it is told the page’s client, with no origin besides', () => {
    const { status, stderr } = synth({
      ...needed,
      allowedOrigins: undefined,
      stackName: 'WithSite',
      siteClientId: 'page',
      siteDomainName: 'tokens.example.com',
      siteCertificateArn: 'arn:aws:acm:us-east-1:123456789012:certificate/tokens',
      siteFrameAncestors: 'https://app.example.com',
    })
    expect(stderr).toBe('')
    expect(status).toBe(0)
    const template = JSON.parse(readFileSync(join(output, 'WithSite.template.json'), 'utf8'))
    expect(template.Outputs.SiteUrl.Value).toBe('https://tokens.example.com/')
    expect(JSON.stringify(template)).toContain('frame-ancestors https://app.example.com')
  })
})

/** As the CDK command runs it, without bundling. */
function synth(context: Record<string, string | undefined>) {
  return spawnSync(process.execPath, ['infra/app.ts'], {
    cwd: root,
    encoding: 'utf8',
    env: {
      ...process.env,
      CDK_OUTDIR: output,
      CDK_CONTEXT_JSON: JSON.stringify({ ...context, 'aws:cdk:bundling-stacks': [] }),
    },
  })
}
