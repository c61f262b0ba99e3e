/**
 * W8: a producer of 1 KiB items that is as fast as it can be, and a consumer of 100 items a second.
 */

import { usages } from '../servers.ts'
import { ask } from '../service.ts'
import { connectThrough, isBetweenProcesses, type Workload } from './workload.ts'

const PAUSE_MS = 10

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)

export const PRESSURE: Workload = {
  id: 'W8',
  title: 'a consumer of 100 items/s, a producer without end',
  metrics: {
    itemsAhead: { label: 'items ahead', better: 'less' },
    grownMiB: { label: 'MiB grown', better: 'less' },
  },
  ...{ limit: 'limit', systems: ['sluice'], rounds: 5, ms: 4_000, isFor: isBetweenProcesses },
  setup: async (setting) => {
    const remote = await connectThrough(setting, 1)
    return async (ms) => {
      const before = await usages(setting.servers)
      const begin = performance.now()
      let taken = 0
      let after = before
      for await (const _item of await remote.stream(ask('flood', 0))) {
        taken++
        if (performance.now() - begin >= ms) {
          after = await usages(setting.servers)
          break
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      }
      return {
        itemsAhead: sum(after.map(({ produced }) => produced)) - sum(before.map(({ produced }) => produced)) - taken,
        grownMiB: Math.max(...after.map(({ rssMiB }, index) => rssMiB - (before[index]?.rssMiB ?? 0))),
        units: taken,
      }
    }
  },
}
