/** Text that is already HTML. Everything else is escaped when it goes into a page. */
export class Html {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Insert = string | number | Html | readonly Html[] | false | null | undefined

/** Builds HTML with every inserted string escaped, for text and for quoted attributes alike. */
export function html(parts: TemplateStringsArray, ...inserts: Insert[]): Html {
  const text = parts.reduce(
    (sofar, part, index) => `${sofar}${rendered(inserts[index - 1])}${part}`,
  )
  return new Html(text)
}

function rendered(insert: Insert): string {
  if (insert === undefined || insert === null || insert === false) return ''
  if (insert instanceof Html) return insert.text
  if (typeof insert === 'object') return insert.map((one) => one.text).join('')
  return String(insert).replace(/[&<>"']/g, (character) => entities[character]!)
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
