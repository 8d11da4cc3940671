import {
  type Item,
  type Placeholders,
  plainItem,
  satisfies,
  updated,
  type Value,
} from './expressions.ts'

export interface TableKeys {
  partitionKey: string
  sortKey?: string
  /** Sparse indexes over the same partition key, by name. */
  indexes?: Record<string, { sortKey: string }>
}

/** One item as a request left it: undefined where it was deleted. */
export interface Written {
  table: string
  before: Item | undefined
  after: Item | undefined
}

/** A refusal of DynamoDB's, as it goes over the wire. */
export class EngineError extends Error {
  readonly status: number
  readonly type: string
  readonly details: object

  constructor(type: string, message: string, details: object = {}, status = 400) {
    super(message)
    this.status = status
    this.type = type
    this.details = details
  }
}

export interface EngineOptions {
  tables: Record<string, TableKeys>
  /** Items a page of a query or scan looks at, as if they were large; DynamoDB may end a page anywhere. */
  pageItemsMax?: number
  /** Called once for each request that wrote, with everything it wrote and whoever asked, as it happens. */
  onWritten?: (written: Written[], by: unknown) => void
}

export interface How {
  /** Whether a read that need not be consistent sees what was there before the last write. */
  stale?: boolean
  /** Whose request it is. */
  by?: unknown
}

/** A request as it travels, less what the operation gives it; read as the operation needs it. */
// biome-ignore lint/suspicious/noExplicitAny: this is the wire, and the SDK's own types describe the other side of it.
type Input = Record<string, any>

/**
 * DynamoDB in memory, for the commands and expressions that the store uses. Every request is one synchronous
 * step, so whatever order the simulator asks them in is the order they happen in. Items are frozen and
 * replaced whole: an item that is still the same object has not changed by a byte.
 */
export class Engine {
  readonly #options: EngineOptions
  readonly #tables = new Map<string, Map<string, Map<string, Item>>>()
  /** What an item was before its last write, which is what an eventually consistent read may still see. */
  readonly #previous = new Map<string, Item | undefined>()
  /** Requests of transactions that were applied, by their token. */
  readonly #tokens = new Map<string, string>()
  #by: unknown

  constructor(options: EngineOptions) {
    this.#options = options
    for (const name of Object.keys(options.tables)) this.#tables.set(name, new Map())
  }

