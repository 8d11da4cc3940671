import type { Store } from '../../shared/store/dynamodb.ts'
import { openStore } from '../../shared/store/dynamodb.ts'
import { schema } from '../../shared/store/schema.ts'
import { type Engine, EngineError, type How as EngineHow, type TableKeys } from './engine.ts'
import { dynamoDbFaults, type Fault, reasonNotNamed } from './faults.ts'
import { type Actor, currentActor, silence } from './scheduler.ts'

/** A request or an answer as it is on the wire. */
export interface Wire {
  statusCode: number
  headers: Record<string, string>
  body: Uint8Array
}

interface SentRequest {
  headers: Record<string, string>
  body: string | Uint8Array
}

/** Changes a request on its way, to plant a bug that only the wire shows. */
// biome-ignore lint/suspicious/noExplicitAny: an input of any of DynamoDB's operations.
export type Tamper = (operation: string, input: any) => void

export interface WireOptions {
  engine: Engine
  tables: { workspacesTable: string; ledgerTable: string }
  tamper?: Tamper
  /** Told of every request that the engine was asked, with its answer; stale ones excepted. */
  onAnswer?: (request: SentRequest, answer: Wire) => Promise<void>
  /** Told of each transaction that an operation sends, by the entry it is to record, before it is carried out. */
  onTry?: (by: Actor, entry: string) => void
  /** Told when an operation hears that the entry was there already. */
  onTold?: (by: Actor, entry: string) => void
}

/** The tables as the store knows them, with the keys the stack gives them. */
export function tableKeys({ workspacesTable, ledgerTable }: WireOptions['tables']) {
  const { workspaces, ledger } = schema
  const { byTimeIndex } = ledger
  return {
    [workspacesTable]: { partitionKey: workspaces.partitionKey },
    [ledgerTable]: {
      partitionKey: ledger.partitionKey,
      sortKey: ledger.sortKey,
      indexes: { [byTimeIndex.name]: { sortKey: byTimeIndex.sortKey } },
    },
  } satisfies Record<string, TableKeys>
}

/**
 * The service's own store, whose SDK client reaches the engine where it would have reached a socket:
 * everything up to the bytes of the HTTP request, retries included, is as it is deployed. Only the signature is
 * left out, which nobody here would look at.
 */
export function openSimulatedStore(options: WireOptions): Store {
  const store = openStore({ ...options.tables, usageRetentionDays: 400 })
  const { config, middlewareStack } = store.client
  middlewareStack.remove('httpSigningMiddleware')
  config.requestHandler = {
    metadata: { handlerProtocol: 'http/1.1' },
    handle: async (request: SentRequest) => ({ response: await send(options, request) }),
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
  } as unknown as typeof config.requestHandler
  return store
}

function send(options: WireOptions, request: SentRequest): Promise<Wire> {
  const actor = currentActor()
  const ask: Ask = (how) => answer(options, request, { ...how, by: actor })
  if (!actor) return ask()
  return actor.scheduler.turn(actor, async () => {
    const entry = entryRecordedBy(request)
    if (entry) options.onTry?.(actor, entry)
    const heard = await withFaults(options, actor, request, ask)
    if (entry && heard !== silence && saysEntryIsThere(heard)) options.onTold?.(actor, entry)
    return heard
  })
}

/** Where the entry of a movement goes, second in each of its transactions; undefined for any other request. */
function entryRecordedBy(request: SentRequest): string | undefined {
  if (operationOf(request) !== 'TransactWriteItems') return undefined
  // What places or closes an order has the purchase first, and no entry.
  const { Put } = inputOf(request).TransactItems[1]
  return Put && `${Put.Item.workspaceId.S} ${Put.Item.entryId.S}`
}

function saysEntryIsThere({ statusCode, body }: Wire): boolean {
  if (statusCode === 200) return false
  const reasons = JSON.parse(Buffer.from(body).toString()).CancellationReasons
  return reasons?.[1]?.Item !== undefined
}

interface How extends EngineHow {
  by?: Actor
}

type Ask = (how?: How) => Promise<Wire>

