import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { securityHeaders } from '../web/site.ts'
import { html } from './html.ts'

/** Undefined for a path that is not the page's. */
export type ApiPage = (request: Request) => Promise<Response | undefined>

/**
 * The API's description at `/local/api`, to read and to try: Swagger UI over the document that the API serves,
 * with whom to call it as. Its policy lets it reach nothing but this machine. No deployment has it.
 */
export function openApiPage(personas: readonly string[]): ApiPage {
  const files: Record<string, () => Promise<string> | string> = {
    '/local/api': () => page(personas).text,
    '/local/api/page.css': () => style,
    '/local/api/page.js': () => script,
    '/local/api/swagger-ui.css': () => viewerFile('swagger-ui.css'),
    '/local/api/swagger-ui-bundle.js': () => viewerFile('swagger-ui-bundle.js'),
  }
  return async function handle(request) {
    const { pathname } = new URL(request.url)
    if (request.method !== 'GET' || !Object.hasOwn(files, pathname)) return undefined
    const type = /\.(css|js)$/.exec(pathname)?.[1] ?? 'html'
    return new Response(await files[pathname]!(), {
      headers: {
        'content-type': `text/${type === 'js' ? 'javascript' : type}; charset=utf-8`,
        'cache-control': 'no-cache',
        ...securityHeaders([]),
      },
    })
  }
}

function viewerFile(name: string): Promise<string> {
  return readFile(fileURLToPath(import.meta.resolve(`swagger-ui-dist/${name}`)), 'utf8')
}

const page = (personas: readonly string[]) => html`<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>Token Top-up: the API</title>
    <link rel="icon" href="data:,">
    <link rel="stylesheet" href="/local/api/swagger-ui.css">
    <link rel="stylesheet" href="/local/api/page.css">
    <script defer src="/local/api/swagger-ui-bundle.js"></script>
    <script defer src="/local/api/page.js"></script>
  </head>
  <body>
    <form id="caller">
      <label for="persona">Call as</label>
      <select id="persona" autocomplete="off">
        <option value="">nobody</option>
        ${personas.map((each) => html`<option>${each}</option>`)}
      </select>
      <span id="said" role="status"></span>
    </form>
    <main id="api"></main>
    <noscript><p>This page needs JavaScript. The document itself is at <a href="/v1/openapi.json">/v1/openapi.json</a>.</p></noscript>
  </body>
</html>
`

const script = `
const dark = matchMedia('(prefers-color-scheme: dark)')
const paint = () => document.documentElement.classList.toggle('dark-mode', dark.matches)
dark.addEventListener('change', paint)
paint()

const ui = SwaggerUIBundle({
  dom_id: '#api',
  url: '/v1/openapi.json',
  // Swagger's own server would be asked what it thinks of the document.
  validatorUrl: null,
  deepLinking: true,
  displayRequestDuration: true,
  defaultModelsExpandDepth: 0,
})

const persona = document.querySelector('#persona')
const said = document.querySelector('#said')
let signedIn = false
persona.addEventListener('change', async () => {
  if (signedIn) ui.authActions.logout(['accessToken'])
  signedIn = false
  said.textContent = ''
  if (persona.value === '') return
  const response = await fetch('/local/token', {
    method: 'POST',
    body: JSON.stringify({ persona: persona.value }),
  })
  const { token, message } = await response.json()
  if (token) ui.preauthorizeApiKey('accessToken', token)
  signedIn = Boolean(token)
  said.textContent = message ?? 'Signed in for an hour.'
})
`

const style = `
body { margin: 0; background: #fff; }
.dark-mode body { background: #1c2022; }
#caller {
  position: sticky;
  top: 0;
  z-index: 1;
  display: flex;
  flex-wrap: wrap;
  gap: 0.5rem;
  align-items: center;
  padding: 0.5rem 1.25rem;
  font: 1rem / 1.5 system-ui, sans-serif;
  background: light-dark(#f6f5f2, #16181c);
  color: light-dark(#22252b, #eceae5);
}
#caller select { font: inherit; }
`
