// The memory transport: by reference, or copied as a process boundary would copy.
import { inspect } from 'node:util'
import { annotate, Context, DistributedRuntime, type MemoryOptions, memory, memoryHub, SluiceError } from 'sluice'
import { untilQuiet } from 'sluice/testing'
import { type Call, pending } from '../../src/core/call.ts'
import { serveOne, settled, withRuntime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite, taken } from '../support/suite.ts'

const test = suite('transport/memory.test.ts')

const CLONE: MemoryOptions = { isolate: 'clone' }

// ---- by reference --------------------------------------------------------------------------------------------------------------

test(
  'requests and items go by reference unless told otherwise, whatever they are',
  withRuntime(async ({ runtime }) => {
    const request = { call: () => 'me' }
    const item = Object.assign(() => {}, { self: Symbol('any') })
    let given: unknown
    const { client } = await serveOne(runtime, (received: unknown) => {
      given = received
      return item
    })
    assert.is(await client.one(request), item)
    assert.is(given, request)
  }),
)

// ---- copied --------------------------------------------------------------------------------------------------------------------

/** What may cross, as sent and received: each must arrive equal, and not the same object. */
const values: Record<string, unknown> = {
  null: null,
  undefined: undefined,
  numbers: [0, -0, 1.5, Number.NaN, Number.POSITIVE_INFINITY],
  bigint: 2n ** 100n,
  text: 'ä ¢ \u{1f600}',
  bytes: new Uint8Array([1, 2, 255]),
  floats: new Float64Array([1.5, Number.NaN]),
  buffer: Buffer.from('text'),
  date: new Date(0),
  'an invalid date': new Date(Number.NaN),
  map: new Map<unknown, unknown>([
    [1, { deep: [true] }],
    ['1', null],
  ]),
  set: new Set([1, 'two', 3n]),
  'holes and undefined in an array': [1, undefined, 3],
  'an object without a prototype': Object.assign(Object.create(null), { a: 1 }),
  nested: { a: [{ b: new Map([['c', new Set([new Date(5)])]]) }] },
}

for (const [what, value] of Object.entries(values)) {
  test(
    `a copy of ${what} arrives equal in both directions`,
    withRuntime(
      async ({ runtime }) => {
        let given: unknown
        const { client } = await serveOne(runtime, async function* (received: unknown) {
          given = received
          yield received
        })
        const [received] = await client.all(value)
        const plain = (each: unknown) =>
          each !== null && typeof each === 'object' && Object.getPrototypeOf(each) === null ? { ...each } : each
        // Their text tells more apart than assert.equal: -0 from 0, and it knows NaN in typed arrays and invalid dates.
        const text = (each: unknown) => inspect(plain(each), { depth: null })
        assert.is(text(given), text(value))
        assert.is(text(received), text(value))
        if (value !== null && typeof value === 'object') {
          assert.is.not(given, value)
          assert.is.not(received, given)
        }
      },
      { transport: memory(CLONE) },
    ),
  )
}

test(
  'an Error arrives with name, message and cause, and without its stack',
  withRuntime(
    async ({ runtime }) => {
      const { client } = await serveOne(runtime, (error: unknown) => error)
      const error = new RangeError('far', { cause: new Error('inner') })
      const received = (await client.one(error)) as Error
      assert.instance(received, Error)
      assert.equal([received.name, received.message, (received.cause as Error).message], ['RangeError', 'far', 'inner'])
      assert.not.match(String(received.stack ?? ''), /memory\.test/)
    },
    { transport: memory(CLONE) },
  ),
)

test(
  'annotations cross with their item',
  withRuntime(
    async ({ runtime }) => {
      const { client } = await serveOne(runtime, async function* () {
        yield annotate({ a: 1 }, { id: '7', event: 'e', comments: ['c'] })
        yield annotate(undefined, { event: 'ping' })
      })
      const stream = await client.generate(1)
      const seen: unknown[] = []
      for await (const response of stream) seen.push([response.data(), response.id, response.event, response.comments])
      assert.equal(seen, [
        [{ a: 1 }, '7', 'e', ['c']],
        [undefined, undefined, 'ping', []],
      ])
    },
    { transport: memory(CLONE) },
  ),
)

test(
  'what the caller does to its request, and the handler to an item it has yielded, is not seen on the other side',
  withRuntime(
    async ({ runtime }) => {
      const gate = deferred()
      const { client } = await serveOne(runtime, async function* (request: { text: string }) {
        await gate.promise
        const item = { text: request.text, count: 0 }
        while (item.count < 3) {
          item.count++
          yield item
        }
      })
      const request = { text: 'before' }
      const stream = await client.generate(request)
      request.text = 'after'
      gate.resolve()
      const counts: number[] = []
      for await (const response of stream) {
        const item = response.data() as { text: string; count: number }
        assert.is(item.text, 'before')
        counts.push(item.count)
        item.count = 100
      }
      assert.equal(counts, [1, 2, 3])
    },
    { transport: memory(CLONE) },
  ),
)

