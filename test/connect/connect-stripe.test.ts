import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Stripe from 'stripe'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eventTypes } from '../../shared/payments/events.ts'
import { temporaryFolder } from '../local/bundle.ts'
import { apiKey, connect, type Endpoint, startAws, startStripeEndpoints } from './stand-ins.ts'

const url = 'https://api.example.com/v1/stripe/webhook'
const name = 'token-top-up/stripe'
const minutes = 60_000

let stripe: Awaited<ReturnType<typeof startStripeEndpoints>>
let aws: Awaited<ReturnType<typeof startAws>>
let folder: ReturnType<typeof temporaryFolder>
beforeEach(async () => {
  folder = temporaryFolder()
  stripe = await startStripeEndpoints()
  aws = await startAws({
    TokenTopUp: { WebhookUrl: url, StripeSecretName: name },
    Older: { WebhookUrl: url },
  })
  writeFileSync(join(folder.path, 'key'), `${apiKey}\n`)
})
afterEach(async () => {
  await stripe.stop()
  await aws.stop()
  folder.remove()
})

const keyFile = () => ['--key-file', join(folder.path, 'key')]
/** Nothing it says may be a secret. */
const connecting = async (...given: string[]) => {
  const { code, said } = await connect({ aws: aws.url, stripe: stripe.url }, ...given)
  for (const { secret } of stripe.endpoints) expect(said).not.toContain(secret)
  expect(said).not.toContain(apiKey)
  expect(said).not.toMatch(/whsec_|sk_test_connect/)
  return { code, said }
}
const first = () => connecting('--stack', 'TokenTopUp', ...keyFile())
const again = (...given: string[]) => connecting('--stack', 'TokenTopUp', ...given)
const kept = () => JSON.parse(aws.secrets.get(name)!.value)
const keep = (secret: object) =>
  void aws.secrets.set(name, { value: JSON.stringify(secret), storedAt: Date.now() })
const own = () => stripe.endpoints.filter((endpoint) => endpoint.url === url)
const other: Endpoint = {
  id: 'we_other',
  url: 'https://shop.example.com/hook',
  status: 'enabled',
  api_version: '2020-01-01',
  enabled_events: ['*'],
  secret: 'whsec_other',
}

describe('connecting for the first time', () => {
  it('makes the endpoint with our events and version, and the secret with key and signing secret', async () => {
    stripe.endpoints.push({ ...other })
    expect(await first()).toMatchObject({ code: 0 })
    const [endpoint, ...more] = own()
    expect(more).toEqual([])
    expect(endpoint).toMatchObject({
      api_version: Stripe.API_VERSION,
      enabled_events: [...eventTypes],
    })
    expect(kept()).toEqual({
      apiKey,
      webhookSecrets: [endpoint!.secret],
      webhookEndpoints: [endpoint!.id],
    })
    expect(aws.stored).toEqual(['CreateSecret'])
    expect(stripe.endpoints).toContainEqual(other)
  })

  it('takes the key of a secret that has no signing secret yet, and keeps what else is in it', async () => {
    keep({ apiKey, webhookSecrets: [], note: 'ours' })
    expect(await again()).toMatchObject({ code: 0 })
    expect(kept()).toMatchObject({ apiKey, note: 'ours', webhookSecrets: [own()[0]!.secret] })
  })

  it('run again changes nothing, neither at Stripe nor in the secret', async () => {
    await first()
    const [changes, stored] = [stripe.changes().length, aws.stored.length]
    expect(await again()).toMatchObject({
      code: 0,
      said: expect.stringContaining('Nothing to change'),
    })
    expect(await first()).toMatchObject({ code: 0 })
    expect([stripe.changes().length, aws.stored.length]).toEqual([changes, stored])
  })

  it('works with an address and a secret in place of a stack', async () => {
    const given = ['--url', `${url}/mine`, '--secret', 'mine', ...keyFile()]
    expect(await connecting(...given)).toMatchObject({ code: 0 })
    expect(stripe.endpoints.map((endpoint) => endpoint.url)).toEqual([`${url}/mine`])
    expect([...aws.secrets.keys()]).toEqual(['mine'])
  })
})

