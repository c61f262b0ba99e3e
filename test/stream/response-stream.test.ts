import { from } from 'rxjs'
import { annotate, type Client, Context, type Response, type ResponseStream, SluiceError } from 'sluice'
import { serveOne, settled, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, type Deferred, deferred, rejects, suite, within } from '../support/suite.ts'
import { played } from './hand.ts'

const test = suite('stream/response-stream.test.ts')

/** Yields 0, 1, 2 … for ever, and counts what it has yielded and whether it has cleaned up. */
function endless() {
  const counts = { yielded: 0, cleaned: 0 }
  async function* handler() {
    try {
      for (let item = 0; ; item++) {
        counts.yielded++
        yield item
      }
    } finally {
      counts.cleaned++
    }
  }
  return { handler, counts }
}

async function* three() {
  yield 'a'
  yield 'b'
  yield 'c'
}

/** Yields one item, then waits for its caller to leave. */
async function* idle(_: unknown, context: Context) {
  yield 'only'
  await context.race(new Promise(() => {}))
}

const data = async (result: Promise<IteratorResult<Response>>) => (await result).value?.data()

// ---- reading ---------------------------------------------------------------------------------------------------------

test(
  'a stream is read with for await, by response or by value',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, three)
    const items: unknown[] = []
    for await (const response of await client.generate(0)) items.push(response.data())
    for await (const value of (await client.generate(0)).values()) items.push(value)
    items.push(...(await (await client.generate(0)).toArray()))
    assert.equal(items, ['a', 'b', 'c', 'a', 'b', 'c', 'a', 'b', 'c'])
  }),
)

test(
  'several next() without awaiting are answered in order',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, three)
    const stream = await client.generate(0)
    const results = await Promise.all([1, 2, 3, 4, 5].map(() => stream.next()))
    assert.equal(
      results.map(({ done, value }) => (done ? 'done' : value.data())),
      ['a', 'b', 'c', 'done', 'done'],
    )
  }),
)

test(
  'annotations without data are skipped by values(), toArray(), first() and observable(), and by nothing else',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async function* () {
      yield annotate(undefined, { event: 'ping' })
      yield annotate('a', { id: '1', event: 'token', comments: ['c'] })
      yield annotate(undefined, { event: 'ping' })
      yield 'b'
    })
    const make = () => client.generate(0)
    assert.equal(await (await make()).toArray(), ['a', 'b'])
    assert.is(await (await make()).first(), 'a')
    const values: unknown[] = []
    for await (const value of (await make()).values()) values.push(value)
    assert.equal(values, ['a', 'b'])
    const pushed: unknown[] = []
    await (await make()).observable().forEach((value) => void pushed.push(value))
    assert.equal(pushed, ['a', 'b'])
    const events: unknown[] = []
    for await (const { event, id, comments } of await make()) events.push([event, id, comments])
    assert.equal(events, [
      ['ping', undefined, []],
      ['token', '1', ['c']],
      ['ping', undefined, []],
      [undefined, undefined, []],
    ])
  }),
)

test(
  'first() takes one item and cancels; without an item it is undefined; an error rejects it',
  withRuntime(async ({ runtime }) => {
    const { handler, counts } = endless()
    const { client } = await serveOne(runtime, handler)
    const stream = await client.generate(0)
    assert.is(await stream.first(), 0)
    assert.equal(await stream.closed, { ending: 'cancelled', items: 1 })
    assert.is(counts.cleaned, 1)
    const empty = await serveOne(runtime, async function* () {}, {}, 'empty')
    assert.is(await (await empty.client.generate(0)).first(), undefined)
    const failing = await serveOne(runtime, fail, {}, 'fail')
    await rejects((await failing.client.generate(0)).first(), /boom/)
  }),
)

function fail(): never {
  throw new Error('boom')
}

test(
  'an error is delivered once, then the stream is over, in every way of reading',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async function* () {
      yield 'a'
      throw new SluiceError('not_found', 'no more')
    })
    const byHand = await client.generate(0)
    assert.is(await data(byHand.next()), 'a')
    await rejects(byHand.next(), 'not_found')
    for (let again = 0; again < 3; again++) assert.equal(await byHand.next(), { done: true, value: undefined })

    const looped = await client.generate(0)
    const items: unknown[] = []
    const error = await rejects<SluiceError>(async () => {
      for await (const response of looped) items.push(response.data())
    }, 'not_found')
    assert.equal(items, ['a'])
    assert.is(error.endpoint, 'demo.test.generate')
    assert.is((await looped.next()).done, true)

    await rejects((await client.generate(0)).toArray(), 'not_found')
    const stream = await client.generate(0)
    await rejects(
      stream.observable().forEach(() => {}),
      'not_found',
    )
    assert.equal(await stream.closed, { ending: 'error', items: 1 })
  }),
)

