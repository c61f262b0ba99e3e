// A client beyond its calls: closing, the cold Observable, and what it makes of options.
import { firstValueFrom, mergeMap, of, retry, switchMap, take, toArray } from 'rxjs'
import { type Client, Context, DistributedRuntime, defineEndpoint, type Instance, type SluiceError } from 'sluice'
import { assertQuiet } from 'sluice/testing'
import { serveOne, settled, withRuntime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('client/client.test.ts')

/** Yields `request`, then waits for the end of its context; notes when it has ended. */
function endless() {
  const ended: unknown[] = []
  return {
    ended,
    async *handler(request: unknown, context: Context) {
      try {
        yield request
        await context.race(new Promise(() => {}))
      } finally {
        ended.push(request)
      }
    },
  }
}

// ---- close ---------------------------------------------------------------------------------------------------------------------

test(
  'close() cancels what the client has open, and a second time is fine',
  withRuntime(async ({ runtime }) => {
    const { handler, ended } = endless()
    const { client, endpoint } = await serveOne(runtime, handler)
    const other = await endpoint.client()
    const open = await client.generate('mine')
    const theirs = await other.generate('theirs')
    await Promise.all([open.next(), theirs.next()])
    const pending = open.next()
    const rejected = rejects<SluiceError>(pending, /the client of demo\.test\.generate was closed/)
    await client.close()
    await client.close()
    assert.is((await rejected).code, 'cancelled')
    assert.equal(await open.closed, { ending: 'cancelled', items: 1 })
    assert.equal(ended, ['mine'])
    await rejects(client.generate(1), 'failed_precondition')
    await rejects(client.one(1), 'failed_precondition')
    await theirs.return()
    await theirs.closed
  }),
)

test(
  'asyncDispose closes too',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async () => 1)
    await client[Symbol.asyncDispose]()
    await rejects(client.one(1), /the client of demo\.test\.generate is closed/)
  }),
)

test(
  'items of calls whose handler has ended can be read after close()',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async function* () {
      yield 1
      yield 2
      yield 3
    })
    const stream = await client.generate(1, { prefetch: 16 })
    await stream.closed
    await client.close()
    assert.equal(await stream.toArray(), [1, 2, 3])
  }),
)

test(
  'a call that is still being accepted is cancelled by close()',
  withRuntime(async ({ runtime }) => {
    const checked = deferred<{ value: unknown }>()
    const request = { '~standard': { version: 1 as const, vendor: 'test', validate: () => checked.promise } }
    let started = 0
    const endpoint = runtime.endpoint(defineEndpoint('demo.test.generate', { request }))
    await endpoint.serve(async () => started++)
    const client = await endpoint.client()
    const opened = rejects(client.generate('x'), 'cancelled')
    await settled()
    await client.close()
    await opened
    checked.resolve({ value: 'x' })
    await settled()
    assert.is(started, 0)
  }),
)

test(
  'the deadline of a call that is still being accepted holds',
  withRuntime(async ({ runtime }) => {
    const request = {
      '~standard': { version: 1 as const, vendor: 'test', validate: () => new Promise<never>(() => {}) },
    }
    const endpoint = runtime.endpoint(defineEndpoint('demo.test.generate', { request }))
    await endpoint.serve(async () => 1)
    const error = await rejects<SluiceError>((await endpoint.client()).generate('x', { timeoutMs: 1 }))
    assert.is(error.code, 'deadline_exceeded')
  }),
)

test(
  'a call that is stopped while it is being accepted is opened, and ends by itself',
  withRuntime(async ({ runtime }) => {
    const request = {
      '~standard': { version: 1 as const, vendor: 'test', validate: async (value: unknown) => ({ value }) },
    }
    const context = new Context()
    const endpoint = runtime.endpoint(defineEndpoint('demo.test.generate', { request }))
    await endpoint.serve(async function* (_request: unknown, own: Context) {
      context.stop()
      yield own.isStopped
    })
    const stream = await (await endpoint.client()).generate('x', { context })
    assert.equal(await stream.toArray(), [true])
  }),
)

// ---- the cold Observable ---------------------------------------------------------------------------------------------------------

test(
  'observable() makes a call per subscription and none before',
  withRuntime(async ({ runtime }) => {
    let calls = 0
    const { client } = await serveOne(runtime, async function* (request: string) {
      calls++
      yield* [...request]
    })
    const letters = client.observable('abc')
    await settled()
    assert.is(calls, 0)
    assert.equal(await firstValueFrom(letters.pipe(toArray())), ['a', 'b', 'c'])
    assert.equal(await firstValueFrom(letters.pipe(toArray())), ['a', 'b', 'c'])
    assert.is(calls, 2)
  }),
)

