// Leaving a pipeline of three hops: every way out, at every point, while the innermost handler waits for every kind of
// thing. Promises G7 and G9, and points 5 and 6 of the contract. Times are the virtual clock's.
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { take } from 'rxjs'
import { type Client, Context, defineEndpoint, type ResponseStream, type SluiceError } from 'sluice'
import { z } from 'zod'
import { story, type World } from '../support/modes.ts'
import { assert, deferred, suite } from '../support/suite.ts'
import { fails, type Journal, outcome, sameTurn, threeHops, turn, upTo } from './pipeline.ts'

const test = suite('story/cancel.test.ts')

// ---- the ways out -------------------------------------------------------------------------------------------------

interface CallInHand {
  readonly world: World
  readonly client: Client
  readonly context: Context
  readonly controller: AbortController
  readonly stream: ResponseStream
  readonly iterator: AsyncIterator<unknown>
}

interface Way {
  readonly out: (call: CallInHand) => unknown
  /** The code that the pending or next `next()` rejects with; none for leaving the loop. */
  readonly code?: string
  readonly says?: RegExp
}

/** Longer than any story. */
const LONG_MS = 3_600_000

/** How long a call has whose deadline is waited for. */
function deadlineMs(world: World): number {
  return world.clock === 'virtual' ? 1_500 : 250
}

const ways: Record<string, Way> = {
  'return()': { out: ({ iterator }) => iterator.return?.() },
  'throw()': { out: ({ iterator }) => outcome(iterator.throw?.(new Error('mine')) as Promise<unknown>) },
  'stream.return()': { out: ({ stream }) => stream.return() },
  asyncDispose: { out: ({ stream }) => stream[Symbol.asyncDispose]() },
  'an abort signal': {
    out: ({ controller }) => controller.abort(new Error('user left')),
    code: 'cancelled',
    says: /user left/,
  },
  'a deadline': { out: ({ world }) => world.advance(deadlineMs(world)), code: 'deadline_exceeded', says: /client/ },
  'context.kill()': {
    out: ({ context }) => context.kill('enough'),
    code: 'cancelled',
    says: /cancelled by client: enough/,
  },
  'stream.context.kill()': { out: ({ stream }) => stream.context.kill('enough'), code: 'cancelled', says: /enough/ },
  'client.close()': { out: ({ client }) => client.close(), code: 'cancelled', says: /closed/ },
}

// ---- what the innermost handler waits for -------------------------------------------------------------------------

type Wait = (context: Context, world: World) => Promise<unknown>

const waits: Record<string, Wait> = {
  'context.sleep': (context) => context.sleep(LONG_MS),
  'context.race': (context) => context.race(new Promise(() => {})),
  'a nested stream': async (context, world) => {
    const client = await world.client(3, 'story.stage4.generate')
    for await (const _ of await client.generate(null, { context })) assert.unreachable('it never yields')
  },
  'a nested stream by values()': async (context, world) => {
    const client = await world.client(3, 'story.stage4.generate')
    for await (const _ of (await client.generate(null, { context })).values()) assert.unreachable('it never yields')
  },
  'a nested one()': async (context, world) => (await world.client(3, 'story.stage4.generate')).one(null, { context }),
  'a nested all()': async (context, world) => (await world.client(3, 'story.stage4.generate')).all(null, { context }),
  'something with context.signal': (context) => delay(100_000, undefined, { signal: context.signal, ref: false }),
  'waitForInstances with context.signal': async (context, world) => {
    const client = await world.at(3).endpoint('story.nobody.generate').client()
    await client.waitForInstances({ signal: context.signal, timeoutMs: 2 ** 31 - 1 })
  },
}

/** A pipeline whose last stage yields `items` numbers and then waits. */
async function waitingPipeline(world: World, wait: Wait, items: number) {
  const pipeline = await threeHops(world, async function* (_request, context) {
    yield* upTo(items)
    journal.note('stage3 waits')
    try {
      await wait(context, world)
    } catch (error) {
      journal.note('stage3 rejected')
      throw error
    }
  })
  const { journal } = pipeline
  await world.serve(4, 'story.stage4.generate', async function* (_request: unknown, context: Context) {
    journal.note('stage4 started')
    journal.watch('stage4', context)
    try {
      await context.sleep(LONG_MS)
      yield 1
    } finally {
      journal.note('stage4 finally')
    }
  })
  return pipeline
}

