/**
 * A slow reader holds a fast generator, in process and over a wire: it is resumed only when its item has somewhere to
 * go. How far it is ahead of the reader depends on where it runs: one item in process, over a wire a window that begins
 * at 32 items and grows, to 4,096 at most, only while the reader keeps up. `prefetch` says it for everywhere.
 *
 *     $ node --import tsx examples/06-backpressure/main.ts
 *     by default at most 4096 ahead: true
 *     with prefetch 8 at most 8 ahead: true
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CallOptions, DistributedRuntime } from 'sluice'
import { Counter } from './stages.ts'

const runtime = await DistributedRuntime.create()
const component = runtime.namespace('numbers').component('counter')

// `main.ts call` only calls: the stage is served by another process (../serve-stage.ts).
if (process.argv[2] !== 'call') {
  // One stage object, two endpoints.
  const counter = new Counter()
  await component.endpoint('generate').serve(counter)
  await component.endpoint('made').serve(counter)
}

const numbers = await component.endpoint<Counter['generate']>('generate').client()
const made = await component.endpoint<Counter['made']>('made').client()
await Promise.all([numbers.waitForInstances(), made.waitForInstances()])

console.log('by default at most 4096 ahead:', (await greatestLead({})) <= 4_096)
console.log('with prefetch 8 at most 8 ahead:', (await greatestLead({ prefetch: 8 })) <= 8)

await runtime.shutdown()

/** Reads 200 of a million numbers slowly; how far the generator was ahead of the number just read, at most. */
async function greatestLead(options: CallOptions): Promise<number> {
  let greatest = 0
  let left = 200
  const stream = await numbers.generate({ max: 1_000_000 }, options)
  for await (const response of stream) {
    await sleep(1)
    greatest = Math.max(greatest, (await made.one()) - response.data())
    if (--left === 0) break
  }
  await stream.closed
  return greatest
}
