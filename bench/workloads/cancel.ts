/**
 * W9: a caller leaves a call through three processes; how long until the innermost `finally` has run.
 */
import { type Ask, ask } from '../service.ts'
import { check, connectThrough, isBetweenProcesses, type Workload } from './workload.ts'

const SAMPLES_PER_ROUND = 40
/** A handler that has not ended by then was missed. */
const MISSED_MS = 500
/** Items are taken first, so that every stage is at work. */
const TAKEN = { active: 3, idle: 1 }

function cancel(kind: 'active' | 'idle', title: string): Workload {
  return {
    id: `W9-${kind}`,
    title: `leaving a call through three processes, ${title}`,
    metrics: {
      p50Ms: { label: 'p50 ms', better: 'less', pooled: { of: 'tookMs', quantile: 0.5 } },
      p99Ms: { label: 'p99 ms', better: 'less', pooled: { of: 'tookMs', quantile: 0.99 } },
      missed: { label: 'missed', better: 'less', summed: true },
    },
    ...{ limit: 'limit', systems: ['sluice'], rounds: 10, ms: 0, isFor: isBetweenProcesses },
    setup: async (setting) => {
      const remote = await connectThrough(setting, 3)
      const [innermost] = setting.servers
      if (innermost === undefined) throw new Error('nobody serves')
      const leave = async (asked: Ask): Promise<number> => {
        const controller = new AbortController()
        const iterator = (await remote.stream(asked, controller))[Symbol.asyncIterator]()
        for (let taken = 0; taken < TAKEN[kind]; taken++) check('items', (await iterator.next()).done ? 0 : 1, 1)
        const pending = kind === 'idle' ? iterator.next() : undefined
        let timer: NodeJS.Timeout | undefined
        const ended = new Promise<bigint | undefined>((resolve) => {
          innermost.onFinally = resolve
          timer = setTimeout(() => resolve(undefined), MISSED_MS)
        })
        const leftAt = process.hrtime.bigint()
        controller.abort()
        await Promise.allSettled([pending, iterator.return?.()])
        const at = await ended
        clearTimeout(timer)
        return at === undefined ? Number.POSITIVE_INFINITY : Number(at - leftAt) / 1e6
      }
      const round = async () => {
        const took: number[] = []
        for (let sample = 0; sample < SAMPLES_PER_ROUND; sample++) took.push(await leave(ask(kind, 1_000_000)))
        return took
      }
      await round()
      return async () => {
        const tookMs = await round()
        const missed = tookMs.filter((ms) => ms === Number.POSITIVE_INFINITY).length
        return { tookMs, missed, units: tookMs.length }
      }
    },
  }
}

export const CANCEL: readonly Workload[] = [
  cancel('active', 'an item every millisecond'),
  cancel('idle', 'waiting for its signal'),
]
