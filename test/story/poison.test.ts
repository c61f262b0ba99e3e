// Poisoned requests (promise G16): whatever a handler throws, yields, returns or is made of ends its own call with one
// error, or is legal, while a metronome beside it, served by the same runtime, loses no beat. A rejection that nobody
// handles, or an uncaught error, ends the process and with it this file. Does not cover hostile bytes: see test/wire.

import { take } from 'rxjs'
import { annotate, type Context, SluiceError } from 'sluice'
import { modes, story, World } from '../support/modes.ts'
import { assert, deferred, suite } from '../support/suite.ts'
import { fails, outcome, turn } from './pipeline.ts'

const test = suite('story/poison.test.ts')

// ---- hostile values -----------------------------------------------------------------------------------------------

const boom = (): never => {
  throw new Error('trap')
}

const hostileTraps: ProxyHandler<object> = {
  get: boom,
  set: boom,
  has: boom,
  getPrototypeOf: boom,
  setPrototypeOf: boom,
  ownKeys: boom,
  getOwnPropertyDescriptor: boom,
  defineProperty: boom,
  deleteProperty: boom,
  isExtensible: boom,
  preventExtensions: boom,
}

const hostileProxy = (target: object = {}): object => new Proxy(target, hostileTraps)

/** One that can be awaited: a `yield` asks it for `then`. */
const hostileItem = (target: object = {}): object =>
  new Proxy(target, { ...hostileTraps, get: (_target, key) => (key === 'then' ? undefined : boom()) })

const revoked = (): object => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}

const errorWith = (property: PropertyKey, descriptor: PropertyDescriptor): Error =>
  Object.defineProperty(new Error('fine'), property, { configurable: true, ...descriptor })

const cyclic = (): object => {
  const value: { self?: unknown } = {}
  value.self = value
  return value
}

const nested = (depth: number): object => {
  let value: object = {}
  for (let n = 0; n < depth; n++) value = { value }
  return value
}

class Unprintable {
  [Symbol.toPrimitive] = boom
  toString = boom
  toJSON = boom
}

class LyingError extends SluiceError {
  constructor() {
    super('aborted', 'a lie')
  }
  // @ts-expect-error hostile on purpose
  get endpoint(): string {
    return boom()
  }
}

/** Made once: it is the making that takes its time. */
const longCause: Error = (() => {
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 0
  let error = new Error('the first')
  for (let n = 0; n < 100_000; n++) error = new Error('the next', { cause: error })
  Error.stackTraceLimit = stackTraceLimit
  return error
})()

const cyclicCause = (): Error => {
  const error = new Error('of itself')
  error.cause = error
  return error
}

const thrown: Record<string, () => unknown> = {
  null: () => null,
  undefined: () => undefined,
  zero: () => 0,
  'empty text': () => '',
  text: () => 'just text',
  'a symbol': () => Symbol('thrown'),
  'a bigint': () => 10n,
  'an object': () => ({ reason: 'none' }),
  'an object without prototype': () => Object.create(null),
  'a function': () => boom,
  'a proxy whose every trap throws': () => hostileProxy(),
  'a proxy of an error': () => hostileProxy(new Error('inside')),
  'a proxy of a SluiceError': () => hostileProxy(new SluiceError('aborted', 'inside')),
  'a revoked proxy': revoked,
  'a cyclic object': cyclic,
  'an unprintable object': () => new Unprintable(),
  'an error with a hostile message': () => errorWith('message', { get: boom }),
  'an error with a hostile name': () => errorWith('name', { get: boom }),
  'an error with a hostile stack': () => errorWith('stack', { get: boom }),
  'an error with a hostile cause': () => errorWith('cause', { get: boom }),
  'an error with a hostile toString': () => errorWith('toString', { value: boom }),
  'an error with a hostile code': () => errorWith('code', { get: boom }),
  'an error whose name is an object': () => errorWith('name', { value: new Unprintable() }),
  'an error whose message is a symbol': () => errorWith('message', { value: Symbol('message') }),
  'an error whose message is long': () => new Error('x'.repeat(10_000_000)),
  'an error that is its own cause': cyclicCause,
  'an error with 100,000 causes': () => longCause,
  'a frozen error': () => Object.freeze(new Error('frozen')),
  'an AggregateError': () => new AggregateError([null, hostileProxy()], 'several'),
  'a DOMException': () => new DOMException('gone', 'AbortError'),
  'an instance of SluiceError made by hand': () => Object.create(SluiceError.prototype),
  'a SluiceError with a code of its own': () =>
    Object.assign(new SluiceError('aborted', 'strange'), { code: 'my_code', retryable: true }),
  'a SluiceError whose code is hostile': () =>
    Object.defineProperty(new SluiceError('aborted', 'strange'), 'code', { get: boom }),
  'a SluiceError without hops': () => Object.assign(new SluiceError('aborted', 'strange'), { hops: null }),
  'a SluiceError that lies': () => new LyingError(),
}

