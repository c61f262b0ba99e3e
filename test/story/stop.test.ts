// Stop and kill, point 6 of the contract: what a polite stop still delivers through three hops, what it rejects, what a
// kill adds to it, and that nothing a handler does to its own context reaches its caller's.
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { Context, SluiceError } from 'sluice'
import { story } from '../support/modes.ts'
import { assert, deferred, suite } from '../support/suite.ts'
import { fails, outcome, threeHops, turn, upTo } from './pipeline.ts'

const test = suite('story/stop.test.ts')

const LONG_MS = 3_600_000

// ---- stop ---------------------------------------------------------------------------------------------------------

story(test, 'a stop delivers whatever three hops still yield and the stream ends stopped', {}, async (world) => {
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    for (let n = 0; !context.isStopped; n++) yield n
    yield 'last words'
    yield context.isKilled
  })
  const context = new Context()
  const stream = await client.generate('go', { context })
  const items: unknown[] = []
  for await (const response of stream) {
    items.push(response.data())
    if (response.data() === 3) context.stop('enough')
  }
  assert.equal(items.slice(0, 4), [0, 1, 2, 3])
  assert.equal(items.slice(-2), ['last words', false])
  // Each hop holds at most what it had ready: one item in process, a window over a wire.
  assert.ok(items.length <= 4 + world.lead(3, 4) + 2, `${items.length} items`)
  const numbers = items.slice(0, -2)
  assert.equal(numbers, [...numbers.keys()])
  assert.equal(await stream.closed, { ending: 'stopped', items: items.length })
  journal.assertUnwound()
  for (const hop of ['stage1', 'stage2', 'stage3']) assert.is(journal.count(`${hop} signal`), 1)
  assert.is(context.isKilled, false)
})

story(test, 'a stop while the innermost handler sleeps ends every hop, without an error', {}, async (world) => {
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    yield 1
    journal.note('stage3 waits')
    await context.sleep(LONG_MS)
    yield 'never'
  })
  const stream = await client.generate('go')
  const all = stream.toArray()
  await journal.until('stage3 waits')
  stream.context.stop()
  assert.equal(await all, [1])
  assert.equal(await stream.closed, { ending: 'stopped', items: 1 })
  journal.assertUnwound()
  assert.equal(world.failed, [])
})

story(test, 'every way of a handler to end by its own fired signal counts as ended', {}, async (world) => {
  const never = new EventTarget()
  const ends: Record<string, (context: Context) => Promise<unknown>> = {
    'signal.reason': async (context) => {
      await context.stopped
      throw context.signal.reason
    },
    'an error whose cause it is': async (context) => {
      await context.stopped
      throw new Error('I was asked to leave', { cause: context.signal.reason })
    },
    throwIfAborted: async (context) => {
      await context.stopped
      context.signal.throwIfAborted()
    },
    sleep: (context) => context.sleep(LONG_MS),
    race: (context) => context.race(new Promise(() => {})),
    'sleep of a child': (context) => context.child().sleep(LONG_MS),
    'timers/promises': (context) => delay(100_000, undefined, { signal: context.signal, ref: false }),
    'events.once': (context) => once(never, 'never', { signal: context.signal }),
    'a new call': async (context) => {
      await context.stopped
      const client = await world.client(1, 'story.ends.generate')
      await client.generate('again', { context })
    },
    'a wait': async (context) => {
      const client = await world.at(1).endpoint('story.nobody.generate').client()
      await client.waitForInstances({ signal: context.signal })
    },
    'a new wait': async (context) => {
      await context.stopped
      const client = await world.at(1).endpoint('story.nobody.generate').client()
      await client.waitForInstances({ signal: context.signal })
    },
    'a rejected race': (context) => context.race(delay(100_000, undefined, { signal: context.signal, ref: false })),
  }
  for (const [name, end] of Object.entries(ends)) {
    for (const how of ['stop', 'kill'] as const) {
      const up = deferred()
      await world.serve(2, 'story.ends.generate', async function* (_request: unknown, context: Context) {
        yield 1
        up.resolve()
        await end(context)
        yield 'never'
      })
      const client = await world.client(0, 'story.ends.generate')
      const stream = await client.generate('go')
      const items: unknown[] = []
      const came = deferred()
      const reading = outcome(
        (async () => {
          for await (const item of stream.values()) {
            items.push(item)
            came.resolve()
          }
        })(),
      )
      // After a kill nothing more is delivered, also of what was yielded before it.
      await Promise.all([up.promise, came.promise])
      stream.context[how]('enough')
      const { error } = await reading
      assert.is(error?.code, how === 'stop' ? undefined : 'cancelled', `${name}, ${how}: ${error?.message}`)
      assert.equal(items, [1])
      assert.equal(await stream.closed, { ending: how === 'stop' ? 'stopped' : 'cancelled', items: 1 }, name)
      assert.equal(world.failed, [], name)
      assert.equal(world.lines, [], name)
      await world.reset()
    }
  }
})

