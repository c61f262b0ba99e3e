// Shutting down: the order, who is still let in, who is cut, and what is refused afterwards.
import { type Client, type Context, DistributedRuntime, memory, memoryHub, type Served, SluiceError } from 'sluice'
import { assertQuiet, untilQuiet } from 'sluice/testing'
import { serveOne, settled, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('runtime/shutdown.test.ts')

const PATH = 'demo.test.generate'
const forEver = (_request: unknown, context: Context) => context.race(new Promise(() => {}))

// ---- the order -----------------------------------------------------------------------------------------------------------------

test(
  'draining, unregistered, accepted calls finished, stages disposed, clients and runtime closed: in this order',
  withRuntime(async ({ runtime }) => {
    const order: string[] = []
    const gate = deferred()
    runtime.events.on('draining', ({ openCalls }) => order.push(`draining ${openCalls}`))
    runtime.events.on('instance-removed', () => order.push('unregistered'))
    runtime.events.on('closed', (event) => {
      assert.equal(event, {})
      order.push('closed')
    })
    let own: Client | undefined
    const { client, served } = await serveOne(
      runtime,
      {
        async generate() {
          await gate.promise
          order.push('finished')
          return 'accepted'
        },
        async dispose() {
          // The runtime's clients still work.
          order.push(`dispose, ${await rejects(own?.one(1) as Promise<unknown>).then(({ code }) => code)}`)
        },
      },
      { concurrency: 1 },
    )
    own = client
    const open = [client.one(1), client.one(2)]
    const closing = runtime.shutdown().then(() => order.push('shut down'))
    await settled()
    gate.resolve()
    assert.equal(await Promise.all(open), ['accepted', 'accepted'])
    await closing
    assert.equal(order, [
      'draining 2',
      'unregistered',
      'finished',
      'finished',
      'dispose, unavailable',
      'closed',
      'shut down',
    ])
    await served.closed
    assert.equal(await runtime.closed, {})
  }),
)

test(
  'calls from outside are refused as retryable unavailable while accepted ones finish',
  withRuntime(async ({ runtime }) => {
    const hub = memoryHub()
    const [server, other] = [
      await DistributedRuntime.create({ transport: memory({ hub }), logger: false }),
      await DistributedRuntime.create({ transport: memory({ hub }), logger: false }),
    ]
    assert.ok(runtime)
    const gate = deferred()
    const served = await server.endpoint(PATH).serve(() => gate.promise)
    const record = (await DistributedRuntime.kernelOf(server).plane.discovery.list())[0]
    const clients = [
      await server.endpoint(PATH).client(),
      await other.endpoint(PATH).client(),
      // Does not know yet that the instance has left discovery.
      await other.endpoint(PATH).client({ router: () => record as never }),
    ]
    const open = await Promise.all(clients.map((client) => client.generate('accepted')))
    const closing = server.shutdown()
    for (const client of clients) {
      const error = await rejects<SluiceError>(client.generate('late'), 'unavailable')
      assert.is(error.retryable, true)
    }
    assert.equal(served.load, { running: 3, waiting: 0 })
    gate.resolve()
    for (const stream of open) assert.equal(await stream.toArray(), [undefined])
    await closing
    await other.shutdown()
  }),
)

test('a replica elsewhere takes over while one runtime shuts down, and nobody notices', async () => {
  const hub = memoryHub()
  const [first, second, caller] = await Promise.all(
    [1, 2, 3].map(() => DistributedRuntime.create({ transport: memory({ hub }), logger: false })),
  )
  const handler = async (request: number) => {
    await settled(1)
    return request
  }
  await first?.endpoint(PATH).serve(handler)
  await second?.endpoint(PATH).serve(handler)
  const client = (await caller?.endpoint(PATH).client()) as Client<number, number>
  let shut: Promise<void> | undefined
  const answers: Promise<number>[] = []
  for (let n = 0; n < 200; n++) {
    answers.push(client.one(n))
    if (n === 50) shut = first?.shutdown()
    if (n % 20 === 0) await settled(1)
  }
  assert.equal(
    await Promise.all(answers),
    Array.from({ length: 200 }, (_, n) => n),
  )
  await shut
  for (const runtime of [second, caller]) await runtime?.shutdown()
})

// ---- calls of accepted calls ---------------------------------------------------------------------------------------------------

/** `depth` endpoints, each of which asks the next one after the gate has opened. */
async function chain(runtime: DistributedRuntime, depth: number, gate: Promise<void>) {
  const served: Served[] = []
  const clients: Client[] = []
  for (let level = 0; level < depth; level++) clients.push(await runtime.endpoint(`demo.test.level${level}`).client())
  for (let level = 0; level < depth; level++) {
    served.push(
      await runtime.endpoint(`demo.test.level${level}`).serve(async function* (
        request: string,
        context: Context,
      ): AsyncGenerator<string> {
        yield `${request}${level}`
        if (level === 0) await gate
        const next = clients[level + 1]
        if (next !== undefined) yield* (await next.generate(request, { context })).values()
      }),
    )
  }
  return { served, client: clients[0] as Client<string, string> }
}

for (const depth of [2, 3]) {
  test(
    `calls that accepted calls make are still accepted, through ${depth - 1} levels that were idle and are unregistered`,
    withRuntime(async ({ runtime }) => {
      const gate = deferred()
      const { client, served } = await chain(runtime, depth, gate.promise)
      const open = client.all('x')
      await settled()
      const closing = runtime.shutdown()
      await settled()
      assert.equal(await DistributedRuntime.kernelOf(runtime).plane.discovery.list(), [])
      assert.equal(
        served.slice(1).map(({ load }) => load.running),
        Array(depth - 1).fill(0),
      )
      gate.resolve()
      assert.equal(await open, ['x0', 'x1', 'x2'].slice(0, depth))
      await closing
    }),
  )
}

test('an accepted call that comes back through another runtime finds nobody, for that one sees no record any more', async () => {
  const hub = memoryHub()
  const make = () => DistributedRuntime.create({ transport: memory({ hub }), logger: false })
  const [here, there] = [await make(), await make()]
  const gate = deferred()
  const toMiddle = await here.endpoint('demo.test.middle').client()
  const back = await there.endpoint('demo.test.inner').client()
  await here.endpoint('demo.test.outer').serve(async (request: string, context: Context) => {
    await gate.promise
    return toMiddle.one(request, { context })
  })
  await there
    .endpoint('demo.test.middle')
    .serve((request: string, context: Context) => back.generate(request, { context }))
  await here.endpoint('demo.test.inner').serve(async (request: string) => request.toUpperCase())
  const open = (await here.endpoint('demo.test.outer').client()).one('x')
  await settled()
  const closing = here.shutdown()
  await settled()
  gate.resolve()
  await rejects(open, 'unavailable')
  await closing
  await untilQuiet(there)
  await there.shutdown()
})

// ---- cutting -------------------------------------------------------------------------------------------------------------------

test(
  'what is not done when the time is up is cut: its caller sees unavailable, its finally runs, then dispose',
  withVirtualTime(async ({ runtime, env }) => {
    const order: string[] = []
    const { client } = await serveOne(runtime, {
      async *generate(request: unknown, context: Context) {
        try {
          yield request
          await forEver(request, context)
        } finally {
          await settled()
          order.push('finally')
        }
      },
      dispose: () => void order.push('dispose'),
    })
    const stream = await client.generate(1)
    await stream.next()
    const cut = rejects<SluiceError>(
      stream.next(),
      /demo\.test\.generate was shut down; the call had not finished within 1000 ms/,
    )
    const closing = runtime.shutdown({ timeoutMs: 1_000 })
    await env.advance(999)
    assert.equal(order, [])
    await env.advance(1)
    const error = await cut
    assert.equal([error.code, error.retryable], ['unavailable', false])
    await closing
    assert.equal(order, ['finally', 'dispose'])
    assert.equal(await stream.closed, { ending: 'error', items: 1 })
  }),
)

test(
  'without timeoutMs accepted calls have 30 s',
  withVirtualTime(async ({ runtime, env }) => {
    const { client } = await serveOne(runtime, forEver)
    const cut = rejects(client.one(1), 'unavailable')
    let closed = false
    const closing = runtime.shutdown().then(() => {
      closed = true
    })
    await env.advance(29_999)
    assert.is(closed, false)
    await env.advance(1)
    await Promise.all([closing, cut])
  }),
)

test(
  'an endpoint served with gracefulShutdown: false is cut when shutdown begins, and others are not',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    const hasty = await serveOne(runtime, forEver, { gracefulShutdown: false }, 'hasty')
    const patient = await serveOne(runtime, () => gate.promise, {}, 'patient')
    const cut = rejects(hasty.client.one(1), 'unavailable')
    const open = patient.client.one(1)
    const closing = runtime.shutdown()
    await cut
    assert.is(patient.served.load.running, 1)
    gate.resolve()
    await Promise.all([open, closing])
  }),
)

