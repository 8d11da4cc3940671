import { randomUUID } from 'node:crypto'
import { Worker } from 'node:worker_threads'
import type { FromWorker, FunctionError, InvocationRequest, Runtime } from './lambda-worker.ts'

export type { FunctionError }

export interface LambdaFunction {
  name: string
  arn: string
  /** The folder of the bundle that would be deployed. */
  folder: string
  handler: string
  timeoutMs: number
  memoryMb: number
  environment: Readonly<Record<string, string>>
}

/** What a function returned, or how it failed, in Lambda's own words. */
export type Outcome = { payload: unknown; error?: undefined } | { error: FunctionError }

export interface LogLine {
  function: string
  /** A line of Lambda's JSON log format, or what the function wrote to its streams directly. */
  line: string
}

export interface LambdaHost {
  has(name: string): boolean
  /** Resolves whatever the function does; rejects for a function that does not exist. */
  invoke(name: string, event: unknown): Promise<Outcome>
  /** Lambda's asynchronous invocation. What fails is logged; it is not tried again as Lambda would. */
  invokeLater(name: string, event: unknown): void
  /** Resolves when no invocation of this function is under way, nor any it started meanwhile. */
  idle(name: string): Promise<void>
  stop(): Promise<void>
}

/**
 * Runs functions in worker threads, one thread a function, started at its first invocation. A thread sees
 * only the environment its function would have, and what surrounds it: where AWS is, and as whom.
 *
 * Unlike Lambda, one thread serves many invocations at once. That interleaves them at every wait, so
 * a handler that trusts something it has read is caught sooner here than by one instance a request.
 */
export function startLambdaHost(options: {
  functions: readonly LambdaFunction[]
  /** Region, credentials and `AWS_ENDPOINT_URL_…`, added to every function's environment. */
  surroundings: Readonly<Record<string, string>>
  log: (line: LogLine) => void
}): LambdaHost {
  const functions = new Map(options.functions.map((each) => [each.name, each]))
  const instances = new Map<string, Instance>()
  const underWay = new Map<Promise<Outcome>, string>()

  const start = (definition: LambdaFunction): Instance => {
    const instance = startInstance(definition, options.surroundings, options.log, () => {
      if (instances.get(definition.name) === instance) instances.delete(definition.name)
    })
    instances.set(definition.name, instance)
    return instance
  }

  const invoke = (name: string, event: unknown): Promise<Outcome> => {
    const definition = functions.get(name)
    if (!definition) throw new Error(`there is no function ${name}`)
    const outcome = (instances.get(name) ?? start(definition)).invoke(event)
    underWay.set(outcome, name)
    outcome.finally(() => underWay.delete(outcome))
    return outcome
  }

  return {
    has: (name) => functions.has(name),
    invoke: async (name, event) => invoke(name, event),
    invokeLater: (name, event) => void invoke(name, event),
    async idle(name) {
      const remaining = () => [...underWay].filter(([, each]) => each === name)
      while (remaining().length > 0) await Promise.all(remaining().map(([outcome]) => outcome))
    },
    async stop() {
      await Promise.all([...instances.values()].map((instance) => instance.stop()))
    },
  }
}

interface Instance {
  invoke(event: unknown): Promise<Outcome>
  stop(): Promise<void>
}

interface Waiting {
  answer(outcome: Outcome): void
  timer: NodeJS.Timeout
}

/** `retired` is called once, when the instance takes no more work: it timed out, crashed or did not start. */
function startInstance(
  definition: LambdaFunction,
  around: Readonly<Record<string, string>>,
  log: (line: LogLine) => void,
  retired: () => void,
): Instance {
  const { name, arn, folder, handler, timeoutMs, memoryMb } = definition
  const waiting = new Map<string, Waiting>()
  let taking = true
  const worker = new Worker(new URL('./lambda-worker.ts', import.meta.url), {
    workerData: { folder, handler } satisfies Runtime,
    env: { ...runtimeEnvironment(definition), ...around, ...definition.environment },
    execArgv: [],
    argv: [],
    stdout: true,
    stderr: true,
  })
  for (const stream of [worker.stdout, worker.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      for (const line of String(chunk).trimEnd().split('\n')) log({ function: name, line })
    })
  }

  const finish = (requestId: string, outcome: Outcome) => {
    const waits = waiting.get(requestId)
    if (!waits) return
    waiting.delete(requestId)
    clearTimeout(waits.timer)
    if (outcome.error) log({ function: name, line: errorLine(requestId, outcome.error) })
    waits.answer(outcome)
    if (!taking && waiting.size === 0) void worker.terminate()
  }
  const retire = () => {
    if (!taking) return
    taking = false
    retired()
    if (waiting.size === 0) void worker.terminate()
  }
  const crash = (error: FunctionError) => {
    retire()
    for (const requestId of [...waiting.keys()]) finish(requestId, { error })
  }

  worker.on('message', (message: FromWorker) => {
    if ('log' in message) log({ function: name, line: message.log })
    else if ('payload' in message)
      finish(message.requestId, { payload: JSON.parse(message.payload) })
    else {
      // Lambda starts such a function anew at each invocation, so a mended cause is noticed.
      if (message.startFailed) retire()
      finish(message.requestId, { error: message.error })
    }
  })
  worker.on('error', (cause: Error) =>
    crash({ errorType: cause.name ?? 'Error', errorMessage: cause.message ?? String(cause) }),
  )
  worker.on('exit', (code) =>
    crash({ errorType: 'Runtime.ExitError', errorMessage: `Runtime exited with status ${code}` }),
  )

  return {
    invoke(event) {
      const requestId = randomUUID()
      return new Promise((answer) => {
        const timer = setTimeout(() => {
          // Lambda discards the instance of a call that timed out; here the other calls in it may finish.
          retire()
          const errorMessage = `Task timed out after ${(timeoutMs / 1000).toFixed(2)} seconds`
          finish(requestId, { error: { errorType: 'Sandbox.Timedout', errorMessage } })
        }, timeoutMs)
        waiting.set(requestId, { answer, timer })
        worker.postMessage({
          requestId,
          functionName: name,
          functionArn: arn,
          memoryMb,
          deadline: Date.now() + timeoutMs,
          event: JSON.stringify(event ?? null),
        } satisfies InvocationRequest)
      })
    },
    async stop() {
      retire()
      await worker.terminate()
    },
  }
}

function errorLine(requestId: string, error: FunctionError): string {
  const { errorType, errorMessage, trace: stackTrace } = error
  return JSON.stringify({
    timestamp: new Date().toISOString(),
    level: 'ERROR',
    requestId,
    message: { errorType, errorMessage, stackTrace },
  })
}

/**
 * What Lambda sets for every function. The configuration files are named away, so that the profile of
 * whoever runs this never leaks into a function.
 */
function runtimeEnvironment({ name, memoryMb, folder }: LambdaFunction): Record<string, string> {
  return {
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_LAMBDA_FUNCTION_NAME: name,
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: String(memoryMb),
    LAMBDA_TASK_ROOT: folder,
    TZ: 'UTC',
  }
}
