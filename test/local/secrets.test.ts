import { statSync } from 'node:fs'
import { join } from 'node:path'
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager'
import { afterAll, describe, expect, it } from 'vitest'
import { localCredentials, region } from '../../local/aws/account.ts'
import { handleSecretsApi } from '../../local/aws/secrets.ts'
import { openDataFolder } from '../../local/data-folder.ts'
import { message, serve } from '../../local/http.ts'
import { openStripeSecret, parseTestKeys, stripeSecretName } from '../../local/stripe/keys.ts'
import { temporaryFolder } from './bundle.ts'

describe('the Stripe secret', () => {
  const folder = temporaryFolder()
  afterAll(() => folder.remove())
  const open = (...keys: [apiKey: string, webhookSecret?: string] | []) =>
    openStripeSecret(
      openDataFolder(folder.path),
      keys[0] === undefined ? undefined : { apiKey: keys[0], webhookSecret: keys[1] },
    )

  it('is made up at random once, and kept where only its owner can read it', () => {
    const made = open()
    expect(made.apiKey).toMatch(/^sk_test_local_\w{48}$/)
    expect(made.webhookSecrets).toEqual([expect.stringMatching(/^whsec_\w{48}$/)])
    expect(open()).toEqual(made)
    expect(statSync(join(folder.path, 'secrets.json')).mode & 0o777).toBe(0o600)
  })

  it('is made from test keys where there are any, and verifies nothing without a webhook secret', () => {
    expect(open('sk_test_1', 'whsec_1')).toEqual({
      apiKey: 'sk_test_1',
      webhookSecrets: ['whsec_1'],
    })
    expect(open('sk_test_1').webhookSecrets).not.toEqual(open('sk_test_1').webhookSecrets)
  })

  it.each(['sk_live_1', 'rk_live_1', 'pk_test_1', 'whsec_1'])('is not made from %s', (key) => {
    expect(() => parseTestKeys({ STRIPE_SECRET_KEY: key })).toThrow(/^STRIPE_SECRET_KEY is .*$/)
    expect(() => parseTestKeys({ STRIPE_SECRET_KEY: key })).not.toThrow(key)
  })

  it('is read with the client the functions use, by its name and nothing else', async () => {
    const server = await serve(
      async (request) =>
        (await handleSecretsApi(request, new Map([[stripeSecretName, open()]]))) ??
        message(404, 'Not Found'),
    )
    const client = new SecretsManagerClient({
      endpoint: server.url,
      region,
      credentials: localCredentials,
    })
    try {
      const { SecretString } = await client.send(
        new GetSecretValueCommand({ SecretId: stripeSecretName }),
      )
      expect(JSON.parse(SecretString!)).toEqual(open())
      await expect(
        client.send(new GetSecretValueCommand({ SecretId: 'other' })),
      ).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
    } finally {
      client.destroy()
      await server.stop()
    }
  })
})
