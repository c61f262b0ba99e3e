// assertQuiet: what it finds, and how it says so.
import { Context, type DistributedRuntime, defineEndpoint, memory, type Served } from 'sluice'
import { assertQuiet, untilQuiet } from 'sluice/testing'
import * as v from 'valibot'
import { serveOne, settled, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite, within } from '../support/suite.ts'

const test = suite('testing/quiet.test.ts')

function complaint(check: () => void): string {
  try {
    check()
  } catch (thrown) {
    return (thrown as Error).message
  }
  return 'quiet'
}

test(
  'a runtime that serves, with open clients and nothing under way, is quiet',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async () => 1)
    await client.one(1)
    assert.is(
      complaint(() => assertQuiet(runtime)),
      'quiet',
    )
  }),
)

test(
  'a live handler, a waiting call and their open streams are named with endpoint, context id and age',
  withVirtualTime(async ({ runtime, env }) => {
    const gate = deferred()
    const { client } = await serveOne(runtime, () => gate.promise, { concurrency: 1 })
    const first = await client.generate('a')
    await env.advance(100)
    const second = await client.generate('b')
    await env.advance(50)
    const ids = [first.context.id, second.context.id]
    assert.is(
      complaint(() => assertQuiet(runtime)),
      [
        'the runtime is not quiet; left are:',
        `  live handler of demo.test.generate (context ${ids[0]}) for 150 ms`,
        `  waiting call of demo.test.generate (context ${ids[1]}) for 50 ms`,
        `  open stream of demo.test.generate (context ${ids[0]}) for 150 ms`,
        `  open stream of demo.test.generate (context ${ids[1]}) for 50 ms`,
      ].join('\n'),
    )
    gate.resolve()
    await Promise.all([first.toArray(), second.toArray()])
  }),
)

test(
  'a call that no instance has taken yet is listed: while its request is checked, while it is dialled, until it is tried again',
  withVirtualTime(async ({ runtime, env }) => {
    const gate = deferred<string>()
    const request = v.pipeAsync(
      v.string(),
      v.transformAsync(() => gate.promise),
    )
    const endpoint = runtime.endpoint(defineEndpoint('demo.test.checked', { request }))
    const { instanceId } = await endpoint.serve((text) => text)
    const client = await endpoint.client()
    const context = new Context({ id: 'checked' })
    const one = client.one('a', { context })
    await env.advance(7)
    assert.is(
      complaint(() => assertQuiet(runtime)),
      'the runtime is not quiet; left are:\n' +
        `  call of demo.test.checked that no instance has taken (context checked, last tried ${instanceId}) for 7 ms`,
    )
    gate.resolve('checked')
    assert.is(await one, 'checked')
    assertQuiet(runtime)
  }),
)

test(
  'a call that waits to be tried on another instance is listed with the one that refused it',
  withVirtualTime(async ({ runtime, env }) => {
    const gate = deferred()
    const full = { concurrency: 1, mailbox: 0 }
    const { client, served } = await serveOne(runtime, () => gate.promise, full)
    const filling = client.one('fill')
    await serveOne(runtime, () => gate.promise, full)
    const refusing = await runtime
      .endpoint('demo.test.generate')
      .client({ router: (all) => all.find((each) => each.instanceId === served.instanceId) ?? all[0]! })
    const one = refusing.one('again', { context: new Context({ id: 'again' }) })
    await settled()
    assert.match(
      complaint(() => assertQuiet(runtime)),
      new RegExp(
        `call of demo\\.test\\.generate that no instance has taken \\(context again, last tried ${served.instanceId}\\) for 0 ms`,
      ),
    )
    await env.advance(20)
    assert.not.match(
      complaint(() => assertQuiet(runtime)),
      /no instance has taken/,
    )
    gate.resolve()
    await Promise.all([filling, one])
  }),
)

