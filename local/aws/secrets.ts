import { accountId, region } from './account.ts'

/**
 * Stands in for the GetSecretValue operation of Secrets Manager. Undefined for a request to another service.
 */
export async function handleSecretsApi(
  request: Request,
  secrets: ReadonlyMap<string, unknown>,
): Promise<Response | undefined> {
  const target = request.headers.get('x-amz-target')
  if (!target?.startsWith('secretsmanager.')) return undefined
  if (target !== 'secretsmanager.GetSecretValue') {
    return failure('InvalidRequestException', `${target} has no stand-in`)
  }
  const { SecretId } = (await request.json()) as { SecretId?: string }
  const name = SecretId?.replace(/^arn:[^/]*:secret:/, '')
  if (!name || !secrets.has(name)) {
    return failure('ResourceNotFoundException', "Secrets Manager can't find the specified secret.")
  }
  return amazonJson(200, {
    ARN: `arn:aws:secretsmanager:${region}:${accountId}:secret:${name}-local0`,
    Name: name,
    SecretString: JSON.stringify(secrets.get(name)),
    VersionId: '00000000-0000-0000-0000-000000000000',
    VersionStages: ['AWSCURRENT'],
    CreatedDate: 0,
  })
}

const failure = (type: string, text: string) => amazonJson(400, { __type: type, Message: text })

function amazonJson(status: number, body: object): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'content-type': 'application/x-amz-json-1.1' },
  })
}
