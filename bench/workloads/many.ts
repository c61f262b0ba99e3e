/**
 * W7: many streams at once over one connection. W12: many slow ones, as language models have.
 */

import { usageOfAll } from '../servers.ts'
import { ask, type Small } from '../service.ts'
import { quantile } from '../statistics.ts'
import type { Remote } from '../systems/system.ts'
import { check, connectThrough, isBetweenProcesses, type Workload } from './workload.ts'

const STREAMS = 1_000
const ITEMS = 200

async function burst(remote: Remote, firstMs: number[]): Promise<void> {
  const begin = performance.now()
  const read = async () => {
    let next = 0
    for await (const item of await remote.stream(ask('smalls', ITEMS))) {
      if (next === 0) firstMs.push(performance.now() - begin)
      check('an item', (item as Small).index, next++)
    }
    check('items', next, ITEMS)
  }
  await Promise.all(Array.from({ length: STREAMS }, read))
}

const atOnce: Workload = {
  id: 'W7',
  title: `${STREAMS.toLocaleString('en')} streams of ${ITEMS} small items at once over TCP`,
  metrics: {
    itemsPerSecond: { label: 'items/s', better: 'more' },
    firstP50Ms: { label: 'first item p50 ms', better: 'less' },
    firstP99Ms: { label: 'first item p99 ms', better: 'less' },
  },
  ...{ limit: 'limit', systems: ['sluice'], rounds: 11, ms: 0, isFor: isBetweenProcesses },
  setup: async (setting) => {
    const remote = await connectThrough(setting, 1)
    for (let time = 0; time < 2; time++) await burst(remote, [])
    return async () => {
      const firstMs: number[] = []
      const begin = performance.now()
      await burst(remote, firstMs)
      const elapsedMs = performance.now() - begin
      return {
        itemsPerSecond: ((STREAMS * ITEMS) / elapsedMs) * 1000,
        firstP50Ms: quantile(firstMs, 0.5),
        firstP99Ms: quantile(firstMs, 0.99),
        units: STREAMS * ITEMS,
      }
    }
  },
}

const SLOW_STREAMS = 200
const PAUSE_MS = 20

/** Reads for so long and says what lay between the items of a stream. */
async function trickle(remote: Remote, ms: number): Promise<number[]> {
  const gapsMs: number[] = []
  const count = Math.ceil(ms / PAUSE_MS)
  const read = async () => {
    let before = 0
    for await (const _item of await remote.stream(ask('tokens', count, PAUSE_MS))) {
      const now = performance.now()
      if (before > 0) gapsMs.push(now - before)
      before = now
    }
  }
  await Promise.all(Array.from({ length: SLOW_STREAMS }, read))
  check('gaps', gapsMs.length, SLOW_STREAMS * (count - 1))
  return gapsMs
}

const tokens: Workload = {
  id: 'W12',
  title: `${SLOW_STREAMS} token streams of ${1_000 / PAUSE_MS} items/s over TCP`,
  metrics: {
    cpuShare: { label: 'CPU share of one core', better: 'less' },
    gapP99Ms: { label: 'p99 gap ms', better: 'less' },
  },
  ...{ limit: 'limit', systems: ['sluice'], rounds: 1, ms: 6_000, longMs: 30_000, isFor: isBetweenProcesses },
  setup: async (setting) => {
    const remote = await connectThrough(setting, 1)
    await trickle(remote, 1_000)
    return async (ms) => {
      const begin = performance.now()
      const { cpuMicroseconds } = await usageOfAll(setting.servers)
      const gapsMs = await trickle(remote, ms)
      const used = (await usageOfAll(setting.servers)).cpuMicroseconds - cpuMicroseconds
      return {
        cpuShare: used / 1000 / (performance.now() - begin),
        gapP99Ms: quantile(gapsMs, 0.99),
        units: gapsMs.length,
      }
    }
  },
}

export const MANY: readonly Workload[] = [atOnce, tokens]
