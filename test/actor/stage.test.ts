// The life of a stage object: initialised once, its `run` kept alive, disposed once, given up when it fails too often.
import { type Client, type DistributedRuntime, SluiceError } from 'sluice'
import { serveOne, settled, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('actor/stage.test.ts')

/** A stage that notes what the runtime does to it, and whose `run` fails when the test says so. */
class Supervised {
  readonly calls: string[] = []
  fail!: (error: Error) => void
  signal: AbortSignal | undefined

  async initialize(_runtime: DistributedRuntime) {
    this.calls.push('initialize')
  }

  run(signal: AbortSignal): Promise<void> {
    this.calls.push('run')
    this.signal = signal
    return new Promise((resolve, reject) => {
      this.fail = reject
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  async *generate(request: unknown) {
    this.calls.push(`generate ${request}`)
    yield request
    yield request
  }

  async dispose() {
    this.calls.push('dispose')
  }
}

test(
  'a run that rejects ends open calls with unavailable, and the stage is disposed and initialised again',
  withVirtualTime(async ({ runtime, env, lines }) => {
    const stage = new Supervised()
    const restarted: unknown[] = []
    runtime.events.on('actor-restarted', (event) => restarted.push(event))
    const { client, served } = await serveOne(runtime, stage)
    await settled()
    const seen: number[] = []
    const subscription = client.instances$.subscribe((instances) => seen.push(instances.length))
    const stream = await client.generate('a')
    await stream.next()
    stage.fail(new Error('feed lost'))
    await settled()
    const error = await rejects<SluiceError>(stream.next(), 'unavailable')
    assert.match(error.message, /run of Supervised failed: feed lost/)
    assert.is(error.retryable, false)
    assert.equal(client.instanceIds(), [])
    await rejects(client.generate('meanwhile'), 'unavailable')

    await env.advance(1_000)
    assert.equal(client.instanceIds(), [served.instanceId])
    assert.equal(stage.calls, ['initialize', 'run', 'generate a', 'dispose', 'initialize', 'run'])
    assert.equal(restarted, [{ endpoint: 'demo.test.generate', instanceId: served.instanceId, restart: 1 }])
    assert.equal(seen, [1, 0, 1])
    subscription.unsubscribe()
    assert.is(lines.filter((line) => line.includes('run of Supervised failed: feed lost')).length, 1)

    assert.is(await (await client.generate('b')).first(), 'b')
  }),
)

test(
  'handlers of the failed stage have run their finally before it is disposed',
  withVirtualTime(async ({ runtime, env }) => {
    const calls: string[] = []
    let fail!: (error: Error) => void
    const { client } = await serveOne(runtime, {
      run: () =>
        new Promise<void>((_, reject) => {
          fail = reject
        }),
      async *generate() {
        try {
          yield 1
          yield 2
        } finally {
          await settled(3)
          calls.push('finally')
        }
      },
      dispose: () => calls.push('dispose'),
    })
    await settled()
    const stream = await client.generate(1)
    await stream.next()
    fail(new Error('down'))
    await settled()
    await rejects(stream.next(), 'unavailable')
    await env.advance(1_000)
    assert.equal(calls, ['finally', 'dispose'])
  }),
)

test(
  'three restarts within 30 s are made with growing pauses; the next failure gives the stage up and closes the runtime',
  withVirtualTime(async ({ runtime, env, lines }) => {
    const stage = new Supervised()
    const at: number[] = []
    runtime.events.on('actor-restarted', () => at.push(env.now()))
    const { served } = await serveOne(runtime, stage)
    const other = await serveOne(runtime, async () => 'other', {}, 'other')
    const lost = rejects<SluiceError>(served.closed, 'unavailable')
    await settled()
    for (let failure = 1; failure <= 3; failure++) {
      stage.fail(new Error(`failure ${failure}`))
      await env.advance(5_000)
    }
    assert.equal(at, [100, 5_200, 10_400])
    stage.fail(new Error('the last'))
    await env.advance(0)
    assert.match((await lost).message, /the last/)
    const { error } = await runtime.closed
    assert.match(String(error?.message), /run of Supervised failed: the last/)
    await other.served.closed
    assert.match(
      lines.join('\n'),
      /Supervised was restarted too often and is given up: run of Supervised failed: the last/,
    )
    assert.is(stage.calls.filter((call) => call === 'initialize').length, 4)
    assert.is(stage.calls.filter((call) => call === 'dispose').length, 4)
  }),
)

test(
  'failures more than 30 s apart are forgotten',
  withVirtualTime(async ({ runtime, env }) => {
    const stage = new Supervised()
    const restarts: number[] = []
    runtime.events.on('actor-restarted', ({ restart }) => restarts.push(restart))
    const { client } = await serveOne(runtime, stage)
    await settled()
    for (let failure = 1; failure <= 6; failure++) {
      stage.fail(new Error('now and then'))
      await env.advance(31_000)
      assert.is(client.instanceIds().length, 1)
    }
    assert.equal(restarts, [1, 1, 1, 1, 1, 1])
  }),
)

test(
  'an initialize that fails while restarting is tried again, and counts',
  withVirtualTime(async ({ runtime, env }) => {
    let attempts = 0
    let fail!: (error: Error) => void
    const { client } = await serveOne(runtime, {
      initialize() {
        attempts++
        if (attempts === 2 || attempts === 3) throw new Error('not yet')
      },
      run: () =>
        new Promise<void>((_, reject) => {
          fail = reject
        }),
      generate: async () => attempts,
    })
    await settled()
    fail(new Error('down'))
    await env.advance(10_000)
    assert.is(attempts, 4)
    assert.is(await client.one(1), 4)
  }),
)

test(
  'a stage that never comes up again after a failure is given up',
  withVirtualTime(async ({ runtime, env }) => {
    let up = true
    let fail!: (error: Error) => void
    await serveOne(runtime, {
      initialize() {
        if (!up) throw new Error('no more')
      },
      run: () =>
        new Promise<void>((_, reject) => {
          fail = reject
        }),
      generate: async () => 1,
    })
    await settled()
    up = false
    fail(new Error('down'))
    await env.advance(10_000)
    assert.match(String((await runtime.closed).error?.message), /restart of Object failed: no more/)
  }),
)

test(
  'a run that resolves is left alone',
  withVirtualTime(async ({ runtime, env }) => {
    const calls: string[] = []
    const { client } = await serveOne(runtime, {
      run: async () => void calls.push('run'),
      dispose: () => calls.push('dispose'),
      generate: async () => 'served',
    })
    await env.advance(60_000)
    assert.equal(calls, ['run'])
    assert.is(await client.one(1), 'served')
  }),
)

test(
  "closing aborts run's signal and waits for run before it disposes",
  withRuntime(async ({ runtime }) => {
    const order: string[] = []
    const { served } = await serveOne(runtime, {
      async run(signal: AbortSignal) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }))
        assert.instance(signal.reason, SluiceError)
        await settled()
        order.push('run ended')
      },
      dispose: () => order.push('disposed'),
      generate: async () => 1,
    })
    await settled()
    await served.close()
    assert.equal(order, ['run ended', 'disposed'])
  }),
)

