import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient as connectRedis } from '@redis/client'
import postgres from 'postgres'
import { createClient } from '../client/src/server.ts'
import type { Stack } from '../local/stack.ts'
import { createWorkspace, median, table } from './handlers.ts'
import { openInProcessApi } from './in-process-api.ts'

const callsEach = 500
const warmUp = 100

/** One way of taking tokens once, and what it gives for that. */
interface Way {
  name: string
  roundTrips: number | string
  durable: string
  take(key: string): Promise<unknown>
}

/**
 * Taking tokens with an idempotency key in what people build it with otherwise, on this machine. The servers
 * are those of Debian's packages, started here for a moment; one that is not installed is left out.
 */
export async function measureAlternatives(stack: Stack): Promise<string> {
  const rows: (string | number)[][] = []
  const notes: string[] = []
  const measureAll = async (ways: Way[]) => {
    for (const way of ways) rows.push(await measure(way))
  }

  await measureAll(await ourWays(stack))
  for (const [name, run] of [
    ['PostgreSQL', withPostgres],
    ['Redis', withRedis],
  ] as const) {
    const missing = await run(measureAll)
    if (missing) notes.push(`${name} was left out: ${missing}.`)
  }
  return [
    '## Beside other ways to do it',
    `One caller, ${callsEach} calls one after the other, each taking tokens once under a key of its own. CPU is what our own process spends on a call, driver included. DynamoDB Local stands in for DynamoDB, which is a few milliseconds away and answers from three data centres, and so do the other servers for theirs: compare round trips and CPU, and take the times for what this machine does.`,
    table(['', 'round trips', 'durable when answered', 'p50 ms', 'CPU ms'], rows),
    ...notes,
  ].join('\n\n')
}

async function measure({ name, roundTrips, durable, take }: Way): Promise<(string | number)[]> {
  for (let n = 0; n < warmUp; n++) await take(`warm-up-${name}-${n}`)
  const times: number[] = []
  const start = process.cpuUsage()
  for (let n = 0; n < callsEach; n++) {
    const begun = performance.now()
    await take(`${name}-${n}`)
    times.push(performance.now() - begun)
  }
  const { user, system } = process.cpuUsage(start)
  const cpuMs = (user + system) / 1_000 / callsEach
  return [name, roundTrips, durable, median(times).toFixed(3), cpuMs.toFixed(3)]
}

async function ourWays(stack: Stack): Promise<Way[]> {
  const workspace = 'alternatives'
  await createWorkspace(stack, workspace)
  const api = await openInProcessApi(stack, stack.dynamoDbEndpoint)
  const client = createClient({ baseUrl: 'http://tokens.local', fetch: api.fetch })
  const lease = client.lease({ workspace, tokens: 100_000 })
  return [
    {
      name: 'consume: client, handler and SDK in one process',
      roundTrips: 2,
      durable: 'yes',
      take: (key) =>
        client.consume({ workspace, tokens: 1_000 }, { key: key.replaceAll(/\W/g, '') }),
    },
    {
      name: 'the same from a lease of 100 uses',
      roundTrips: '0.1',
      durable: 'the hold is; its use when settled',
      take: () => lease.consume(1_000),
    },
  ]
}

async function withPostgres(measureAll: (ways: Way[]) => Promise<void>) {
  const bin = folderOf('initdb')
  if (!bin) return 'there is no `initdb`'
  const owner = unprivileged()
  if (!owner) return 'it does not run as root, and there is no user `postgres`'
  const folder = temporaryFolder('postgres', owner)
  const port = await freePort()
  execFileSync(join(bin, 'initdb'), ['-D', folder, '-A', 'trust', '-U', 'bench'], {
    ...owner,
    cwd: folder,
    stdio: 'ignore',
  })
  const settings = ['-p', `${port}`, '-h', '127.0.0.1', '-k', folder]
  const server = spawn(join(bin, 'postgres'), ['-D', folder, ...settings], {
    ...owner,
    cwd: folder,
    stdio: 'ignore',
  })
  const sql = postgres({ host: '127.0.0.1', port, user: 'bench', database: 'postgres', max: 1 })
  try {
    await untilAnswers(() => sql`SELECT 1`)
    await sql`CREATE TABLE workspaces (id text PRIMARY KEY, balance bigint NOT NULL)`
    await sql`CREATE TABLE uses (key text PRIMARY KEY, tokens bigint NOT NULL)`
    await sql`INSERT INTO workspaces VALUES ('acme', 1000000000)`
    await measureAll([
      {
        name: 'PostgreSQL: a transaction with an idempotency row',
        roundTrips: 4,
        durable: 'yes (one server)',
        take: (key) =>
          sql.begin(async (sql) => {
            const rows = await sql`
              INSERT INTO uses VALUES (${key}, 1000) ON CONFLICT DO NOTHING RETURNING key`
            if (rows.length === 0) return 'replayed'
            const taken = await sql`
              UPDATE workspaces SET balance = balance - 1000
              WHERE id = 'acme' AND balance >= 1000 RETURNING balance`
            if (taken.length === 0) throw new Error('insufficient tokens')
            return taken[0]
          }),
      },
      {
        name: 'PostgreSQL: the same as one statement',
        roundTrips: 1,
        durable: 'yes (one server)',
        take: (key) => sql`
          WITH taken AS (
            UPDATE workspaces SET balance = balance - 1000
            WHERE id = 'acme' AND balance >= 1000
              AND NOT EXISTS (SELECT FROM uses WHERE key = ${key})
            RETURNING balance
          )
          INSERT INTO uses SELECT ${key}, 1000 FROM taken RETURNING (SELECT balance FROM taken)`,
      },
    ])
    return undefined
  } finally {
    await sql.end({ timeout: 1 })
    await stopped(server)
    rmSync(folder, { recursive: true, force: true })
  }
}