// ---- the metronome and the judge ----------------------------------------------------------------------------------

/** A stream that beats once a turn of the event loop, read all along; `stop` says how it went. */
async function startMetronome(world: World): Promise<{ stop: () => Promise<void> }> {
  await world.serve(1, 'story.metronome.generate', async function* (_request: unknown, context: Context) {
    for (let beat = 0; !context.isStopped; beat++) {
      await turn()
      yield beat
    }
  })
  const client = await world.client(0, 'story.metronome.generate')
  const stream = await client.generate('tick')
  let beats = 0
  let longest = 0
  const reading = (async () => {
    let last = performance.now()
    for await (const response of stream) {
      assert.is(response.data(), beats++)
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }
  })()
  // Looked at by `stop`; when a story has failed before, what becomes of the metronome is no news.
  reading.catch(() => {})
  return {
    async stop() {
      const before = beats
      while (beats < before + 5) await turn()
      stream.context.stop()
      await reading
      assert.is((await stream.closed).ending, 'stopped')
      assert.ok(longest < 2_000, `a gap of ${Math.round(longest)} ms`)
    },
  }
}

interface Verdict {
  readonly items: unknown[]
  readonly error: SluiceError | undefined
}

const MANY = 5

type Consume = (world: World, request: unknown) => Promise<Verdict>

/** Each reads at most five items and then leaves. */
const consumers: Record<string, Consume> = {
  async loop(world, request) {
    const items: unknown[] = []
    const client = await world.client(0, 'story.poison.generate')
    const stream = await client.generate(request)
    const { error } = await outcome(
      (async () => {
        for await (const response of stream) if (items.push(response.data()) === MANY) break
      })(),
    )
    assert.equal(await stream.next(), { done: true, value: undefined }, 'nothing comes after the end')
    assert.ok((await stream.closed).items <= items.length)
    return { items, error }
  },
  async values(world, request) {
    const items: unknown[] = []
    const client = await world.client(0, 'story.poison.generate')
    const stream = await client.generate(request, { prefetch: 3 })
    const { error } = await outcome(
      (async () => {
        for await (const item of stream.values()) if (items.push(item) === MANY) break
      })(),
    )
    await stream.closed
    return { items, error }
  },
  async observable(world, request) {
    const items: unknown[] = []
    const client = await world.client(0, 'story.poison.generate')
    const error = await new Promise<SluiceError | undefined>((resolve) => {
      const subscriber = {
        next: (item: unknown) => void items.push(item),
        error: resolve,
        complete: () => resolve(undefined),
      }
      client.observable(request).pipe(take(MANY)).subscribe(subscriber)
    })
    return { items, error }
  },
}

const CODES = new Set([
  ...['cancelled', 'unknown', 'invalid_argument', 'deadline_exceeded', 'not_found', 'already_exists', 'aborted'],
  ...['permission_denied', 'resource_exhausted', 'failed_precondition', 'out_of_range', 'unimplemented', 'internal'],
  ...['unavailable', 'data_loss', 'unauthenticated'],
])

