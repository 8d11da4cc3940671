import { readFile } from 'node:fs/promises'
import { extname, join } from 'node:path'
import { buildWeb } from '../web/build.ts'
import { cacheControlOf, isEmbeddable, type SiteConfig, securityHeaders } from '../web/site.ts'

/** Undefined for a path that is no file of the pages. */
export type Site = (request: Request) => Promise<Response | undefined>

/**
 * Serves the assistant demo at `/` and the usage page, as it is deployed, at `/usage`; both with the headers
 * the deployed site gives them. The pages are built first, so they are never older than their source.
 */
export async function openSite(config: SiteConfig): Promise<Site> {
  const { web, demo } = await buildWeb()

  return async function handle(request) {
    if (request.method !== 'GET' && request.method !== 'HEAD') return undefined
    const path = new URL(request.url).pathname.slice(1)
    if (path === 'config.json') return respond(path, JSON.stringify(config))
    if (path === '') return respond('index.html', await readFile(join(demo, 'index.html')))
    const file = path === 'usage' ? 'index.html' : path
    if (!/^(assets\/)?[\w-]+\.(html|js|css|json|txt)$/.test(file)) return undefined
    const contents =
      (await read(join(web, file))) ?? (path === 'usage' ? undefined : await read(join(demo, file)))
    return contents && respond(file, contents)
  }
}

const mediaTypes: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.json': 'application/json',
  '.txt': 'text/plain; charset=utf-8',
}

function respond(path: string, contents: Buffer | string): Response {
  return new Response(typeof contents === 'string' ? contents : new Uint8Array(contents), {
    headers: {
      'content-type': mediaTypes[extname(path)]!,
      'cache-control': cacheControlOf(path),
      ...securityHeaders([]),
      ...(isEmbeddable(path) && { 'access-control-allow-origin': '*' }),
    },
  })
}

async function read(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw cause
  }
}
