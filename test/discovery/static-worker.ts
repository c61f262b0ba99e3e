// A process of its own that serves `demo.test.generate` at the port it is given; run by static-processes.test.ts. Its
// answer is its pid, so that a test sees which process it came from.
import { DistributedRuntime } from 'sluice'
import { staticDiscovery } from 'sluice/static'
import { tcp } from 'sluice/tcp'
import { endOnSigterm, ready } from '../support/worker.ts'

const [port = '0'] = process.argv.slice(2)
const runtime = await DistributedRuntime.create({
  transport: tcp({ port: Number(port) }),
  discovery: staticDiscovery({ addresses: [] }),
})
endOnSigterm(runtime)
const served = await runtime.endpoint('demo.test.generate').serve(async () => process.pid)
ready(served.instance.address)