/** What a program, a logger and a session read of an error; none of it may throw. */
function assertSound(error: SluiceError, what: string): void {
  assert.ok(error instanceof SluiceError, what)
  assert.ok(CODES.has(error.code), `${what}: code ${String(error.code)}`)
  assert.type(error.message, 'string')
  assert.ok(error.message.length <= 2_048, `${what}: ${error.message.length} characters`)
  assert.is(error.retryable, false, what)
  assert.ok(Array.isArray(error.hops), what)
  assert.type(`${error}`, 'string')
  assert.type(error.endpoint ?? '', 'string')
}

interface Poison {
  readonly handler: (request: any, context: Context) => unknown
  readonly request?: () => unknown
  /** What it comes to by reference, and where values are copied: items without an error, or an error by its code. */
  readonly comesTo: Comes
  readonly isolated?: Comes
}

type Comes = 'items' | 'error' | 'internal' | 'invalid_argument' | 'unknown'

async function judge(world: World, name: string, poison: Poison): Promise<void> {
  const { mark } = world
  await world.serve(1, 'story.poison.generate', poison.handler, { orphanGraceMs: 0 })
  for (const [how, consume] of Object.entries(consumers)) {
    const what = `${name}, read by ${how}`
    const consumed = await outcome(consume(world, poison.request?.() ?? 'poison'))
    if (consumed.error !== undefined && !(consumed.error instanceof SluiceError)) throw consumed.error
    const verdict = consumed.error === undefined ? consumed.value : { items: [], error: consumed.error }
    const expected = (world.mode.isolated ? poison.isolated : undefined) ?? poison.comesTo
    if (expected === 'items') {
      assert.is(verdict.error, undefined, what)
    } else {
      assert.ok(verdict.error !== undefined, `${what}: no error after ${verdict.items.length} items`)
      assertSound(verdict.error as SluiceError, what)
      if (expected !== 'error') assert.is(verdict.error?.code, expected, `${what}: ${verdict.error?.message}`)
    }
  }
  await world.reset(mark)
}

function corpus(fact: string, poisons: Record<string, Poison>): void {
  story(test, fact, { timeoutMs: 20_000 }, async (world) => {
    const metronome = await startMetronome(world)
    for (const [name, poison] of Object.entries(poisons)) await judge(world, name, poison)
    await metronome.stop()
  })
}

// ---- throws -------------------------------------------------------------------------------------------------------

const throwers: Record<string, (value: unknown) => Poison['handler']> = {
  'by a generator before its first item': (value) =>
    async function* () {
      yield* []
      throw value
    },
  'by a generator after an item': (value) =>
    async function* () {
      yield 1
      throw value
    },
  'by a plain function': (value) => () => {
    throw value
  },
  'by a rejected promise': (value) => () => Promise.reject(value),
  'by a synchronous generator': (value) =>
    function* () {
      yield 1
      throw value
    },
  'from a finally': (value) =>
    async function* () {
      try {
        yield 1
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: it is what is tested
        throw value
      }
    },
  'by yielding a rejected promise': (value) =>
    async function* () {
      yield Promise.reject(value)
    },
  'by next() itself': (value) => () => ({
    [Symbol.asyncIterator]: () => ({
      next() {
        throw value
      },
    }),
  }),
  'by Symbol.asyncIterator': (value) => () => ({
    [Symbol.asyncIterator]() {
      throw value
    },
  }),
  'by a thenable': (value) => () => ({
    // biome-ignore lint/suspicious/noThenProperty: it is what is tested
    then() {
      throw value
    },
  }),
}

for (const [place, thrower] of Object.entries(throwers)) {
  corpus(
    `whatever is thrown ${place} is one error`,
    Object.fromEntries(
      Object.entries(thrown).map(([name, make]) => [
        `${name} thrown ${place}`,
        { handler: (request, context) => thrower(make())(request, context), comesTo: 'error' },
      ]),
    ),
  )
}