async function callInHand(world: World, client: Client, code: Way['code']): Promise<CallInHand> {
  const context = new Context()
  const controller = new AbortController()
  const timeoutMs = code === 'deadline_exceeded' ? deadlineMs(world) : LONG_MS
  const stream = await client.generate('go', { context, signal: controller.signal, timeoutMs })
  return { world, client, context, controller, stream, iterator: stream[Symbol.asyncIterator]() }
}

function assertCancelledEverywhere(journal: Journal): void {
  journal.assertUnwound()
  for (const hop of ['stage1', 'stage2', 'stage3']) {
    if (journal.count(`${hop} started`) === 0) continue
    assert.is(journal.count(`${hop} signal`), 1, `${hop}'s signal fired once`)
    assert.is(journal.count(`${hop} finally`), 1)
    journal.assertOrder(`${hop} signal`, `${hop} finally`)
  }
}

// ---- the table ----------------------------------------------------------------------------------------------------

for (const [name, { out, code, says }] of Object.entries(ways)) {
  story(
    test,
    `${name} ends three waiting hops in the same turn, whatever they wait for`,
    { timeoutMs: 15_000 },
    async (world) => {
      for (const [waitsFor, wait] of Object.entries(waits)) {
        for (const items of [0, 2]) {
          const { client, journal } = await waitingPipeline(world, wait, items)
          const call = await callInHand(world, client, code)
          for (let n = 0; n < items; n++) await call.iterator.next()
          const pending = call.iterator.next()
          await journal.until('stage3 waits')
          if (waitsFor.startsWith('a nested')) await journal.until('stage4 started')
          const left = out(call)
          const ended = await (code === 'deadline_exceeded'
            ? outcome(pending)
            : sameTurn(pending, `${name}, ${waitsFor}`))
          await left
          const what = `${name} while stage 3 waits for ${waitsFor} after ${items} items`
          if (code === undefined) {
            assert.equal(ended, { value: { done: true, value: undefined } }, what)
          } else {
            assert.is(ended.error?.code, code, what)
            assert.is(ended.error?.retryable, false)
            assert.match(ended.error?.message ?? '', says as RegExp)
          }
          assert.equal(await call.iterator.next(), { done: true, value: undefined }, 'one next() hears of it')
          assert.equal(await call.stream.closed, { ending: 'cancelled', items })
          await world.quiet()
          assertCancelledEverywhere(journal)
          journal.assertOrder('stage3 signal', 'stage3 rejected', 'stage3 finally')
          assert.equal(world.orphans, [])
          assert.equal(world.failed, [], what)
          await world.reset()
        }
      }
    },
  )

  story(test, `${name} right after the call was opened ends it before anything was read`, {}, async (world) => {
    const { client, journal } = await waitingPipeline(world, waits['context.sleep'] as Wait, 5)
    const call = await callInHand(world, client, code)
    await out(call)
    const ended = await outcome(call.iterator.next())
    if (code === undefined) assert.equal(ended, { value: { done: true, value: undefined } })
    else assert.is(ended.error?.code, code)
    assert.equal(await call.iterator.next(), { done: true, value: undefined })
    assert.equal(await call.stream.closed, { ending: 'cancelled', items: 0 })
    await world.quiet()
    journal.assertUnwound()
    assert.is(journal.count('stage1 finally'), 1)
  })

  story(test, `${name} between two items, with nobody reading, ends every hop`, {}, async (world) => {
    const { client, journal } = await threeHops(world, () => upTo(1_000))
    const call = await callInHand(world, client, code)
    assert.is(((await call.iterator.next()).value as { data(): unknown }).data(), 0)
    await turn()
    await out(call)
    const ended = await outcome(call.iterator.next())
    if (code === undefined) assert.equal(ended, { value: { done: true, value: undefined } })
    else assert.is(ended.error?.code, code)
    assert.equal(await call.stream.closed, { ending: 'cancelled', items: 1 })
    await world.quiet()
    assertCancelledEverywhere(journal)
  })

  story(test, `${name} after the last item changes nothing`, {}, async (world) => {
    const { client, journal } = await threeHops(world, () => upTo(3))
    const call = await callInHand(world, client, code)
    for (let n = 0; n < 3; n++) assert.is((await call.iterator.next()).done, false)
    assert.equal(await call.iterator.next(), { done: true, value: undefined })
    await out(call)
    assert.equal(await outcome(call.iterator.next()), { value: { done: true, value: undefined } })
    assert.equal(await call.stream.closed, { ending: 'complete', items: 3 })
    journal.assertUnwound()
    assert.equal(
      journal.lines.filter((line) => line.endsWith('signal')),
      [],
      'no signal fires in a call that ended well',
    )
  })

  story(test, `${name} twice is as good as once`, {}, async (world) => {
    const { client, journal } = await waitingPipeline(world, waits['context.sleep'] as Wait, 1)
    const call = await callInHand(world, client, code)
    await call.iterator.next()
    const pending = outcome(call.iterator.next())
    await journal.until('stage3 waits')
    const first = out(call)
    const second = out(call)
    await Promise.all([first, second])
    assert.is((await pending).error?.code, code)
    assert.equal(await outcome(call.iterator.next()), { value: { done: true, value: undefined } })
    await out(call)
    assert.equal(await call.stream.closed, { ending: 'cancelled', items: 1 })
    await world.quiet()
    assertCancelledEverywhere(journal)
  })
}

