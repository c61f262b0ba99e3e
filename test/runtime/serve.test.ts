// Serving: the order of what happens, what a failure leaves behind, what a stage is told, and what is in its record.
import { type Client, type Context, DistributedRuntime, type Instance, type SluiceError } from 'sluice'
import { serveOne, settled, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('runtime/serve.test.ts')

const PATH = 'demo.test.generate'
const item = async () => 'item'

// ---- order ---------------------------------------------------------------------------------------------------------------------

test(
  'a stage is initialised, then callable, then announced; then serve() resolves, and only then it runs',
  withRuntime(async ({ runtime }) => {
    const order: string[] = []
    const client = await runtime.endpoint(PATH).client()
    const called: Promise<unknown>[] = []
    const subscription = client.instances$.subscribe(([instance]) => {
      if (instance === undefined) return
      order.push('announced')
      // Whoever hears of it may call it in that moment.
      called.push(client.one('at once'))
    })
    runtime.events.on('serving', () => order.push('serving'))
    const served = await runtime.endpoint(PATH).serve({
      async initialize(own: DistributedRuntime) {
        assert.instance(own, DistributedRuntime)
        assert.is(own.id, runtime.id)
        order.push('initialize')
        await settled()
        assert.equal(client.instanceIds(), [])
        order.push('initialised')
      },
      async run() {
        order.push('run')
      },
      async generate(request: string) {
        order.push(`generate ${request}`)
        return request
      },
    })
    order.push('served')
    assert.equal(client.instanceIds(), [served.instanceId])
    await settled()
    await Promise.all(called)
    subscription.unsubscribe()
    assert.equal(order, ['initialize', 'initialised', 'announced', 'generate at once', 'serving', 'served', 'run'])
  }),
)

test(
  'a stage that serves several endpoints is initialised, run and disposed once',
  withRuntime(async ({ runtime }) => {
    const calls: string[] = []
    const stage = {
      initialize: () => settled().then(() => calls.push('initialize')),
      run: async () => void calls.push('run'),
      dispose: async () => void calls.push('dispose'),
      left: async () => 'left',
      right: async () => 'right',
      late: async () => 'late',
    }
    const [left, right] = await Promise.all([
      runtime.endpoint('demo.test.left').serve(stage),
      runtime.endpoint('demo.other.right').serve(stage),
    ])
    await settled()
    const late = await runtime.endpoint('demo.test.late').serve(stage)
    await settled()
    assert.equal(calls, ['initialize', 'run'])
    await left.close()
    await late.close()
    assert.equal(calls, ['initialize', 'run'])
    assert.is(await (await runtime.endpoint('demo.other.right').client()).one(1), 'right')
    await right.close()
    assert.equal(calls, ['initialize', 'run', 'dispose'])
  }),
)

test(
  'a stage that was closed can be served again, and is initialised again',
  withRuntime(async ({ runtime }) => {
    const calls: string[] = []
    const stage = {
      initialize: () => void calls.push('initialize'),
      dispose: () => void calls.push('dispose'),
      generate: item,
    }
    for (let n = 0; n < 2; n++) {
      const { served, client } = await serveOne(runtime, stage)
      assert.is(await client.one(1), 'item')
      await served.close()
    }
    assert.equal(calls, ['initialize', 'dispose', 'initialize', 'dispose'])
  }),
)

test(
  'dispose is preferred to Symbol.asyncDispose, which is called where there is no dispose',
  withRuntime(async ({ runtime }) => {
    const calls: string[] = []
    const both = {
      generate: item,
      dispose: async () => void calls.push('dispose'),
      [Symbol.asyncDispose]: async () => void calls.push('asyncDispose of both'),
    }
    class Only {
      generate = item
      async [Symbol.asyncDispose]() {
        calls.push(`asyncDispose of ${this.constructor.name}`)
      }
    }
    for (const stage of [both, new Only()]) await (await serveOne(runtime, stage)).served.close()
    assert.equal(calls, ['dispose', 'asyncDispose of Only'])
  }),
)

test(
  'a dispose that throws is logged, once, however often the endpoint is closed',
  withRuntime(async ({ runtime, lines }) => {
    class Stubborn {
      generate = item
      async dispose() {
        throw new Error('will not go')
      }
    }
    const { served } = await serveOne(runtime, new Stubborn())
    await Promise.all([runtime.shutdown(), served.drain()])
    await served.close()
    await served.closed
    assert.equal(lines, ['dispose of Stubborn failed: will not go'])
  }),
)

test(
  'initialize, run and dispose are called with the stage as this',
  withRuntime(async ({ runtime }) => {
    const seen: boolean[] = []
    const stage: object = {
      initialize() {
        seen.push(this === stage)
      },
      run() {
        seen.push(this === stage)
      },
      dispose() {
        seen.push(this === stage)
      },
      generate: item,
    }
    const { served } = await serveOne(runtime, stage)
    await settled()
    await served.close()
    assert.equal(seen, [true, true, true])
  }),
)

// ---- a first initialize that fails ---------------------------------------------------------------------------------------------

test(
  'a first initialize that fails rejects serve() with what it threw and leaves nothing behind; serving again works',
  withRuntime(async ({ runtime, lines }) => {
    const thrown = new Error('no database')
    const clients: Client[] = []
    const calls: string[] = []
    let fails = true
    const stage = {
      async initialize(own: DistributedRuntime) {
        clients.push(await own.endpoint('demo.test.other').client())
        if (fails) throw thrown
      },
      run: async () => void calls.push('run'),
      dispose: async () => void calls.push('dispose'),
      generate: item,
    }
    const watcher = await runtime.endpoint(PATH).client()
    const seen: number[] = []
    const subscription = watcher.instances$.subscribe((instances) => seen.push(instances.length))
    assert.is(await rejects(runtime.endpoint(PATH).serve(stage)), thrown)
    await settled()
    const kernel = DistributedRuntime.kernelOf(runtime)
    assert.equal([seen, calls, lines], [[0], [], []])
    assert.equal([kernel.stages.size, kernel.served.size, [...kernel.bus.actors].length], [0, 0, 0])
    assert.equal([...kernel.clients], [watcher])
    await rejects(clients[0]?.one(1) as Promise<unknown>, 'failed_precondition')

    fails = false
    const served = await runtime.endpoint(PATH).serve(stage)
    await settled()
    assert.is(await watcher.one(1), 'item')
    assert.equal(calls, ['run'])
    subscription.unsubscribe()
    await served.close()
  }),
)

test(
  'every endpoint of a stage whose initialize fails is rejected with the same',
  withRuntime(async ({ runtime }) => {
    const thrown = new Error('no')
    const stage = {
      initialize: () => settled().then(() => Promise.reject(thrown)),
      left: item,
      right: item,
    }
    const [left, right] = await Promise.all([
      rejects(runtime.endpoint('demo.test.left').serve(stage)),
      rejects(runtime.endpoint('demo.test.right').serve(stage)),
    ])
    assert.equal([left === thrown, right === thrown], [true, true])
    assert.is(DistributedRuntime.kernelOf(runtime).stages.size, 0)
  }),
)

test(
  'an announcement that fails rejects serve(), and the stage that was up is disposed',
  withRuntime(async ({ runtime }) => {
    const calls: string[] = []
    const { discovery } = DistributedRuntime.kernelOf(runtime).plane
    const { register } = discovery
    discovery.register = () => Promise.reject(new Error('disk full'))
    const stage = { dispose: () => void calls.push('dispose'), run: () => void calls.push('run'), generate: item }
    await rejects(runtime.endpoint(PATH).serve(stage), /disk full/)
    await settled()
    assert.equal(calls, ['dispose'])
    discovery.register = register
    const { served } = await serveOne(runtime, stage)
    await served.unregister()
    discovery.register = () => Promise.reject(new Error('disk full'))
    await rejects(served.register(), /disk full/)
    discovery.register = register
    await served.register()
    assert.is((await discovery.list()).length, 1)
  }),
)

test(
  'a runtime that shuts down while an instance is being announced disposes its stage and lets nothing run',
  withRuntime(async ({ runtime }) => {
    const calls: string[] = []
    const { discovery } = DistributedRuntime.kernelOf(runtime).plane
    const register = discovery.register.bind(discovery)
    const gate = deferred()
    discovery.register = async (instance: Instance) => {
      await gate.promise
      return register(instance)
    }
    const serving = runtime.endpoint(PATH).serve({
      run: () => void calls.push('run'),
      dispose: () => void calls.push('dispose'),
      generate: item,
    })
    const refused = rejects(serving, 'unavailable')
    await settled()
    await runtime.shutdown()
    gate.resolve()
    await refused
    await settled()
    assert.equal(calls, ['dispose'])
    assert.equal(await discovery.list(), [])
  }),
)

// ---- the record ----------------------------------------------------------------------------------------------------------------

test(
  'metricsLabels, healthCheckPayload and gracefulShutdown are in the record that clients see',
  withVirtualTime(async ({ runtime, env }) => {
    await env.advance(77)
    const options = { metricsLabels: { tier: 'gold' }, healthCheckPayload: { ping: 1 }, gracefulShutdown: false }
    const { client, served } = await serveOne(runtime, item, options)
    const seen: (readonly Instance[])[] = []
    client.instances$.subscribe((instances) => seen.push(instances)).unsubscribe()
    assert.equal(seen, [
      [
        {
          namespace: 'demo',
          component: 'test',
          endpoint: 'generate',
          instanceId: served.instanceId,
          runtimeId: runtime.id,
          address: runtime.id,
          since: 77,
          ...options,
        },
      ],
    ])
    const plain = await serveOne(runtime, item, {}, 'plain')
    plain.client.instances$.subscribe((instances) => seen.push(instances)).unsubscribe()
    const [record] = seen[1] ?? []
    assert.ok(record && !('metricsLabels' in record) && !('healthCheckPayload' in record))
    assert.is(record?.gracefulShutdown, true)
  }),
)

test(
  'the record is a frozen copy of what was given, whoever looks at it',
  withRuntime(async ({ runtime }) => {
    const payload = { ping: [1], bytes: new Uint8Array([1]), since: new Date(0), map: new Map([['a', 1]]) }
    const labels = { tier: 'gold' }
    const { client } = await serveOne(runtime, item, { metricsLabels: labels, healthCheckPayload: payload })
    payload.ping.push(2)
    labels.tier = 'tin'
    const seen: Instance[] = []
    client.instances$.subscribe(([instance]) => seen.push(instance as Instance)).unsubscribe()
    const record = seen[0] as Instance & { healthCheckPayload: typeof payload }
    assert.equal([record.healthCheckPayload.ping, record.metricsLabels], [[1], { tier: 'gold' }])
    for (const change of [
      () => Object.assign(record, { address: 'elsewhere' }),
      () => record.healthCheckPayload.ping.push(3),
      () => Object.assign(record.metricsLabels as object, { tier: 'lead' }),
    ]) {
      assert.throws(change, TypeError)
    }
  }),
)

test(
  'a healthCheckPayload that could not cross a process boundary is refused with its path',
  withRuntime(async ({ runtime }) => {
    const error = await rejects<SluiceError>(
      serveOne(runtime, item, { healthCheckPayload: { deep: [() => {}] } }),
      /^healthCheckPayload of demo\.test\.generate at deep\[0\] is a function/,
    )
    assert.is(error.code, 'invalid_argument')
  }),
)

// ---- unregister, register, drain, close --------------------------------------------------------------------------------------------

test(
  'unregister() takes the record away and serves what comes all the same; register() brings it back; both may be called twice',
  withRuntime(async ({ runtime }) => {
    const { served, client } = await serveOne(runtime, item)
    assert.is(served.endpoint, PATH)
    const known = { ...(await DistributedRuntime.kernelOf(runtime).plane.discovery.list())[0] } as Instance
    await served.unregister()
    await served.unregister()
    assert.equal(client.instanceIds(), [])
    const stale = await runtime.endpoint(PATH).client({ router: () => known })
    await rejects(stale.one(1), 'unavailable')
    await served.register()
    await served.register()
    assert.equal(client.instanceIds(), [served.instanceId])
    assert.is((await DistributedRuntime.kernelOf(runtime).plane.discovery.list()).length, 1)
    assert.is(await client.one(1), 'item')
  }),
)

test(
  'register and unregister in one breath leave it as the last one said',
  withRuntime(async ({ runtime }) => {
    const { served, client } = await serveOne(runtime, item)
    await Promise.all([served.unregister(), served.register(), served.unregister()])
    await settled()
    assert.equal(client.instanceIds(), [])
    await Promise.all([served.register(), served.unregister(), served.register()])
    await settled()
    assert.equal(client.instanceIds(), [served.instanceId])
  }),
)

test(
  'close() ends open calls with unavailable, runs their finally, then disposes; closed resolves last',
  withRuntime(async ({ runtime }) => {
    const order: string[] = []
    const { served, client } = await serveOne(runtime, {
      async *generate(_request: unknown, context: Context) {
        try {
          yield 1
          await context.race(new Promise(() => {}))
        } finally {
          await settled()
          order.push('finally')
        }
      },
      dispose: () => void order.push('dispose'),
    })
    const closed = served.closed.then(() => order.push('closed'))
    const stream = await client.generate(1)
    await stream.next()
    const pending = rejects<SluiceError>(stream.next(), /demo\.test\.generate was closed/)
    const closing = served.close()
    assert.is(await Promise.all([closing, served.close()]).then(() => 'both'), 'both')
    await closed
    const error = await pending
    assert.equal([error.code, error.retryable, error.endpoint], ['unavailable', false, PATH])
    assert.equal(order, ['finally', 'dispose', 'closed'])
    await rejects(served.register(), 'unavailable')
    await rejects(client.one(1), 'unavailable')
  }),
)

test(
  'drain() leaves discovery, refuses calls from outside, lets accepted ones finish, then disposes',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    const order: string[] = []
    const { served, client } = await serveOne(runtime, {
      async generate(request: string) {
        await gate.promise
        order.push(request)
        return request
      },
      dispose: () => void order.push('dispose'),
    })
    const open = client.one('accepted')
    const draining = served.drain().then(() => order.push('drained'))
    await settled()
    assert.equal(client.instanceIds(), [])
    const error = await rejects<SluiceError>(client.one('late'), 'unavailable')
    assert.is(error.retryable, true)
    assert.equal(order, [])
    gate.resolve()
    assert.is(await open, 'accepted')
    await draining
    assert.equal(order, ['accepted', 'dispose', 'drained'])
    await served.closed
  }),
)

