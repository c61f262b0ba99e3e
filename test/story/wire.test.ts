// What a call is when its two ends stand apart, and that it is the same when they do not: values and annotations, accepting
// and starting, calls that go to another instance or are still made while their runtime drains, and what crosses on the way
// with an end. Not covered here: processes that are killed or frozen.
import { annotate, type Context, type Served, SluiceError } from 'sluice'
import { story } from '../support/modes.ts'
import { assert, deferred, suite, within } from '../support/suite.ts'
import { fails, outcome, threeHops, turn, upTo } from './pipeline.ts'

const test = suite('story/wire.test.ts')

// ---- items --------------------------------------------------------------------------------------------------------

story(test, 'five thousand items come through three hops in order, and then the end', {}, async (world) => {
  const { client } = await threeHops(world, () => upTo(5_000))
  const items = await client.all('go')
  assert.is(items.length, 5_000)
  assert.ok(items.every((item, index) => item === index))
})

story(test, 'values arrive as they were, annotations too', {}, async (world) => {
  const values = [
    ...[undefined, null, -0, Number.NaN, 2n ** 70n, 'ü', new Date(7), Buffer.from('b'), [undefined]],
    ...[new Map([[1, new Set(['a'])]]), new Float64Array([1, 0.5]), { list: [{ deep: [1n] }] }],
  ]
  await world.serve(1, 'echo.value.generate', async function* (request: unknown) {
    yield annotate(request, { id: '1', event: 'echo', comments: ['as it came'] })
  })
  const client = await world.client<unknown, unknown>(0, 'echo.value.generate')
  for (const value of values) {
    let seen = 0
    for await (const response of await client.generate(value)) {
      seen++
      assert.equal(response.data(), value)
      assert.equal([response.id, response.event, response.comments], ['1', 'echo', ['as it came']])
    }
    assert.is(seen, 1)
  }
})

story(
  test,
  'annotations without data pass three hops and are left out where bare items are read',
  {},
  async (world) => {
    await world.serve(2, 'story.notes.generate', async function* () {
      yield annotate(1, { event: 'first' })
      yield annotate(undefined, { comments: ['still at work'] })
      yield 2
    })
    const notes = await world.client(1, 'story.notes.generate')
    await world.serve(1, 'story.passer.generate', async function* (_request: unknown, context: Context) {
      yield* await notes.generate(null, { context })
    })
    const client = await world.client(0, 'story.passer.generate')
    const seen: unknown[] = []
    for await (const { event, comments } of await client.generate(null)) seen.push(event ?? comments)
    assert.equal(seen, ['first', ['still at work'], []])
    assert.equal(await client.all(null), [1, 2])
    assert.equal(await (await client.generate(null)).toArray(), [1, 2])
  },
)

story(test, 'an error as a value keeps its name, message and cause', {}, async (world) => {
  await world.serve(1, 'echo.value.generate', (request: unknown) => request)
  const client = await world.client<Error, Error>(0, 'echo.value.generate')
  const arrived = await client.one(new RangeError('too far', { cause: new Error('too fast') }))
  assert.ok(arrived instanceof Error)
  assert.equal([arrived.name, arrived.message], ['RangeError', 'too far'])
  assert.is((arrived.cause as Error).message, 'too fast')
})

story(test, 'what cannot cross is refused at the await, or at the item, where it has to cross', {}, async (world) => {
  await world.serve(1, 'echo.value.generate', async function* (request: unknown) {
    yield request === 'function' ? () => {} : request
  })
  const client = await world.client<unknown, unknown>(0, 'echo.value.generate')
  const big = new Uint8Array(5 * 1024 * 1024)
  const refused = async (request: unknown) => {
    const opened = await outcome(client.generate(request))
    if (opened.error !== undefined) return opened.error.code
    await opened.value.return()
    return undefined
  }
  const { isolated, wired } = world.mode
  assert.is(await refused({ at: () => {} }), isolated ? 'invalid_argument' : undefined)
  assert.is((await outcome(client.all('function'))).error?.code, isolated ? 'internal' : undefined)
  assert.is(await refused(big), wired ? 'resource_exhausted' : undefined)
  assert.equal(await client.all('still alive'), ['still alive'])
})

// ---- accepting and starting ---------------------------------------------------------------------------------------

story(test, 'an accepted call starts though nobody reads it, and calls run side by side', {}, async (world) => {
  const both = deferred()
  let running = 0
  await world.serve(1, 'story.pair.generate', async function* (request: string) {
    if (++running === 2) both.resolve()
    await both.promise
    yield request
  })
  const client = await world.client(0, 'story.pair.generate')
  const first = await client.generate('first')
  const second = await client.generate('second')
  await both.promise
  assert.equal([await second.toArray(), await first.toArray()], [['second'], ['first']])
})