// ---- before the call ----------------------------------------------------------------------------------------------

story(test, 'a dead context, signal or deadline refuses the call before anything is sent', {}, async (world) => {
  const { client, journal } = await threeHops(world, () => upTo(1))
  const killed = new Context()
  killed.kill('enough')
  const stopped = new Context()
  stopped.stop('enough')
  const error = await fails(client.generate('go', { context: killed }), 'cancelled')
  assert.match(error.message, /cancelled by client: enough/)
  await fails(client.generate('go', { context: stopped }), 'cancelled')
  await fails(client.generate('go', { signal: AbortSignal.abort(new Error('gone')) }), 'cancelled')
  await fails(client.generate('go', { timeoutMs: 0 }), 'deadline_exceeded')
  await fails(client.one('go', { context: killed }), 'cancelled')
  await fails(client.all('go', { context: killed }), 'cancelled')
  await fails(client.random('go', { context: killed }), 'cancelled')
  await fails(client.roundRobin('go', { context: killed }), 'cancelled')
  await fails(client.direct('go', client.instanceIds()[0] ?? '', { context: killed }), 'cancelled')
  await turn()
  assert.equal(journal.lines, [])
})

story(test, 'a context killed while the call is being opened leaves nothing running', {}, async (world) => {
  const { client, journal } = await waitingPipeline(world, waits['context.sleep'] as Wait, 0)
  const context = new Context()
  const opening = outcome(client.generate('go', { context }))
  context.kill('at once')
  const opened = await opening
  if (opened.error === undefined) await fails(opened.value.next(), 'cancelled')
  else assert.is(opened.error.code, 'cancelled')
  await world.quiet()
  journal.assertUnwound()
})

story(test, 'a call whose request is still being checked ends in the same turn and never starts', {}, async (world) => {
  const gate = deferred<boolean>()
  const checked = defineEndpoint('story.checked.generate', { request: z.string().refine(() => gate.promise) })
  let starts = 0
  await world
    .at(1)
    .endpoint(checked)
    .serve(() => starts++)
  const open = async () => {
    const client = await world.client<string>(0, 'story.checked.generate')
    const context = new Context()
    const controller = new AbortController()
    const opening = client.generate('go', { context, signal: controller.signal })
    await turn()
    return { client, context, controller, opening }
  }
  const killed = await open()
  killed.context.kill('enough')
  assert.is((await sameTurn(killed.opening, 'a killed call')).error?.code, 'cancelled')
  const aborted = await open()
  aborted.controller.abort()
  assert.is((await sameTurn(aborted.opening, 'an aborted call')).error?.code, 'cancelled')
  const closed = await open()
  await closed.client.close()
  assert.is((await sameTurn(closed.opening, 'a call of a closed client')).error?.code, 'cancelled')
  const client = await world.client<string>(0, 'story.checked.generate')
  const late = fails(client.one('go', { timeoutMs: 100 }), 'deadline_exceeded')
  await world.advance(100)
  await late
  client.observable('go').subscribe(assert.unreachable).unsubscribe()
  await world.crosses()
  gate.resolve(true)
  await turn()
  assert.is(starts, 0)
  assert.equal(await client.all('go'), [0])
})

// ---- the loops people write ---------------------------------------------------------------------------------------

