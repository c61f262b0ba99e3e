/**
 * W11: unary calls that arrive at a fixed rate, whether or not earlier ones were answered. Latency counts from the time a
 * call was due, so that waiting in line is not left out.
 */
import { small } from '../service.ts'
import { quantile } from '../statistics.ts'
import type { Remote } from '../systems/system.ts'
import { check, closedLoops, connectThrough, isBetweenProcesses, WARM_UP_MS, type Workload } from './workload.ts'

/** No more than so many are begun in one turn of the event loop, or answers could not come in between. */
const BURST = 256

/** Calls for so long, and says what each took. */
async function arrive(remote: Remote, perSecond: number, ms: number): Promise<number[]> {
  const wanted = Math.ceil((perSecond * ms) / 1000)
  const took: number[] = []
  const calls: Promise<void>[] = []
  const begin = performance.now()
  const call = async (index: number) => {
    const dueMs = (index * 1000) / perSecond
    try {
      check('an echo', (await remote.one(small(index))).index, index)
      took.push(performance.now() - begin - dueMs)
    } catch {
      // A system may refuse what it cannot keep up with; no answer is later than any.
      took.push(Number.POSITIVE_INFINITY)
    }
  }
  for (let begun = 0; begun < wanted; ) {
    const due = Math.min(wanted, begun + BURST, Math.floor(((performance.now() - begin) * perSecond) / 1000) + 1)
    while (begun < due) calls.push(call(begun++))
    await new Promise(setImmediate)
  }
  await Promise.all(calls)
  return took
}

function openLoop(share: number): Workload {
  return {
    id: `W11-${share * 100}`,
    title: `unary calls over TCP at a fixed rate, ${share * 100} % of the best peer's`,
    metrics: {
      p50Ms: { label: 'p50 ms', better: 'less' },
      p99Ms: { label: 'p99 ms', better: 'less' },
      unanswered: { label: 'unanswered', better: 'less', summed: true },
    },
    ...{ limit: 'limit', systems: ['sluice'], rounds: 7, ms: 700, isFor: isBetweenProcesses },
    setup: async (setting) => {
      const remote = await connectThrough(setting, 1)
      const perSecond = setting.bestRate * share
      const until = performance.now() + 2 * WARM_UP_MS
      await closedLoops(
        64,
        () => performance.now() >= until,
        (index) => remote.one(small(index)),
      )
      await arrive(remote, perSecond, WARM_UP_MS)
      return async (ms) => {
        const took = await arrive(remote, perSecond, ms)
        const unanswered = took.filter((each) => each === Number.POSITIVE_INFINITY).length
        return { p50Ms: quantile(took, 0.5), p99Ms: quantile(took, 0.99), unanswered, perSecond, units: took.length }
      }
    },
  }
}

export const OPEN_LOOP: readonly Workload[] = [openLoop(0.5), openLoop(0.8)]
