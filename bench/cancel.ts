/**
 * `npm run bench -- cancel`: how long after a caller has left a call through three processes the last of their `finally`
 * blocks has run.
 */
import { leaveChain } from './scenarios/chain.ts'
import { quantile } from './statistics.ts'
import { progress, verdict } from './verdict.ts'
import { withFleet } from './workers/fleet.ts'

const SAMPLES = 400
/** Code is compiled, sockets and stages are warm. */
const WARM_UP = 50

export async function cancel(): Promise<void> {
  progress(`leaving ${SAMPLES} calls`)
  const left = await withFleet((world) => leaveChain(world, WARM_UP + SAMPLES))
  const samples = left.slice(WARM_UP)
  const took = samples.map(({ finallyMs }) => finallyMs)
  process.stdout.write(`\ncancel: three stages in three processes, ${samples.length} samples\n`)
  verdict('all three `finally` blocks have run, median', quantile(took, 0.5), 5, 'ms')
  verdict('all three `finally` blocks have run, p99', quantile(took, 0.99), 50, 'ms')
  verdict('callers whose loop did not end in the same turn', samples.filter(({ atOnce }) => !atOnce).length, 0, 'loops')
}
