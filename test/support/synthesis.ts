import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type LocalProps, readSynthesized, synthesize } from '../../local/aws/synthesize.ts'

/** What stands for the addresses of a stack in a template that any of them may use. */
const places = ['http://page.invalid', 'http://server.invalid', 'http://stripe.invalid']

/**
 * Synthesizes the app once for a whole run of tests, in whichever file comes first: what comes out differs by the
 * addresses of each stack alone, and those are put in their places.
 */
export function synthesisIn(cacheFolder: string): typeof synthesize {
  return async (props) => {
    const addresses = [...props.allowedOrigins, props.stripeApiBase ?? places[2]!]
    const anywhere = JSON.parse(exchanged(JSON.stringify(props), addresses, places)) as LocalProps
    const name = createHash('sha256').update(JSON.stringify(anywhere)).digest('hex').slice(0, 16)
    const folder = join(cacheFolder, name)
    await once(folder, () => synthesize(anywhere, folder))
    return readSynthesized(folder, (template) => exchanged(template, places, addresses))
  }
}

/** In one process of several; the others wait for it. */
async function once(folder: string, work: () => Promise<unknown>): Promise<void> {
  const [lock, done] = [`${folder}.lock`, `${folder}.done`]
  try {
    mkdirSync(lock)
  } catch {
    for (let ms = 0; !existsSync(done); ms += 50) {
      if (ms > 50_000) throw new Error('another test was to synthesize the app, and has not')
      await sleep(50)
    }
    return
  }
  await work()
  writeFileSync(done, '')
}

function exchanged(text: string, these: readonly string[], those: readonly string[]): string {
  return these.reduce((all, one, at) => all.replaceAll(one, those[at]!), text)
}