  /** Carries a request out and answers as DynamoDB does, or throws an `EngineError`. */
  execute(operation: string, input: Input, { stale = false, by }: How = {}): object {
    this.#by = by
    switch (operation) {
      case 'GetItem':
        return only('Item', this.#item(input.TableName, input.Key))
      case 'PutItem':
      case 'UpdateItem':
        return this.#writeOne(operation === 'PutItem' ? { Put: input } : { Update: input })
      case 'DeleteItem':
        return this.#writeOne({ Delete: input })
      case 'TransactWriteItems':
        return this.#transact(input)
      case 'Query':
        return this.#query(input)
      case 'Scan':
        return this.#scan(input, stale && !input.ConsistentRead)
      default:
        throw new Error(`the engine knows no ${operation}`)
    }
  }

  /** The items of one partition in key order: the very objects that are stored. */
  partition(table: string, partitionKey: string): Item[] {
    const items = this.#tables.get(table)?.get(partitionKey)
    return items ? inOrder(items) : []
  }

  /** All items of a table, in the order of their keys. */
  all(table: string): Item[] {
    const partitions = [...this.#tables.get(table)!].sort(([one], [other]) => byText(one, other))
    return partitions.flatMap(([, items]) => inOrder(items))
  }

  /** Deletes what DynamoDB may delete for its age by `time` (epoch seconds), and answers with it. */
  forget(table: string, timeToLive: string, time: number): Item[] {
    const old = this.all(table).filter((item) => Number(plainItem(item)[timeToLive]) <= time)
    this.#by = undefined
    this.#write(old.map((item) => ({ table, key: item, before: item, after: undefined })))
    return old
  }

  /** What the conditions of a transaction come to now, one reason for each of its items. */
  reasonsFor(transactItems: Input[]): CancellationReason[] {
    return transactItems.map((one) => reasonOf(this.#plan(one)))
  }

  #transact({ TransactItems, ClientRequestToken }: Input): object {
    const request = JSON.stringify(TransactItems)
    const known = this.#tokens.get(ClientRequestToken)
    if (known === request) return {}
    if (known !== undefined) {
      throw new EngineError(
        'IdempotentParameterMismatchException',
        'another request had this token',
      )
    }
    const planned = (TransactItems as Input[]).map((one) => this.#plan(one))
    const places = planned.map(({ table, key }) => this.#place(table, key))
    if (new Set(places).size < places.length) {
      throw new EngineError(
        'ValidationException',
        'Transaction request cannot include multiple operations on one item',
      )
    }
    if (planned.some(({ failed }) => failed)) {
      const CancellationReasons = planned.map(reasonOf)
      const codes = CancellationReasons.map(({ Code }) => Code).join(', ')
      throw new EngineError(
        'TransactionCanceledException',
        `Transaction cancelled, please refer cancellation reasons for specific reasons [${codes}]`,
        { CancellationReasons },
      )
    }
    this.#tokens.set(ClientRequestToken, request)
    this.#write(planned)
    return {}
  }

  #writeOne(action: Input): object {
    const planned = this.#plan(action)
    if (planned.failed) {
      throw new EngineError('ConditionalCheckFailedException', conditionFailed, planned.failed)
    }
    this.#write([planned])
    return {}
  }

  #plan(action: Input): Plan {
    const [kind, input] = Object.entries(action)[0]! as [string, Input & Placeholders]
    const table: string = input.TableName
    const key = kind === 'Put' ? input.Item : input.Key
    const before = this.#item(table, key)
    if (!satisfies(before, input.ConditionExpression, input)) {
      const wanted = input.ReturnValuesOnConditionCheckFailure === 'ALL_OLD'
      return { table, key, before, failed: wanted ? only('Item', before) : {} }
    }
    switch (kind) {
      case 'Put':
        return { table, key, before, after: frozen(input.Item) }
      case 'Update':
        return { table, key, before, after: this.#updated(before ?? key, input) }
      case 'Delete':
        return { table, key, before, after: undefined }
      case 'ConditionCheck':
        return { table, key, before, after: before }
      default:
        throw new Error(`the engine knows no ${kind} in a transaction`)
    }
  }

  #updated(item: Item, input: Input): Item {
    return frozen(updated(item, input.UpdateExpression, input))
  }

  #write(planned: Plan[]): void {
    const written: Written[] = []
    for (const { table, key, before, after } of planned) {
      if (after === before) continue
      const [partition, sort] = this.#address(table, key)
      const items = this.#tables.get(table)!.get(partition) ?? new Map<string, Item>()
      this.#tables.get(table)!.set(partition, items)
      if (after) items.set(sort, after)
      else items.delete(sort)
      this.#previous.set(this.#place(table, key), before)
      written.push({ table, before, after })
    }
    if (written.length > 0) this.#options.onWritten?.(written, this.#by)
  }

  #query(input: Input): object {
    const { partitionKey, sortKey, indexes } = this.#options.tables[input.TableName]!
    const order: string = input.IndexName ? indexes![input.IndexName]!.sortKey : sortKey!
    const partition = partitionOf(input)
    const place = (item: Item) => `${text(item[order])}\n${text(item[sortKey!])}`
    const items = this.partition(input.TableName, partition)
      .filter((item) => order in item && satisfies(item, input.KeyConditionExpression, input))
      .sort((one, other) => byText(place(one), place(other)))
    if (isBackwards(input)) items.reverse()
    const keys = [partitionKey, sortKey!, ...(input.IndexName ? [order] : [])]
    return this.#page(items, keys, input, place)
  }

  #scan(input: Input, stale: boolean): object {
    const { partitionKey, sortKey } = this.#options.tables[input.TableName]!
    const items = this.all(input.TableName)
      .filter((item) => segmentOf(text(item[partitionKey]), input) === (input.Segment ?? 0))
      .map((item) => (stale ? this.#asBefore(input.TableName, item) : item))
    const keys = sortKey ? [partitionKey, sortKey] : [partitionKey]
    return this.#page(items, keys, input, (item) => this.#place(input.TableName, item))
  }

  #asBefore(table: string, item: Item): Item {
    return this.#previous.get(this.#place(table, item)) ?? item
  }

  /**
   * A page begins after its start key, whether or not that item is still there; it ends where its limit is
   * reached, whether or not more follows; and the filter comes after that.
   */
  #page(items: Item[], keys: string[], input: Input, place: (item: Item) => string): object {
    const from = input.ExclusiveStartKey as Item | undefined
    const ahead = isBackwards(input) ? -1 : 1
    const following = from
      ? items.filter((item) => byText(place(item), place(from)) === ahead)
      : items
    const limit = Math.min(input.Limit ?? Infinity, this.#options.pageItemsMax ?? Infinity)
    const looked = following.slice(0, limit)
    const kept = looked.filter((item) => satisfies(item, input.FilterExpression, input))
    const last = looked.length === limit ? looked.at(-1) : undefined
    return {
      Items: kept,
      Count: kept.length,
      ScannedCount: looked.length,
      ...(last && { LastEvaluatedKey: Object.fromEntries(keys.map((key) => [key, last[key]])) }),
    }
  }

  #item(table: string, key: Item): Item | undefined {
    const [partition, sort] = this.#address(table, key)
    return this.#tables.get(table)!.get(partition)?.get(sort)
  }