for (const [when, pause] of [
  ['in the same turn', async () => {}],
  ['later', settled],
] as const) {
  test(
    `a second shutdown with timeoutMs 0, ${when}, cuts at once; both see the same end`,
    withVirtualTime(async ({ runtime, env }) => {
      const { client } = await serveOne(runtime, forEver)
      const cut = rejects(client.one(1), 'unavailable')
      const first = runtime.shutdown()
      await pause()
      const second = runtime.shutdown({ timeoutMs: 0 })
      await env.advance(0)
      await Promise.all([cut, first, second])
      assert.is(env.now(), 0)
    }),
  )
}

test(
  'a second shutdown that gives more time changes nothing',
  withVirtualTime(async ({ runtime, env }) => {
    const { client } = await serveOne(runtime, forEver)
    const cut = rejects(client.one(1), 'unavailable')
    const first = runtime.shutdown({ timeoutMs: 100 })
    void runtime.shutdown({ timeoutMs: 60_000 })
    await env.advance(100)
    await Promise.all([cut, first])
  }),
)

test(
  'a handler that heeds nothing is waited for no longer than its grace time, and reported as an orphan',
  withVirtualTime(async ({ runtime, env }) => {
    const stuck = deferred()
    let orphans = 0
    runtime.events.on('orphan', () => orphans++)
    const { client } = await serveOne(runtime, () => stuck.promise, { orphanGraceMs: 700 })
    const cut = rejects(client.one(1), 'unavailable')
    let closed = false
    const closing = runtime.shutdown({ timeoutMs: 0 }).then(() => {
      closed = true
    })
    await env.advance(699)
    assert.equal([closed, orphans], [false, 0])
    await env.advance(1)
    await Promise.all([cut, closing])
    assert.is(orphans, 1)
    stuck.resolve()
  }),
)

