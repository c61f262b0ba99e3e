// What a handler may be, and what its result means to the caller.
import { of } from 'rxjs'
import { annotate, type Context, DistributedRuntime, type HandlerFailed, Response } from 'sluice'
import { serveOne, withRuntime } from '../support/runtime.ts'
import { assert, rejects, suite } from '../support/suite.ts'

const test = suite('actor/handler.test.ts')

/** Everything a handler gives, as its caller sees it. */
function gives(handler: unknown, items: unknown[], request: unknown = 3): () => Promise<void> {
  return withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, handler)
    assert.equal(await client.all(request), items)
  })
}

async function* count(to: number) {
  for (let n = 1; n <= to; n++) yield n
}

// ---- streams ---------------------------------------------------------------------------------------------------------

test('an async generator is a stream', gives(count, [1, 2, 3]))

test('an async generator that yields nothing is an empty stream', gives(count, [], 0))

test(
  'an async iterable that is no generator is a stream',
  gives(
    (to: number) => ({
      [Symbol.asyncIterator]() {
        let n = 0
        return { next: async () => (n++ < to ? { done: false, value: n } : { done: true, value: undefined }) }
      },
    }),
    [1, 2, 3],
  ),
)

test(
  'a next() that answers without a promise is a stream too',
  gives(
    (to: number) => ({
      [Symbol.asyncIterator]() {
        let n = 0
        return { next: () => (n++ < to ? { done: false, value: n } : { done: true, value: undefined }) }
      },
    }),
    [1, 2, 3],
  ),
)

test(
  'a web ReadableStream is a stream',
  gives(() => new Blob(['abc']).stream(), [new Uint8Array([97, 98, 99])]),
)

test(
  'a synchronous generator is a stream',
  gives(
    function* (to: number) {
      for (let n = 1; n <= to; n++) yield n
    },
    [1, 2, 3],
  ),
)

test(
  'promises that a synchronous generator yields are awaited in order',
  gives(
    function* () {
      yield new Promise((resolve) => setImmediate(() => resolve('late')))
      yield Promise.resolve('early')
      yield 'at once'
    },
    ['late', 'early', 'at once'],
  ),
)

test(
  'a ResponseStream that is returned is passed on, data and annotations',
  withRuntime(async ({ runtime }) => {
    const inner = await serveOne(
      runtime,
      async function* () {
        yield annotate('a', { id: '1', event: 'letter' })
        yield 'b'
      },
      {},
      'inner',
    )
    const { client } = await serveOne(runtime, (request: unknown, context: Context) =>
      inner.client.generate(request, { context }),
    )
    const seen: unknown[] = []
    for await (const response of await client.generate(1)) seen.push([response.data(), response.id, response.event])
    assert.equal(seen, [
      ['a', '1', 'letter'],
      ['b', undefined, undefined],
    ])
  }),
)

// ---- promises of streams and items -------------------------------------------------------------------------------------

test(
  'a promise of an async generator is a stream',
  gives(async (to: number) => count(to), [1, 2, 3]),
)

test(
  'a promise of a synchronous generator is a stream',
  gives(
    async () =>
      (function* () {
        yield 'x'
      })(),
    ['x'],
  ),
)

test(
  'a thenable is awaited like a promise, and only its first answer counts',
  gives(
    () => ({
      // biome-ignore lint/suspicious/noThenProperty: that is what is tested
      then: (resolve: (value: unknown) => void) => {
        resolve('first')
        resolve('second')
      },
    }),
    ['first'],
  ),
)

test(
  'a promise of an item is one item',
  gives(async (n: number) => n * 2, [6]),
)

// ---- one item ----------------------------------------------------------------------------------------------------------

for (const [what, value] of [
  ['a string', 'text'],
  ['a number', 7],
  ['an array', [1, 2]],
  ['undefined', undefined],
  ['null', null],
  ['false', false],
  ['a Map, though it can be iterated over', new Map([[1, 2]])],
] as const) {
  test(
    `${what} is one item`,
    gives(() => value, [value]),
  )
  test(
    `a promise of ${what} is one item`,
    gives(async () => value, [value]),
  )
}

test(
  'an Observable is one item',
  withRuntime(async ({ runtime }) => {
    const observable = of(1, 2, 3)
    const { client } = await serveOne(runtime, () => observable)
    assert.is(await client.one(1), observable)
  }),
)

test(
  'a Response is one item with its annotations, also out of a promise',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async () => annotate('data', { id: '7', comments: ['remark'] }))
    const stream = await client.generate(1)
    const first = await stream.next()
    assert.instance(first.value, Response)
    assert.equal([first.value?.data(), first.value?.id, first.value?.comments], ['data', '7', ['remark']])
    assert.is((await stream.next()).done, true)
  }),
)

// ---- what is refused ---------------------------------------------------------------------------------------------------

class Stage {
  async *generate() {
    yield 1
  }
}

for (const [what, served, text] of [
  ['a class', Stage, /given the class Stage; give it an instance: serve\(new Stage\(\)\)/],
  ['a class of the language', Map, /given the class Map/],
  ['a stage without the method', { other() {} }, /the stage Object has no method generate/],
  ['a stage whose method is no function', { generate: 7 }, /has no method generate/],
  ['an object without a prototype', Object.create(null), /the stage object has no method generate/],
  ['null', null, /serve takes a function or a stage object, not null/],
  ['a string', 'handler', /serve takes a function or a stage object, not handler/],
  ['nothing', undefined, /serve takes a function or a stage object, not undefined/],
] as const) {
  test(
    `${what} is refused by serve()`,
    withRuntime(async ({ runtime }) => {
      const endpoint = runtime.endpoint('demo.test.generate')
      const error = await rejects(endpoint.serve(served as never), text)
      assert.is(error.code, 'invalid_argument')
      assert.equal((await endpoint.client()).instanceIds(), [])
    }),
  )
}