story(test, 'a call that waits in the mailbox is accepted, and starts when its turn comes', {}, async (world) => {
  const gate = deferred()
  const started: unknown[] = []
  const handler = async function* (request: unknown) {
    started.push(request)
    await gate.promise
    yield request
  }
  await world.serve(1, 'story.queue.generate', handler, { concurrency: 1, mailbox: 5 })
  const client = await world.client(0, 'story.queue.generate')
  const streams = [await client.generate(1), await client.generate(2), await client.generate(3)]
  assert.equal(started, [1])
  gate.resolve()
  for (const [index, stream] of streams.entries()) assert.equal(await stream.toArray(), [index + 1])
  assert.equal(started, [1, 2, 3])
})

// ---- elsewhere ----------------------------------------------------------------------------------------------------

/** Two instances on different runtimes, the first of which is busy with one call until its gate opens. */
async function busyAndIdle(world: Parameters<Parameters<typeof story>[3]>[0]) {
  const gate = deferred()
  const handler = (name: string) =>
    async function* (request: unknown) {
      if (request === 'wait') await gate.promise
      yield name
    }
  const options = { concurrency: 1, mailbox: 0 }
  const busy: Served = await world.serve(1, 'story.work.generate', handler('busy'), options)
  const idle: Served = await world.serve(2, 'story.work.generate', handler('idle'))
  const client = await world.client<string, string>(0, 'story.work.generate')
  await client.waitForInstances({ count: 2 })
  const waiting = await client.direct('wait', busy.instanceId)
  return { busy, idle, client, waiting, gate }
}

story(test, 'a call that meets a full mailbox goes to another instance by itself', {}, async (world) => {
  const { client, busy, waiting, gate } = await busyAndIdle(world)
  const retried = Promise.all(Array.from({ length: 6 }, () => client.one('quick')))
  for (let n = 0; n < 4; n++) {
    await world.crosses()
    await world.advance(10)
  }
  assert.equal(await retried, Array(6).fill('idle'))
  const refused = await fails(client.direct('quick', busy.instanceId), 'resource_exhausted')
  assert.is(refused.retryable, true)
  gate.resolve()
  assert.equal(await waiting.toArray(), ['busy'])
})

story(test, 'an instance that drains finishes what it has, and no call is lost meanwhile', {}, async (world) => {
  const { client, busy, waiting, gate } = await busyAndIdle(world)
  const drained = busy.drain()
  const calls = Promise.all(Array.from({ length: 6 }, () => client.one('quick')))
  for (let n = 0; n < 4; n++) {
    await world.crosses()
    await world.advance(10)
  }
  assert.equal(await calls, Array(6).fill('idle'))
  gate.resolve()
  assert.equal(await waiting.toArray(), ['busy'])
  await drained
  assert.equal(await Promise.all([client.one('quick'), client.one('quick')]), ['idle', 'idle'])
})

story(test, 'a runtime that drains lets its accepted calls go on calling other runtimes', {}, async (world) => {
  const gate = deferred()
  const up = deferred()
  await world.serve(2, 'story.other.generate', async function* (request: unknown) {
    yield `${request} elsewhere`
  })
  const other = await world.client(1, 'story.other.generate')
  await world.serve(1, 'story.main.generate', async function* (request: unknown, context: Context) {
    up.resolve()
    await gate.promise
    yield* await other.generate(request, { context })
  })
  const client = await world.client(0, 'story.main.generate')
  const accepted = client.all('on')
  await up.promise
  const down = world.at(1).shutdown({ timeoutMs: 60_000 })
  await turn()
  assert.is((await fails(client.generate('go'), 'unavailable')).retryable, true)
  gate.resolve()
  assert.equal(await accepted, ['on elsewhere'])
  await down
})

// ---- what crosses on the way --------------------------------------------------------------------------------------

story(test, 'a call that is left while its end is under way hears that its handler has ended', {}, async (world) => {
  for (const how of ['return', 'throw']) {
    const gate = deferred()
    const up = deferred()
    const { mark } = world
    await world.serve(1, 'story.ends.generate', async function* () {
      up.resolve()
      await gate.promise
      yield* upTo(0)
      if (how === 'throw') throw new SluiceError('aborted', 'on purpose')
    })
    const client = await world.client(0, 'story.ends.generate')
    const stream = await client.generate('go')
    await up.promise
    await world.crosses()
    gate.resolve()
    // The handler ends by promise jobs, in this turn; what it says comes in a later one.
    for (let jobs = 0; jobs < 20; jobs++) await null
    stream.context.kill('enough')
    await within(2_000, stream.closed, 'closed')
    await world.reset(mark)
  }
})

story(test, 'a call that was cut has failed, also for somebody who has not read that far', {}, async (world) => {
  const served = await world.serve(1, 'story.cut.generate', async function* (_request: unknown, context: Context) {
    yield 1
    await context.sleep(3_600_000)
  })
  const client = await world.client(0, 'story.cut.generate')
  const stream = await client.generate('go', { prefetch: 2 })
  await world.calm()
  await served.close()
  assert.is((await stream.closed).ending, 'error')
  const read: unknown[] = []
  const loop = async () => {
    for await (const item of stream.values()) read.push(item)
  }
  assert.is((await fails(loop(), 'unavailable')).retryable, false)
  assert.ok(read.length <= 1)
})
