// The tracing channels: what tracers hear of calls and handlers, and that nobody is needed to listen.
import { tracingChannel } from 'node:diagnostics_channel'
import { type Context, type Instance, SluiceError, type TraceMessage } from 'sluice'
import { serveOne, withRuntime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('runtime/trace.test.ts')

const POINTS = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'] as const

/** Everything a channel says until `end()`. */
function listen(name: 'sluice:call' | 'sluice:handler') {
  const channel = tracingChannel<string, TraceMessage>(name)
  const heard: { point: string; message: TraceMessage }[] = []
  const subscribers = Object.fromEntries(
    POINTS.map((point) => [point, (message: unknown) => heard.push({ point, message: message as TraceMessage })]),
  )
  channel.subscribe(subscribers as never)
  return {
    heard,
    end() {
      channel.unsubscribe(subscribers as never)
      return heard.map(({ point }) => point)
    },
  }
}

for (const name of ['sluice:call', 'sluice:handler'] as const) {
  test(
    `${name} tells of a call from start to end with one message, which says what it is about`,
    withRuntime(async ({ runtime }) => {
      const { client, served } = await serveOne(runtime, async function* () {
        yield 1
      })
      const trace = listen(name)
      const stream = await client.generate({ some: 'request' })
      await stream.toArray()
      assert.equal(trace.end(), ['start', 'end', 'asyncStart', 'asyncEnd'])
      const [{ message } = { message: undefined }] = trace.heard
      assert.ok(trace.heard.every((each) => each.message === message))
      assert.equal(message, {
        endpoint: 'demo.test.generate',
        instanceId: served.instanceId,
        contextId: stream.context.id,
        callId: stream.context.callId,
        request: { some: 'request' },
        ending: 'complete',
      })
    }),
  )

  test(
    `${name} tells of an error before the end`,
    withRuntime(async ({ runtime }) => {
      const { client } = await serveOne(runtime, async () => {
        throw new SluiceError('aborted', 'on purpose')
      })
      const trace = listen(name)
      await rejects(client.one(1), 'aborted')
      assert.equal(trace.end(), ['start', 'end', 'error', 'asyncStart', 'asyncEnd'])
      assert.is(trace.heard[0]?.message.error?.code, 'aborted')
      assert.is(trace.heard[0]?.message.ending, 'error')
    }),
  )

  test(
    `${name} tells how a call ended that was left`,
    withRuntime(async ({ runtime }) => {
      const { client } = await serveOne(runtime, async function* (_: unknown, context: Context) {
        yield 1
        await context.race(new Promise(() => {}))
      })
      const trace = listen(name)
      const stream = await client.generate(1)
      await stream.first()
      await stream.closed
      assert.equal(trace.end(), ['start', 'end', 'asyncStart', 'asyncEnd'])
      assert.is(trace.heard[0]?.message.ending, 'cancelled')
    }),
  )
}

test(
  'calls of one request are told apart by callId and joined by contextId, at both ends',
  withRuntime(async ({ runtime }) => {
    const inner = await serveOne(runtime, async () => 'inner', {}, 'inner')
    const outer = await serveOne(
      runtime,
      (request: unknown, context: Context) => inner.client.generate(request, { context }),
      {},
      'outer',
    )
    const [calls, handlers] = [listen('sluice:call'), listen('sluice:handler')]
    await outer.client.all(1)
    calls.end()
    handlers.end()
    const ids = ({ heard }: ReturnType<typeof listen>) =>
      heard
        .filter(({ point }) => point === 'start')
        .map(({ message }) => `${message.endpoint} ${message.contextId} ${message.callId}`)
        .sort()
    assert.is(ids(calls).length, 2)
    assert.equal(ids(calls), ids(handlers))
    assert.is(new Set([...calls.heard, ...handlers.heard].map(({ message }) => message.contextId)).size, 1)
  }),
)

test(
  'who begins to listen in the middle hears of calls that begin later',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async function* () {
      yield 1
      yield 2
    })
    const before = await client.generate('before')
    const trace = listen('sluice:call')
    await before.toArray()
    await client.all('after')
    trace.end()
    assert.equal(new Set(trace.heard.map(({ message }) => message.request)), new Set(['after']))
  }),
)

test(
  'a call that goes to another instance is told of once',
  withRuntime(async ({ runtime }) => {
    const path = 'demo.test.generate'
    const gate = deferred()
    const full = await runtime.endpoint(path).serve(() => gate.promise, { concurrency: 1, mailbox: 0 })
    await runtime.endpoint(path).serve(async () => 'free')
    const tried: string[] = []
    const client = await runtime.endpoint(path).client({
      router: (instances) => {
        const [first] = instances as [Instance]
        tried.push(first.instanceId)
        return first
      },
    })
    const filling = await client.direct('fill', full.instanceId)
    const trace = listen('sluice:call')
    assert.equal(await client.all('x'), ['free'])
    assert.is(tried[0], full.instanceId)
    assert.is(tried.length, 2)
    assert.equal(trace.end(), ['start', 'end', 'asyncStart', 'asyncEnd'])
    gate.resolve()
    await filling.toArray()
  }),
)
