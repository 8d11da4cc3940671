/**
 * The expression language of DynamoDB, as far as the store speaks it: conditions of comparisons,
 * `attribute_exists`, `attribute_not_exists` and `begins_with` joined by AND and OR, and updates of ADD (of a
 * number), SET (with `+` and `if_not_exists`) and REMOVE. Anything else is an error, so that a new shape in the store is
 * noticed here and not passed over.
 */

/** DynamoDB's own form of a value, as it travels: `{ N: '5' }`. Numbers are text. */
export type Value = { S: string } | { N: string } | { BOOL: boolean } | { M: Record<string, Value> }

export type Item = Readonly<Record<string, Value>>

export interface Placeholders {
  ExpressionAttributeNames?: Record<string, string>
  ExpressionAttributeValues?: Record<string, Value>
}

/** Whether an item (undefined: there is none) satisfies a condition. */
export function satisfies(
  item: Item | undefined,
  expression: string | undefined,
  placeholders: Placeholders,
): boolean {
  return expression === undefined || conditionOf(expression)({ item: item ?? {}, ...placeholders })
}

/** The item after an update. The one given is left as it is. */
export function updated(item: Item, expression: string, placeholders: Placeholders): Item {
  const scope = { item, ...placeholders }
  // Every operand reads the item as it was before the update.
  const changes = updateOf(expression).map(({ path, operand }) => ({
    path: named(path, scope),
    value: operand?.(scope),
  }))
  const after: Record<string, Value> = { ...item }
  for (const { path, value } of changes) assign(after, path, value)
  return after
}

/** What the store would read of an item. */
export function plain(value: Value): unknown {
  if ('M' in value) return plainItem(value.M)
  return 'N' in value ? Number(value.N) : Object.values(value)[0]
}

// biome-ignore lint/suspicious/noExplicitAny: an item of any kind, which checks look into.
export type Plain = Record<string, any>

export function plainItem(item: Item): Plain {
  return Object.fromEntries(Object.entries(item).map(([name, value]) => [name, plain(value)]))
}

export function sameValue(one: Value | undefined, other: Value | undefined): boolean {
  if (one === undefined || other === undefined) return false
  if ('N' in one && 'N' in other) return Number(one.N) === Number(other.N)
  if ('M' in one && 'M' in other) {
    const keys = Object.keys(one.M)
    return (
      keys.length === Object.keys(other.M).length &&
      keys.every((key) => sameValue(one.M[key], other.M[key]))
    )
  }
  return JSON.stringify(one) === JSON.stringify(other)
}

interface Scope extends Placeholders {
  item: Item
}

type Condition = (scope: Scope) => boolean
type Operand = (scope: Scope) => Value | undefined
type Path = string[]

interface Change {
  path: Path
  /** Undefined: the attribute is removed. */
  operand?: Operand
}

const conditions = new Map<string, Condition>()
const updates = new Map<string, Change[]>()

function conditionOf(expression: string): Condition {
  return remembered(conditions, expression, (parser) => parser.condition())
}

function updateOf(expression: string): Change[] {
  return remembered(updates, expression, (parser) => parser.update())
}

/** The store's expressions are few and come back all the time. */
function remembered<T>(known: Map<string, T>, expression: string, parse: (p: Parser) => T): T {
  let parsed = known.get(expression)
  if (parsed === undefined) {
    const parser = new Parser(expression)
    parsed = parse(parser)
    parser.end()
    known.set(expression, parsed)
  }
  return parsed
}

class Parser {
  readonly #expression: string
  readonly #tokens: string[]

  constructor(expression: string) {
    this.#expression = expression
    this.#tokens = expression.match(/[#:\w]+|<=|>=|[<>=+(),.]/g) ?? []
  }

