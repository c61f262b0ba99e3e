/**
 * client → stage1 → stage2 → stage3: the request goes down, each item comes back up the moment it is made.
 *
 *     $ node --import tsx examples/02-linear-pipeline/main.ts
 *     stage1 got STREAMS!
 *     stage1 got ALL!
 *     stage1 got THE!
 *     stage1 got WAY!
 */
import { DistributedRuntime } from 'sluice'
import { Stage1, Stage2, Stage3 } from './stages.ts'

const runtime = await DistributedRuntime.create()
const pipeline = runtime.namespace('linear')

// `main.ts call` only calls: the stages are served by other processes (../serve-stage.ts).
if (process.argv[2] !== 'call') {
  // Stages wait for each other in `initialize`, so the order in which they are served does not matter.
  await Promise.all([
    pipeline.component('stage1').endpoint('generate').serve(new Stage1()),
    pipeline.component('stage2').endpoint('generate').serve(new Stage2()),
    pipeline.component('stage3').endpoint('generate').serve(new Stage3()),
  ])
}

const client = await pipeline.component('stage1').endpoint<Stage1['generate']>('generate').client()
await client.waitForInstances()

const stream = await client.generate('  streams all the way ')
for await (const response of stream) console.log(response.data())

await runtime.shutdown()
