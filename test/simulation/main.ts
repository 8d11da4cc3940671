import { parseArgs } from 'node:util'
import { allFaults } from './faults.ts'
import { printed, type Report, simulate } from './simulate.ts'

/*
 * `npm run simulate -- --histories 20000 --seed 7`: a long run. It prints a line now and then, and at its end
 * what was lived through; a history that fails is printed at its shortest, and the exit code is 1.
 */
const { values } = parseArgs({
  options: {
    histories: { type: 'string', default: '1000' },
    steps: { type: 'string', default: '100' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 31)) },
  },
})
const [histories, steps, seed] = [values.histories, values.steps, values.seed].map(Number)
if (![histories, steps, seed].every(Number.isSafeInteger)) {
  throw new Error('--histories, --steps and --seed are whole numbers')
}

const startedAt = performance.now()
const every = Math.max(1, Math.floor(histories! / 20))
console.log(`seed ${seed}: ${histories} histories of ${steps} steps`)
const report = await simulate({
  histories: histories!,
  steps: steps!,
  seed: seed!,
  onLived: (lived) => {
    if (lived % every === 0) console.log(`${lived} histories after ${seconds()} s`)
  },
})
console.log(table(report))
if (report.failure) {
  console.log(`\nseed ${seed}, history ${report.histories}: ${printed(report.failure)}`)
  process.exitCode = 1
}

function seconds(): string {
  return ((performance.now() - startedAt) / 1_000).toFixed(0)
}

function table({ histories, steps, calls, turns, tally }: Report): string {
  const rows: [string, number][] = [
    ['histories', histories],
    ['steps', steps],
    ['operations run', calls],
    ['turns at the network or a timer', turns],
    ...allFaults.map((fault): [string, number] => [fault, tally.get(fault) ?? 0]),
  ]
  const lines = rows.map(([name, count]) => `| ${name} | ${count.toLocaleString('en-US')} |`)
  return ['', '| what | how many |', '|---|---|', ...lines, '', `${seconds()} s`].join('\n')
}