describe('what has drifted', () => {
  it('is put right in place: events, and an endpoint that Stripe has switched off', async () => {
    await first()
    const [endpoint] = own()
    Object.assign(endpoint!, { enabled_events: ['charge.succeeded'], status: 'disabled' })
    expect(await again()).toMatchObject({ code: 0 })
    expect(own()).toMatchObject([{ enabled_events: [...eventTypes], status: 'enabled' }])
    expect(kept().webhookSecrets).toEqual([endpoint!.secret])
  })

  it('is replaced where it cannot be changed: another API version', async () => {
    await first()
    const [outdated] = own()
    outdated!.api_version = '2020-01-01'
    expect(await again()).toMatchObject({ code: 3 })
    expect(own()).toMatchObject([{ id: outdated!.id }, { api_version: Stripe.API_VERSION }])
    expect(kept().webhookSecrets).toEqual([own()[1]!.secret, outdated!.secret])
  })

  it('is made anew where somebody removed it at Stripe', async () => {
    await first()
    const [gone] = stripe.endpoints.splice(0)
    expect(await again()).toMatchObject({ code: 3 })
    expect(kept().webhookSecrets).toEqual([own()[0]!.secret, gone!.secret])
    aws.age(name, 16 * minutes)
    expect(await again()).toMatchObject({ code: 0 })
    expect(kept().webhookSecrets).toEqual([own()[0]!.secret])
  })

  it('is taken over where it was made by hand: its secret stays until the new one is read', async () => {
    stripe.endpoints.push({ ...other, id: 'we_hand', url, secret: 'whsec_hand' })
    keep({ apiKey, webhookSecrets: ['whsec_hand'] })
    expect(await again()).toMatchObject({ code: 3 })
    expect(kept().webhookSecrets).toEqual([own()[1]!.secret, 'whsec_hand'])
    aws.age(name, 16 * minutes)
    expect(await again()).toMatchObject({ code: 0 })
    expect(own().map(({ id }) => id)).toEqual(kept().webhookEndpoints)
  })

  it('of the key is stored, and only the key', async () => {
    await first()
    const before = kept()
    keep({ ...before, apiKey: 'sk_test_rolled' })
    expect(await first()).toMatchObject({ code: 0 })
    expect(kept()).toEqual(before)
    expect(own()).toHaveLength(1)
  })
})

describe('rotating', () => {
  it('keeps both secrets until every function has read the new one, and then removes the first', async () => {
    await first()
    stripe.endpoints.push({ ...other })
    const [old] = own()
    expect(await again('--rotate')).toMatchObject({
      code: 3,
      said: expect.stringMatching(/Run this again after \d{4}-/),
    })
    const [, made] = own()
    expect(kept()).toMatchObject({
      webhookSecrets: [made!.secret, old!.secret],
      webhookEndpoints: [made!.id, old!.id],
    })
    // Too early, and with the flag once more: nothing new is begun.
    aws.age(name, 14 * minutes)
    expect(await again()).toMatchObject({ code: 3 })
    expect(await again('--rotate')).toMatchObject({ code: 3 })
    expect(own().map(({ id }) => id)).toEqual([old!.id, made!.id])

    aws.age(name, 2 * minutes)
    expect(await again()).toMatchObject({ code: 0 })
    expect(own().map(({ id }) => id)).toEqual([made!.id])
    expect(kept()).toMatchObject({ webhookSecrets: [made!.secret], webhookEndpoints: [made!.id] })
    expect(stripe.endpoints).toContainEqual(other)
    expect(await again()).toMatchObject({ code: 0, said: expect.stringContaining('Nothing') })
  })

  it('goes on where it was stopped after the first was removed, before its secret was', async () => {
    await first()
    await again('--rotate')
    aws.age(name, 16 * minutes)
    aws.refuse('PutSecretValue')
    expect(await again()).toMatchObject({ code: 1 })
    expect(own()).toHaveLength(1)
    aws.allow()
    expect(await again()).toMatchObject({ code: 0 })
    expect(kept().webhookSecrets).toEqual([own()[0]!.secret])
  })
})