test(
  'what was yielded before an error is delivered before it, also when it was made ahead',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async function* () {
      yield 1
      yield 2
      throw new Error('boom')
    })
    const stream = await client.generate(0, { prefetch: 10 })
    await settled()
    const items: unknown[] = []
    await rejects(async () => {
      for await (const value of stream.values()) items.push(value)
    }, /boom/)
    assert.equal(items, [1, 2])
  }),
)

// ---- one consumer ----------------------------------------------------------------------------------------------------

const kinds: Record<string, (stream: ResponseStream) => unknown> = {
  'next()': (stream) => stream.next(),
  'for await': (stream) => stream[Symbol.asyncIterator](),
  'values()': (stream) => stream.values(),
  'toArray()': (stream) => stream.toArray(),
  'first()': (stream) => stream.first(),
  'observable()': (stream) => stream.observable(),
  'from(stream)': (stream) => from(stream).forEach(() => {}),
}

/** The same consumer going on, in another way of saying it. */
const same = new Set(['next() next()', 'next() for await', 'for await next()'])

test(
  'a second consumer is refused at once with failed_precondition, whichever two they are, and the first goes on',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, three)
    for (const [first, consume] of Object.entries(kinds)) {
      for (const [second, consumeToo] of Object.entries(kinds)) {
        if (same.has(`${first} ${second}`)) continue
        const stream = await client.generate(0)
        const begun = consume(stream)
        const error = await rejects<SluiceError>(async () => consumeToo(stream), 'failed_precondition')
        const named = second === 'from(stream)' ? 'observable()' : second
        assert.match(
          error.message,
          new RegExp(`^${named.replace(/[()]/g, '\\$&')} on a stream of demo\\.test\\.generate that`),
        )
        if (first === 'toArray()') assert.equal(await begun, ['a', 'b', 'c'])
        else if (first === 'next()') assert.is(await data(begun as Promise<IteratorResult<Response>>), 'a')
        else if (first === 'first()') assert.is(await begun, 'a')
        else if (first === 'observable()') await (begun as ReturnType<ResponseStream['observable']>).forEach(() => {})
        else if (first === 'from(stream)') await begun
        else assert.is((await (begun as AsyncIterator<unknown>).next()).done, false)
        await stream.return()
      }
    }
  }),
)

test(
  'next() by hand, then for await, goes on where next() was; a second loop is refused',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, three)
    const stream = await client.generate(0)
    assert.is(await data(stream.next()), 'a')
    const rest: unknown[] = []
    for await (const response of stream) rest.push(response.data())
    assert.equal(rest, ['b', 'c'])
    assert.is((await stream.next()).done, true)
    assert.throws(
      () => stream[Symbol.asyncIterator](),
      (error: SluiceError) => error.code === 'failed_precondition',
    )
  }),
)

test(
  'next() within the loop takes the item after, as with a generator',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, three)
    const stream = await client.generate(0)
    const seen: unknown[] = []
    for await (const response of stream) seen.push(response.data(), await data(stream.next()))
    assert.equal(seen, ['a', 'b', 'c', undefined])
  }),
)

// ---- leaving ---------------------------------------------------------------------------------------------------------

test(
  'break, return and throw in a loop cancel the handler, whose finally runs once',
  withRuntime(async ({ runtime }) => {
    const leavings: ((stream: ResponseStream) => Promise<unknown>)[] = [
      async (stream) => {
        for await (const _ of stream) break
      },
      async (stream) => {
        for await (const _ of stream.values()) return
      },
      (stream) =>
        rejects(async () => {
          for await (const _ of stream) throw new Error('mine')
        }, /^mine$/),
    ]
    for (const [index, leave] of leavings.entries()) {
      const { handler, counts } = endless()
      const { client } = await serveOne(runtime, handler, {}, `leave${index}`)
      const stream = await client.generate(0)
      await leave(stream)
      assert.is(stream.context.isKilled, true)
      assert.equal(await within(1_000, stream.closed), { ending: 'cancelled', items: 1 })
      assert.is(counts.cleaned, 1)
      assert.is((await stream.next().catch(() => ({ done: true }))).done, true)
    }
  }),
)

