/**
 * The first command runs a pipeline, every replica of every stage in a process of its own, until Ctrl-C (`npx sluice up`
 * where sluice is installed). The second calls it, as `sluice call examples/09-sluice-up/pipeline.ts` does.
 *
 *     $ node --import tsx src/cli/main.ts up examples/09-sluice-up/pipeline.ts
 *     $ node --import tsx examples/09-sluice-up/main.ts
 *     EACH
 *     WORD
 *     BY
 *     ANOTHER
 *     PROCESS
 *     2 replicas took turns
 */
import { DistributedRuntime } from 'sluice'
import pipeline from './pipeline.ts'
import type { Speaker } from './stages.ts'

const runtime = await DistributedRuntime.create({ transport: 'tcp' })

const shouter = await runtime.endpoint('loud.shouter.generate').client()
await shouter.waitForInstances({ count: 2 })
const client = await runtime.endpoint<Speaker['generate']>(pipeline.entry).client()
await client.waitForInstances()

const processes = new Set<number>()
for await (const { word, pid } of (await client.generate(pipeline.example)).values()) {
  console.log(word)
  processes.add(pid)
}
console.log(`${processes.size} replicas took turns`)

await runtime.shutdown()