async function withRedis(measureAll: (ways: Way[]) => Promise<void>) {
  const bin = folderOf('redis-server')
  if (!bin) return 'there is no `redis-server`'
  for (const [appendfsync, durable] of [
    ['everysec', 'no: up to a second may be lost'],
    ['always', 'yes (one server)'],
  ] as const) {
    const folder = temporaryFolder('redis')
    const port = await freePort()
    const server = spawn(
      join(bin, 'redis-server'),
      ['--port', `${port}`, '--dir', folder, '--appendonly', 'yes', '--appendfsync', appendfsync],
      { stdio: 'ignore' },
    )
    const redis = connectRedis({ url: `redis://127.0.0.1:${port}` })
    redis.on('error', () => {})
    try {
      await redis.connect()
      await redis.set('balance:acme', '1000000000')
      const script = await redis.scriptLoad(takeScript)
      await measureAll([
        {
          name: `Redis: a script (appendfsync ${appendfsync})`,
          roundTrips: 1,
          durable,
          take: (key) =>
            redis.evalSha(script, { keys: ['balance:acme', `use:${key}`], arguments: ['1000'] }),
        },
      ])
    } finally {
      redis.destroy()
      await stopped(server)
      rmSync(folder, { recursive: true, force: true })
    }
  }
  return undefined
}

const takeScript = `
local balance = tonumber(redis.call('GET', KEYS[1]))
if redis.call('EXISTS', KEYS[2]) == 1 then return balance end
if balance < tonumber(ARGV[1]) then return redis.error_reply('insufficient tokens') end
redis.call('SET', KEYS[2], ARGV[1], 'EX', 86400)
return redis.call('DECRBY', KEYS[1], ARGV[1])`

/** Where a program is: on the path, or where Debian keeps those of PostgreSQL. */
function folderOf(program: string): string | undefined {
  const debian = '/usr/lib/postgresql'
  const versions = existsSync(debian) ? readdirSync(debian) : []
  return [
    ...(process.env.PATH ?? '').split(delimiter),
    ...versions.map((version) => join(debian, version, 'bin')),
  ].find((folder) => existsSync(join(folder, program)))
}

/** Whom to run PostgreSQL as, which refuses to be run by root; undefined where there is nobody. */
function unprivileged(): { uid?: number; gid?: number } | undefined {
  if (process.getuid?.() !== 0) return {}
  try {
    const id = (of: string) => Number(execFileSync('id', [of, 'postgres'], { encoding: 'utf8' }))
    return { uid: id('-u'), gid: id('-g') }
  } catch {
    return undefined
  }
}

function temporaryFolder(name: string, { uid, gid }: { uid?: number; gid?: number } = {}): string {
  const folder = mkdtempSync(join(tmpdir(), `bench-${name}-`))
  if (uid !== undefined && gid !== undefined) chownSync(folder, uid, gid)
  return folder
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

async function untilAnswers(ask: () => PromiseLike<unknown>): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await ask()
      return
    } catch (error) {
      if (attempt === 100) throw error
      await sleep(100)
    }
  }
}

async function stopped(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null) return
  const exited = new Promise((resolve) => server.once('exit', resolve))
  server.kill('SIGINT')
  await exited
}