story(test, 'an error that is not the abort is a failure, also after a stop', {}, async (world) => {
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    yield 1
    journal.note('stage3 waits')
    await context.stopped
    throw new SluiceError('data_loss', 'the disk is gone')
  })
  const stream = await client.generate('go')
  const all = outcome(stream.toArray())
  await journal.until('stage3 waits')
  stream.context.stop()
  assert.is((await all).error?.code, 'data_loss')
  assert.equal(await stream.closed, { ending: 'error', items: 1 })
})

story(test, 'what follows the signal is rejected after a stop, what was open ends by itself', {}, async (world) => {
  const seen: Record<string, unknown> = {}
  await world.serve(2, 'story.inner.generate', async function* (_request: unknown, context: Context) {
    yield 'a'
    await context.stopped
    yield 'b'
    yield 'c'
  })
  const inner = await world.client(1, 'story.inner.generate')
  await world.serve(1, 'story.outer.generate', async function* (_request: unknown, context: Context) {
    const stream = await inner.generate(null, { context })
    const iterator = stream.values()
    yield (await iterator.next()).value
    await context.stopped
    const code = async (promise: Promise<unknown>) => (await outcome(promise)).error?.code
    seen.sleep = await code(context.sleep(LONG_MS))
    seen.race = await code(context.race(new Promise(() => {})))
    seen.call = await code(inner.generate(null, { context }))
    seen.one = await code(inner.one(null, { context }))
    seen.child = await code(context.child().sleep(LONG_MS))
    seen.raceWon = await code(context.race(Promise.resolve(1)))
    const rest: unknown[] = []
    for await (const item of iterator) rest.push(item)
    seen.rest = rest
    seen.closed = (await stream.closed).ending
    yield 'done'
  })
  const client = await world.client(0, 'story.outer.generate')
  const stream = await client.generate(null)
  assert.is((await stream.next()).value?.data(), 'a')
  stream.context.stop('enough')
  assert.is((await stream.next()).value?.data(), 'done')
  assert.is((await stream.next()).done, true)
  const cancelled = { sleep: 'cancelled', race: 'cancelled', call: 'cancelled', one: 'cancelled', child: 'cancelled' }
  assert.equal(seen, { ...cancelled, raceWon: 'cancelled', rest: ['b', 'c'], closed: 'stopped' })
})

story(test, 'a detached context still sleeps and calls after a stop', {}, async (world) => {
  await world.serve(2, 'story.inner.generate', () => 'still there')
  const inner = await world.client(1, 'story.inner.generate')
  await world.serve(1, 'story.outer.generate', async function* (_request: unknown, context: Context) {
    yield 1
    await context.stopped
    const detached = context.detached()
    await detached.sleep(0)
    yield await inner.one(null, { context: detached })
  })
  const client = await world.client(0, 'story.outer.generate')
  const stream = await client.generate(null)
  await stream.next()
  stream.context.stop()
  const rest = stream.next()
  await world.advance(1)
  assert.is((await rest).value?.data(), 'still there')
  assert.is((await stream.next()).done, true)
})

story(test, 'a call in the mailbox leaves it at a stop or a kill and its handler never starts', {}, async (world) => {
  const gate = deferred()
  const started: unknown[] = []
  const served = await world.serve(
    1,
    'story.busy.generate',
    async function* (request: unknown) {
      started.push(request)
      await gate.promise
      yield request
    },
    { concurrency: 1 },
  )
  const client = await world.client(0, 'story.busy.generate')
  const running = await client.generate('running')
  const [stopped, killed, left, patient] = await Promise.all([
    client.generate('stopped'),
    client.generate('killed'),
    client.generate('left'),
    client.generate('patient'),
  ])
  assert.equal(served.load, { running: 1, waiting: 4 })
  stopped.context.stop()
  killed.context.kill('enough')
  await left.return()
  await world.arrives(() => assert.equal(served.load, { running: 1, waiting: 1 }))
  assert.equal(await stopped.toArray(), [])
  assert.equal(await stopped.closed, { ending: 'stopped', items: 0 })
  await fails(killed.toArray(), 'cancelled')
  assert.equal(await killed.closed, { ending: 'cancelled', items: 0 })
  assert.is((await left.closed).ending, 'cancelled')
  gate.resolve()
  assert.equal(await running.toArray(), ['running'])
  assert.equal(await patient.toArray(), ['patient'])
  assert.equal(started, ['running', 'patient'])
})