story(test, 'whatever is thrown while a cancelled handler cleans up reaches nobody', {}, async (world) => {
  const metronome = await startMetronome(world)
  const { mark } = world
  for (const [name, make] of Object.entries(thrown)) {
    const value = make()
    await world.serve(1, 'story.poison.generate', async function* () {
      try {
        for (;;) yield 1
      } finally {
        // biome-ignore lint/correctness/noUnsafeFinally: it is what is tested
        throw value
      }
    })
    const client = await world.client(0, 'story.poison.generate')
    const stream = await client.generate('go')
    assert.is(await stream.first(), 1, name)
    assert.equal(await stream.closed, { ending: 'cancelled', items: 1 }, name)
    await world.reset(mark)
  }
  await metronome.stop()
})

// ---- items, requests ----------------------------------------------------------------------------------------------

const sick: Record<string, () => unknown> = {
  'a function': () => boom,
  'a symbol': () => Symbol('item'),
  'a cyclic object': cyclic,
  'a cyclic map': () => {
    const map = new Map<unknown, unknown>()
    return map.set('self', map)
  },
  'a class instance': () => new Unprintable(),
  'a weak map': () => new WeakMap(),
  'a proxy whose every trap throws': () => hostileItem(),
  'a proxy of an array': () => hostileItem([]),
  'an object with a hostile getter': () => Object.defineProperty({}, 'x', { enumerable: true, get: boom }),
  'an object with a symbol as key': () => ({ [Symbol('key')]: 1 }),
  'a lone surrogate': () => '\ud800',
  'nesting 100,000 deep': () => nested(100_000),
  'nesting 65 deep': () => nested(65),
  'a function deep inside': () => ({ a: [{ b: new Map([['k', boom]]) }] }),
  'an error with a hostile message': () => errorWith('message', { get: boom }),
  'a DataView': () => new DataView(new ArrayBuffer(1)),
}

corpus(
  'an item that cannot leave is internal, and legal where it goes by reference',
  Object.fromEntries(
    Object.entries(sick).flatMap(([name, make]) => {
      const yields = async function* () {
        yield 'well'
        yield make()
        yield 'well again'
      }
      const returns = () => [make()]
      const annotates = async function* () {
        yield annotate(make(), { id: '1' })
      }
      return [
        [`${name} yielded`, { handler: yields, comesTo: 'items', isolated: 'internal' }],
        [`${name} returned`, { handler: returns, comesTo: 'items', isolated: 'internal' }],
        [`${name} annotated`, { handler: annotates, comesTo: 'items', isolated: 'internal' }],
      ] as [string, Poison][]
    }),
  ),
)

corpus(
  'a request that cannot leave is invalid_argument at the await, and legal where it goes by reference',
  Object.fromEntries(
    Object.entries(sick).map(([name, request]) => [
      name,
      { handler: () => 'fine', request, comesTo: 'items', isolated: 'invalid_argument' } as Poison,
    ]),
  ),
)

corpus(
  'a request of any kind in a report of a failure does no harm',
  Object.fromEntries(
    Object.entries({
      ...sick,
      '4 MiB of bytes': () => new Uint8Array(4 << 20),
      'long text': () => 'x'.repeat(4 << 20),
    }).map(([name, request]) => [name, { handler: () => boom(), request, comesTo: 'error' } as Poison]),
  ),
)

// ---- iterators, thenables -----------------------------------------------------------------------------------------

const iterable =
  (iterator: object): Poison['handler'] =>
  () => ({ [Symbol.asyncIterator]: () => iterator })
const answers = (answer: () => unknown): Poison['handler'] => iterable({ next: answer })
const counting = () => {
  let n = 0
  return async () => ({ done: false, value: n++ })
}

