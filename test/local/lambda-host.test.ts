import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { handleLambdaApi } from '../../local/aws/lambda-api.ts'
import { type LambdaHost, type LogLine, startLambdaHost } from '../../local/aws/lambda-host.ts'
import { type HttpServer, message, serve } from '../../local/http.ts'
import { bundle, temporaryFolder } from './bundle.ts'

const code = `
  let calls = 0
  let present = 0
  export async function handler(event, context) {
    calls++
    switch (event.do) {
      case 'environment': return { ...process.env }
      case 'context': return { ...context, left: context.getRemainingTimeInMillis() }
      case 'count': return calls
      case 'hang': return new Promise(() => {})
      case 'spin': for (;;) ;
      case 'wait': await new Promise((resolve) => setTimeout(resolve, event.ms)); return 'waited'
      case 'meet':
        present++
        while (present < event.others) await new Promise((resolve) => setTimeout(resolve, 5))
        return 'met'
      case 'throw': throw new RangeError('too far')
      case 'exit': process.exit(3)
      case 'log':
        console.warn({ signal: 'webhook_mismatch', tokens: 5 })
        console.info('%d tokens', 7)
        console.error('failed', new TypeError('odd'))
        return
    }
    return event
  }
`

describe('the Lambda host', () => {
  const folder = temporaryFolder()
  const logged: LogLine[] = []
  let host: LambdaHost

  beforeAll(() => {
    host = startLambdaHost({
      functions: [
        bundle(folder.path, 'one', code, { environment: { MINE: 'one' }, timeoutMs: 1_000 }),
        bundle(folder.path, 'two', code, { environment: { MINE: 'two' } }),
        bundle(folder.path, 'broken', `throw new Error('the environment variable X is missing')`),
        bundle(folder.path, 'nameless', 'export const other = 1'),
      ],
      surroundings: { AWS_REGION: 'us-east-1' },
      log: (line) => logged.push(line),
    })
  })
  afterAll(async () => {
    await host.stop()
    folder.remove()
  })

  const invoke = (name: string, event: unknown = {}) => host.invoke(name, event)

  it('shows each function its own environment and nothing of ours', async () => {
    process.env.OF_THE_PARENT = 'secret'
    const [one, two] = await Promise.all(
      ['one', 'two'].map((name) => invoke(name, { do: 'environment' })),
    )
    expect(one).toMatchObject({ payload: { MINE: 'one', AWS_REGION: 'us-east-1' } })
    expect(two).toMatchObject({ payload: { MINE: 'two', AWS_LAMBDA_FUNCTION_NAME: 'two' } })
    expect(JSON.stringify([one, two])).not.toMatch(/OF_THE_PARENT|"PATH"|"HOME"/)
  })

  it('hands over the event as JSON, and a context with the time that is left', async () => {
    expect(await invoke('two', { at: new Date(0), none: undefined })).toEqual({
      payload: { at: '1970-01-01T00:00:00.000Z' },
    })
    const { payload } = (await invoke('two', { do: 'context' })) as { payload: { left: number } }
    expect(payload).toMatchObject({
      functionName: 'two',
      invokedFunctionArn: 'arn:aws:lambda:us-east-1:000000000000:function:two',
      memoryLimitInMB: '512',
    })
    expect(payload.left).toBeGreaterThan(2_000)
    expect(payload.left).toBeLessThanOrEqual(3_000)
  })

  it('keeps an instance between calls, and runs calls side by side', async () => {
    const before = (await invoke('two', { do: 'count' })) as { payload: number }
    const met = await Promise.all([1, 2, 3].map(() => invoke('two', { do: 'meet', others: 3 })))
    expect(met).toEqual([1, 2, 3].map(() => ({ payload: 'met' })))
    expect(await invoke('two', { do: 'count' })).toEqual({ payload: before.payload + 4 })
  })

  it('reports what a handler throws as Lambda does', async () => {
    expect(await invoke('two', { do: 'throw' })).toMatchObject({
      error: { errorType: 'RangeError', errorMessage: 'too far' },
    })
  })

  it.each(['hang', 'spin'])('ends a call that would %s at the timeout', async (does) => {
    expect(await invoke('one', { do: does })).toEqual({
      error: { errorType: 'Sandbox.Timedout', errorMessage: 'Task timed out after 1.00 seconds' },
    })
    expect(await invoke('one', { do: 'count' })).toEqual({ payload: 1 })
  })

  it('lets the other calls of an instance finish when one of them times out', async () => {
    const hanging = invoke('one', { do: 'hang' })
    await new Promise((resolve) => setTimeout(resolve, 600))
    const other = invoke('one', { do: 'wait', ms: 600 })
    expect(await hanging).toHaveProperty('error')
    expect(await other).toEqual({ payload: 'waited' })
  })

  it('reports a function that ends its process, and starts it anew', async () => {
    expect(await invoke('two', { do: 'exit' })).toEqual({
      error: { errorType: 'Runtime.ExitError', errorMessage: 'Runtime exited with status 3' },
    })
    expect(await invoke('two', { do: 'count' })).toEqual({ payload: 1 })
  })

  it('reports a bundle that does not start, at every call', async () => {
    const error = { errorType: 'Error', errorMessage: 'the environment variable X is missing' }
    expect(await invoke('broken')).toMatchObject({ error })
    expect(await invoke('broken')).toMatchObject({ error })
    expect(await invoke('nameless')).toMatchObject({
      error: { errorType: 'Runtime.HandlerNotFound' },
    })
  })

  it('rejects a call of a function there is none of', async () => {
    await expect(invoke('none')).rejects.toThrow('there is no function none')
  })

  it('writes what a function logs in the JSON log format of Lambda', async () => {
    logged.length = 0
    await invoke('two', { do: 'log' })
    const lines = logged.map(({ line }) => JSON.parse(line) as Record<string, unknown>)
    expect(logged[0]?.function).toBe('two')
    expect(lines).toMatchObject([
      { level: 'WARN', message: { signal: 'webhook_mismatch', tokens: 5 } },
      { level: 'INFO', message: '7 tokens' },
      { level: 'ERROR', errorType: 'TypeError', errorMessage: 'odd' },
    ])
    expect(new Set(lines.map((line) => line.requestId)).size).toBe(1)
    expect(lines[0]).toHaveProperty('timestamp')
  })

  describe('behind the Lambda API', () => {
    let server: HttpServer
    let client: LambdaClient

    beforeAll(async () => {
      server = await serve(
        async (request) => (await handleLambdaApi(request, host)) ?? message(404, 'Not Found'),
      )
      client = new LambdaClient({
        endpoint: server.url,
        region: 'us-east-1',
        credentials: { accessKeyId: 'local', secretAccessKey: 'local' },
      })
    })
    afterAll(async () => {
      client.destroy()
      await server.stop()
    })

    const call = (FunctionName: string, event: object, InvocationType?: 'Event') =>
      client.send(
        new InvokeCommand({ FunctionName, InvocationType, Payload: JSON.stringify(event) }),
      )

    it('answers with the payload, or with the error and its mark', async () => {
      const answered = await call('two', { hello: 1 })
      expect(answered.Payload?.transformToString()).toBe('{"hello":1}')
      const failed = await call('two', { do: 'throw' })
      expect(failed.FunctionError).toBe('Unhandled')
    })

    it('takes an ARN, accepts an event at once, and is idle only when it is done', async () => {
      const arn = 'arn:aws:lambda:us-east-1:000000000000:function:two'
      const startedAt = performance.now()
      expect((await call(arn, { do: 'wait', ms: 300 }, 'Event')).StatusCode).toBe(202)
      await host.idle('two')
      expect(performance.now() - startedAt).toBeGreaterThan(290)
    })

    it('knows no other functions', async () => {
      await expect(call('none', {})).rejects.toMatchObject({ name: 'ResourceNotFoundException' })
    })
  })
})