test(
  'retry calls again after a failure',
  withRuntime(async ({ runtime }) => {
    let calls = 0
    const { client } = await serveOne(
      runtime,
      async function* () {
        yield ++calls
        if (calls < 3) throw new Error('again')
      },
      {},
    )
    assert.equal(await firstValueFrom(client.observable(1).pipe(retry(5), toArray())), [1, 2, 3])
  }),
)

test(
  'switchMap cancels the call before, and the handler hears of it',
  withRuntime(async ({ runtime }) => {
    const { handler, ended } = endless()
    const { client } = await serveOne(runtime, handler)
    const seen: unknown[] = []
    const two = deferred()
    const source = of('first', 'second').pipe(switchMap((request) => client.observable(request)))
    const subscription = source.subscribe((item) => {
      seen.push(item)
      two.resolve()
    })
    await two.promise
    assert.equal(seen, ['second'])
    await settled()
    assert.equal(ended, ['first'])
    subscription.unsubscribe()
    await settled()
    assert.equal(ended, ['first', 'second'])
  }),
)

test(
  'mergeMap runs calls side by side',
  withRuntime(async ({ runtime }) => {
    const all = deferred()
    let running = 0
    const { client } = await serveOne(runtime, async (request: number) => {
      if (++running === 3) all.resolve()
      await all.promise
      return request * 10
    })
    const items = of(1, 2, 3).pipe(
      mergeMap((request) => client.observable(request)),
      toArray(),
    )
    assert.equal((await firstValueFrom(items)).sort(), [10, 20, 30])
  }),
)

test(
  'take leaves the call as soon as it has enough',
  withRuntime(async ({ runtime }) => {
    const ended = deferred<number>()
    const { client } = await serveOne(runtime, async function* () {
      let n = 0
      try {
        for (;;) yield n++
      } finally {
        ended.resolve(n)
      }
    })
    assert.equal(await firstValueFrom(client.observable(1).pipe(take(3), toArray())), [0, 1, 2])
    assert.ok((await ended.promise) <= 5)
  }),
)

test(
  'unsubscribing at once cancels the call and delivers nothing',
  withRuntime(async ({ runtime }) => {
    const { handler, ended } = endless()
    const { client } = await serveOne(runtime, handler)
    client
      .observable('x')
      .subscribe(() => assert.unreachable())
      .unsubscribe()
    await settled()
    assert.equal(ended, ['x'])
  }),
)

test(
  'what fails reaches the error callback, also before the call is accepted',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async function* () {
      yield 1
      throw new Error('midway')
    })
    const nobody = await runtime.endpoint('demo.test.nobody').client()
    const failing = [
      [client.observable(1), 'unknown'],
      [nobody.observable(1), 'unavailable'],
      [client.observable(1, { context: {} as Context }), 'invalid_argument'],
      [client.observable(1, { timeoutMs: -1 }), 'invalid_argument'],
    ] as const
    for (const [observable, code] of failing) {
      const error = await new Promise<SluiceError>((resolve) => observable.subscribe({ error: resolve }))
      assert.is(error.code, code)
    }
  }),
)

test(
  'a context given to observable() cancels every subscription, and one that unsubscribes leaves it alone',
  withRuntime(async ({ runtime }) => {
    const { handler, ended } = endless()
    const { client } = await serveOne(runtime, handler)
    const context = new Context()
    const errors: string[] = []
    const observable = client.observable('x', { context })
    const subscriptions = [1, 2].map(() => observable.subscribe({ error: ({ code }) => errors.push(code) }))
    await settled()
    subscriptions[0]?.unsubscribe()
    await settled()
    assert.equal([ended.length, context.isKilled], [1, false])
    context.kill()
    await settled()
    assert.equal([ended.length, errors], [2, ['cancelled']])
  }),
)

// ---- options -----------------------------------------------------------------------------------------------------------------------

const call = (options: unknown) => async (client: Client) => {
  await client.generate(1, options as never)
}

