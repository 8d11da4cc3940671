import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { DynamoDBClient, ListTablesCommand } from '@aws-sdk/client-dynamodb'
import { afterAll, describe, expect, it } from 'vitest'
import { localCredentials, region } from '../../local/aws/account.ts'
import { startStack } from '../../local/stack.ts'
import { routes } from '../../shared/http/routes.ts'
import { type LocalStack, startLocalStack, stripeSecretIn } from '../support/local-stack.ts'
import { temporaryFolder } from './bundle.ts'

// It synthesizes the app and starts a Java process, twice.
describe('the local system', { timeout: 120_000 }, () => {
  const folder = temporaryFolder()
  let stack: LocalStack | undefined
  const started = async () => {
    stack ??= await startLocalStack({ dataFolder: folder.path })
    return stack
  }
  afterAll(async () => {
    await stack?.stop()
    folder.remove()
  })

  it('serves the routes and tables of the template, and seeds the workspaces', async () => {
    const { call, deployment, dynamoDbEndpoint: endpoint } = await started()
    expect(deployment.routes.map(({ key }) => key).sort()).toEqual(
      routes.map(({ method, path }) => `${method} ${path}`).sort(),
    )
    const client = new DynamoDBClient({ endpoint, region, credentials: localCredentials })
    const { TableNames } = await client.send(new ListTablesCommand({}))
    expect(TableNames).toEqual(['Ledger', 'Workspaces'])
    const limits = { sprout: 100_000, acme: 2_000_000, crew: 10_000_000, globex: 50_000_000 }
    for (const [id, limit] of Object.entries(limits)) {
      const { body } = await call({ to: `GET /v1/workspaces/${id}/meter`, as: `${id}-member` })
      expect(body).toMatchObject({ workspaceId: id, limit })
    }
  })

  it('signs in a persona, and lists them to who asks for another', async () => {
    const { call } = await started()
    const signedIn = await call({ to: 'POST /local/token', body: { persona: 'acme-admin' } })
    const authorization = `Bearer ${signedIn.body.token}`
    expect(
      await call({ to: 'GET /v1/workspaces/acme/meter', headers: { authorization } }),
    ).toMatchObject({ status: 200 })
    const unknown = await call({ to: 'POST /local/token', body: { persona: 'acme' } })
    expect(unknown.status).toBe(404)
    expect(unknown.body.personas).toContain('acme-admin')
    for (const body of ['{', '[]', {}, { persona: 5 }]) {
      expect(await call({ to: 'POST /local/token', body })).toMatchObject({ status: 400 })
    }
  })

  it('moves the clock of all functions', async () => {
    const { call, moveClock } = await started()
    await moveClock('2031-05-06T07:08:09Z')
    const { body: time } = await call({ to: 'GET /local/clock' })
    expect(time).toEqual({ now: expect.stringMatching(/^2031-05-06T07:08:/), real: false })
    const { body: meter } = await call({ to: 'GET /v1/workspaces/acme/meter', as: 'acme-member' })
    expect(meter.period).toBe('2031-05')
    for (const body of ['{', { now: '2031-05-06' }, { time: '2031-05-06T07:08:09Z' }]) {
      expect(await call({ to: 'POST /local/clock', body })).toMatchObject({ status: 400 })
    }
    await moveClock()
    expect(await call({ to: 'GET /local/clock' })).toMatchObject({ body: { real: true } })
  })

  it('runs the schedules with the time they would have', async () => {
    const { call, moveClock } = await started()
    await moveClock('2031-08-15T12:00:00Z')
    const reset = await call({ to: 'POST /local/reset' })
    expect(reset.status).toBe(200)
    expect(reset.body.runs).toHaveLength(8)
    for (const [segment, run] of reset.body.runs.entries()) {
      expect(run.event).toEqual({ scheduledTime: '2031-08-01T00:00:00Z', segment, segments: 8 })
    }
    const reconcile = await call({ to: 'POST /local/reconcile' })
    expect(reconcile.status).toBe(200)
    expect(reconcile.body.runs[0].event.scheduledTime).toMatch(/^2031-08-15T12:00:\d\dZ$/)
  })

  it('says what is there, and nothing about what is not', async () => {
    const { call } = await started()
    expect((await call({ to: 'GET /' })).body).toContain('<token-meter')
    expect((await call({ to: 'GET /local' })).body).toContain('/local/token')
    expect((await call({ to: 'GET /docs/errors.md' })).body).toContain('insufficient_tokens')
    for (const path of ['/none', '/v1/none', '/local/identity/none', '/local/none']) {
      const answer = await call({ to: `GET ${path}` })
      expect(answer).toMatchObject({ status: 404, body: { message: 'Not Found' } })
    }
  })

  it('is where `npm run audit` looks unless told otherwise, and its books add up', async () => {
    const { url } = await started()
    const { stdout } = await promisify(execFile)(process.execPath, ['audit/main.ts'], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      env: { PATH: process.env.PATH, PORT: new URL(url).port },
    })
    expect(stdout).toMatch(/^acme: adds up/m)
    expect(stdout).toContain('4 checked, 0 differ, 0 could not be checked.')
  })

  it('refuses a port that is taken', async () => {
    const { url } = await started()
    const port = Number(new URL(url).port)
    await expect(startStack({ port })).rejects.toThrow(`Port ${port} is taken`)
  })

  it("tells an audit the stand-in's key, and nobody a test key of Stripe's own", async () => {
    const { call, stripe } = await started()
    const told = await call({ to: 'GET /local/stripe' })
    expect(told.body).toEqual({
      standIn: true,
      apiBase: stripe!.apiBase,
      apiKey: stripeSecretIn(folder.path).apiKey,
    })

    const stripeTestKeys = { apiKey: 'sk_test_somebodys' }
    const other = await startLocalStack({ stripeTestKeys })
    try {
      const { status, body } = await other.call({ to: 'GET /local/stripe' })
      expect({ status, body }).toEqual({ status: 200, body: { standIn: false } })
    } finally {
      await other.stop()
    }
  })

  it('keeps data, keys and clock over a restart, and seeds nothing twice', async () => {
    const first = await started()
    await first.moveClock('2031-09-01T00:00:00Z')
    const authorization = `Bearer ${await first.token('assistant')}`
    const consume = ({ call }: LocalStack) =>
      call({
        to: 'POST /v1/workspaces/acme/consume',
        headers: { authorization },
        key: 'once',
        body: { tokens: 1_000 },
      })
    expect(await consume(first)).toMatchObject({ status: 200, body: { meter: { used: 1_000 } } })
    await first.stop()
    await expect(fetch(first.url)).rejects.toThrow()

    // On the same port, which is part of the issuer's name.
    const port = Number(new URL(first.url).port)
    stack = await startLocalStack({ dataFolder: folder.path, port })
    expect(stack.clock.now().toISOString()).toMatch(/^2031-09-01T/)
    const again = await consume(stack)
    expect(again).toMatchObject({ status: 200, body: { meter: { used: 1_000 } } })
    expect(again.headers.get('idempotent-replayed')).toBe('true')
  })
})
