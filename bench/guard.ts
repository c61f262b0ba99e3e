/**
 * `npm run bench -- guard`: a short run that fails if sluice has become much slower: a ratio a quarter below its target
 * (or below what is reached, where that is less), twice in a row. Ratios only, since times depend on the machine.
 */
import { type Judged, judge, verdictLine } from './print.ts'
import { Results } from './results.ts'
import { run } from './run.ts'
import { PEERS, TARGETS, type Target } from './targets.ts'
import { WORKLOADS } from './workloads/index.ts'
import type { Workload } from './workloads/workload.ts'

const GUARDED = ['W1', 'W1-3', 'W2-1', 'W3', 'W4-64', 'W5', 'W6', 'W7']
const ROUNDS = 5
const SLACK = 0.75

export async function guard(): Promise<void> {
  let failed = 0
  for (const id of GUARDED) {
    const workload = WORKLOADS.find((each) => each.id === id) as Workload
    let judged = await once(workload)
    if (judged.some(({ isMet }) => !isMet)) {
      print(judged, workload)
      process.stdout.write(`  ${id} once more\n`)
      judged = await once(workload)
    }
    print(judged, workload)
    failed += judged.filter(({ isMet }) => !isMet).length
  }
  process.stdout.write(failed === 0 ? 'guard: no ratio is far below its target\n' : `guard: ${failed} missed twice\n`)
  if (failed > 0) process.exitCode = 1
}

async function once(workload: Workload): Promise<Judged[]> {
  const targets = TARGETS.filter((target) => target.workload === workload.id && isRatio(target)).map(
    (target): Target => {
      const { atLeast = 0, held = atLeast } = target
      return { ...target, atLeast: Number((held * SLACK).toFixed(2)) }
    },
  )
  const systems = [
    ...new Set([workload.limit, ...targets.flatMap(({ against = '', system = 'sluice' }) => [against, system])]),
  ]
  const results = new Results()
  const onFailed = (_system: string, error: Error) => {
    throw error
  }
  await run(workload, { systems, rounds: ROUNDS, ms: workload.ms, bestRate: 0, onFailed }, results)
  return targets.map((target) => judge(target, workload, results)).filter((each) => each !== undefined)
}

function isRatio({ against, atLeast, system }: Target): boolean {
  return (
    against !== undefined && against !== PEERS && atLeast !== undefined && system !== 'limit' && against !== 'moleculer'
  )
}

function print(judged: readonly Judged[], workload: Workload): void {
  for (const each of judged) process.stdout.write(`${verdictLine(each, workload)}\n`)
}
