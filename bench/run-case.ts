/**
 * One case in its own process: `run-case.js <workload> <system> <rate>`. For every message, the milliseconds to work for, it
 * works that long and answers with a sample; in between it does nothing, so that cases take turns on one machine.
 */
import { Server, usageOfAll } from './servers.ts'
import { loadSystem } from './systems/index.ts'
import { WORKLOADS } from './workloads/index.ts'
import type { Sample } from './workloads/workload.ts'

const [id, name = '', rate] = process.argv.slice(2)
const workload = WORKLOADS.find((each) => each.id === id)
if (workload === undefined) throw new Error(`no workload ${id}`)

process.on('disconnect', () => process.exit(0))

const system = await loadSystem(name)
if (workload.isFor(system)) {
  const servers: Server[] = []
  const start = async (upstream?: string) => {
    const server = await Server.start(name, upstream)
    servers.push(server)
    return server
  }
  const round = await workload.setup({ system, start, servers, bestRate: Number(rate) })
  const measure = async (ms: number): Promise<Sample> => {
    const before = await usageOfAll(servers)
    const sample = await round(ms)
    const after = await usageOfAll(servers)
    const microseconds = after.cpuMicroseconds - before.cpuMicroseconds
    return {
      ...sample,
      cpuSecondsPerMillion: microseconds / (sample.units as number),
      peakRssMiB: after.peakRssMiB,
    }
  }
  process.on('message', (ms: number) => {
    measure(ms).then(
      (sample) => process.send?.(sample),
      (error: unknown) => {
        console.error(error)
        process.exit(1)
      },
    )
  })
  process.send?.('ready')
} else {
  process.send?.('unable')
}