for (const prefetch of [1, 8]) {
  test(
    `an item is copied at its yield, also with prefetch ${prefetch}`,
    withRuntime(
      async ({ runtime }) => {
        const { client } = await serveOne(runtime, async function* () {
          const item = { n: 0 }
          for (; item.n < 5; item.n++) yield item
          item.n = -1
        })
        const stream = await client.generate(1, { prefetch })
        await settled(4)
        assert.equal(await stream.toArray(), [{ n: 0 }, { n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }])
      },
      { transport: memory(CLONE) },
    ),
  )
}

class Point {
  x = 1
}

/** What must not cross, and how its refusal begins. */
const refused: [string, unknown, RegExp][] = [
  ['a function', { deep: [() => {}] }, / at deep\[0\] is a function and cannot cross a process boundary/],
  ['a symbol', { list: [1, Symbol('s')] }, / at list\[1\] is a symbol/],
  ['a class instance', { at: new Point() }, / at at is an instance of Point; send a plain object/],
  ['a promise', { later: Promise.resolve(1) }, / at later is an instance of Promise/],
  ['half a surrogate pair', ['fine', '\ud800'], / at \[1\] is not well-formed Unicode/],
  ['a function at the top', () => {}, / is a function and cannot cross/],
]
const cycle: { self?: unknown } = {}
cycle.self = cycle
refused.push(['a cycle', cycle, / at self is part of a cycle/])
let deep: unknown = 1
for (let n = 0; n < 65; n++) deep = [deep]
refused.push(['what nests 65 deep', deep, /nests deeper than 64/])

for (const [what, value, text] of refused) {
  test(
    `${what} in a request is refused at await with its path, and nothing starts`,
    withRuntime(
      async ({ runtime, lines }) => {
        let started = 0
        const { client } = await serveOne(runtime, async () => started++)
        const error = await rejects<SluiceError>(client.generate(value), text)
        assert.match(error.message, /^request of demo\.test\.generate/)
        assert.equal([error.code, error.retryable, started, lines.length], ['invalid_argument', false, 0, 0])
      },
      { transport: memory(CLONE) },
    ),
  )

  test(
    `${what} in an item ends the call with internal at next, reports the handler and runs its finally`,
    withRuntime(
      async ({ runtime, lines }) => {
        let finallyRan = 0
        const { client, served } = await serveOne(
          runtime,
          async function* () {
            try {
              yield 'first'
              yield value
              yield 'third'
            } finally {
              finallyRan++
            }
          },
          { concurrency: 1 },
        )
        const ends: unknown[] = []
        const subscription = runtime.bus.observe('*.*.*').subscribe((event) => {
          if (event.type === 'ended') ends.push(event.ending, event.error?.code)
        })
        const stream = await client.generate(1)
        assert.is((await stream.next()).value?.data(), 'first')
        const error = await rejects<SluiceError>(stream.next(), text)
        assert.match(error.message, /^item/)
        assert.equal([error.code, error.retryable], ['internal', false])
        assert.is((await stream.next()).done, true)
        assert.equal(await stream.closed, { ending: 'error', items: 1 })
        subscription.unsubscribe()
        assert.equal([finallyRan, lines.length, ends], [1, 1, ['error', 'internal']])
        assert.match(lines.join(), text)
        assert.equal(served.load, { running: 0, waiting: 0 })
      },
      { transport: memory(CLONE) },
    ),
  )
}

test(
  'a single item that cannot cross ends its call with internal and frees its slot',
  withRuntime(
    async ({ runtime, lines }) => {
      const { client, served } = await serveOne(runtime, async () => new Point(), { concurrency: 1 })
      for (let n = 0; n < 2; n++) {
        const stream = await client.generate(n)
        await rejects(stream.next(), 'internal')
        assert.equal(await stream.closed, { ending: 'error', items: 0 })
      }
      assert.equal(served.load, { running: 0, waiting: 0 })
      assert.is(lines.length, 2)
    },
    { transport: memory(CLONE) },
  ),
)

test(
  'the deadline that passes while a request is copied refuses the call, and nothing starts',
  withRuntime(
    async ({ runtime, lines }) => {
      let started = 0
      const { client } = await serveOne(runtime, async () => started++)
      const request = {
        get slow() {
          const until = performance.now() + 5
          while (performance.now() < until);
          return 1
        },
      }
      await rejects(client.generate(request, { timeoutMs: 1 }), 'deadline_exceeded')
      assert.equal([started, lines.length], [0, 0])
    },
    { transport: memory(CLONE) },
  ),
)

