/**
 * W2, W4: unary calls in closed loops, in one process and from another.
 */
import { origin, small } from '../service.ts'
import { quantile } from '../statistics.ts'
import type { System } from '../systems/system.ts'
import {
  closedLoops,
  connectThrough,
  isBetweenProcesses,
  isLocal,
  paced,
  WARM_UP_MS,
  type Workload,
} from './workload.ts'

function inProcess(inFlight: number): Workload {
  return {
    id: `W2-${inFlight}`,
    title: `unary calls in one process, ${inFlight} in flight`,
    metrics: { callsPerSecond: { label: 'calls/s', better: 'more' } },
    ...{ limit: 'raw', systems: ['sluice', 'sluice-promise'], rounds: 25, ms: 100, isFor: isLocal },
    setup: async ({ system }) => {
      const remote = await (system.local as NonNullable<System['local']>)(origin)
      const run = await paced(1000, async (count) => {
        await closedLoops(
          inFlight,
          (begun) => begun >= count,
          (index) => remote.one(small(index)),
        )
      })
      return async (ms) => {
        const { perSecond, count } = await run(ms)
        return { callsPerSecond: perSecond, units: count }
      }
    },
  }
}

function between(inFlight: number): Workload {
  return {
    id: `W4-${inFlight}`,
    title: `unary calls over TCP, ${inFlight} in flight`,
    metrics: {
      callsPerSecond: { label: 'calls/s', better: 'more' },
      p50Microseconds: { label: 'p50 µs', better: 'less' },
      p99Microseconds: { label: 'p99 µs', better: 'less' },
    },
    ...{ limit: 'limit', systems: ['sluice'], rounds: 15, ms: 300, isFor: isBetweenProcesses },
    setup: async (setting) => {
      const remote = await connectThrough(setting, 1)
      const during = async (ms: number) => {
        const took: number[] = []
        const begin = performance.now()
        const calls = await closedLoops(
          inFlight,
          () => performance.now() - begin >= ms,
          async (index) => {
            const at = performance.now()
            const answer = await remote.one(small(index))
            took.push(performance.now() - at)
            return answer
          },
        )
        const elapsedMs = performance.now() - begin
        return {
          callsPerSecond: (calls / elapsedMs) * 1000,
          p50Microseconds: quantile(took, 0.5) * 1000,
          p99Microseconds: quantile(took, 0.99) * 1000,
          units: calls,
        }
      }
      await during(WARM_UP_MS)
      return during
    },
  }
}

export const UNARY: readonly Workload[] = [inProcess(1), inProcess(64), between(1), between(64), between(512)]