for (const [what, use, text] of [
  ['prefetch 0', call({ prefetch: 0 }), /call option prefetch is 0; it must be an integer from 1 to 4096/],
  ['prefetch beyond the bound', call({ prefetch: 4097 }), /prefetch is 4097; it must be an integer from 1 to 4096/],
  ['a prefetch of 1.5', call({ prefetch: 1.5 }), /prefetch is 1\.5/],
  ['a negative timeout', call({ timeoutMs: -1 }), /timeoutMs is -1; it must be a number of at least 0/],
  ['a timeout that is no number', call({ timeoutMs: '5' }), /timeoutMs is 5; it must be a number/],
  ['a timeout of NaN', call({ timeoutMs: Number.NaN }), /timeoutMs is NaN/],
  ['a signal that is none', call({ signal: {} }), /signal is \{\}; it must be an AbortSignal/],
  ['a context that is none', call({ context: {} }), /context is \{\}; it must be a Context/],
  ['metadata of another type', call({ metadata: { key: 1 } }), /metadata key must be a string or bytes, not number/],
  ['an unknown option', call({ timeout: 5 }), /call has no option timeout; did you mean timeoutMs\?/],
  [
    'an option that is like none',
    call({ frobnicate: 1 }),
    /call has no option frobnicate; it takes context, signal, timeoutMs, metadata, prefetch/,
  ],
  ['options that are null', call(null), /the options of call are null; they must be an object/],
  ['options that are a number', call(5), /the options of call are 5; they must be an object/],
  [
    'a wait for no instance',
    (client: Client) => client.waitForInstances({ count: 0 }),
    /waitForInstances option count is 0; it must be an integer from 1 to 100000/,
  ],
  [
    'a wait without an end',
    (client: Client) => client.waitForInstances({ timeoutMs: Number.POSITIVE_INFINITY }),
    /waitForInstances option timeoutMs is Infinity; it must be an integer from 0 to 2147483647/,
  ],
  [
    'a wait with an unknown option',
    (client: Client) => client.waitForInstances({ cout: 2 } as never),
    /waitForInstances has no option cout; did you mean count\?/,
  ],
] as const) {
  test(
    `${what} is refused with invalid_argument that names value and bound, and nothing starts`,
    withRuntime(async ({ runtime }) => {
      let started = 0
      const { client } = await serveOne(runtime, async () => started++)
      const error = await rejects<SluiceError>(use(client), text)
      assert.equal([error.code, error.retryable, started], ['invalid_argument', false, 0])
    }),
  )
}

test(
  'an option of client() that is not allowed is refused, with near misses',
  withRuntime(async ({ runtime }) => {
    const endpoint = runtime.endpoint('demo.test.generate')
    const client = (options: unknown) => endpoint.client(options as never)
    await rejects(client({ router: 'robin' }), /client option router is robin; it must be one of round-robin, random,/)
    await rejects(client({ routr: 'random' }), /client has no option routr; did you mean router\?/)
    await rejects(client({ signal: 1 }), /client option signal is 1; it must be an AbortSignal/)
    await rejects(client(null), /the options of client are null; they must be an object/)
  }),
)

test(
  'client() with a signal that has fired is cancelled',
  withRuntime(async ({ runtime }) => {
    await rejects(runtime.endpoint('demo.test.generate').client({ signal: AbortSignal.abort() }), 'cancelled')
    assert.equal([...DistributedRuntime.kernelOf(runtime).clients], [])
  }),
)

test(
  'whoever changes the array that instances$ gave it harms neither other subscribers nor the routing',
  withRuntime(async ({ runtime }) => {
    const { client, served } = await serveOne(runtime, async () => 1)
    const seen: string[][] = []
    const spoil = (instances: readonly Instance[]) => void (instances as Instance[]).splice(0)
    const subscriptions = [
      client.instances$.subscribe(spoil),
      client.instances$.subscribe((instances) => seen.push(instances.map(({ instanceId }) => instanceId))),
      client.instances$.subscribe(spoil),
    ]
    const second = await serveOne(runtime, async () => 2)
    const ids = [served.instanceId, second.served.instanceId]
    assert.equal(seen, [[served.instanceId], ids])
    assert.equal(client.instanceIds(), ids)
    assert.equal([await client.one('a'), await client.one('b')].sort(), [1, 2])
    for (const subscription of subscriptions) subscription.unsubscribe()
  }),
)

test(
  'a handler without parameters is called without a request, by every way of calling',
  withRuntime(async ({ runtime }) => {
    class Clock {
      async *generate() {
        yield 'tick'
      }
    }
    const endpoint = runtime.endpoint<Clock['generate']>('demo.test.generate')
    const { instanceId } = await endpoint.serve(new Clock())
    const client = await endpoint.client()
    const streams = [client.generate(), client.random(), client.roundRobin(), client.direct(undefined, instanceId)]
    for (const stream of await Promise.all(streams)) assert.equal(await stream.toArray(), ['tick'])
    assert.equal(
      [await client.one(), await client.all(), await firstValueFrom(client.observable())],
      ['tick', ['tick'], 'tick'],
    )
  }),
)

test(
  'instances$ completes when its client closes, and at once on a client that is closed',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async () => 1)
    const other = await runtime.endpoint('demo.test.generate').client()
    const seen: unknown[] = []
    const watch = (from: typeof client) =>
      from.instances$.subscribe({ next: ({ length }) => seen.push(length), complete: () => seen.push('complete') })
    watch(client)
    const subscription = watch(other)
    await client.close()
    watch(client)
    assert.equal(seen, [1, 1, 'complete', 'complete'])
    subscription.unsubscribe()
    assertQuiet(runtime)
  }),
)