corpus('an iterator of any make is survived', {
  'next() answers undefined': { handler: answers(() => undefined), comesTo: 'error' },
  'next() answers null': { handler: answers(() => null), comesTo: 'error' },
  'next() answers a number': { handler: answers(() => 7), comesTo: 'error' },
  'next() promises undefined': { handler: answers(async () => undefined), comesTo: 'error' },
  'next() promises a text': { handler: answers(async () => 'text'), comesTo: 'error' },
  'next() promises an empty object': { handler: answers(async () => ({})), comesTo: 'items' },
  'next() answers at once': { handler: answers(() => ({ done: false, value: 1 })), comesTo: 'items' },
  'next() rejects': { handler: answers(async () => boom()), comesTo: 'unknown' },
  'next is missing': { handler: iterable({}), comesTo: 'error' },
  'next is no function': { handler: iterable({ next: 7 }), comesTo: 'error' },
  'next is a hostile getter': { handler: iterable(Object.defineProperty({}, 'next', { get: boom })), comesTo: 'error' },
  'done is a hostile getter': {
    handler: answers(async () => Object.defineProperty({}, 'done', { get: boom })),
    comesTo: 'error',
  },
  'value is a hostile getter': {
    handler: answers(async () => Object.defineProperty({ done: false }, 'value', { get: boom })),
    comesTo: 'error',
  },
  'the result is a hostile proxy': { handler: answers(async () => hostileProxy()), comesTo: 'error' },
  'the iterator is a hostile proxy': { handler: iterable(hostileProxy()), comesTo: 'error' },
  'the iterator is null': { handler: () => ({ [Symbol.asyncIterator]: () => null }), comesTo: 'error' },
  'the iterator is undefined': { handler: () => ({ [Symbol.asyncIterator]: () => undefined }), comesTo: 'error' },
  'the iterator is a number': { handler: () => ({ [Symbol.asyncIterator]: () => 7 }), comesTo: 'error' },
  'Symbol.asyncIterator is a hostile getter': {
    handler: () => Object.defineProperty({}, Symbol.asyncIterator, { get: boom }),
    comesTo: 'error',
  },
  'Symbol.toStringTag is a hostile getter': {
    handler: () => Object.defineProperty({ next: boom }, Symbol.toStringTag, { get: boom }),
    comesTo: 'error',
  },
  'it only says it is a generator': {
    handler: () => ({ next: boom, [Symbol.toStringTag]: 'Generator' }),
    comesTo: 'error',
  },
  'its next is a hostile getter, and it is no iterator': {
    handler: () => Object.defineProperty({}, 'next', { get: boom }),
    comesTo: 'error',
  },
  'the promise of next() answers twice': {
    handler: answers(() => ({
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      then(resolve: (result: unknown) => void) {
        for (let n = 0; n < 1_000; n++) resolve({ done: false, value: n })
      },
    })),
    comesTo: 'items',
  },
  'the promise of next() answers and then throws': {
    handler: answers(() => ({
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      then(resolve: (result: unknown) => void) {
        resolve({ done: false, value: 1 })
        boom()
      },
    })),
    comesTo: 'items',
  },
  'then of the promise of next() is a hostile getter': {
    handler: answers(() => Object.defineProperty({}, 'then', { get: boom })),
    comesTo: 'error',
  },
  'there is no return()': { handler: iterable({ next: counting() }), comesTo: 'items' },
  'return is no function': { handler: iterable({ next: counting(), return: 7 }), comesTo: 'items' },
  'return is a hostile getter': {
    handler: iterable(Object.defineProperty({ next: counting() }, 'return', { get: boom })),
    comesTo: 'items',
  },
  'return() throws': { handler: iterable({ next: counting(), return: boom }), comesTo: 'items' },
  'return() throws null': {
    handler: iterable({
      next: counting(),
      return() {
        throw null
      },
    }),
    comesTo: 'items',
  },
  'return() rejects': { handler: iterable({ next: counting(), return: async () => boom() }), comesTo: 'items' },
  'return() answers undefined': { handler: iterable({ next: counting(), return: () => undefined }), comesTo: 'items' },
  'return() promises undefined': {
    handler: iterable({ next: counting(), return: async () => undefined }),
    comesTo: 'items',
  },
  'return() promises a hostile proxy': {
    handler: iterable({ next: counting(), return: async () => hostileProxy() }),
    comesTo: 'items',
  },
  'return() answers twice': {
    handler: iterable({
      next: counting(),
      return: () => ({
        // biome-ignore lint/suspicious/noThenProperty: it is what is tested
        then(resolve: (result: unknown) => void) {
          resolve({ done: true })
          resolve({ done: true })
        },
      }),
    }),
    comesTo: 'items',
  },
  'a finally yields a hundred times': {
    async *handler() {
      try {
        for (let n = 0; ; n++) yield n
      } finally {
        for (let n = 0; n < 50; n++) yield n
      }
    },
    comesTo: 'items',
  },
  'a finally yields for ever': {
    async *handler() {
      try {
        for (let n = 0; ; n++) yield n
      } finally {
        for (;;) yield 'never mind'
      }
    },
    comesTo: 'items',
  },
})

