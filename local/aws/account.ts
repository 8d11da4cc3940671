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
