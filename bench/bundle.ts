import { execFileSync } from 'node:child_process'
import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { Stack } from '../local/stack.ts'
import { bundles, environment, median, table } from './handlers.ts'

const runs = 21
const ratioMax = 1.3
const consumeKbMax = 300

/** How large each bundle is, and how long consume takes to start beside the bare handler. */
export async function measureBundle(stack: Stack): Promise<string> {
  const { consume, bare } = await bundles(stack)
  const env = environment(stack, stack.dynamoDbEndpoint)
  const times = { consume: [] as number[], bare: [] as number[] }
  for (let run = 0; run < runs; run++) {
    times.consume.push(startMs(consume, env))
    times.bare.push(startMs(bare, env))
  }
  const [consumeMs, bareMs] = [median(times.consume), median(times.bare)]
  const sizes = stack.deployment.functions.map(({ name, folder }) => [
    name,
    kilobytes(join(folder, 'index.mjs')),
  ])
  return [
    '## Bundles and start-up',
    `Minified, SDK included. The bound for consume is ${consumeKbMax} KB; start-up is the import of the bundle in a new process, median of ${runs}, alternating.`,
    table(['bundle', 'KB'], [...sizes, ['bare handler (same two SDK commands)', kilobytes(bare)]]),
    table(
      ['', 'consume', 'bare', 'ratio', 'bound'],
      [
        [
          'start-up, ms',
          consumeMs.toFixed(1),
          bareMs.toFixed(1),
          (consumeMs / bareMs).toFixed(2),
          `≤ ${ratioMax}`,
        ],
      ],
    ),
  ].join('\n\n')
}

function kilobytes(file: string): string {
  return (statSync(file).size / 1024).toFixed(0)
}

function startMs(bundle: string, env: Record<string, string>): number {
  const script = `const t = performance.now(); await import(${JSON.stringify(bundle)}); console.log(performance.now() - t)`
  return Number(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      env,
      encoding: 'utf8',
    }),
  )
}