test(
  'return() during a pending next() settles both promptly, and waits for no handler',
  withRuntime(async ({ runtime }) => {
    const stuck = deferred()
    const { client } = await serveOne(runtime, async function* () {
      yield 'only'
      await stuck.promise
    })
    for (const way of ['return', 'throw', 'dispose', 'iterator'] as const) {
      const stream = await client.generate(0)
      await stream.next()
      const pending = [stream.next(), stream.next()]
      const boom = new Error('boom')
      if (way === 'return') assert.equal(await within(500, stream.return('v')), { done: true, value: 'v' as never })
      if (way === 'throw') assert.is(await rejects(within(500, stream.throw(boom))), boom)
      if (way === 'dispose') await within(500, stream[Symbol.asyncDispose]())
      if (way === 'iterator') await within(500, stream[Symbol.asyncIterator]().return?.() as Promise<unknown>)
      for (const result of pending) assert.equal(await within(500, result), { done: true, value: undefined })
      assert.is(stream.context.isKilled, true)
    }
    stuck.resolve()
  }),
)

test(
  'a stream may be left before it is read, and is over then for every way of reading',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, three)
    for (const read of [
      async (stream: ResponseStream) => assert.equal(await stream.toArray(), []),
      async (stream: ResponseStream) => assert.is(await stream.first(), undefined),
      async (stream: ResponseStream) => assert.is((await stream.next()).done, true),
      async (stream: ResponseStream) => {
        for await (const _ of stream) assert.unreachable()
      },
      (stream: ResponseStream) => stream.observable().forEach(() => void assert.unreachable()),
    ]) {
      const stream = await client.generate(0)
      await stream.return()
      await stream.return()
      await read(stream)
    }
  }),
)

test(
  'await using leaves the stream at the end of the block',
  withRuntime(async ({ runtime }) => {
    const { handler, counts } = endless()
    const { client } = await serveOne(runtime, handler)
    let context: Context
    {
      await using stream = await client.generate(0)
      context = stream.context
      assert.is(await data(stream.next()), 0)
      assert.is(context.isKilled, false)
    }
    assert.is(context.isKilled, true)
    await settled()
    assert.is(counts.cleaned, 1)
  }),
)

test(
  'await using after the stream has ended well does nothing',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, three)
    await using stream = await client.generate(0)
    const { signal } = stream.context
    await stream.toArray()
    await stream[Symbol.asyncDispose]()
    assert.is(signal.aborted, false)
    assert.is((await stream.closed).ending, 'complete')
  }),
)

// ---- closed ----------------------------------------------------------------------------------------------------------

test(
  'closed resolves with how the call ended and what its caller had received, for every ending',
  withRuntime(async ({ runtime }) => {
    const { client: endlessly } = await serveOne(runtime, endless().handler)
    const { client: good } = await serveOne(runtime, three, {}, 'good')
    const { client: bad } = await serveOne(
      runtime,
      async function* () {
        yield 1
        throw new Error('boom')
      },
      {},
      'bad',
    )
    const { client: polite } = await serveOne(
      runtime,
      async function* (_: unknown, context: Context) {
        while (!context.isStopped) yield 1
        yield 'last'
      },
      {},
      'polite',
    )
    const { client: suicidal } = await serveOne(
      runtime,
      async function* (_: unknown, context: Context) {
        yield 1
        context.kill('enough')
      },
      {},
      'suicidal',
    )
    const endings: [string, Client, (stream: ResponseStream) => Promise<unknown>, unknown][] = [
      ['read', good, (stream) => stream.toArray(), { ending: 'complete', items: 3 }],
      ['error', bad, (stream) => rejects(stream.toArray(), /boom/), { ending: 'error', items: 1 }],
      ['left', endlessly, (stream) => stream.first(), { ending: 'cancelled', items: 1 }],
      ['killed', endlessly, async (stream) => stream.context.kill(), { ending: 'cancelled', items: 0 }],
      [
        'killed by its handler',
        suicidal,
        (stream) => rejects(stream.toArray(), 'cancelled'),
        { ending: 'cancelled', items: 1 },
      ],
      [
        'stopped',
        polite,
        async (stream) => {
          await stream.next()
          stream.context.stop()
          for await (const _ of stream);
        },
        { ending: 'stopped', items: 2 },
      ],
    ]
    for (const [name, client, end, expected] of endings) {
      const stream = await client.generate(0)
      const early = stream.closed
      await end(stream)
      assert.equal(await within(1_000, early, name), expected, name)
      assert.equal(await stream.closed, expected, name)
    }
  }),
)

