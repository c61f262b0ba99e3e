// What is said of handlers that die, or do not end.
import { type HandlerFailed, type Orphan, SluiceError } from 'sluice'
import { createTestRuntime } from 'sluice/testing'
import { serveOne, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('actor/run.test.ts')

test(
  'a handler that dies is reported once, with endpoint, ids, shortened request and what was thrown',
  withRuntime(async ({ runtime, lines }) => {
    const failures: HandlerFailed[] = []
    runtime.events.on('handler-failed', (event) => failures.push(event))
    const thrown = new RangeError('bad luck')
    const { client, served } = await serveOne(runtime, async function* () {
      yield 1
      throw thrown
    })
    const stream = await client.generate({ text: 'x'.repeat(5_000) })
    await rejects(stream.toArray(), 'unknown')
    assert.is(failures.length, 1)
    const [failure] = failures
    assert.is(failure?.endpoint, 'demo.test.generate')
    assert.is(failure?.instanceId, served.instanceId)
    assert.is(failure?.contextId, stream.context.id)
    assert.is(failure?.callId, stream.context.callId)
    assert.is(failure?.error, thrown)
    assert.match(failure?.request ?? '', /^\{"text":"x{20}/)
    assert.is(failure?.request.length, 256)
    assert.is(lines.length, 1)
    assert.match(
      lines.join(),
      /^a handler of demo\.test\.generate died: RangeError: bad luck, at \S*run\.test\.ts:\d+:\d+ \(context .+, request \{"text"/,
    )
  }),
)

for (const [how, handler] of [
  [
    'thrown by a generator',
    async function* () {
      yield 1
      throw new SluiceError('not_found', 'on purpose')
    },
  ],
  [
    'thrown at once',
    () => {
      throw new SluiceError('not_found', 'on purpose')
    },
  ],
  ['a promise was rejected with', () => Promise.reject(new SluiceError('not_found', 'on purpose'))],
] as const) {
  test(
    `a SluiceError ${how} is an answer and not reported`,
    withRuntime(async ({ runtime, lines }) => {
      runtime.events.on('handler-failed', () => assert.unreachable())
      const { client } = await serveOne(runtime, handler)
      await rejects(client.all(1), 'not_found')
      assert.equal(lines, [])
    }),
  )
}

test(
  'a handler that throws the abort it was sent is not reported; one that throws something else then is',
  withRuntime(async ({ runtime, lines }) => {
    const ended: Promise<unknown>[] = []
    const { client } = await serveOne(runtime, async (request: string, context: { signal: AbortSignal }) => {
      const abort = new Promise<void>((resolve) => context.signal.addEventListener('abort', () => resolve()))
      await abort
      if (request === 'own') throw context.signal.reason
      if (request === 'wrapped') throw new Error('fetch failed', { cause: context.signal.reason })
      throw new Error('something else')
    })
    for (const request of ['own', 'wrapped', 'else']) {
      const stream = await client.generate(request)
      await stream.return()
      ended.push(stream.closed)
    }
    await Promise.all(ended)
    assert.is(lines.length, 1)
    assert.match(lines.join(), /something else/)
  }),
)

test(
  'a killed handler that is still alive after the grace time is an orphan, reported once, and keeps its slot',
  withVirtualTime(async ({ runtime, env, lines }) => {
    const stuck = deferred()
    const orphans: Orphan[] = []
    runtime.events.on('orphan', (event) => orphans.push(event))
    const { client, served } = await serveOne(runtime, () => stuck.promise, { orphanGraceMs: 1_000 })
    const stream = await client.generate('x')
    const { id: contextId, callId } = stream.context
    await env.advance(500)
    await stream.return()
    await env.advance(999)
    assert.equal(orphans, [])
    await env.advance(1)
    assert.equal(orphans, [
      { endpoint: 'demo.test.generate', instanceId: served.instanceId, contextId, callId, ageMs: 1_500 },
    ])
    await env.advance(60_000)
    assert.is(orphans.length, 1)
    assert.equal(served.load, { running: 1, waiting: 0 })
    assert.is(lines.length, 1)
    assert.match(
      lines.join(),
      /a handler of demo\.test\.generate was cancelled and is still running, 1500 ms old .*context\.signal, and keeps its slot/,
    )
    stuck.resolve()
    await stream.closed
    assert.equal(served.load, { running: 0, waiting: 0 })
  }),
)

test(
  'a killed handler that ends within the grace time is no orphan',
  withVirtualTime(async ({ runtime, env, lines }) => {
    const slow = deferred()
    const { client } = await serveOne(runtime, () => slow.promise)
    const stream = await client.generate('x')
    await stream.return()
    await env.advance(4_999)
    slow.resolve()
    await env.advance(60_000)
    assert.equal(lines, [])
  }),
)

test(
  'an iterator that never is over, however often it is told to return, becomes an orphan',
  withRuntime(async () => {
    const { runtime, env } = await createTestRuntime({ logger: false })
    const orphans: Orphan[] = []
    runtime.events.on('orphan', (event) => orphans.push(event))
    let returns = 0
    const { client, served } = await serveOne(runtime, () => ({
      [Symbol.asyncIterator]: () => ({
        next: async () => ({ done: false, value: 'item' }),
        return: async () => ({ done: false, value: returns++ }),
      }),
    }))
    const stream = await client.generate('x')
    assert.is(await stream.first(), 'item')
    await env.advance(5_000)
    assert.is(orphans.length, 1)
    assert.ok(returns > 1 && returns < 200)
    assert.is(served.load.running, 1)
    // Nobody will ever end it: its runtime is closed under it.
    const closed = runtime.shutdown({ timeoutMs: 0 })
    await env.advance(60_000)
    await closed
  }),
)
