import { startStack } from '../local/stack.ts'
import { measureAlternatives } from './alternatives.ts'
import { measureBundle } from './bundle.ts'
import { measureClient } from './client.ts'
import { measureCosts } from './costs.ts'
import { measureLatency } from './latency.ts'
import { measureReconcile } from './reconcile.ts'
import { measureSweep } from './sweep.ts'

/**
 * What the service costs, measured on the bundles that would be deployed against DynamoDB Local. Prints
 * Markdown; `docs/performance.md` keeps one run of it. Times are only ever compared within one run.
 *
 * Arguments name the parts to run (`bundle costs latency sweep reconcile client alternatives`); without any, all of them run.
 */
const parts = {
  bundle: measureBundle,
  costs: measureCosts,
  latency: measureLatency,
  sweep: measureSweep,
  reconcile: measureReconcile,
  client: measureClient,
  alternatives: measureAlternatives,
}
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !(name in parts))
if (unknown.length > 0) {
  console.error(`No such part: ${unknown.join(', ')}. There are: ${Object.keys(parts).join(', ')}.`)
  process.exit(1)
}

console.error('Starting the local stack …')
const stack = await startStack()
try {
  for (const [name, measure] of Object.entries(parts)) {
    if (wanted.length > 0 && !wanted.includes(name)) continue
    console.error(`Measuring ${name} …`)
    console.log(`${await measure(stack)}\n`)
  }
} finally {
  await stack.stop()
}
