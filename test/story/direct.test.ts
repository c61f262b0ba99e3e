// `direct` to an instance that has left discovery: it is asked itself, since only it can tell whether it drains or is gone.
import { Context } from 'sluice'
import { story } from '../support/modes.ts'
import { assert, deferred, suite } from '../support/suite.ts'
import { fails } from './pipeline.ts'

const test = suite('story/direct.test.ts')

story(
  test,
  'direct to an instance that drains is unavailable, retryable, also for a client that was made too late to see it listed',
  {},
  async (world) => {
    const gate = deferred()
    const served = await world.serve(1, 'story.drained.generate', () => gate.promise)
    const client = await world.client(0, 'story.drained.generate')
    const accepted = await client.generate('go')
    const left = new Promise<void>((resolve) => {
      client.instances$.subscribe((instances) => instances.length === 0 && resolve())
    })
    const draining = served.drain({ timeoutMs: 60_000 })
    await left
    assert.equal(client.instanceIds(), [])
    const late = await world.at(1).endpoint('story.drained.generate').client()
    for (const each of [client, late]) {
      const error = await fails(each.direct('go', served.instanceId), 'unavailable')
      assert.is(error.retryable, true)
      assert.match(error.message, /is shutting down/)
      assert.is(error.instanceId, served.instanceId)
    }
    await late.close()
    gate.resolve()
    assert.equal(await accepted.toArray(), [undefined])
    await draining
    const gone = await fails(client.direct('go', served.instanceId), 'not_found')
    assert.is(gone.retryable, true)
    await client.close()
  },
)

story(
  test,
  'a call made under an accepted one reaches the instance it names, though the runtime drains',
  {},
  async (world) => {
    const gate = deferred()
    const inner = await world.serve(1, 'story.inner.generate', () => 'inner')
    const client = await world.at(1).endpoint('story.inner.generate').client()
    await world.serve(1, 'story.outer.generate', async function* (_: unknown, context: Context) {
      await gate.promise
      yield* (await client.direct('go', inner.instanceId, { context })).values()
    })
    const outer = await world.client(0, 'story.outer.generate')
    const stream = await outer.generate('go')
    const left = new Promise<void>((resolve) => {
      client.instances$.subscribe((instances) => instances.length === 0 && resolve())
    })
    const down = world.at(1).shutdown({ timeoutMs: 60_000 })
    await left
    await fails(client.direct('go', inner.instanceId, { context: new Context() }), 'unavailable')
    gate.resolve()
    assert.equal(await stream.toArray(), ['inner'])
    await down
  },
)
