/**
 * 02-linear-pipeline over TCP: but for this comment one line is different. The first command serves the stages, in a
 * terminal of its own, until Ctrl-C; the second only calls them. The processes find each other through files.
 *
 *     $ node --import tsx examples/serve-stage.ts examples/07-two-processes/stages.ts linear
 *     $ node --import tsx examples/07-two-processes/main.ts call
 *     stage1 got STREAMS!
 *     stage1 got ALL!
 *     stage1 got THE!
 *     stage1 got WAY!
 */
import { DistributedRuntime } from 'sluice'
import { Stage1, Stage2, Stage3 } from './stages.ts'

const runtime = await DistributedRuntime.create({ transport: 'tcp' })
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