corpus('a result of any make is survived', {
  'a thenable that resolves twice': {
    handler: () => ({
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      then(resolve: (value: unknown) => void) {
        resolve('once')
        resolve('twice')
      },
    }),
    comesTo: 'items',
  },
  'a thenable that resolves with two streams': {
    handler: () => ({
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      then(resolve: (value: unknown) => void) {
        const stream = async function* () {
          yield 'once'
        }
        resolve(stream())
        resolve(stream())
      },
    }),
    comesTo: 'items',
  },
  'a thenable that resolves and rejects': {
    handler: () => ({
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      then(resolve: (value: unknown) => void, reject: (reason: unknown) => void) {
        resolve('once')
        reject(new Error('twice'))
        boom()
      },
    }),
    comesTo: 'items',
  },
  'a hostile getter named then': {
    handler: () => Object.defineProperty({}, 'then', { get: boom }),
    comesTo: 'error',
  },
  'a promise of a promise of a stream': {
    handler: async () =>
      Promise.resolve(
        (async function* () {
          yield 1
        })(),
      ),
    comesTo: 'items',
  },
  'an exhausted generator': {
    handler: () => {
      const done = (function* () {})()
      done.next()
      return done
    },
    comesTo: 'items',
  },
  'recursion without end': {
    handler: function handler(request: number, context: Context): unknown {
      return [handler(request, context)]
    },
    comesTo: 'unknown',
  },
  'recursion without end in a generator': {
    async *handler() {
      const deeper = (n: number): number => deeper(n + 1) + 1
      yield 1
      yield deeper(0)
    },
    comesTo: 'unknown',
  },
  '100,000 frames deep': {
    async *handler() {
      let depth = 0
      const deeper = (): void => {
        if (++depth < 100_000) deeper()
      }
      deeper()
      yield depth
    },
    comesTo: 'error',
  },
})

corpus('a handler that misuses its context hurts only itself', {
  'kills it with a hostile reason': {
    async *handler(_request, context) {
      yield 1
      context.kill(hostileProxy())
    },
    comesTo: 'error',
  },
  'stops it with a symbol': {
    async *handler(_request, context) {
      context.stop(Symbol('reason'))
      yield 1
    },
    comesTo: 'items',
  },
  'kills it with an unprintable object and throws its reason': {
    async *handler(_request, context) {
      yield 1
      context.kill(new Unprintable())
      throw context.signal.reason
    },
    comesTo: 'error',
  },
  'sleeps a negative time': {
    async *handler(_request, context) {
      await context.sleep(-1)
      yield 1
    },
    comesTo: 'invalid_argument',
  },
  'races what is no promise': {
    async *handler(_request, context) {
      yield await context.race(7 as never)
    },
    comesTo: 'items',
  },
  'races a hostile thenable': {
    async *handler(_request, context) {
      // biome-ignore lint/suspicious/noThenProperty: it is what is tested
      yield await context.race({ then: boom } as never)
    },
    comesTo: 'error',
  },
  'races a thenable that answers twice': {
    async *handler(_request, context) {
      const twice = {
        // biome-ignore lint/suspicious/noThenProperty: it is what is tested
        then(resolve: (value: unknown) => void) {
          resolve(1)
          resolve(2)
        },
      }
      yield await context.race(twice as never)
    },
    comesTo: 'items',
  },
  'leaves races and sleeps behind that are then rejected': {
    async *handler(_request, context) {
      void context.sleep(1e9)
      void context.race(new Promise(() => {}))
      void context.child().sleep(1e9)
      yield 1
    },
    comesTo: 'items',
  },
  'calls nobody and does not look': {
    async *handler(_request, context) {
      void context.race(Promise.reject(new Error('unseen')))
      yield 1
    },
    comesTo: 'items',
  },
  'sets metadata that cannot be': {
    async *handler(_request, context) {
      context.metadata.set('key', hostileProxy() as never)
      yield 1
    },
    comesTo: 'error',
  },
})