story(
  test,
  'break, return and throw in a loop end every hop before the next statement is reached',
  {},
  async (world) => {
    const { client, journal } = await threeHops(world, async function* (_request, context) {
      yield 0
      await context.sleep(LONG_MS)
    })
    const leave: Record<string, (stream: ResponseStream) => Promise<unknown>> = {
      async break(stream) {
        for await (const _ of stream) break
      },
      async return(stream) {
        for await (const _ of stream) return
      },
      async throw(stream) {
        for await (const _ of stream) throw new Error('mine')
      },
      async valuesBreak(stream) {
        for await (const _ of stream.values()) break
      },
      first: (stream) => stream.first(),
      async using(stream) {
        await using _held = stream
      },
    }
    for (const [name, loop] of Object.entries(leave)) {
      const stream = await client.generate('go')
      const left = await outcome(loop(stream))
      assert.is(left.error?.message, name === 'throw' ? 'mine' : undefined)
      assert.is((await stream.closed).ending, 'cancelled')
      await world.quiet()
      journal.assertUnwound()
      assertCancelledEverywhere(journal)
      journal.lines.length = 0
    }
  },
)

story(test, 'unsubscribing ends every hop, also before the call has been opened', {}, async (world) => {
  const { client, journal } = await threeHops(world, async function* (_request, context) {
    yield 0
    await context.sleep(LONG_MS)
    yield 1
  })
  const items: unknown[] = []
  const subscription = client.observable('go').subscribe((item) => items.push(item))
  await journal.until('stage3 started')
  await turn()
  await turn()
  await world.arrives(() => assert.equal(items, [0]))
  subscription.unsubscribe()
  await world.quiet()
  assertCancelledEverywhere(journal)
  assert.equal(items, [0])
  journal.lines.length = 0
  client.observable('go').subscribe(assert.unreachable).unsubscribe()
  await world.crosses()
  await world.quiet()
  journal.assertUnwound()
  journal.lines.length = 0
  const stream = await client.generate('go')
  await new Promise<void>((resolve) => {
    stream.observable().pipe(take(1)).subscribe({ complete: resolve })
  })
  assert.equal(await stream.closed, { ending: 'cancelled', items: 1 })
  await world.quiet()
  assertCancelledEverywhere(journal)
})

story(test, "leaving from inside the consumer's callback delivers nothing more", {}, async (world) => {
  const { client, journal } = await threeHops(world, () => upTo(1_000))
  const outs: ((stream: ResponseStream) => void)[] = [
    (stream) => stream.context.kill('from inside'),
    (stream) => void stream.return(),
    () => void client.close(),
  ]
  for (const out of outs) {
    const stream = await client.generate('go')
    const seen: unknown[] = []
    const end = deferred<SluiceError | undefined>()
    stream.observable().subscribe({
      next(item) {
        seen.push(item)
        if (item === 2) out(stream)
      },
      complete: () => end.resolve(undefined),
      error: end.resolve,
    })
    const error = await end.promise
    assert.ok(error === undefined || error.code === 'cancelled')
    assert.equal(seen, [0, 1, 2])
    assert.is((await stream.closed).ending, 'cancelled')
    await world.quiet()
    assertCancelledEverywhere(journal)
    journal.lines.length = 0
  }
})

story(test, 'leaving while several next() are pending answers each of them once', {}, async (world) => {
  const { client, journal } = await waitingPipeline(world, waits['context.sleep'] as Wait, 1)
  const stream = await client.generate('go')
  const nexts = [stream.next(), stream.next(), stream.next(), stream.next()].map(outcome)
  await journal.until('stage3 waits')
  await nexts[0]
  stream.context.kill('all of you')
  const [first, second, ...rest] = await Promise.all(nexts)
  assert.is((first as { value: { value: { data(): unknown } } }).value.value.data(), 0)
  assert.is(second?.error?.code, 'cancelled')
  for (const each of rest) assert.equal(each, { value: { done: true, value: undefined } })
})

// ---- what the callee sees -----------------------------------------------------------------------------------------

story(test, 'the signal fires, then primitives reject, then return() runs the finally', {}, async (world) => {
  const order: string[] = []
  const up = deferred()
  await world.serve(1, 'story.order.generate', async function* (_request: unknown, context: Context) {
    context.signal.addEventListener('abort', () => {
      order.push(`signal, killed ${context.isKilled}`)
    })
    void context.stopped.then(() => order.push('stopped'))
    void context.killed.then(() => order.push('killed'))
    try {
      up.resolve()
      await context.sleep(LONG_MS)
      yield 1
    } catch (error) {
      order.push(`rejected with the reason of the signal: ${error === context.signal.reason}`)
      throw error
    } finally {
      order.push('finally')
    }
  })
  const client = await world.client(0, 'story.order.generate')
  const stream = await client.generate('go')
  await up.promise
  await stream.return()
  await stream.closed
  assert.is(order[0], 'signal, killed true')
  assert.is(order.at(-1), 'finally')
  assert.is(order.at(-2), 'rejected with the reason of the signal: true')
  assert.equal(order.slice(1, -2).sort(), ['killed', 'stopped'])
})

