/** The account and region this machine passes for. Any will do, as long as all parts use the same. */
export const accountId = '000000000000'
export const region = 'us-east-1'

export interface Credentials {
  accessKeyId: string
  secretAccessKey: string
  sessionToken?: string
}

/** DynamoDB Local asks for credentials and does not check them. */
export const localCredentials: Credentials = { accessKeyId: 'local', secretAccessKey: 'local' }

/** As every SDK reads them. */
export function asEnvironment({ accessKeyId, secretAccessKey, sessionToken }: Credentials) {
  return {
    AWS_ACCESS_KEY_ID: accessKeyId,
    AWS_SECRET_ACCESS_KEY: secretAccessKey,
    ...(sessionToken && { AWS_SESSION_TOKEN: sessionToken }),
  }
}