async function withFaults(
  { engine }: WireOptions,
  actor: Actor,
  request: SentRequest,
  ask: Ask,
): Promise<Wire | typeof silence> {
  const operation = operationOf(request)
  const fault = actor.faults.next(dynamoDbFaults)
  if (!fault || !fits(fault, operation, request)) return ask()
  const happened = () => actor.faults.happened(fault)
  happened()
  switch (fault) {
    case 'dynamodb: response lost':
      await ask()
      throw Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' })
    case 'dynamodb: timeout':
      throw Object.assign(new Error('no answer in time'), { name: 'TimeoutError' })
    case 'dynamodb: applied after the timeout':
      actor.scheduler.add({ run: () => ask() })
      throw Object.assign(new Error('no answer in time'), { name: 'TimeoutError' })
    case 'dynamodb: throttle':
      return refused(new EngineError('ThrottlingException', 'Rate exceeded'))
    case 'dynamodb: 5xx':
      return refused(new EngineError('InternalServerError', 'Internal server error', {}, 500))
    case 'dynamodb: transaction in progress':
      return refused(new EngineError('TransactionInProgressException', 'It is in progress'))
    case 'dynamodb: conflict':
      // It may name the other reasons too, and does so every other time.
      return refused(
        conflictFor(operation, request, actor.faults.met % 2 === 0 ? engine : undefined),
      )
    case 'dynamodb: stale scan':
      return ask({ stale: true })
    case 'crash before a write or read':
      actor.scheduler.crash(actor)
      return silence
    case 'crash after a write or read':
      await ask()
      actor.scheduler.crash(actor)
      return silence
  }
}

/** Some faults only some operations can meet. */
function fits(fault: Fault, operation: string, request: SentRequest): boolean {
  switch (fault) {
    case 'dynamodb: conflict':
      return operation === 'TransactWriteItems' || mayMeetTransaction(inputOf(request))
    case 'dynamodb: transaction in progress':
      return operation === 'TransactWriteItems'
    case 'dynamodb: stale scan':
      return operation === 'Scan'
    default:
      return true
  }
}

/** No transaction touches what is not there yet, nor the cursor, which is written without a condition. */
function mayMeetTransaction({ ConditionExpression: condition }: { ConditionExpression?: string }) {
  return condition !== undefined && condition !== 'attribute_not_exists(entryId)'
}

/** DynamoDB may say in the same breath what it found of the other items: where `engine` is given, it does. */
function conflictFor(operation: string, request: SentRequest, engine?: Engine): EngineError {
  if (operation !== 'TransactWriteItems') {
    return new EngineError('TransactionConflictException', 'Transaction is ongoing for the item')
  }
  const none = { Code: 'None' }
  const conflict = { Code: 'TransactionConflict', Message: 'Transaction is ongoing for the item' }
  const { TransactItems } = inputOf(request)
  const [, ...others] = engine?.reasonsFor(TransactItems) ?? TransactItems.map(() => none)
  return new EngineError('TransactionCanceledException', 'Transaction cancelled', {
    CancellationReasons: [conflict, ...others],
  })
}

async function answer(
  { engine, tamper, onAnswer }: WireOptions,
  request: SentRequest,
  how: How,
): Promise<Wire> {
  const operation = operationOf(request)
  const input = inputOf(request)
  tamper?.(operation, input)
  let error: EngineError | undefined
  let answered: Wire
  try {
    answered = wire(200, engine.execute(operation, input, how))
  } catch (thrown) {
    if (!(thrown instanceof EngineError)) throw thrown
    error = thrown
    answered = refused(error)
  }
  if (!how.stale) await onAnswer?.(request, answered)
  const lessTold = error && withoutEntryReason(error)
  return lessTold && how.by?.faults.sometimes(reasonNotNamed) ? refused(lessTold) : answered
}

/**
 * DynamoDB may stop looking at the first condition that fails, so the second need not be named. Undefined
 * where only one failed.
 */
function withoutEntryReason({ type, message, details }: EngineError): EngineError | undefined {
  const reasons =
    (details as { CancellationReasons?: { Code: string }[] }).CancellationReasons ?? []
  const [workspace, entry, ...also] = reasons
  const both = [workspace, entry].every((reason) => reason?.Code === 'ConditionalCheckFailed')
  if (!both) return undefined
  const CancellationReasons = [workspace, { Code: 'None' }, ...also]
  return new EngineError(type, message, { CancellationReasons })
}

function refused({ status, type, message, details }: EngineError): Wire {
  const __type = `com.amazonaws.dynamodb.v20120810#${type}`
  return wire(status, { __type, message, ...details })
}

const encoder = new TextEncoder()

function wire(statusCode: number, body: object): Wire {
  return {
    statusCode,
    headers: { 'content-type': 'application/x-amz-json-1.0' },
    body: encoder.encode(JSON.stringify(body)),
  }
}

export function operationOf({ headers }: SentRequest): string {
  return headers['x-amz-target']!.split('.')[1]!
}

function inputOf({ body }: SentRequest) {
  return JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString())
}