  /** OR binds less than AND. */
  condition(): Condition {
    const either = [this.#all()]
    while (this.#accept('OR')) either.push(this.#all())
    return either.length === 1 ? either[0]! : (scope) => either.some((one) => one(scope))
  }

  update(): Change[] {
    const changes: Change[] = []
    if (this.#accept('ADD')) {
      do changes.push(this.#add())
      while (this.#accept(','))
    }
    if (this.#accept('SET')) {
      do changes.push(this.#set())
      while (this.#accept(','))
    }
    if (this.#accept('REMOVE')) {
      do changes.push({ path: this.#path() })
      while (this.#accept(','))
    }
    return changes
  }

  end(): void {
    if (this.#tokens.length > 0) this.#fail()
  }

  #all(): Condition {
    const all = [this.#test()]
    while (this.#accept('AND')) all.push(this.#test())
    return all.length === 1 ? all[0]! : (scope) => all.every((one) => one(scope))
  }

  #test(): Condition {
    if (this.#accept('attribute_exists')) {
      const path = this.#bracketed(() => this.#path())
      return (scope) => valueAt(path, scope) !== undefined
    }
    if (this.#accept('attribute_not_exists')) {
      const path = this.#bracketed(() => this.#path())
      return (scope) => valueAt(path, scope) === undefined
    }
    if (this.#accept('begins_with')) {
      const [path, prefix] = this.#bracketed(() => {
        const first = this.#path()
        this.#expect(',')
        return [first, this.#operand()] as const
      })
      return (scope) => textOf(valueAt(path, scope)).startsWith(textOf(prefix(scope)))
    }
    const left = this.#operand()
    const sign = this.#next()
    const right = this.#operand()
    if (sign === '=') return (scope) => sameValue(left(scope), right(scope))
    const holds = comparisons[sign]
    if (!holds) return this.#fail()
    return (scope) => {
      const order = compared(left(scope), right(scope))
      return order !== undefined && holds(order)
    }
  }

  #add(): Change {
    const path = this.#path()
    const more = this.#operand()
    const had = (scope: Scope) => valueAt(path, scope) ?? { N: '0' }
    return {
      path,
      operand: (scope) => ({ N: String(numberOf(had(scope)) + numberOf(more(scope))) }),
    }
  }

  #set(): Change {
    const path = this.#path()
    this.#expect('=')
    const first = this.#operand()
    if (!this.#accept('+')) return { path, operand: first }
    const second = this.#operand()
    return {
      path,
      operand: (scope) => ({ N: String(numberOf(first(scope)) + numberOf(second(scope))) }),
    }
  }

  #operand(): Operand {
    if (this.#accept('if_not_exists')) {
      const [path, otherwise] = this.#bracketed(() => {
        const first = this.#path()
        this.#expect(',')
        return [first, this.#operand()] as const
      })
      return (scope) => valueAt(path, scope) ?? otherwise(scope)
    }
    if (this.#tokens[0]?.startsWith(':')) {
      const label = this.#next()
      return ({ ExpressionAttributeValues }) => {
        const value = ExpressionAttributeValues?.[label]
        if (!value) throw new Error(`${label} has no value`)
        return value
      }
    }
    const path = this.#path()
    return (scope) => valueAt(path, scope)
  }

  #path(): Path {
    const path = [this.#next()]
    while (this.#accept('.')) path.push(this.#next())
    return path
  }

  #bracketed<T>(inner: () => T): T {
    this.#expect('(')
    const parsed = inner()
    this.#expect(')')
    return parsed
  }

  #next(): string {
    return this.#tokens.shift() ?? this.#fail()
  }

  #accept(token: string): boolean {
    if (this.#tokens[0] !== token) return false
    this.#tokens.shift()
    return true
  }

  #expect(token: string): void {
    if (!this.#accept(token)) this.#fail()
  }

  #fail(): never {
    throw new Error(
      `the engine cannot read "${this.#expression}" at ${this.#tokens[0] ?? 'its end'}`,
    )
  }
}

const comparisons: Record<string, (order: number) => boolean> = {
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
}

/** Undefined where the two cannot be compared, as when one is missing: then no comparison holds. */
function compared(one: Value | undefined, other: Value | undefined): number | undefined {
  if (!one || !other) return undefined
  if ('N' in one && 'N' in other) return Number(one.N) - Number(other.N)
  if ('S' in one && 'S' in other) return one.S < other.S ? -1 : one.S > other.S ? 1 : 0
  return undefined
}

function named(path: Path, { ExpressionAttributeNames }: Scope): Path {
  return path.map((part) => {
    if (!part.startsWith('#')) return part
    const name = ExpressionAttributeNames?.[part]
    if (name === undefined) throw new Error(`${part} has no name`)
    return name
  })
}

function valueAt(path: Path, scope: Scope): Value | undefined {
  let value: Value | undefined = { M: scope.item }
  for (const part of named(path, scope)) {
    value = value && 'M' in value ? value.M[part] : undefined
  }
  return value
}

/** Paths are one or two names long, and a map on the way must be there. */
function assign(item: Record<string, Value>, [name, inner]: Path, value: Value | undefined): void {
  if (inner === undefined) {
    if (value === undefined) delete item[name!]
    else item[name!] = value
    return
  }
  const map = item[name!]
  if (!map || !('M' in map) || value === undefined) {
    throw new Error(`${name}.${inner} cannot be written`)
  }
  item[name!] = { M: { ...map.M, [inner]: value } }
}

function numberOf(value: Value | undefined): number {
  if (!value || !('N' in value)) throw new Error('an operand of + is not a number')
  return Number(value.N)
}

function textOf(value: Value | undefined): string {
  return value && 'S' in value ? value.S : ''
}