// ---- who listens --------------------------------------------------------------------------------------------------

story(test, 'a listener that throws and an observer of hostile items disturb no call', {}, async (world) => {
  const metronome = await startMetronome(world)
  for (const runtime of world.runtimes) {
    runtime.events.on('handler-failed', boom)
    runtime.events.on('orphan', boom)
  }
  const observed: string[] = []
  const subscription = world
    .at(1)
    .bus.observe('story.poison.*')
    .subscribe((event) => observed.push(event.type))
  await world.serve(1, 'story.poison.generate', async function* () {
    yield hostileItem()
    throw hostileProxy()
  })
  const client = await world.client(0, 'story.poison.generate')
  const stream = await client.generate('go')
  if (world.mode.isolated) await fails(stream.next(), 'internal')
  else {
    assert.is((await stream.next()).done, false)
    await fails(stream.next(), 'unknown')
  }
  await stream.closed
  subscription.unsubscribe()
  assert.equal(observed, ['started', 'item', 'ended'])
  assert.match(world.lines.join('\n'), /a listener of handler-failed threw: trap/)
  await metronome.stop()
})

story(test, 'a signal aborted with a hostile reason cancels its call and nothing else', {}, async (world) => {
  const metronome = await startMetronome(world)
  await world.serve(1, 'story.poison.generate', async function* (_request: unknown, context: Context) {
    await context.sleep(1e9)
    yield 1
  })
  const client = await world.client(0, 'story.poison.generate')
  for (const [name, make] of Object.entries(thrown)) {
    const controller = new AbortController()
    const pending = outcome((await client.generate('go', { signal: controller.signal })).next())
    await turn()
    controller.abort(make())
    const { error } = await pending
    assertSound(error as SluiceError, name)
    assert.is(error?.code, 'cancelled', name)
    const again = await fails(client.generate('go', { signal: controller.signal }), 'cancelled')
    assertSound(again, name)
  }
  await metronome.stop()
})

story(test, 'a custom router and a schema of any make fail their call only', {}, async (world) => {
  const metronome = await startMetronome(world)
  await world.serve(1, 'story.poison.generate', () => 1)
  for (const [name, make] of Object.entries(thrown)) {
    const throwing = await world.client(0, 'story.poison.generate', {
      router: () => {
        throw make()
      },
    })
    // What the caller's own router throws comes back to it; if that is a SluiceError, it is the very same.
    const { error: thrownByRouter } = await outcome(throwing.generate('go'))
    assert.ok(thrownByRouter instanceof SluiceError, name)
    if (!name.includes('lies')) assertSound(thrownByRouter, name)
    const returning = await world.client(0, 'story.poison.generate', { router: () => make() as never })
    assertSound(await fails(returning.generate('go'), 'failed_precondition'), name)
    const schema = {
      '~standard': {
        version: 1 as const,
        vendor: 'hostile',
        validate: (): never => {
          throw make()
        },
      },
    }
    const path = 'story.checked.generate'
    for (const side of ['request', 'item'] as const) {
      const { mark } = world
      const described = { path, request: undefined, item: undefined, [side]: schema } as never
      await world.serve(1, described, async function* () {
        yield 1
      })
      const client = await world.client(0, path)
      const { error } = await outcome(client.all('go'))
      assertSound(error as SluiceError, `${side} schema that throws ${name}`)
      await world.reset(mark)
    }
  }
  await metronome.stop()
})

