// A process of its own that serves `demo.test.generate` at the Unix socket it is given; run by tcp-path.test.ts. Its answer
// is its pid, so that a test sees which process it came from.
import { DistributedRuntime } from 'sluice'
import { staticDiscovery } from 'sluice/static'
import { tcp } from 'sluice/tcp'
import { endOnSigterm, ready } from '../support/worker.ts'

const [path = ''] = process.argv.slice(2)
const runtime = await DistributedRuntime.create({
  transport: tcp({ path }),
  discovery: staticDiscovery({ addresses: [] }),
})
endOnSigterm(runtime)
await runtime.endpoint('demo.test.generate').serve(async () => process.pid)
ready()
