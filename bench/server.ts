/**
 * The other process of a case: serves what its first argument names, says by its first message where, and answers every
 * message after that with the CPU time it has used, in microseconds.
 */
import { DistributedRuntime } from 'sluice'
import { file } from 'sluice/file'
import { tcp } from 'sluice/tcp'
import { source } from './cases.ts'
import { serveRaw } from './raw-tcp.ts'

const [kind, dir] = process.argv.slice(2)
if (kind === 'raw') {
  process.send?.(await serveRaw(source))
} else {
  const runtime = await DistributedRuntime.create({ transport: tcp(), discovery: file({ dir: dir ?? '' }) })
  await runtime.endpoint('bench.source.generate').serve(source)
  process.send?.(0)
}
process.on('message', () => {
  const { user, system } = process.cpuUsage()
  process.send?.(user + system)
})
process.on('disconnect', () => process.exit(0))
