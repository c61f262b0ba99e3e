/**
 * A stage is tested like any object, or as it is served, in memory.
 */
import assert from 'node:assert/strict'
import test from 'node:test'
import { DistributedRuntime } from 'sluice'
import { assertQuiet } from 'sluice/testing'
import { Counter, Splitter } from '../stages.ts'

test('a stage by itself', async () => {
  const items = []
  for await (const words of new Counter().generate('three  short words')) items.push(words)
  assert.deepEqual(items, [3])
})

test('the pipeline answers sentence by sentence, and leaves nothing behind', async () => {
  const runtime = await DistributedRuntime.create()
  await Promise.all([
    runtime.endpoint('template.splitter.generate').serve(new Splitter()),
    runtime.endpoint('template.counter.generate').serve(new Counter()),
  ])
  const client = await runtime.endpoint<Splitter['generate']>('template.splitter.generate').client()
  assert.deepEqual(await client.all({ text: 'One two. Three!' }), [
    { sentence: 'One two.', words: 2 },
    { sentence: 'Three!', words: 1 },
  ])
  await runtime.shutdown()
  assertQuiet(runtime)
})
