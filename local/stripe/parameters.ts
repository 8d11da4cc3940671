import { parameterInvalid, parameterMissing, StripeApiError } from './errors.ts'
import { type Form, listOf } from './form.ts'

/**
 * Reads the parameters of one request, or of one nested group of it, with the complaints Stripe would make.
 * `name` keeps the full name of a nested parameter, because Stripe's errors carry it.
 */
export class Parameters {
  readonly #form: Form
  readonly #prefix: string

  constructor(form: Form, prefix = '') {
    this.#form = form
    this.#prefix = prefix
  }

  name(key: string): string {
    return this.#prefix === '' ? key : `${this.#prefix}[${key}]`
  }

  /** Refuses parameters this server does not know, so that none is quietly ignored. */
  only(...known: string[]): void {
    const unknown = Object.keys(this.#form).filter((key) => !known.includes(key))
    if (unknown.length === 0) return
    const names = unknown.map((key) => this.name(key))
    const message = `Received unknown parameter${names.length > 1 ? 's' : ''}: ${names.join(', ')}`
    throw new StripeApiError(400, message, { code: 'parameter_unknown', param: names[0] })
  }

  text(key: string, lengthMax = 5000): string | undefined {
    const value = this.#form[key]
    if (value === undefined) return undefined
    if (typeof value !== 'string') throw parameterInvalid(this.name(key), 'Invalid string')
    if (value === '') {
      const message = `You passed an empty string for '${this.name(key)}'. We assume empty values are an attempt to unset a parameter; however '${this.name(key)}' cannot be unset.`
      throw parameterInvalid(this.name(key), message, 'parameter_invalid_empty')
    }
    if (value.length > lengthMax) {
      const message = `Invalid string: must be at most ${lengthMax} characters`
      throw parameterInvalid(this.name(key), message)
    }
    return value
  }

  requiredText(key: string, lengthMax?: number): string {
    const value = this.text(key, lengthMax)
    if (value === undefined) throw parameterMissing(this.name(key))
    return value
  }

  integer(key: string): number | undefined {
    const text = this.text(key)
    if (text === undefined) return undefined
    const value = Number(text)
    if (!/^-?\d+$/.test(text) || !Number.isSafeInteger(value)) {
      const message = `Invalid integer: ${text}`
      throw parameterInvalid(this.name(key), message, 'parameter_invalid_integer')
    }
    return value
  }

  flag(key: string): boolean | undefined {
    const text = this.text(key)
    if (text === undefined) return undefined
    if (text !== 'true' && text !== 'false') {
      throw parameterInvalid(this.name(key), `Invalid boolean: ${text}`)
    }
    return text === 'true'
  }

  choice<const Choice extends string>(key: string, choices: readonly Choice[]): Choice | undefined {
    const text = this.text(key)
    if (text === undefined) return undefined
    const choice = choices.find((one) => one === text)
    if (choice === undefined) {
      const message = `Invalid ${this.name(key)}: must be one of ${choices.join(', ')}`
      throw parameterInvalid(this.name(key), message)
    }
    return choice
  }

  /** An http or https address. Stripe takes no other, and a page may link to it. */
  url(key: string): string | undefined {
    const text = this.text(key)
    if (text === undefined) return undefined
    const url = URL.parse(text)
    if (url?.protocol !== 'http:' && url?.protocol !== 'https:') {
      throw parameterInvalid(this.name(key), 'Not a valid URL', 'url_invalid')
    }
    return text
  }

  texts(key: string): string[] {
    return listOf(this.#form[key]).map((value) => {
      if (typeof value !== 'string') throw parameterInvalid(this.name(key), 'Invalid array')
      return value
    })
  }

  /** A nested group of parameters; `undefined` when the request has none. */
  group(key: string): Parameters | undefined {
    const value = this.#form[key]
    if (value === undefined) return undefined
    if (typeof value === 'string') throw parameterInvalid(this.name(key), 'Invalid object')
    return new Parameters(value, this.name(key))
  }

  groups(key: string): Parameters[] {
    return listOf(this.#form[key]).map((value, index) => {
      const name = `${this.name(key)}[${index}]`
      if (typeof value === 'string') throw parameterInvalid(name, 'Invalid object')
      return new Parameters(value, name)
    })
  }

  metadata(key = 'metadata'): Record<string, string> {
    const value = this.#form[key]
    if (value === undefined || value === '') return {}
    if (typeof value === 'string') throw parameterInvalid(this.name(key), 'Invalid object')
    const entries: [string, string][] = []
    for (const [name, text] of Object.entries(value)) {
      const param = `${this.name(key)}[${name}]`
      if (typeof text !== 'string') throw parameterInvalid(param, 'Metadata values must be strings')
      if (name.length > 40 || text.length > 500) {
        throw parameterInvalid(param, 'Metadata keys hold 40 characters and values 500 at most')
      }
      // An empty value unsets a key, which on a new object is the same as never setting it.
      if (text !== '') entries.push([name, text])
    }
    if (entries.length > 50) {
      throw parameterInvalid(this.name(key), 'Metadata holds 50 keys at most')
    }
    return Object.fromEntries(entries)
  }

  has(key: string): boolean {
    return this.#form[key] !== undefined
  }
}
