// Makes one call and ends its process within the same turn, before anything could be written at the end of it. Run by
// event-log.test.ts with `exit`, `throw` or `kill`.
import { DistributedRuntime } from 'sluice'

const runtime = await DistributedRuntime.create()
await runtime.endpoint('demo.test.generate').serve(async function* () {
  yield 1
})
const client = await runtime.endpoint('demo.test.generate').client()
await client.all(0)
// A turn later all of that is in the file.
await new Promise<void>((resolve) => setImmediate(() => setImmediate(resolve)))
await client.one(0)
if (process.argv[2] === 'exit') process.exit(0)
if (process.argv[2] === 'throw') throw new Error('uncaught')
process.kill(process.pid, 'SIGKILL')