test(
  'closed by a deadline is cancelled, and next() rejects with deadline_exceeded',
  withVirtualTime(async ({ runtime, env }) => {
    const { client } = await serveOne(runtime, idle)
    const stream = await client.generate(0, { timeoutMs: 100 })
    await stream.next()
    const pending = rejects(stream.next(), 'deadline_exceeded')
    await env.advance(100)
    await pending
    assert.equal(await stream.closed, { ending: 'cancelled', items: 1 })
  }),
)

test(
  'closed tells the same of a handler that throws cancelled, whether or not it was pulled by then',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async (pause: boolean) => {
      if (pause) await settled()
      throw new SluiceError('cancelled', 'somebody else left')
    })
    const endings: unknown[] = []
    for (const pause of [true, false]) {
      const stream = await client.generate(pause)
      await rejects(stream.next(), 'cancelled')
      endings.push(await stream.closed)
    }
    assert.equal(endings[0], endings[1])
  }),
)

test(
  'closed waits for the handler, not for its caller',
  withRuntime(async ({ runtime }) => {
    const stuck = deferred()
    const { client } = await serveOne(runtime, async function* () {
      try {
        yield 1
      } finally {
        await stuck.promise
      }
    })
    const stream = await client.generate(0)
    await stream.first()
    let closed = false
    const closing = stream.closed.then(() => (closed = true))
    await settled(3)
    assert.is(closed, false)
    stuck.resolve()
    await within(1_000, closing)
  }),
)

// ---- cancelling from above -------------------------------------------------------------------------------------------

test(
  'a kill rejects a pending next() at once with the reason, also when the handler is stuck',
  withRuntime(async ({ runtime }) => {
    const stuck = deferred()
    const { client } = await serveOne(runtime, async function* () {
      await stuck.promise
      yield 1
    })
    const context = new Context()
    const stream = await client.generate(0, { context })
    const pending = rejects(stream.next(), 'cancelled')
    context.kill('enough')
    assert.match((await within(500, pending)).message, /enough/)
    assert.is((await stream.next()).done, true)
    stuck.resolve()
  }),
)

test(
  'a kill while nobody waits is told to the next who asks, once, and is no unhandled rejection',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, three)
    const context = new Context()
    const stream = await client.generate(0, { context })
    assert.is(await data(stream.next()), 'a')
    context.kill('enough')
    await settled()
    await rejects(stream.next(), /enough/)
    assert.is((await stream.next()).done, true)
  }),
)

// ---- prefetch --------------------------------------------------------------------------------------------------------

test(
  'prefetch bounds the lead of the generator exactly; without it one item is made eagerly and the rest by pulls',
  withRuntime(async ({ runtime }) => {
    for (const [prefetch, leads] of [
      [undefined, [1, 1, 2, 3]],
      [1, [1, 1, 2, 3]],
      [2, [2, 3, 4, 5]],
      [7, [7, 8, 9, 10]],
      [4096, [4096, 4097, 4098, 4099]],
    ] as const) {
      const { handler, counts } = endless()
      const { client, served } = await serveOne(runtime, handler)
      const stream = await client.generate(0, { prefetch })
      const seen: number[] = []
      for (let taken = 0; taken < 4; taken++) {
        // A generator takes a few jobs for an item, and its turns may be used up.
        for (let turn = 0; turn < 20; turn++) await settled(1)
        seen.push(counts.yielded)
        assert.is(await data(stream.next()), taken)
      }
      assert.equal(seen, [...leads], `prefetch ${prefetch}`)
      await stream.return()
      await served.close()
    }
  }),
)

test(
  'prefetch works for an iterator whose next() gives plain results, as far ahead as is allowed',
  withRuntime(async ({ runtime }) => {
    let made = 0
    const iterable = { [Symbol.asyncIterator]: () => ({ next: () => ({ done: made >= 10_000, value: made++ }) }) }
    const { client } = await serveOne(runtime, () => iterable)
    const items = await (await client.generate(0, { prefetch: 4096 })).toArray()
    assert.is(items.length, 10_000)
    assert.is(items[9_999], 9_999)
  }),
)