  /** Where an item is, as a text that sorts as its table does. */
  #place(table: string, key: Item): string {
    return [table, ...this.#address(table, key)].join('\n')
  }

  #address(table: string, key: Item): [partition: string, sort: string] {
    const { partitionKey, sortKey } = this.#options.tables[table]!
    return [text(key[partitionKey]), sortKey ? text(key[sortKey]) : '']
  }
}

interface Plan {
  table: string
  key: Item
  before: Item | undefined
  after?: Item
  /** The condition did not hold; with the item as it is, where it was asked for. */
  failed?: object
}

const conditionFailed = 'The conditional request failed'

export interface CancellationReason {
  Code: string
  Message?: string
  Item?: Item
}

function reasonOf({ failed }: Plan): CancellationReason {
  return failed
    ? { Code: 'ConditionalCheckFailed', Message: conditionFailed, ...failed }
    : { Code: 'None' }
}

function inOrder(items: Map<string, Item>): Item[] {
  return [...items].sort(([one], [other]) => byText(one, other)).map(([, item]) => item)
}

function byText(one: string, other: string): number {
  return one < other ? -1 : one > other ? 1 : 0
}

function isBackwards({ ScanIndexForward }: Input): boolean {
  return ScanIndexForward === false
}

/** The store compares the partition key first, and by a value it names `:workspaceId`. */
function partitionOf({ ExpressionAttributeValues }: Input): string {
  return text(ExpressionAttributeValues[':workspaceId'])
}

function segmentOf(partition: string, { TotalSegments = 1 }: Input): number {
  let hash = 0
  for (const character of partition) hash = (hash * 31 + character.charCodeAt(0)) >>> 0
  return hash % TotalSegments
}

function text(value: Value | undefined): string {
  if (!value || !('S' in value)) throw new Error('a key is not text')
  return value.S
}

function only(name: string, item: Item | undefined): object {
  return item ? { [name]: item } : {}
}

function frozen<T extends object>(value: T): T {
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null && !Object.isFrozen(inner)) frozen(inner)
  }
  return Object.freeze(value)
}
