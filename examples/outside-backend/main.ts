/**
 * A backend that sluice does not know: two runtimes that talk over a transport of this folder, handed to `create`.
 *
 *     $ node --import tsx examples/outside-backend/main.ts
 *     HELLO
 *     WORLD
 *     one of the ports 23100 to 23199: true
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DistributedRuntime } from 'sluice'
import { file } from 'sluice/file'
import { portRange } from './port-range.ts'

const dir = mkdtempSync(join(tmpdir(), 'sluice-outside-'))
const create = () => DistributedRuntime.create({ transport: portRange(23_100, 23_199), discovery: file({ dir }) })

const [callee, caller] = [await create(), await create()]
let port = 0
caller.events.on('instance-added', ({ instance }) => {
  port = Number(instance.address.split(':').at(-1))
})

await callee.endpoint('demo.shout.generate').serve(async function* (text: string) {
  for (const word of text.split(' ')) yield word.toUpperCase()
})

const client = await caller.endpoint<string, string>('demo.shout.generate').client()
await client.waitForInstances()
for await (const response of await client.generate('hello world')) console.log(response.data())
console.log(`one of the ports 23100 to 23199: ${port >= 23_100 && port <= 23_199}`)

await caller.shutdown()
await callee.shutdown()
rmSync(dir, { recursive: true })
