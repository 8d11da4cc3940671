import { readFileSync } from 'node:fs'
import { App, type CfnElement, Stack } from 'aws-cdk-lib'
import { Template } from 'aws-cdk-lib/assertions'
import { Secret } from 'aws-cdk-lib/aws-secretsmanager'
import { Topic } from 'aws-cdk-lib/aws-sns'
import type { IConstruct } from 'constructs'
import { TokenTopUp, type TokenTopUpProps } from '../../infra/token-top-up.ts'

const cdkJson = JSON.parse(readFileSync(new URL('../../cdk.json', import.meta.url), 'utf8'))

export interface Resource {
  Type: string
  // biome-ignore lint/suspicious/noExplicitAny: the shape of a resource's properties is what these tests look at
  Properties: any
  DeletionPolicy?: string
  UpdateReplacePolicy?: string
}

/** The stack as it would be deployed, but for the functions' code: `bundle.test.ts` is about that. */
export function synthesized(props: Partial<TokenTopUpProps> = {}) {
  const app = new App({ context: { ...cdkJson.context, 'aws:cdk:bundling-stacks': [] } })
  const stack = new Stack(app, 'Test')
  const alarmTopic = Topic.fromTopicArn(stack, 'Pager', 'arn:aws:sns:eu-west-1:123456789012:pager')
  const service = new TokenTopUp(stack, 'Service', {
    issuer: 'https://issuer.example.com/',
    audience: ['token-top-up'],
    allowedOrigins: ['https://app.example.com'],
    stripeSecret: Secret.fromSecretNameV2(stack, 'Stripe', 'token-top-up/stripe'),
    alarmTopic,
    ...props,
  })
  const template = Template.fromStack(stack)

  return {
    stack,
    service,
    template,
    /** The resource behind a construct. */
    resourceOf(construct: IConstruct): Resource {
      return template.toJSON().Resources[logicalIdOf(construct)]
    },
    logicalIdOf,
    all(type: string): Record<string, Resource> {
      return template.findResources(type) as Record<string, Resource>
    },
  }

  function logicalIdOf(construct: IConstruct): string {
    return stack.getLogicalId((construct.node.defaultChild ?? construct) as CfnElement)
  }
}