story(test, 'one() stopped without an item is cancelled, with an item it is that item', {}, async (world) => {
  const up = deferred()
  await world.serve(1, 'story.one.generate', async function* (request: unknown, context: Context) {
    if (request === 'item') yield 'the item'
    up.resolve()
    await context.sleep(LONG_MS)
    yield 'never'
  })
  const client = await world.client(0, 'story.one.generate')
  for (const request of ['none', 'item']) {
    const context = new Context()
    const one = outcome(client.one(request, { context }))
    await up.promise
    await turn()
    context.stop('enough')
    const settled = await one
    if (request === 'none') assert.is(settled.error?.code, 'cancelled')
    else assert.equal(settled, { value: 'the item' })
  }
  const context = new Context()
  const all = client.all('item', { context })
  await turn()
  context.stop()
  assert.equal(await all, ['the item'])
})

// ---- what a handler does to its own context -----------------------------------------------------------------------

story(test, 'a handler that stops its own context and returns has ended normally', {}, async (world) => {
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    yield 1
    context.stop('that is all')
    yield 2
    await context.sleep(LONG_MS)
  })
  const stream = await client.generate('go')
  assert.equal(await stream.toArray(), [1, 2])
  assert.equal(await stream.closed, { ending: 'complete', items: 2 })
  assert.is(stream.context.isStopped, false)
  assert.is(journal.count('stage2 signal'), 0, 'nothing a handler does to its context reaches the caller')
  journal.assertUnwound()
})

story(test, "a handler that kills its own context ends its caller's stream, naming that hop", {}, async (world) => {
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    yield 1
    context.kill('out of tokens')
    yield 2
  })
  const caller = new Context()
  const stream = await client.generate('go', { context: caller })
  const items: unknown[] = []
  const error = await fails(
    (async () => {
      for await (const item of stream.values()) items.push(item)
    })(),
    'cancelled',
  )
  assert.equal(items, [1])
  assert.is(error.origin, 'story.stage3.generate')
  assert.match(error.message, /cancelled by story\.stage3\.generate: out of tokens/)
  assert.equal(error.hops, ['story.stage1.generate', 'story.stage2.generate', 'story.stage3.generate'])
  assert.is(error.retryable, false)
  assert.is(caller.isKilled, false)
  await world.quiet()
  journal.assertUnwound()
  assert.equal(world.failed, [])
})

story(test, 'a kill with an error is cancelled all the same and never retryable', {}, async (world) => {
  const reason = new SluiceError('unavailable', 'the model is overloaded', { retryable: true })
  await world.serve(1, 'story.kills.generate', async function* (_request: unknown, context: Context) {
    yield 1
    context.kill(reason)
  })
  const client = await world.client(0, 'story.kills.generate')
  const error = await fails(client.all('go'), 'cancelled')
  assert.is(error.retryable, false)
  assert.match(error.message, /the model is overloaded/)
  assert.is(error.origin, 'story.kills.generate')
  const context = new Context()
  const stream = await client.generate('go', { context })
  context.kill(reason)
  assert.is((await fails(stream.next(), 'cancelled')).cause, reason)
  const stopped = new Context()
  stopped.stop(reason)
  await fails(stopped.sleep(1), 'cancelled')
})

story(test, 'stopping a child leaves its parent and its siblings alone', {}, async (world) => {
  const { client } = await threeHops(world, async function* (_request, context) {
    for (let n = 0; n < 3 && !context.isStopped; n++) yield n
  })
  const parent = new Context()
  const [one, other] = await Promise.all([
    client.generate('go', { context: parent }),
    client.generate('go', { context: parent }),
  ])
  one.context.stop()
  other.context.isStopped
  assert.equal([parent.isStopped, other.context.isStopped], [false, false])
  assert.equal(await other.toArray(), [0, 1, 2])
  await one.toArray()
  assert.is((await one.closed).ending, 'stopped')
})

story(test, 'one stop reaches every call under the context', {}, async (world) => {
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    yield 1
    journal.note('stage3 waits')
    await context.sleep(LONG_MS)
  })
  const context = new Context()
  const all = Promise.all(Array.from({ length: 5 }, () => client.all('go', { context })))
  for (let n = 0; n < 5; n++) await turn()
  await world.arrives(() => assert.is(journal.count('stage3 waits'), 5))
  context.stop()
  assert.equal(
    await all,
    Array.from({ length: 5 }, () => [1]),
  )
  journal.assertUnwound()
})