test(
  'an endpoint that drains still takes the calls its own accepted calls make to it',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    let self: Client
    const { served, client } = await serveOne(
      runtime,
      async function* (n: number, context: Context): AsyncGenerator<number> {
        yield n
        await gate.promise
        if (n > 0) yield* (await self.generate(n - 1, { context })).values()
      },
    )
    self = client
    const open = client.all(3)
    await settled()
    const draining = served.drain()
    await settled()
    gate.resolve()
    assert.equal(await open, [3, 2, 1, 0])
    await draining
  }),
)

test(
  'a drain whose time is up cuts what is left with unavailable',
  withVirtualTime(async ({ runtime, env }) => {
    const { served, client } = await serveOne(runtime, (_: unknown, context: Context) =>
      context.race(new Promise(() => {})),
    )
    const stream = await client.generate(1)
    const cut = rejects<SluiceError>(stream.next(), /was shut down; the call had not finished within 1000 ms/)
    const draining = served.drain({ timeoutMs: 1_000 })
    await env.advance(999)
    assert.is(served.load.running, 1)
    await env.advance(1)
    assert.is((await cut).code, 'unavailable')
    await draining
  }),
)

test(
  'close() hurries a drain that has begun, also in the same turn',
  withVirtualTime(async ({ runtime, env }) => {
    for (const pause of [async () => {}, settled]) {
      const { served, client } = await serveOne(runtime, (_: unknown, context: Context) =>
        context.race(new Promise(() => {})),
      )
      const stream = await client.generate(1)
      const cut = rejects<SluiceError>(stream.next(), /demo\.test\.generate was closed/)
      const draining = served.drain()
      await pause()
      await served.close()
      await draining
      assert.is((await cut).code, 'unavailable')
      assert.is(env.now(), 0)
    }
  }),
)

