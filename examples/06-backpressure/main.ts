/**
 * A slow reader holds a fast generator: it is resumed only when its item has somewhere to go. How far it gets ahead
 * depends on where it runs (one item in process, a small window over a wire); `prefetch` says it for everywhere.
 *
 *     $ node --import tsx examples/06-backpressure/main.ts
 *     by default at most 100 ahead: true
 *     with prefetch 8 at most 8 ahead: true
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type CallOptions, DistributedRuntime } from 'sluice'
import { Counter } from './stages.ts'

const runtime = await DistributedRuntime.create()
const component = runtime.namespace('numbers').component('counter')

// One stage object, two endpoints.
const counter = new Counter()
await component.endpoint('generate').serve(counter)
await component.endpoint('made').serve(counter)

const numbers = await component.endpoint<Counter['generate']>('generate').client()
const made = await component.endpoint<Counter['made']>('made').client()
await Promise.all([numbers.waitForInstances(), made.waitForInstances()])

console.log('by default at most 100 ahead:', (await greatestLead({})) <= 100)
console.log('with prefetch 8 at most 8 ahead:', (await greatestLead({ prefetch: 8 })) <= 8)

await runtime.shutdown()

/** Reads 200 of a million numbers slowly; how far the generator was ahead of the number just read, at most. */
async function greatestLead(options: CallOptions): Promise<number> {
  let greatest = 0
  let left = 200
  const stream = await numbers.generate({ max: 1_000_000 }, options)
  for await (const response of stream) {
    await sleep(1)
    greatest = Math.max(greatest, (await made.one(null)) - response.data())
    if (--left === 0) break
  }
  await stream.closed
  return greatest
}