// ---- both ---------------------------------------------------------------------------------------------------------

story(test, 'a kill after a stop discards what is still yielded; the signal fires once', {}, async (world) => {
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    yield 1
    await context.stopped
    journal.note('stage3 stopped')
    for (let n = 2; ; n++) yield n
  })
  const stream = await client.generate('go')
  await stream.next()
  const pending = outcome(stream.next())
  stream.context.stop('please')
  assert.is((await pending).error, undefined)
  stream.context.kill('now')
  const error = await fails(stream.next(), 'cancelled')
  assert.match(error.message, /now/)
  assert.is((await stream.closed).ending, 'cancelled')
  await world.quiet()
  journal.assertUnwound()
  for (const hop of ['stage1', 'stage2', 'stage3']) assert.is(journal.count(`${hop} signal`), 1)
})

story(test, 'a stop after a kill changes nothing', {}, async (world) => {
  const { client, journal } = await threeHops(world, () => upTo(100))
  const stream = await client.generate('go')
  await stream.next()
  stream.context.kill('now')
  stream.context.stop('please')
  assert.equal([stream.context.isKilled, stream.context.isStopped], [true, true])
  assert.match((await fails(stream.next(), 'cancelled')).message, /now/)
  assert.is((await stream.closed).ending, 'cancelled')
  await world.arrives(() => journal.assertUnwound())
})

story(test, 'the state of a context moves forward only and the first reason is kept', {}, async (world) => {
  const context = new Context({ id: 'one-way' })
  assert.equal([context.isStopped, context.isKilled, context.signal.aborted], [false, false, false])
  context.stop('first')
  assert.equal([context.isStopped, context.isKilled, context.signal.aborted], [true, false, true])
  const { reason } = context.signal
  context.stop('second')
  assert.is(context.signal.reason, reason)
  assert.match(String(reason), /first/)
  context.kill('third')
  context.kill('fourth')
  assert.equal([context.isStopped, context.isKilled], [true, true])
  assert.is(context.signal.reason, reason)
  await Promise.all([context.stopped, context.killed])
  assert.match((await fails(context.sleep(1), 'cancelled')).message, /third/)
  await world.advance(0)
})

story(test, 'a stop when the handler has ended and items wait still delivers them', {}, async (world) => {
  await world.serve(1, 'story.quick.generate', () => upTo(4))
  const client = await world.client(0, 'story.quick.generate')
  const stream = await client.generate('go', { prefetch: 10 })
  for (let n = 0; n < 3; n++) await turn()
  stream.context.stop('late')
  assert.equal(await stream.toArray(), [0, 1, 2, 3])
  const killed = await client.generate('go', { prefetch: 10 })
  for (let n = 0; n < 3; n++) await turn()
  killed.context.kill('late')
  await fails(killed.next(), 'cancelled')
})

story(test, 'a stop between request check and start loses no call', {}, async (world) => {
  const { defineEndpoint } = await import('sluice')
  const { z } = await import('zod')
  const slow = defineEndpoint('story.checked.generate', { request: z.string().refine(async () => true) })
  const caller = new Context()
  let starts = 0
  let finallys = 0
  await world
    .at(1)
    .endpoint(slow)
    .serve(async function* () {
      starts++
      // At the very moment the call is being accepted.
      caller.stop('just now')
      try {
        yield 1
        yield 2
      } finally {
        finallys++
      }
    })
  const client = await world.at(0).endpoint(slow).client()
  await client.waitForInstances()
  const all = await outcome(client.all('go', { context: caller }))
  if (all.error === undefined) assert.equal(all.value, [1, 2])
  else assert.is(all.error.code, 'cancelled')
  await world.quiet()
  assert.equal([starts, finallys], [1, 1])
})

story(test, 'a context stopped from within a stop, and killed from within a kill, settles', {}, async (world) => {
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    context.signal.addEventListener('abort', () => {
      context.stop('again')
      context.kill('from the listener')
    })
    yield 1
    await context.sleep(LONG_MS)
  })
  const stream = await client.generate('go')
  await stream.next()
  const pending = outcome(stream.next())
  await turn()
  stream.context.stop()
  // The handler kills its own context while it is being stopped: its caller sees a cancelled stream.
  assert.is((await pending).error?.code, 'cancelled')
  await world.quiet()
  journal.assertUnwound()
})