test(
  'a run that is deaf to its signal, and a dispose that hangs, are not waited for longer than 5 s each',
  withVirtualTime(async ({ runtime, env, lines }) => {
    const { served } = await serveOne(runtime, {
      run: () => new Promise(() => {}),
      dispose: () => new Promise(() => {}),
      generate: async () => 1,
    })
    await settled()
    let closed = false
    const closing = runtime.shutdown().then(() => {
      closed = true
    })
    await env.advance(9_999)
    assert.is(closed, false)
    await env.advance(1)
    await closing
    await served.closed
    assert.equal(lines, [
      'run, whose signal has fired, of Object has not returned within 5000 ms; it is not waited for any longer',
      'dispose of Object has not returned within 5000 ms; it is not waited for any longer',
    ])
  }),
)

test(
  'a run that rejects because it was told to end is no failure',
  withRuntime(async ({ runtime, lines }) => {
    const { served } = await serveOne(runtime, {
      run: (signal: AbortSignal) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason), { once: true })),
      generate: async () => 1,
    })
    await settled()
    await served.close()
    assert.equal(lines, [])
  }),
)

test(
  'a stage that is closed before its run began is never run',
  withRuntime(async ({ runtime }) => {
    const stage = new Supervised()
    const { served } = await serveOne(runtime, stage)
    await served.close()
    await settled()
    assert.equal(stage.calls, ['initialize', 'dispose'])
  }),
)

