/** A form body as Stripe reads it: `a[b][0]=x` becomes `{a: {b: {0: 'x'}}}`. Lists keep their indexes as keys. */
export interface Form {
  [key: string]: string | Form | undefined
}

/** Beyond any request Stripe's own client sends, and small enough that no body can tie up the server. */
const pairsMax = 1000
const depthMax = 8

export function parseForm(encoded: string): Form {
  const form = emptyForm()
  let pairs = 0
  for (const [name, value] of new URLSearchParams(encoded)) {
    pairs += 1
    if (pairs > pairsMax) throw new RangeError(`more than ${pairsMax} parameters`)
    put(form, pathOf(name), value)
  }
  return form
}

/** The values of a list parameter, whether it came as `a[]=x`, `a[0]=x` or not at all. */
export function listOf(value: string | Form | undefined): (string | Form)[] {
  if (value === undefined) return []
  if (typeof value === 'string') return [value]
  return Object.values(value).filter((item) => item !== undefined)
}

function put(form: Form, path: string[], value: string): void {
  const last = path.pop()!
  let node = form
  for (const key of path) {
    const child = node[nextKey(node, key)]
    if (typeof child === 'object') {
      node = child
    } else {
      const created = emptyForm()
      node[nextKey(node, key)] = created
      node = created
    }
  }
  node[nextKey(node, last)] = value
}

function pathOf(name: string): string[] {
  const bracket = name.indexOf('[')
  if (bracket <= 0) return [name]
  const path = [name.slice(0, bracket)]
  for (const [, key] of name.slice(bracket).matchAll(/\[([^\]]*)\]/g)) path.push(key!)
  if (path.length > depthMax) throw new RangeError(`a parameter is nested over ${depthMax} deep`)
  return path
}

function nextKey(node: Form, key: string): string {
  return key === '' ? String(Object.keys(node).length) : key
}

/** Without a prototype, so that a parameter called `__proto__` is a parameter and nothing more. */
function emptyForm(): Form {
  return Object.create(null)
}