test(
  'a call whose instance is being dialled is listed until it is taken',
  withVirtualTime(
    async ({ runtime, env }) => {
      const { client } = await serveOne(runtime, async () => 'taken')
      const one = client.one(1, { context: new Context({ id: 'dialled' }) })
      await env.advance(4)
      assert.match(
        complaint(() => assertQuiet(runtime)),
        /call of demo\.test\.generate that no instance has taken \(context dialled, last tried .+\) for 4 ms/,
      )
      await env.advance(200)
      assert.is(await one, 'taken')
    },
    { transport: memory({ isolate: 'wire', latencyMs: 10 }) },
  ),
)

test(
  'a handler that was killed and lives on says so, with the timer of its grace',
  withVirtualTime(async ({ runtime, env }) => {
    const gate = deferred()
    const { client } = await serveOne(runtime, () => gate.promise)
    const stream = await client.generate('a')
    await stream.return()
    await env.advance(10)
    assert.is(
      complaint(() => assertQuiet(runtime)),
      [
        'the runtime is not quiet; left are:',
        `  live handler of demo.test.generate (context ${stream.context.id}, killed) for 10 ms`,
        '  timer: grace of a killed handler, set 10 ms ago',
      ].join('\n'),
    )
    gate.resolve()
    await stream.closed
  }),
)

test(
  'items that nobody has read are an open stream, though the handler has ended',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async () => 'unread')
    const stream = await client.generate(1)
    await stream.closed
    assert.match(
      complaint(() => assertQuiet(runtime)),
      /^the runtime is not quiet; left are:\n {2}open stream of demo\.test\.generate \(context .+\) for \d+ ms$/,
    )
    await stream.toArray()
  }),
)

test(
  'a wait, a sleep and a deadline are timers',
  withVirtualTime(async ({ runtime, env }) => {
    const client = await runtime.endpoint('demo.test.nobody').client()
    const stop = new AbortController()
    const wait = rejects(client.waitForInstances({ signal: stop.signal }), 'cancelled')
    const sleeper = await serveOne(runtime, (_: unknown, context: Context) => context.sleep(1_000))
    const sleeping = sleeper.client.one(1, { timeoutMs: 5_000 })
    await env.advance(7)
    const text = complaint(() => assertQuiet(runtime))
    assert.match(text, /timer: waitForInstances of demo\.test\.nobody, set 7 ms ago/)
    assert.match(text, /timer: context\.sleep, set 7 ms ago/)
    assert.match(text, /timer: deadline of a context, set 7 ms ago/)
    stop.abort()
    await wait
    await env.advance(1_000)
    await sleeping
  }),
)

test(
  'observers of the bus and subscriptions to instances$ are listed with what they watch, and for how long',
  withVirtualTime(async ({ runtime, env }) => {
    const client = await runtime.endpoint('demo.test.nobody').client()
    const subscriptions = [runtime.bus.observe('*.*.*').subscribe()]
    await env.advance(20)
    subscriptions.push(runtime.bus.observe('demo.*.*').subscribe(), client.instances$.subscribe())
    await env.advance(5)
    assert.is(
      complaint(() => assertQuiet(runtime)),
      [
        'the runtime is not quiet; left are:',
        '  subscription to instances$ of demo.test.nobody for 5 ms',
        '  observer of the bus for *.*.* for 25 ms',
        '  observer of the bus for demo.*.* for 5 ms',
      ].join('\n'),
    )
    for (const subscription of subscriptions) subscription.unsubscribe()
  }),
)

for (const [what, close] of [
  ['endpoint', (served: Served) => served.close()],
  ['runtime', (_: Served, runtime: DistributedRuntime) => runtime.shutdown({ timeoutMs: 0 })],
] as const) {
  test(
    `an orphan is listed after its ${what} was closed, until it has really ended`,
    withVirtualTime(async ({ runtime, env }) => {
      const gate = deferred()
      const { client, served } = await serveOne(runtime, () => gate.promise, { orphanGraceMs: 10 })
      const cut = rejects(client.one(1), 'unavailable')
      const closed = close(served, runtime)
      await env.advance(30)
      await Promise.all([closed, cut])
      assert.match(
        complaint(() => assertQuiet(runtime)),
        /left are:\n {2}live handler of demo\.test\.generate \(context .+, killed\) for 30 ms$/,
      )
      gate.resolve()
      await settled()
      assertQuiet(runtime)
    }),
  )
}