story(
  test,
  'a handler stuck in a foreign await keeps nobody waiting and is reported as an orphan',
  { timeoutMs: 15_000 },
  async (world) => {
    const stuck = deferred()
    const started = deferred()
    let finallys = 0
    const served = await world.serve(
      1,
      'story.stuck.generate',
      async function* () {
        try {
          started.resolve()
          await stuck.promise
          yield 'too late'
        } finally {
          finallys++
        }
      },
      { concurrency: 1 },
    )
    const client = await world.client(0, 'story.stuck.generate')
    const stream = await client.generate('go', { context: new Context({ id: 'the-stuck-one' }) })
    const pending = stream.next()
    await started.promise
    await sameTurn(stream.return(), 'return() of a stream whose handler is stuck')
    assert.equal(await sameTurn(pending, 'next() of a stream whose handler is stuck'), {
      value: { done: true, value: undefined },
    })
    await world.crosses()
    const rest = await world.advanceNearly(5_000)
    assert.equal(world.orphans, [])
    await world.advance(rest)
    await world.arrives(() => assert.is(world.orphans.length, 1))
    const [orphan] = world.orphans
    assert.is(orphan?.endpoint, 'story.stuck.generate')
    assert.is(orphan?.contextId, 'the-stuck-one')
    if (world.clock === 'virtual') assert.is(orphan?.ageMs, 5_000)
    else assert.ok((orphan?.ageMs ?? 0) >= 4_999)
    assert.match(world.lines.join('\n'), /story\.stuck\.generate was cancelled and is still running.*the-stuck-one/)
    assert.equal(served.load, { running: 1, waiting: 0 })
    const second = await client.generate('next', { prefetch: 1 })
    assert.equal(served.load, { running: 1, waiting: 1 })
    stuck.resolve()
    assert.is((await stream.closed).ending, 'cancelled')
    assert.is(finallys, 1)
    assert.equal(await second.toArray(), ['too late'])
    assert.is(finallys, 2)
  },
)

story(test, 'a generator that yields from its finally is unwound, its cleaning up finished', {}, async (world) => {
  const done: string[] = []
  const up = deferred()
  await world.serve(1, 'story.late.generate', async function* (_request: unknown, context: Context) {
    try {
      up.resolve()
      yield 1
      await context.sleep(LONG_MS)
    } finally {
      yield 'not delivered'
      yield 'not delivered either'
      done.push('cleaned up')
    }
  })
  const client = await world.client(0, 'story.late.generate')
  // So that it stands at its yield when it is left.
  const stream = await client.generate('go', { prefetch: 1 })
  await stream.next()
  await stream.return()
  assert.equal(await stream.closed, { ending: 'cancelled', items: 1 })
  assert.equal(done, ['cleaned up'])
})

story(test, 'a handler may take its time to clean up with what it awaits itself', {}, async (world) => {
  const cleaned = deferred()
  const cleaning = deferred()
  await world.serve(1, 'story.tidy.generate', async function* (_request: unknown, context: Context) {
    try {
      yield 1
      await context.sleep(LONG_MS)
    } finally {
      cleaning.resolve()
      await cleaned.promise
    }
  })
  const client = await world.client(0, 'story.tidy.generate')
  const stream = await client.generate('go')
  await stream.first()
  await cleaning.promise
  let closed = false
  const closing = stream.closed.then(() => {
    closed = true
  })
  await turn()
  assert.is(closed, false, 'closed waits for the end of the finally')
  cleaned.resolve()
  await closing
  assert.equal(world.orphans, [])
})

story(test, 'a cancelled handler that dies of the abort in its own way is no failure', {}, async (world) => {
  const emitter = new EventTarget()
  const ends: Record<string, (context: Context) => Promise<unknown>> = {
    'rethrown reason': async (context) => {
      await context.stopped
      throw context.signal.reason
    },
    'wrapped reason': async (context) => {
      await context.stopped
      throw new Error('I had to leave', { cause: context.signal.reason })
    },
    'wrapped twice': async (context) => {
      await context.stopped
      throw new Error('left', { cause: new Error('I had to', { cause: context.signal.reason }) })
    },
    'sleep of a child': (context) => context.child().sleep(LONG_MS),
    'timers/promises': (context) => delay(100_000, undefined, { signal: context.signal, ref: false }),
    'events.once': (context) => once(emitter, 'never', { signal: context.signal }),
    throwIfAborted: async (context) => {
      await context.killed
      context.signal.throwIfAborted()
    },
  }
  for (const [name, end] of Object.entries(ends)) {
    const up = deferred()
    await world.serve(1, 'story.dies.generate', async function* (_request: unknown, context: Context) {
      up.resolve()
      await end(context)
      yield 1
    })
    const client = await world.client(0, 'story.dies.generate')
    const stream = await client.generate('go')
    await up.promise
    await stream.return()
    assert.is((await stream.closed).ending, 'cancelled', name)
    assert.equal(world.failed, [], name)
    assert.equal(world.lines, [], name)
    await world.reset()
  }
})