describe('what fails', () => {
  it('between making an endpoint and storing its secret leaves nothing behind', async () => {
    aws.refuse('CreateSecret')
    expect(await first()).toMatchObject({
      code: 1,
      said: expect.stringMatching(/AccessDenied.*was removed again, so nothing has changed/s),
    })
    expect(own()).toEqual([])
    aws.allow()
    expect(await first()).toMatchObject({ code: 0 })
  })

  it('there, and cannot be undone either, is mended by the next run', async () => {
    aws.refuse('CreateSecret')
    stripe.next('DELETE', () => Response.json({ error: { type: 'api_error' } }, { status: 400 }))
    expect(await first()).toMatchObject({
      code: 1,
      said: expect.stringContaining('nobody has its signing secret'),
    })
    const [orphan] = own()
    aws.allow()
    expect(await first()).toMatchObject({ code: 3 })
    aws.age(name, 16 * minutes)
    expect(await again()).toMatchObject({ code: 0 })
    expect(own().map(({ id }) => id)).not.toContain(orphan!.id)
    expect(own()).toHaveLength(1)
  })

  it.each([
    [403, 'Webhook Endpoints'],
    [400, "request's id"],
  ])('at Stripe with %s changes nothing and says what to do', async (status, advice) => {
    stripe.next('GET', () => Response.json({ error: { type: 'x' } }, { status }))
    expect(await first()).toMatchObject({ code: 1, said: expect.stringContaining(advice) })
    expect(aws.secrets.size).toBe(0)
  })

  it('because the key is not valid stores nothing', async () => {
    writeFileSync(join(folder.path, 'key'), 'sk_test_other')
    const { code, said } = await first()
    expect(code).toBe(1)
    expect(said).toContain('The API key is not valid')
    expect(said).not.toContain('oops')
    expect(aws.secrets.size).toBe(0)
  })

  it.each<[string, string[], number, string]>([
    ['nothing given', [], 2, 'Give --stack'],
    ['half of it', ['--url', url], 2, 'Give --stack'],
    ['a key on the command line', ['--key', 'x'], 2, "Unknown option '--key'"],
    ['an unknown stack', ['--stack', 'Nobodys'], 1, 'does not exist'],
    ['a stack without our outputs', ['--stack', 'Older'], 1, 'no output WebhookUrl or'],
    ['no https', ['--url', 'http://a.example', '--secret', name], 1, 'is no https address'],
    ['no key, and nobody to ask', ['--stack', 'TokenTopUp'], 1, 'Give it with --key-file'],
    ['a file that is not there', ['--stack', 'TokenTopUp', '--key-file', 'nowhere'], 1, 'ENOENT'],
    [
      'a file with no key',
      ['--stack', 'TokenTopUp', '--key-file', 'package.json'],
      1,
      'no Stripe key',
    ],
  ])('by %s is told in words, before anything is changed', async (_, given, code, words) => {
    const outcome = await connecting(...given)
    expect(outcome).toMatchObject({ code, said: expect.stringContaining(words) })
    expect(outcome.said).not.toMatch(/^\s+at /m)
    expect(stripe.changes()).toEqual([])
    expect(aws.stored).toEqual([])
  })

  it.each(['not json', '[]', '{"webhookSecrets":5}', '{"apiKey":7}', 'null'])(
    'by a secret that is %s is told, and the secret left alone',
    async (value) => {
      aws.secrets.set(name, { value, storedAt: Date.now() })
      const { code, said } = await first()
      expect(code).toBe(1)
      expect(said).toContain('Nothing was changed')
      expect(aws.secrets.get(name)!.value).toBe(value)
    },
  )
})