story(
  test,
  'a handler that tries for ever what its dead context refuses does not stop the event loop',
  {},
  async (world) => {
    const metronome = await startMetronome(world)
    await world.serve(2, 'story.other.generate', () => 1)
    const other = await world.client(1, 'story.other.generate')
    const tries: Record<string, (context: Context) => Promise<unknown>> = {
      sleep: (context) => context.sleep(10),
      race: (context) => context.race(new Promise(() => {})),
      'sleep of a child': (context) => context.child().sleep(10),
      generate: (context) => other.generate('go', { context }),
      one: (context) => other.one('go', { context }),
    }
    for (const [name, attempt] of Object.entries(tries)) {
      let released = false
      let refusals = 0
      const { mark } = world
      await world.serve(1, 'story.poison.generate', async function* (_request: unknown, context: Context) {
        yield 1
        await context.killed
        while (!released) if ((await outcome(attempt(context))).error !== undefined) refusals++
      })
      const client = await world.client(0, 'story.poison.generate')
      const stream = await client.generate('go')
      await stream.next()
      const pending = stream.next()
      await turn()
      await stream.return()
      assert.is((await pending).done, true)
      for (let n = 0; n < 5; n++) await turn()
      await world.arrives(() => assert.ok(refusals > 0, name))
      released = true
      await stream.closed
      await world.reset(mark)
    }
    await metronome.stop()
  },
)

story(test, 'a caller that tries for ever what is refused does not stop the event loop', {}, async (world) => {
  const metronome = await startMetronome(world)
  let released = false
  const gate = deferred()
  await world.serve(1, 'story.full.generate', () => gate.promise, { concurrency: 1, mailbox: 0 })
  const full = await world.client(0, 'story.full.generate')
  const nobody = await world.at(0).endpoint('story.nobody.generate').client()
  const first = full.one('go')
  for (const [code, refused] of [
    ['resource_exhausted', () => full.one('go')],
    ['unavailable', () => nobody.one('go')],
    ['not_found', () => full.direct('go', 'nobody')],
  ] as const) {
    released = false
    setImmediate(() =>
      setImmediate(() =>
        setImmediate(() => {
          released = true
        }),
      ),
    )
    while (!released) await fails(refused(), code)
  }
  gate.resolve()
  await first
  await metronome.stop()
})

// ---- what never ends ----------------------------------------------------------------------------------------------

const stuck: Record<string, Poison['handler']> = {
  'next() never settles': iterable({ next: () => new Promise(() => {}) }),
  'next() never settles and there is a return()': iterable({
    next: () => new Promise(() => {}),
    return: () => new Promise(() => {}),
  }),
  'return() never settles': iterable({ next: counting(), return: () => new Promise(() => {}) }),
  'a result that never settles': () => new Promise(() => {}),
  'a thenable that does nothing': () => ({
    // biome-ignore lint/suspicious/noThenProperty: it is what is tested
    then() {},
  }),
  'return() is never done': iterable({ next: counting(), return: async () => ({ done: false }) }),
}

// No story: nothing of it ever gets quiet.
for (const mode of modes) {
  const fact = `handlers that never end are orphans that keep nobody waiting, not even a shutdown [${mode.name}]`
  test(fact, { timeoutMs: 15_000 }, async () => {
    const world = await World.open(mode)
    const metronome = await startMetronome(world)
    for (const [name, handler] of Object.entries(stuck)) {
      const path = `story.stuck${Object.keys(stuck).indexOf(name)}.generate`
      await world.serve(1, path, handler, { orphanGraceMs: 10 })
      const client = await world.client(0, path)
      const stream = await client.generate('go')
      await turn()
      await stream.return()
      assert.equal(await stream.next(), { done: true, value: undefined }, name)
    }
    await turn()
    await world.crosses()
    await world.advance(10)
    await metronome.stop()
    await world.arrives(() =>
      assert.equal(
        world.orphans.map(({ endpoint }) => endpoint).sort(),
        Object.keys(stuck).map((_, index) => `story.stuck${index}.generate`),
      ),
    )
    await world.shutdown()
  })
}