test(
  'the constructor that every object inherits is not a method for an endpoint of that name',
  withRuntime(async ({ runtime }) => {
    await rejects(runtime.endpoint('demo.test.constructor').serve(new Stage()), /has no method constructor/)
  }),
)

// ---- this, and the hint ------------------------------------------------------------------------------------------------

test(
  "a stage's method is called with the stage as this",
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, {
      factor: 3,
      async *generate(this: { factor: number }, request: number) {
        yield request * this.factor
      },
    })
    assert.is(await client.one(2), 6)
  }),
)

test(
  'a bare function is called with this undefined, and with request and context only',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, function (this: unknown, ...args: unknown[]) {
      return [this === undefined, args.length]
    })
    assert.equal(await client.one(1), [true, 2])
  }),
)

test(
  'a bare method that dies for want of its stage is reported with the hint',
  withRuntime(async ({ runtime, lines }) => {
    class Doubler {
      factor = 2
      async *generate(request: number) {
        yield request * this.factor
      }
    }
    const failures: HandlerFailed[] = []
    runtime.events.on('handler-failed', (event) => failures.push(event))
    const { client } = await serveOne(runtime, new Doubler().generate)
    await rejects(client.one(21), 'unknown')
    assert.is(lines.length, 1)
    assert.match(lines.join(), /^a handler of demo\.test\.generate died: TypeError: /)
    assert.match(lines.join(), /\(served without its stage\? pass the object\)/)
    assert.is(failures.length, 1)
  }),
)

test(
  'a TypeError of a stage has no such hint',
  withRuntime(async ({ runtime, lines }) => {
    const { client } = await serveOne(runtime, {
      generate() {
        throw new TypeError('mine')
      },
    })
    await rejects(client.one(1), /mine/)
    assert.not.match(lines.join(), /without its stage/)
  }),
)

// ---- hostile results -----------------------------------------------------------------------------------------------------

/** Each must end its own call with an error and nothing else; the next call is served. */
const hostile: Record<string, () => unknown> = {
  'an iterator whose next() answers undefined': () => ({ [Symbol.asyncIterator]: () => ({ next: async () => {} }) }),
  'an iterator whose next() answers undefined without a promise': () => ({
    [Symbol.asyncIterator]: () => ({ next: () => undefined }),
  }),
  'an iterator result whose getters throw': () => ({
    [Symbol.asyncIterator]: () => ({
      next: async () => ({
        get done(): boolean {
          throw new Error('hostile getter')
        },
      }),
    }),
  }),
  'an iterator without next': () => ({ [Symbol.asyncIterator]: () => ({}) }),
  'an asyncIterator that returns undefined': () => ({ [Symbol.asyncIterator]: () => undefined }),
  'an asyncIterator that throws': () => ({
    [Symbol.asyncIterator]() {
      throw new Error('no iterator')
    },
  }),
  'a then getter that throws': () => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested
    get then() {
      throw new Error('no then')
    },
  }),
  'a then that throws': () => ({
    // biome-ignore lint/suspicious/noThenProperty: that is what is tested
    then() {
      throw new Error('then threw')
    },
  }),
  'a throw of null': () => {
    throw null
  },
  'a throw of a symbol': () => {
    throw Symbol('s')
  },
  'a throw of an object without a prototype': () => {
    throw Object.create(null)
  },
  'a throw of an error with hostile getters': () => {
    throw Object.defineProperties(new Error('x'), {
      message: {
        get() {
          throw new Error('message')
        },
      },
      name: {
        get() {
          throw new Error('name')
        },
      },
    })
  },
  'a throw of a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    throw proxy
  },
  'a stack overflow': () => {
    const deep = (): number => deep() + 1
    return deep()
  },
  'a rejection with undefined': () => Promise.reject(undefined),
}

for (const [what, handler] of Object.entries(hostile)) {
  test(
    `${what} ends its own call with one error and is reported once`,
    withRuntime(async ({ runtime, lines }) => {
      const { client, served } = await serveOne(
        runtime,
        (request: string) => (request === 'poison' ? handler() : 'well'),
        { concurrency: 1 },
      )
      const stream = await client.generate('poison')
      const error = await rejects(stream.toArray(), 'unknown')
      assert.is(error.name, 'SluiceError')
      assert.equal(await stream.closed, { ending: 'error', items: 0 })
      assert.is(lines.length, 1)
      assert.is(await client.one('good'), 'well')
      assert.equal(served.load, { running: 0, waiting: 0 })
    }),
  )
}

test(
  'what a generator throws in its finally ends the call with that error',
  withRuntime(async ({ runtime, lines }) => {
    const { client } = await serveOne(runtime, async function* () {
      try {
        yield 1
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: that is what is tested
        throw new Error('in finally')
      }
    })
    const stream = await client.generate(1)
    assert.is((await stream.next()).value?.data(), 1)
    await rejects(stream.next(), /in finally/)
    assert.is(lines.length, 1)
  }),
)

test(
  'a handler has ended once it returned, whatever it left unread',
  withRuntime(async () => {
    const runtime = await DistributedRuntime.create({ logger: false })
    const { client } = await serveOne(runtime, async () => 'only')
    const stream = await client.generate(1)
    assert.equal(await stream.closed, { ending: 'complete', items: 1 })
    await stream.return()
    await runtime.shutdown()
  }),
)
