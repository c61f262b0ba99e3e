/**
 * W8: a producer of 1 KiB items that is as fast as it can be, and a consumer of 100 items a second.
 */

import { usageOfAll } from '../servers.ts'
import { ask } from '../service.ts'
import { connectThrough, isBetweenProcesses, type Workload } from './workload.ts'

const PAUSE_MS = 10

export const PRESSURE: Workload = {
  id: 'W8',
  title: 'a consumer of 100 items/s, a producer without end',
  metrics: {
    itemsAhead: { label: 'items ahead', better: 'less' },
    grownMiB: { label: 'MiB grown', better: 'less' },
  },
  ...{ limit: 'limit', systems: ['sluice'], rounds: 1, ms: 5_000, isFor: isBetweenProcesses },
  setup: async (setting) => {
    const remote = await connectThrough(setting, 1)
    return async (ms) => {
      const before = await usageOfAll(setting.servers)
      const begin = performance.now()
      let taken = 0
      let after = before
      for await (const _item of await remote.stream(ask('flood', 0))) {
        taken++
        if (performance.now() - begin >= ms) {
          after = await usageOfAll(setting.servers)
          break
        }
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
      }
      return {
        itemsAhead: after.produced - before.produced - taken,
        grownMiB: after.rssMiB - before.rssMiB,
        units: taken,
      }
    }
  },
}