// ---- giving way ------------------------------------------------------------------------------------------------------

for (const [name, read] of Object.entries({
  'for await': async (stream: ResponseStream) => {
    let count = 0
    for await (const _ of stream) count++
    return count
  },
  'values()': async (stream: ResponseStream) => {
    let count = 0
    for await (const _ of stream.values()) count++
    return count
  },
  'observable()': async (stream: ResponseStream) => {
    let count = 0
    await stream.observable().forEach(() => void count++)
    return count
  },
})) {
  test(
    `a hot stream of a million items read by ${name} lets timers run`,
    { timeoutMs: 30_000 },
    withRuntime(async ({ runtime }) => {
      const { client } = await serveOne(runtime, async function* (count: number) {
        for (let item = 0; item < count; item++) yield item
      })
      let last = performance.now()
      let longest = 0
      let ticks = 0
      const timer = setInterval(() => {
        const now = performance.now()
        longest = Math.max(longest, now - last)
        last = now
        ticks++
      }, 10)
      try {
        assert.is(await read(await client.generate(1_000_000)), 1_000_000)
      } finally {
        clearInterval(timer)
      }
      assert.ok(ticks > 5, `${ticks} ticks`)
      assert.ok(longest < 200, `${longest} ms`)
    }),
  )
}

// ---- dropped streams -------------------------------------------------------------------------------------------------

/** Collects garbage until `done`, at most so many times. */
async function collect(done: () => boolean, rounds = 50): Promise<void> {
  for (let round = 0; round < rounds && !done(); round++) {
    // In a turn of its own: what a WeakRef was asked for lives until the end of that.
    await settled(1)
    globalThis.gc?.()
    await settled(1)
  }
}

/** Calls a handler that waits for `gate`, and gives back what `use` makes of the stream and nothing else. */
async function dropping(
  client: Client,
  use: (stream: ResponseStream) => unknown,
): Promise<{ context: Context; kept: unknown }> {
  const stream = await client.generate(0)
  const { context } = stream
  return { context, kept: use(stream) }
}

function gated(gate: Deferred<unknown>) {
  return async function* () {
    yield 'a'
    await gate.promise
    yield 'b'
    yield 'c'
  }
}

for (const [name, use] of Object.entries<(stream: ResponseStream) => unknown>({
  'without being read': () => undefined,
  'after an item': (stream) => stream.next(),
  'after its iterator was made': (stream) => void stream[Symbol.asyncIterator](),
  'while closed is awaited': (stream) => stream.closed,
  'with an observable that nobody subscribes to': (stream) => void stream.observable(),
})) {
  test(
    `a stream dropped ${name} is collected, its call killed and one line says so`,
    withRuntime(async ({ runtime, lines }) => {
      const gate = deferred()
      const { client, served } = await serveOne(runtime, gated(gate))
      const { context, kept } = await dropping(client, use)
      await collect(() => context.isKilled)
      assert.is(context.isKilled, true)
      await kept
      assert.equal(lines.length, 1)
      assert.match(lines[0] as string, /^a stream of demo\.test\.generate .* was dropped without being read to its end/)
      gate.resolve(undefined)
      await settled()
      assert.is(served.load.running, 0)
    }),
  )
}

for (const [name, use, expected] of [
  [
    'awaited with next() by somebody who does not hold it',
    async (stream: ResponseStream) => {
      await stream.next()
      return data(stream.next())
    },
    'b',
  ],
  ['awaited with toArray()', (stream: ResponseStream) => stream.toArray(), ['a', 'b', 'c']],
  [
    'iterated over',
    async (stream: ResponseStream) => {
      const items: unknown[] = []
      for await (const value of stream.values()) items.push(value)
      return items
    },
    ['a', 'b', 'c'],
  ],
  [
    'subscribed to',
    async (stream: ResponseStream) => {
      const items: unknown[] = []
      await stream.observable().forEach((item) => void items.push(item))
      return items
    },
    ['a', 'b', 'c'],
  ],
] as const) {
  test(
    `a stream that is ${name} is not killed by the collector`,
    withRuntime(async ({ runtime }) => {
      const gate = deferred()
      const { client } = await serveOne(runtime, gated(gate))
      const { context, kept } = await dropping(client, use)
      await collect(() => false, 8)
      assert.is(context.isKilled, false)
      gate.resolve(undefined)
      assert.equal(await within(1_000, kept as Promise<unknown>), expected)
      await collect(() => context.isKilled, 3)
    }),
  )
}