test(
  'asked again while killed handlers have their grace time, a shutdown and a drain wait no longer than they are told to',
  withVirtualTime(async ({ runtime, env }) => {
    const stuck = deferred()
    const [client, other] = await Promise.all([
      serveOne(runtime, () => stuck.promise, {}, 'first'),
      serveOne(runtime, () => stuck.promise, {}, 'second'),
    ])
    const cut = [rejects(client.client.one(1), 'unavailable'), rejects(other.client.one(1), 'unavailable')]
    const drained = client.served.drain({ timeoutMs: 0 })
    await env.advance(10)
    void client.served.drain({ timeoutMs: 20 })
    await env.advance(20)
    await drained
    const closed = runtime.shutdown({ timeoutMs: 0 })
    await env.advance(10)
    void runtime.shutdown({ timeoutMs: 20 })
    await env.advance(20)
    await Promise.all([closed, ...cut])
    assert.is(env.now(), 60)
    stuck.resolve()
  }),
)

test(
  'the runtime closes once, however often and however it is told to',
  withRuntime(async ({ runtime }) => {
    let closed = 0
    let disposed = 0
    runtime.events.on('closed', () => closed++)
    await serveOne(runtime, { generate: async () => 1, dispose: () => void disposed++ })
    await Promise.all([runtime.shutdown(), runtime[Symbol.asyncDispose](), runtime.shutdown({ timeoutMs: 5 })])
    await runtime.shutdown()
    assert.equal([closed, disposed], [1, 1])
  }),
)

test(
  'a stage whose dispose throws does not keep the others from being disposed',
  withRuntime(async ({ runtime, lines }) => {
    const disposed: string[] = []
    for (const name of ['one', 'two', 'three']) {
      const stage = {
        [name]: async () => 1,
        dispose() {
          disposed.push(name)
          if (name === 'two') throw new Error('at fault')
        },
      }
      await serveOne(runtime, stage, {}, name)
    }
    await runtime.shutdown()
    assert.equal(disposed.sort(), ['one', 'three', 'two'])
    assert.equal(lines, ['dispose of Object failed: at fault'])
  }),
)

test(
  'an initialize that still waits when the runtime closes is told, and its serve() rejects',
  withRuntime(async ({ runtime }) => {
    const calls: string[] = []
    const serving = runtime.endpoint(PATH).serve({
      async initialize(own: DistributedRuntime) {
        await (await own.endpoint('demo.test.nobody').client()).waitForInstances()
      },
      dispose: () => void calls.push('dispose'),
      generate: async () => 1,
    })
    const refused = rejects(serving, 'unavailable')
    await settled()
    await runtime.shutdown()
    await refused
    assert.equal(calls, [])
  }),
)

test(
  'an initialize that succeeds after the runtime has closed is undone by dispose, and its serve() rejects',
  withRuntime(async ({ runtime }) => {
    const calls: string[] = []
    const gate = deferred()
    const refused = rejects(
      runtime.endpoint(PATH).serve({
        initialize: () => gate.promise,
        run: () => void calls.push('run'),
        dispose: () => void calls.push('dispose'),
        generate: async () => 1,
      }),
      'unavailable',
    )
    await settled()
    await runtime.shutdown()
    gate.resolve()
    await refused
    await settled()
    assert.equal(calls, ['dispose'])
    assert.is(DistributedRuntime.kernelOf(runtime).stages.size, 0)
  }),
)

// ---- afterwards ------------------------------------------------------------------------------------------------------------------

