import { AsyncLocalStorage } from 'node:async_hooks'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { format } from 'node:util'
import { parentPort, workerData } from 'node:worker_threads'

/**
 * One function's runtime, on a thread of its own: loads the bundle that would be deployed, hands it events as
 * Lambda does, and writes its console as Lambda's JSON log format does.
 */

/** What the thread is started with. */
export interface Runtime {
  folder: string
  /** As in the template: `index.handler`. */
  handler: string
}

export interface InvocationRequest {
  requestId: string
  functionName: string
  functionArn: string
  memoryMb: number
  /** Milliseconds since the epoch, real time. */
  deadline: number
  /** JSON, as on the wire to Lambda: nothing may pass that JSON would drop. */
  event: string
}

export type FromWorker =
  | { log: string }
  | { requestId: string; payload: string }
  | { requestId: string; error: FunctionError; startFailed?: boolean }

/** How Lambda reports a function that failed. */
export interface FunctionError {
  errorType: string
  errorMessage: string
  trace?: string[]
}

type Handler = (event: unknown, context: object) => unknown

const invocation = new AsyncLocalStorage<InvocationRequest>()
const port = parentPort!
const send = (message: FromWorker) => port.postMessage(message)

logAsLambdaDoes()
const loading = load(workerData as Runtime)
// Each invocation reports a bundle that does not load; without one there is nobody to tell.
loading.catch(() => {})
port.on('message', (request: InvocationRequest) => invocation.run(request, () => answer(request)))

async function answer(request: InvocationRequest): Promise<void> {
  const { requestId } = request
  let handler: Handler
  try {
    handler = await loading
  } catch (cause) {
    send({ requestId, error: toFunctionError(cause), startFailed: true })
    return
  }
  try {
    const result = await handler(JSON.parse(request.event), contextOf(request))
    send({ requestId, payload: JSON.stringify(result) ?? 'null' })
  } catch (cause) {
    send({ requestId, error: toFunctionError(cause) })
  }
}

async function load({ folder, handler }: Runtime): Promise<Handler> {
  const [file, name] = handler.split('.') as [string, string]
  const loaded = (await import(pathToFileURL(join(folder, `${file}.mjs`)).href)) as Record<
    string,
    unknown
  >
  if (typeof loaded[name] !== 'function') {
    throw Object.assign(new Error(`${handler} is undefined or not exported`), {
      name: 'Runtime.HandlerNotFound',
    })
  }
  return loaded[name] as Handler
}

function contextOf(request: InvocationRequest): object {
  return {
    awsRequestId: request.requestId,
    functionName: request.functionName,
    functionVersion: '$LATEST',
    invokedFunctionArn: request.functionArn,
    memoryLimitInMB: String(request.memoryMb),
    logGroupName: `/aws/lambda/${request.functionName}`,
    logStreamName: 'local',
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, request.deadline - Date.now()),
  }
}

function toFunctionError(cause: unknown): FunctionError {
  if (!(cause instanceof Error)) return { errorType: typeof cause, errorMessage: String(cause) }
  return {
    errorType: cause.name,
    errorMessage: cause.message,
    ...(cause.stack && { trace: cause.stack.split('\n') }),
  }
}

function logAsLambdaDoes(): void {
  const levels = {
    debug: 'DEBUG',
    info: 'INFO',
    log: 'INFO',
    warn: 'WARN',
    error: 'ERROR',
  } as const
  for (const [method, level] of Object.entries(levels)) {
    console[method as keyof typeof levels] = (...parts: unknown[]) =>
      send({ log: logLine(level, parts) })
  }
}

/** One value is kept as it is, several are formatted into a text, and errors are spelled out. */
function logLine(level: string, parts: unknown[]): string {
  const line = {
    timestamp: new Date().toISOString(),
    level,
    requestId: invocation.getStore()?.requestId,
  }
  if (parts.length !== 1) {
    const error = parts.find((part) => part instanceof Error)
    return JSON.stringify({ ...line, message: format(...parts), ...(error && spelledOut(error)) })
  }
  try {
    return JSON.stringify({ ...line, message: parts[0] }, (_key, value) =>
      value instanceof Error ? { ...spelledOut(value), ...value } : value,
    )
  } catch {
    return JSON.stringify({ ...line, message: format(parts[0]) })
  }
}

function spelledOut(error: Error) {
  return {
    errorType: error.constructor.name,
    errorMessage: error.message,
    stackTrace: error.stack?.split('\n') ?? [],
  }
}