test(
  'a stream whose last item is awaited by somebody who does not hold it ends well, without a word',
  withRuntime(async ({ runtime, lines }) => {
    const gate = deferred()
    const { client } = await serveOne(runtime, async function* () {
      yield 'a'
      await gate.promise
    })
    const { context, kept } = await dropping(client, async (stream) => {
      await stream.next()
      return stream.next()
    })
    await collect(() => false, 8)
    gate.resolve()
    assert.equal(await within(1_000, kept as Promise<unknown>), { done: true, value: undefined })
    assert.is(context.isKilled, false)
    assert.equal(lines, [])
  }),
)

test(
  'calls made with one(), all() and observable() of a client are not killed by the collector',
  withRuntime(async ({ runtime, lines }) => {
    const gate = deferred()
    const { client } = await serveOne(runtime, gated(gate))
    const all = client.all(0)
    const observed: unknown[] = []
    const watching = client.observable(0).forEach((item) => void observed.push(item))
    const one = rejects(client.one(0), 'internal')
    await collect(() => false, 8)
    gate.resolve(undefined)
    assert.equal(await within(1_000, all), ['a', 'b', 'c'])
    await within(1_000, Promise.all([watching, one]))
    assert.equal(observed, ['a', 'b', 'c'])
    assert.equal(lines, [])
  }),
)

test(
  'streams that were read to their end, left or killed are collected without a word',
  withRuntime(async ({ runtime, lines }) => {
    const { client } = await serveOne(runtime, three)
    const weak: WeakRef<object>[] = []
    for (const use of [
      (stream: ResponseStream) => stream.toArray(),
      (stream: ResponseStream) => stream.first(),
      (stream: ResponseStream) => stream.return(),
      async (stream: ResponseStream) => stream.context.kill(),
    ]) {
      await (async () => {
        const stream = await client.generate(0)
        weak.push(new WeakRef(stream))
        await settled()
        await use(stream)
      })()
    }
    await collect(() => weak.every((ref) => ref.deref() === undefined))
    assert.equal(
      weak.map((ref) => ref.deref()),
      [undefined, undefined, undefined, undefined],
    )
    assert.equal(lines, [])
  }),
)

test(
  'ten thousand calls that were left leave nothing',
  { timeoutMs: 20_000 },
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, three)
    const context = new Context()
    const { signal } = new AbortController()
    const round = async (count: number) => {
      for (let index = 0; index < count; index++) {
        const stream = await client.generate(0, { context, signal })
        for await (const _ of stream) if (index % 2 === 0) break
      }
    }
    const heap = async () => {
      await settled(3)
      globalThis.gc?.()
      await settled(3)
      globalThis.gc?.()
      return process.memoryUsage().heapUsed
    }
    await round(1_000)
    const before = await heap()
    await round(10_000)
    const more = (await heap()) - before
    assert.ok(more < 3 * 1024 * 1024, `${more} bytes more`)
  }),
)

// ---- by hand ---------------------------------------------------------------------------------------------------------

test('a stream tells its context, its instance and nothing of its reader', () => {
  const { stream, reader } = played()
  assert.is(stream.context, reader.context)
  assert.is(stream.instanceId, 'i1')
  assert.is(stream['@@observable'].length, 0)
  assert.not(Object.keys(stream).some((key) => key !== 'context' && key !== 'instanceId'))
})

test('return() answers every pending next() within the same turn', async () => {
  const { stream } = played()
  const order: string[] = []
  void stream.next().then(() => order.push('first'))
  void stream.next().then(() => order.push('second'))
  void stream.return().then(() => order.push('return'))
  for (let job = 0; job < 5; job++) await null
  assert.equal(order, ['first', 'second', 'return'])
})

test('an iterator of values has its own return and throw, which leave the stream', async () => {
  for (const way of ['return', 'throw'] as const) {
    const { stream, reader } = played()
    const values = stream.values()
    assert.is(values[Symbol.asyncIterator](), values)
    const pending = values.next()
    const left = values[way]?.(new Error('mine'))
    if (way === 'throw') await rejects(left as Promise<unknown>, /mine/)
    else assert.is((await left)?.done, true)
    assert.equal(await pending, { done: true, value: undefined })
    assert.is(reader.context.isKilled, true)
  }
})