test(
  'serve is refused while the runtime drains; client works until it is closed',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    const { client } = await serveOne(runtime, () => gate.promise)
    const open = client.one(1)
    const closing = runtime.shutdown()
    const error = await rejects<SluiceError>(
      runtime.endpoint('demo.test.late').serve(async () => 1),
      /demo\.test\.late cannot be served/,
    )
    assert.is(error.code, 'unavailable')
    await runtime.endpoint('demo.test.late').client()
    gate.resolve()
    await Promise.all([open, closing])
  }),
)

test(
  'a call from outside that finds no instance while the runtime drains is told that it is shutting down',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    const { client } = await serveOne(runtime, () => gate.promise)
    const open = client.one(1)
    const closing = runtime.shutdown()
    const error = await rejects<SluiceError>(client.one(2), /no instance of .+: the runtime is shutting down$/)
    assert.equal([error.code, error.retryable, error.endpoint], ['unavailable', true, client.endpoint])
    gate.resolve()
    await Promise.all([open, closing])
    for (const call of [() => client.one(3), () => runtime.endpoint(client.endpoint).client()]) {
      const after = await rejects<SluiceError>(call, /the runtime is closed/)
      assert.equal([after.code, after.retryable, after.endpoint], ['unavailable', true, client.endpoint])
    }
  }),
)

test(
  'after the close generate, serve, client and waits are refused with unavailable',
  withRuntime(async ({ runtime }) => {
    const { client, served } = await serveOne(runtime, async () => 1)
    await runtime.shutdown()
    for (const work of [
      () => client.generate(1),
      () => client.one(1),
      () => client.random(1),
      () => client.waitForInstances(),
      () => runtime.endpoint(PATH).serve(async () => 1),
      () => runtime.endpoint(PATH).client(),
      () => served.register(),
    ]) {
      const error = await rejects<SluiceError>(work)
      assert.instance(error, SluiceError)
      assert.is(error.code, 'unavailable', `${work}: ${error.message}`)
    }
  }),
)

test('items that are already here can be read after the runtime has closed; calls elsewhere are cut', async () => {
  const hub = memoryHub()
  const make = () => DistributedRuntime.create({ transport: memory({ hub }), logger: false })
  const [here, there] = [await make(), await make()]
  await there.endpoint('demo.test.three').serve(async function* () {
    yield* [1, 2, 3]
  })
  await there.endpoint('demo.test.endless').serve(forEver)
  const done = await (await here.endpoint('demo.test.three').client()).generate(1, { prefetch: 8 })
  const open = await (await here.endpoint('demo.test.endless').client()).generate(1)
  await done.closed
  const cut = rejects<SluiceError>(open.next(), /the runtime was closed/)
  await here.shutdown()
  assert.is((await cut).code, 'unavailable')
  assert.equal(await done.toArray(), [1, 2, 3])
  await open.closed
  await untilQuiet(there)
  await there.shutdown()
})

test(
  'a runtime that is closed has nothing left',
  withVirtualTime(async ({ runtime, env }) => {
    const { client } = await serveOne(runtime, forEver)
    const waiting = rejects((await runtime.endpoint('demo.test.nobody').client()).waitForInstances(), 'unavailable')
    const cut = rejects(client.one(1), 'unavailable')
    const closing = runtime.shutdown({ timeoutMs: 10 })
    await env.advance(10)
    await Promise.all([closing, waiting, cut])
    assertQuiet(runtime)
    assert.is(env.pendingTimers, 0)
    const kernel = DistributedRuntime.kernelOf(runtime)
    assert.equal([kernel.clients.size, kernel.served.size, kernel.stages.size], [0, 0, 0])
  }),
)

test(
  'a runtime that serves nothing closes at once, and ends its waits',
  withRuntime(async ({ runtime }) => {
    const client = await runtime.endpoint(PATH).client()
    const wait = rejects(client.waitForInstances(), 'unavailable')
    await runtime.shutdown()
    await wait
  }),
)

for (const [given, text] of [
  [{ timeoutMs: -1 }, /shutdown option timeoutMs is -1; it must be an integer from 0 to 2147483647/],
  [{ timeoutMs: 1.5 }, /timeoutMs is 1\.5/],
  [{ timeoutMs: '1' }, /timeoutMs is 1; it must be an integer/],
  [{ timeout: 1 }, /shutdown has no option timeout; did you mean timeoutMs\?/],
  [null, /the options of shutdown are null; they must be an object/],
] as const) {
  test(
    `shutdown(${JSON.stringify(given)}) rejects and shuts nothing down`,
    withRuntime(async ({ runtime }) => {
      const { client } = await serveOne(runtime, async () => 'alive')
      const refused = runtime.shutdown(given as never)
      assert.is((await rejects<SluiceError>(refused, text)).code, 'invalid_argument')
      assert.is(await client.one(1), 'alive')
    }),
  )
}