test(
  'back pressure holds where items are copied: a handler is one item ahead',
  withRuntime(
    async ({ runtime }) => {
      let made = 0
      const { client } = await serveOne(runtime, async function* () {
        for (;;) yield { n: made++ }
      })
      const stream = await client.generate(1)
      for (let n = 0; n < 10; n++) await stream.next()
      await settled(5)
      assert.ok(made <= 12, `${made} made`)
      await stream.return()
      await stream.closed
    },
    { transport: memory(CLONE) },
  ),
)

test(
  'a stream can be yielded on, and recursion and cancellation go through copies too',
  withRuntime(
    async ({ runtime }) => {
      const inner = await serveOne(
        runtime,
        async function* (n: number, context: Context) {
          for (let i = 0; i < n; i++) yield { i }
          await context.race(new Promise(() => {}))
        },
        {},
        'inner',
      )
      const outer = await serveOne(
        runtime,
        async function* (n: number, context: Context) {
          yield* await inner.client.generate(n, { context })
        },
        {},
        'outer',
      )
      const stream = await outer.client.generate(2)
      assert.equal([(await stream.next()).value?.data(), (await stream.next()).value?.data()], [{ i: 0 }, { i: 1 }])
      await stream.return()
      await stream.closed
      assert.equal(inner.served.load, { running: 0, waiting: 0 })
    },
    { transport: memory(CLONE) },
  ),
)

test('calls between runtimes of a hub are copied if the caller says so', async () => {
  const hub = memoryHub()
  const [here, there] = [
    await DistributedRuntime.create({ transport: memory({ hub, isolate: 'clone' }), logger: false }),
    await DistributedRuntime.create({ transport: memory({ hub }), logger: false }),
  ]
  const given: unknown[] = []
  await there.endpoint('demo.test.generate').serve(async (request: unknown) => {
    given.push(request)
    return request
  })
  const request = { a: 1 }
  const answer = await (await here.endpoint('demo.test.generate').client()).one(request)
  assert.equal([given, answer], [[request], request])
  assert.is.not(given[0], request)
  assert.is.not(answer, given[0])
  for (const runtime of [here, there]) {
    await untilQuiet(runtime)
    await runtime.shutdown()
  }
})

test(
  'an error arrives with a copy of its details and without its cause, thrown by a handler or refused by a dispatch',
  withRuntime(
    async ({ runtime }) => {
      const details = { path: ['a'] }
      const { client } = await serveOne(runtime, (what: string): never => {
        const shown = what === 'plain' ? details : { broken: () => {} }
        throw new SluiceError('aborted', what, { details: shown, cause: new Error('inside') })
      })
      const error = await rejects<SluiceError>(client.one('plain'), 'aborted')
      assert.equal([error.message, error.details, error.cause], ['plain', details, undefined])
      assert.is.not(error.details, details)
      assert.is((await rejects<SluiceError>(client.one('broken'), 'aborted')).details, undefined)
      const [endpoint, instanceId] = ['demo.test.generate', client.instanceIds()[0]]
      assert.equal([error.endpoint, error.instanceId, error.hops], [endpoint, instanceId, [endpoint]])
    },
    { transport: memory(CLONE) },
  ),
)

for (const later of [false, true]) {
  test(`a refusal ${later ? 'that comes later' : 'at once'} is copied as well`, async () => {
    const details = { path: ['a'] }
    const refusal = new SluiceError('unavailable', 'full', { details, cause: new Error('inside'), retryable: true })
    const dispatch = memory(CLONE).isolated(() => {
      if (later) return pending(Promise.reject(refusal))
      throw refusal
    })
    const call = { request: 1, endpoint: 'demo.test.generate', context: new Context() } as unknown as Call
    const error = await rejects<SluiceError>(async () => taken(dispatch(call)), 'unavailable')
    assert.equal([error.message, error.retryable, error.details, error.cause], ['full', true, details, undefined])
    assert.is.not(error.details, details)
  })
}

test(
  'whoever is cancelled before the dispatch keeps the cause, for it never crossed',
  withRuntime(
    async ({ runtime }) => {
      const { client } = await serveOne(runtime, async () => 1)
      const reason = new Error('mine')
      const context = new Context()
      context.kill(reason)
      assert.is((await rejects<SluiceError>(client.one(1, { context }), 'cancelled')).cause, reason)
    },
    { transport: memory(CLONE) },
  ),
)