test(
  'a second drain that gives less time hurries the first, and one that gives more changes nothing',
  withVirtualTime(async ({ runtime, env }) => {
    const { served, client } = await serveOne(runtime, (_: unknown, context: Context) =>
      context.race(new Promise(() => {})),
    )
    const stream = await client.generate(1)
    const cut = rejects<SluiceError>(stream.next(), /the call had not finished within 50 ms/)
    const draining = served.drain({ timeoutMs: 1_000 })
    await env.advance(100)
    const again = [served.drain({ timeoutMs: 50 }), served.drain({ timeoutMs: 5_000 })]
    await env.advance(49)
    assert.is(served.load.running, 1)
    await env.advance(1)
    await Promise.all([cut, draining, ...again])
    assert.is(env.now(), 150)
  }),
)

test(
  'a served endpoint may be closed again after its runtime',
  withRuntime(async ({ runtime }) => {
    let disposed = 0
    const { served } = await serveOne(runtime, { generate: item, dispose: () => void disposed++ })
    await runtime.shutdown()
    await served.close()
    await served[Symbol.asyncDispose]()
    await served.drain()
    assert.is(disposed, 1)
  }),
)

test(
  'what waits in the mailbox when its endpoint is closed is never started',
  withRuntime(async ({ runtime }) => {
    const started: string[] = []
    const { served, client } = await serveOne(
      runtime,
      (request: string) => {
        started.push(request)
        // Over as soon as it is left, without any await in between.
        return { [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}), return: () => ({ done: true }) }) }
      },
      { concurrency: 1 },
    )
    const streams = [await client.generate('a'), await client.generate('b')]
    const cut = streams.map((stream) => rejects(stream.next(), 'unavailable'))
    await served.close()
    await Promise.all(cut)
    assert.equal(started, ['a'])
  }),
)