test(
  'closing during the pause before a restart initialises nothing and disposes nothing twice',
  withVirtualTime(async ({ runtime, env }) => {
    const stage = new Supervised()
    const { served } = await serveOne(runtime, stage)
    await settled()
    stage.fail(new Error('down'))
    await settled()
    await served.close()
    await env.advance(10_000)
    assert.equal(stage.calls, ['initialize', 'run', 'dispose'])
  }),
)

test(
  'a stage that restarts while its runtime shuts down is neither announced nor open again',
  withVirtualTime(async ({ runtime, env }) => {
    const stage = new Supervised()
    const gate = deferred()
    const { client } = await serveOne(runtime, stage)
    const busy = await serveOne(runtime, () => gate.promise, {}, 'busy')
    await settled()
    const open = busy.client.one(1)
    let restarted = 0
    runtime.events.on('actor-restarted', () => restarted++)
    const closed = runtime.shutdown()
    const seen: number[] = []
    client.instances$.subscribe((instances) => seen.push(instances.length))
    await settled()
    stage.fail(new Error('down'))
    await env.advance(1_000)
    assert.equal([seen, restarted], [[0], 0])
    assert.equal(stage.calls, ['initialize', 'run', 'dispose', 'initialize', 'run'])
    gate.resolve()
    await open
    await closed
  }),
)

test(
  'a stage whose endpoint was unregistered by hand stays unregistered after a restart',
  withVirtualTime(async ({ runtime, env }) => {
    const stage = new Supervised()
    const { client, served } = await serveOne(runtime, stage)
    await settled()
    await served.unregister()
    stage.fail(new Error('down'))
    await env.advance(1_000)
    assert.equal(client.instanceIds(), [])
    await served.register()
    assert.equal(client.instanceIds(), [served.instanceId])
  }),
)

test(
  'every endpoint of a stage that fails is taken out and comes back, and its clients are closed',
  withVirtualTime(async ({ runtime, env }) => {
    let fail!: (error: Error) => void
    const clients: Client[] = []
    const gate = deferred()
    const slow = await serveOne(runtime, () => gate.promise, {}, 'slow')
    const stage = {
      async initialize(own: DistributedRuntime) {
        clients.push(await own.endpoint('demo.test.slow').client())
      },
      run: () =>
        new Promise<void>((_, reject) => {
          fail = reject
        }),
      left: async () => 'left',
      right: async () => 'right',
    }
    const left = await serveOne(runtime, stage, {}, 'left')
    const right = await serveOne(runtime, stage, {}, 'right')
    await settled()
    assert.is(clients.length, 1)
    const restarted: string[] = []
    runtime.events.on('actor-restarted', ({ endpoint }) => restarted.push(endpoint))
    const open = rejects(clients[0]?.one(1) as Promise<unknown>, 'unavailable')
    fail(new Error('down'))
    await open
    assert.equal([left.client.instanceIds(), right.client.instanceIds()], [[], []])
    await env.advance(1_000)
    assert.equal([await left.client.one(1), await right.client.one(1)], ['left', 'right'])
    assert.equal(restarted.sort(), ['demo.test.left', 'demo.test.right'])
    assert.is(clients.length, 2)
    await rejects(clients[0]?.one(1) as Promise<unknown>, 'failed_precondition')
    gate.resolve()
    await clients[1]?.one(1)
    await slow.client.one(1)
  }),
)

test(
  'a throwing handler restarts nothing',
  withVirtualTime(async ({ runtime, env }) => {
    const stage = Object.assign(new Supervised(), {
      generate() {
        throw new Error('poison')
      },
    })
    const { client } = await serveOne(runtime, stage)
    await settled()
    for (let n = 0; n < 10; n++) await rejects(client.one(n), /poison/)
    await env.advance(60_000)
    assert.equal(stage.calls, ['initialize', 'run'])
  }),
)
