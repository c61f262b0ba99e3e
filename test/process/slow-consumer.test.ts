// A consumer in another process that takes big items slowly holds their producer back. What it costs in memory over a
// minute stands in `npm run bench -- faults`.
import { slowConsumer } from '../../bench/scenarios/slow-consumer.ts'
import { endWorkers } from '../support/processes.ts'
import { assert, suite } from '../support/suite.ts'
import { tell } from './workers.ts'

const test = suite('process/slow-consumer.test.ts')

test.after.each(endWorkers, { timeoutMs: 20_000 })

test('a producer of 1 MiB items is never more than one window ahead of a slow consumer', {
  timeoutMs: 40_000,
}, async () => {
  const { samples, lead } = await tell((world) => slowConsumer(world, 100, 20))
  assert.is(samples, 20)
  // The smallest byte window is less than one item, which goes into debt; the next is made and waits for credit.
  assert.ok(lead <= 2, `${lead} items ahead`)
})
