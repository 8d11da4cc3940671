import { Aws } from 'aws-cdk-lib'
import { AwsSolutionsChecks } from 'cdk-nag'
import { describe, expect, it } from 'vitest'
import type { TokenTopUpProps } from '../../infra/token-top-up.ts'
import { synthesized } from './synthesized.ts'

describe('the stack', () => {
  it('needs five findings of the AWS Solutions checks acknowledged, and has no others', () => {
    const { stack } = synthesized()
    // Asked directly, the checks report the acknowledged findings too. That nothing is left besides them
    // is what `app.test.ts` sees, where a finding ends the synth.
    const { violations } = new AwsSolutionsChecks().validateScope(stack)
    const findings = violations.flatMap(({ ruleName, violatingResources }) =>
      violatingResources.map(({ constructPath }) => `${ruleName} ${constructPath}`),
    )
    expect(findings.sort()).toEqual([
      'AwsSolutions-APIG4 Test/Service/Api/Http/GET--v1--openapi.json/Resource',
      'AwsSolutions-APIG4 Test/Service/Api/Http/GET--v1--plans/Resource',
      'AwsSolutions-APIG4 Test/Service/Api/Http/POST--v1--stripe--webhook/Resource',
      'AwsSolutions-SQS3 Test/Service/FailedInvocations/Resource',
      'AwsSolutions-SQS3 Test/Service/UndeliveredSchedules/Resource',
    ])
  })

  it('shows where it can be called', () => {
    const { service, stack } = synthesized()
    expect(stack.resolve(service.apiUrl)).toEqual({
      'Fn::GetAtt': [expect.stringContaining('Api'), 'ApiEndpoint'],
    })
  })
})

describe('a prop that cannot work stops the synth and says which', () => {
  const mistakes: [string, Partial<TokenTopUpProps>, RegExp][] = [
    ['an issuer that is no URL', { issuer: 'my-tenant' }, /issuer must be the URL/],
    ['no audience', { audience: [] }, /audience must be a list/],
    ['no origin', { allowedOrigins: [] }, /allowedOrigins must be a list/],
    ['an origin with a path', { allowedOrigins: ['https://app.example.com/'] }, /without a path/],
    ['any origin', { allowedOrigins: ['*'] }, /allowedOrigins must be origins/],
    ['a return URL elsewhere', { returnUrl: 'https://evil.example/' }, /returnUrl must be/],
    ['a role with a comma', { adminRoles: ['a,b'] }, /adminRoles must be .* without commas/],
    ['an empty role', { memberRoles: [''] }, /memberRoles must be/],
    [
      'roles with spaces in a list, where they would be two roles',
      { roleClaimIsList: true, adminRoles: ['org admin'] },
      /roleClaimIsList must be used with roles without spaces/,
    ],
    [
      'services of an issuer that is no URL',
      { services: { issuer: 'tenant', audience: ['a'] } },
      /services\.issuer must be the URL/,
    ],
    [
      'services for nobody',
      { services: { issuer: 'https://services.example.com', audience: [] } },
      /services\.audience must be a list/,
    ],
    [
      'a service mark without a value',
      { serviceMark: { claim: 'x', value: '' } },
      /serviceMark must/,
    ],
    [
      'a service mark that an application may ask for',
      { serviceMark: { claim: 'scope', value: 'tokens:grant' } },
      /serviceMark\.claim must be a claim that the issuer alone decides/,
    ],
    [
      'a checkout option that Stripe has not, or that is not ours to offer',
      { checkout: { mode: 'subscription' } as object },
      /checkout must be options that Stripe has, and mode is not right/,
    ],
    [
      'a checkout option that is not as Stripe has it',
      { checkout: { automatic_tax: true } as object },
      /automatic_tax is not right/,
    ],
    [
      'a text in a place that there is not',
      { checkout: { custom_text: { header: { message: 'x' } } } as object },
      /custom_text\.header is not right/,
    ],
    ['no segment', { resetSegments: 0 }, /resetSegments must be a positive whole number/],
    ['half a segment', { resetSegments: 1.5 }, /resetSegments/],
    ['no pace', { resetPacePerSecond: 0 }, /resetPacePerSecond/],
    ['no retention', { usageRetentionDays: -1 }, /usageRetentionDays/],
    ['a Stripe server that is no URL', { stripeApiBase: 'stripe' }, /stripeApiBase must be a URL/],
  ]

  it.each(mistakes)('%s', (_, props, message) => {
    expect(() => synthesized(props)).toThrow(message)
  })

  it('but takes an issuer that only CloudFormation knows', () => {
    const issuer = `https://cognito-idp.${Aws.REGION}.amazonaws.com/${Aws.STACK_ID}`
    expect(() => synthesized({ issuer })).not.toThrow()
  })
})
