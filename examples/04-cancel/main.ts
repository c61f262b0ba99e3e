/**
 * Leaving in the middle cancels every stage that the request has reached: what they wait for rejects, and their
 * `finally` runs. An aborted `signal`, a deadline (`timeoutMs`) and `context.kill()` do the same as `break` here.
 *
 *     $ node --import tsx examples/04-cancel/main.ts
 *     tick 1
 *     tick 2
 *     enough
 *     stage3: finally
 *     stage2: finally
 *     stage1: finally
 */
import { DistributedRuntime } from 'sluice'
import { Stage1, Stage2, Stage3 } from './stages.ts'

const runtime = await DistributedRuntime.create()
const pipeline = runtime.namespace('cancel')

// `main.ts call` only calls: the stages are served by other processes (../serve-stage.ts).
if (process.argv[2] !== 'call') {
  await Promise.all([
    pipeline.component('stage1').endpoint('generate').serve(new Stage1()),
    pipeline.component('stage2').endpoint('generate').serve(new Stage2()),
    pipeline.component('stage3').endpoint('generate').serve(new Stage3()),
  ])
}

const client = await runtime.endpoint<Stage1['generate']>('cancel.stage1.generate').client()
await client.waitForInstances()

const stream = await client.generate('tick')
for await (const response of stream) {
  console.log(response.data())
  if (response.data() === 'tick 2') {
    console.log('enough')
    break
  }
}

// Leaving waits for nobody; `closed` resolves when the handler has really ended.
await stream.closed
await runtime.shutdown()
