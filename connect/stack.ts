import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation'
import { SetupError } from './setup-error.ts'

/** Where a deployed stack takes webhooks, and which secret its functions read. */
export async function readStack(StackName: string): Promise<{ url: string; secret: string }> {
  const outputs = new Map<string | undefined, string | undefined>()
  try {
    const { Stacks } = await new CloudFormationClient().send(
      new DescribeStacksCommand({ StackName }),
    )
    for (const { OutputKey, OutputValue } of Stacks?.[0]?.Outputs ?? []) {
      outputs.set(OutputKey, OutputValue)
    }
  } catch (error) {
    const { name, message } = error as Error
    throw new SetupError(
      `Could not read the stack ${StackName}: ${name}: ${message}. Nothing was changed. Check its name, AWS_REGION and your AWS credentials, or give --url and --secret.`,
    )
  }
  const [url, secret] = [outputs.get('WebhookUrl'), outputs.get('StripeSecretName')]
  if (!url || !secret) {
    throw new SetupError(
      `The stack ${StackName} has no output WebhookUrl or StripeSecretName. Nothing was changed. Deploy it again, or give --url and --secret: a stack of your own may call them otherwise.`,
    )
  }
  return { url, secret }
}
