import type { Stack } from '../local/stack.ts'
import { bundles, consumeEvent, createWorkspace, load, median, table } from './handlers.ts'

const callsAlone = 400
const callsTogether = 1_600
const roundSize = 80
const ratioMax = 1.25

/** The whole handler beside the same two SDK commands called bare: same engine, taking turns. */
export async function measureLatency(stack: Stack): Promise<string> {
  const { consume, bare } = await bundles(stack)
  const real = await load(stack, consume, stack.dynamoDbEndpoint)
  const floor = await load(stack, bare, stack.dynamoDbEndpoint)
  const workspaces = Array.from({ length: 16 }, (_, n) => `latency-${n}`)
  for (const id of workspaces) await createWorkspace(stack, id)

  let calls = 0
  const kinds = {
    real: (workspaceId: string) => real(consumeEvent(workspaceId, `r${++calls}`, 1)),
    floor: (workspaceId: string) => floor({ workspaceId, key: `f${++calls}`, tokens: 1 }),
  }
  const rows = []
  for (const [concurrent, total] of [
    [1, callsAlone],
    [16, callsTogether],
  ] as const) {
    const times = { real: [] as number[], floor: [] as number[] }
    for (let done = -roundSize; done < total; done += roundSize) {
      for (const kind of ['real', 'floor'] as const) {
        const round = await runRound(kinds[kind], workspaces.slice(0, concurrent))
        // The first round of each warms the connections and the compiler up.
        if (done >= 0) times[kind].push(...round)
      }
    }
    const [realMs, floorMs] = [median(times.real), median(times.floor)]
    rows.push([
      concurrent,
      realMs.toFixed(2),
      floorMs.toFixed(2),
      (realMs / floorMs).toFixed(2),
      `≤ ${ratioMax}`,
    ])
  }
  return [
    '## End to end over the handler',
    `p50 of ${callsAlone} calls alone and ${callsTogether} calls 16 at a time, in rounds of ${roundSize} that take turns.`,
    table(['concurrent', 'consume, ms', 'bare, ms', 'ratio', 'bound'], rows),
  ].join('\n\n')
}

/** One caller a workspace, each making its calls one after the other. */
async function runRound(
  call: (workspaceId: string) => Promise<{ statusCode: number; body: string }>,
  workspaces: string[],
): Promise<number[]> {
  const times: number[] = []
  await Promise.all(
    workspaces.map(async (workspaceId) => {
      for (let n = 0; n < roundSize / workspaces.length; n++) {
        const start = performance.now()
        const { statusCode, body } = await call(workspaceId)
        times.push(performance.now() - start)
        if (statusCode !== 200) throw new Error(`a call was answered ${statusCode}: ${body}`)
      }
    }),
  )
  return times
}