test(
  'a stream that can be read after its client was closed is listed until it has been',
  withVirtualTime(async ({ runtime, env }) => {
    const { client } = await serveOne(runtime, async () => 'unread')
    const stream = await client.generate(1)
    await stream.closed
    await client.close()
    await env.advance(5)
    assert.match(
      complaint(() => assertQuiet(runtime)),
      /left are:\n {2}open stream of demo\.test\.generate \(context .+\) for 5 ms$/,
    )
    assert.equal(await stream.toArray(), ['unread'])
    assertQuiet(runtime)
  }),
)

test(
  'an initialize that hangs is listed with its endpoint and for how long, also while a stage is restarted',
  withVirtualTime(async ({ runtime, env }) => {
    const gates = [deferred(), deferred()]
    const rest = [...gates]
    let fail: (error: Error) => void = () => {}
    const serving = runtime.endpoint('demo.test.generate').serve({
      initialize: () => rest.shift()?.promise,
      generate: async () => 1,
      run: () =>
        new Promise<void>((_, reject) => {
          fail = reject
        }),
    })
    await env.advance(12)
    const text = 'the runtime is not quiet; left are:\n  initialize of demo.test.generate for 12 ms'
    assert.is(
      complaint(() => assertQuiet(runtime)),
      text,
    )
    gates[0]?.resolve()
    const served = await serving
    await settled()
    assertQuiet(runtime)
    fail(new Error('down'))
    await env.advance(112)
    // The endpoint is gone, and its initialize is not.
    const closed = served.close()
    await env.advance(5_000)
    await closed
    assert.is(
      complaint(() => assertQuiet(runtime)),
      text.replace('12', '5012'),
    )
    gates[1]?.resolve()
    await settled()
  }),
)

test(
  'untilQuiet resolves as soon as the last of it has ended',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    const { client } = await serveOne(runtime, () => gate.promise)
    const stream = await client.generate(1)
    await stream.return()
    let quiet = false
    const until = untilQuiet(runtime, 4_000).then(() => {
      quiet = true
    })
    await settled()
    assert.is(quiet, false)
    gate.resolve()
    await within(2_000, until)
  }),
)

test(
  'untilQuiet that waits in vain rejects with what is left',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    const { client } = await serveOne(runtime, () => gate.promise)
    const open = client.one(1)
    await rejects(
      untilQuiet(runtime, 1),
      /the runtime is not quiet; left are:\n {2}live handler of demo\.test\.generate/,
    )
    gate.resolve()
    await open
  }),
)

test(
  'a thousand calls of every kind leave nothing',
  withRuntime(async ({ runtime }) => {
    const { client, served } = await serveOne(
      runtime,
      async function* (n: number, context: Context) {
        for (let i = 0; i < 3; i++) {
          if (n % 7 === 0) context.signal.addEventListener('abort', () => {})
          if (n % 5 === 0 && i === 1) throw new Error('poison')
          yield i
        }
      },
      { concurrency: 3 },
    )
    const calls = Array.from({ length: 1_000 }, async (_, n) => {
      const stream = await client.generate(n, n % 3 === 0 ? { timeoutMs: 60_000, prefetch: 4 } : {})
      if (n % 4 === 0) await stream.first()
      else if (n % 4 === 1) stream.context.kill()
      else if (n % 4 === 2) stream.context.stop()
      await stream.return()
      await stream.closed
    })
    await Promise.allSettled(calls)
    assert.equal(served.load, { running: 0, waiting: 0 })
    assertQuiet(runtime)
  }),
)