story(
  test,
  'a cancelled handler that dies of something else is reported and its caller not told',
  {},
  async (world) => {
    await world.serve(1, 'story.dies.generate', async function* () {
      try {
        yield 1
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: it is what is tested
        throw new Error('cleaning up failed')
      }
    })
    const client = await world.client(0, 'story.dies.generate')
    const stream = await client.generate('go', { prefetch: 1 })
    await stream.first()
    assert.equal(await stream.closed, { ending: 'cancelled', items: 1 })
    assert.is(world.failed.length, 1)
    assert.match(world.lines.join('\n'), /cleaning up failed/)
  },
)

// ---- deadlines ----------------------------------------------------------------------------------------------------

story(test, 'the earliest deadline of all hops wins and says who set it', {}, async (world) => {
  const up = deferred()
  await world.serve(2, 'story.slow.generate', async function* (_request: unknown, context: Context) {
    up.resolve()
    await context.sleep(LONG_MS)
    yield 1
  })
  const slow = await world.client(1, 'story.slow.generate')
  await world.serve(1, 'story.hurry.generate', async function* (_request: unknown, context: Context) {
    yield* await slow.generate(null, { context, timeoutMs: 100 })
  })
  const hurry = await world.client(0, 'story.hurry.generate')
  const pending = (await hurry.generate(null, { timeoutMs: 1_000 })).next()
  await up.promise
  const failed = fails(pending, 'deadline_exceeded')
  await world.advance(99)
  await world.advance(1)
  const error = await failed
  assert.is(error.name, 'TimeoutError')
  assert.match(error.message, /story\.hurry\.generate/)
})

story(test, 'a deadline far beyond what a timer can hold does not fire at once', {}, async (world) => {
  await world.serve(1, 'story.quick.generate', async function* (_request: unknown, context: Context) {
    yield context.remainingMs
  })
  const client = await world.client<null, number>(0, 'story.quick.generate')
  const left = await client.one(null, { timeoutMs: 2 ** 40 })
  const longest = Math.min(2 ** 40, world.mode.longestDeadlineMs)
  assert.ok(left <= longest && left > longest - 60_000, `${left} ms left`)
  assert.is(await client.one(null, { timeoutMs: Number.POSITIVE_INFINITY }), Number.POSITIVE_INFINITY)
})

// ---- abort signals ------------------------------------------------------------------------------------------------

story(test, 'an abort signal leaves no listener behind when its calls have ended', {}, async (world) => {
  const { client } = await threeHops(world, () => upTo(2))
  const { signal } = new AbortController()
  let listeners = 0
  const { addEventListener, removeEventListener } = signal
  signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
    listeners++
    addEventListener.apply(signal, args)
  }
  signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
    listeners--
    removeEventListener.apply(signal, args)
  }
  for (let n = 0; n < 20; n++) await client.all('go', { signal })
  for (let n = 0; n < 20; n++) await (await client.generate('go', { signal })).first()
  await world.quiet()
  assert.is(listeners, 0)
})

story(test, 'a signal that a handler aborts names that handler as the origin', {}, async (world) => {
  await world.serve(2, 'story.slow.generate', async function* (_request: unknown, context: Context) {
    await context.sleep(LONG_MS)
    yield 1
  })
  const slow = await world.client(1, 'story.slow.generate')
  await world.serve(1, 'story.impatient.generate', async function* (_request: unknown, context: Context) {
    const controller = new AbortController()
    const stream = await slow.generate(null, { context, signal: controller.signal })
    controller.abort('too slow')
    yield* stream
  })
  const client = await world.client(0, 'story.impatient.generate')
  const error = await fails((await client.generate(null)).next(), 'cancelled')
  assert.is(error.origin, 'story.impatient.generate')
  assert.match(error.message, /too slow/)
})
