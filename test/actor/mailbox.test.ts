// The mailbox and the slots of one actor: order, bounds, what leaves without having been started, and who is let in
// beyond the limit.
import {
  type Client,
  type Context,
  DistributedRuntime,
  defineEndpoint,
  memory,
  memoryHub,
  type StandardSchema,
} from 'sluice'
import { untilQuiet } from 'sluice/testing'
import { serveOne, settled, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, type Deferred, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('actor/mailbox.test.ts')

/** A handler that notes what it is given and ends when the test says so. */
function gated() {
  const started: unknown[] = []
  const gates = new Map<unknown, Deferred<void>>()
  const gate = (request: unknown) => {
    const known = gates.get(request) ?? deferred<void>()
    gates.set(request, known)
    return known
  }
  const handler = async (request: unknown) => {
    started.push(request)
    await gate(request).promise
    return request
  }
  return { handler, started, open: (request: unknown) => gate(request).resolve() }
}

test(
  'an accepted call starts without being pulled, and two calls made one after the other run side by side',
  withRuntime(async ({ runtime }) => {
    const both = deferred()
    let running = 0
    const { client } = await serveOne(runtime, async function* (request: string) {
      if (++running === 2) both.resolve()
      await both.promise
      yield request
    })
    const first = await client.generate('a')
    assert.is(running, 1)
    const second = await client.generate('b')
    assert.is(running, 2)
    assert.equal([await first.toArray(), await second.toArray()], [['a'], ['b']])
  }),
)

test(
  'with concurrency 1 calls run one after the other, first in, first out',
  withRuntime(async ({ runtime }) => {
    let running = 0
    const order: number[] = []
    const { client } = await serveOne(
      runtime,
      async function* (request: number) {
        assert.is(++running, 1)
        await settled(1)
        yield request
        order.push(request)
        running--
      },
      { concurrency: 1 },
    )
    const all = Array.from({ length: 50 }, (_, n) => n)
    assert.equal(await Promise.all(all.map((n) => client.one(n))), all)
    assert.equal(order, all)
  }),
)

test(
  'handlers that end while they are started keep the order and do not nest',
  withRuntime(async ({ runtime }) => {
    const order: number[] = []
    const { client } = await serveOne(
      runtime,
      (request: number) => {
        order.push(request)
        return request === 0 ? settled() : request
      },
      { concurrency: 1, mailbox: 20_000 },
    )
    const all = Array.from({ length: 20_000 }, (_, n) => n)
    await Promise.all(all.map((n) => client.all(n)))
    assert.equal(order, all)
  }),
)

test(
  'a call that comes while others wait goes behind them, also when a slot becomes free in that turn',
  withRuntime(async ({ runtime }) => {
    const { handler, started, open } = gated()
    const { client } = await serveOne(runtime, handler, { concurrency: 1 })
    const first = client.one('a')
    const second = client.one('b').then(() => client.one('d'))
    const third = client.one('c')
    for (const name of 'abcd') open(name)
    await Promise.all([first, second, third])
    assert.equal(started, ['a', 'b', 'c', 'd'])
  }),
)

test(
  'a mailbox holds exactly its bound; the next call is refused at await, retryable, and names the mailbox',
  withRuntime(async ({ runtime }) => {
    const { handler, open } = gated()
    const { client, served } = await serveOne(runtime, handler, { concurrency: 1, mailbox: 2 })
    const streams = await Promise.all([client.generate(1), client.generate(2), client.generate(3)])
    assert.equal(served.load, { running: 1, waiting: 2 })
    const error = await rejects<Error & { code: string; retryable: boolean; endpoint: string; instanceId: string }>(
      client.generate(4),
      /mailbox of demo\.test\.generate \(.+\) is full: 2 calls waiting, 1 running/,
    )
    assert.equal(
      [error.code, error.retryable, error.endpoint, error.instanceId],
      ['resource_exhausted', true, 'demo.test.generate', served.instanceId],
    )
    open(1)
    assert.equal(await streams[0].toArray(), [1])
    const again = await client.generate(4)
    for (const n of [2, 3, 4]) open(n)
    assert.equal(await Promise.all([streams[1], streams[2], again].map((each) => each.toArray())), [[2], [3], [4]])
  }),
)

test(
  'a mailbox of 0 takes what can start at once and nothing else',
  withRuntime(async ({ runtime }) => {
    const { handler, open } = gated()
    const { client } = await serveOne(runtime, handler, { concurrency: 1, mailbox: 0 })
    const stream = await client.generate(1)
    await rejects(client.generate(2), 'resource_exhausted')
    open(1)
    assert.equal(await stream.toArray(), [1])
    open(2)
    assert.is(await client.one(2), 2)
  }),
)

test(
  'several instances of one endpoint in one process are actors of their own',
  withRuntime(async ({ runtime }) => {
    const a = gated()
    const b = gated()
    const endpoint = runtime.endpoint('demo.test.generate')
    const servedA = await endpoint.serve(a.handler, { concurrency: 1, mailbox: 0 })
    const servedB = await endpoint.serve(b.handler, { concurrency: 1, mailbox: 0 })
    assert.is.not(servedA.instanceId, servedB.instanceId)
    const client = await endpoint.client()
    const toA = await client.direct('x', servedA.instanceId)
    const toB = await client.direct('y', servedB.instanceId)
    assert.equal([a.started, b.started], [['x'], ['y']])
    await rejects(client.direct('z', servedA.instanceId), 'resource_exhausted')
    a.open('x')
    b.open('y')
    assert.equal([await toA.toArray(), await toB.toArray()], [['x'], ['y']])
  }),
)

// ---- leaving without having been started ---------------------------------------------------------------------------------

for (const [how, leave] of [
  ['was killed', (stream) => stream.context.kill('enough')],
  ['was stopped', (stream) => stream.context.stop('enough')],
  ['has left', (stream) => stream.return()],
] as const satisfies readonly (readonly [string, (stream: Awaited<ReturnType<Client['generate']>>) => unknown])[]) {
  test(
    `a waiting call whose caller ${how} leaves its mailbox at once and never starts`,
    withRuntime(async ({ runtime }) => {
      const { handler, started, open } = gated()
      const { client, served } = await serveOne(runtime, handler, { concurrency: 1, mailbox: 1 })
      const first = client.one('a')
      const left = await client.generate('b')
      leave(left)
      assert.equal(served.load, { running: 1, waiting: 0 })
      assert.is((await left.closed).items, 0)
      await left.return()
      const third = client.one('c')
      open('a')
      open('c')
      await Promise.all([first, third])
      assert.equal(started, ['a', 'c'])
    }),
  )
}

test(
  'a waiting call that is stopped ends well and empty; a killed one rejects once with cancelled',
  withRuntime(async ({ runtime }) => {
    const { handler, open } = gated()
    const { client } = await serveOne(runtime, handler, { concurrency: 1 })
    const first = client.one('a')
    const stopped = await client.generate('b')
    const killed = await client.generate('c')
    stopped.context.stop()
    killed.context.kill('why not')
    assert.equal(await stopped.toArray(), [])
    assert.equal((await stopped.closed).ending, 'stopped')
    await rejects(killed.next(), 'cancelled')
    assert.is((await killed.next()).done, true)
    open('a')
    await first
  }),
)

test(
  'the deadline of a waiting call takes it out of the mailbox',
  withVirtualTime(async ({ runtime, env }) => {
    const { handler, started, open } = gated()
    const { client, served } = await serveOne(runtime, handler, { concurrency: 1 })
    const first = client.one('a')
    const late = await client.generate('b', { timeoutMs: 100 })
    const next = late.next()
    const rejected = rejects(next, 'deadline_exceeded')
    await env.advance(100)
    await rejected
    assert.equal(served.load, { running: 1, waiting: 0 })
    open('a')
    await first
    assert.equal(started, ['a'])
  }),
)

test(
  'a context that is killed between the check of the request and its start is refused, and nothing starts',
  withRuntime(async ({ runtime }) => {
    const checked = deferred<{ value: unknown }>()
    const request = schema(() => checked.promise)
    const started: unknown[] = []
    const endpoint = runtime.endpoint(defineEndpoint('demo.test.checked', { request }))
    await endpoint.serve(async (given: unknown) => started.push(given))
    const client = await endpoint.client()
    const stop = new AbortController()
    const opened = client.generate('x', { signal: stop.signal })
    const rejected = rejects(opened, 'cancelled')
    stop.abort(new Error('gone'))
    await rejected
    checked.resolve({ value: 'x' })
    await settled()
    assert.equal(started, [])
  }),
)

function schema(validate: (value: unknown) => unknown): StandardSchema {
  return { '~standard': { version: 1, vendor: 'test', validate: validate as StandardSchema['~standard']['validate'] } }
}

// ---- slots ---------------------------------------------------------------------------------------------------------------

test(
  'a slot is kept until the handler has really ended, whatever its caller saw',
  withRuntime(async ({ runtime }) => {
    const stuck = deferred()
    let finallyRan = false
    const { client, served } = await serveOne(
      runtime,
      async function* (request: string) {
        try {
          yield request
          await stuck.promise
        } finally {
          finallyRan = true
        }
      },
      { concurrency: 1 },
    )
    const stream = await client.generate('stuck')
    await stream.next()
    const pending = stream.next()
    await settled()
    await stream.return()
    assert.is((await pending).done, true)
    const next = client.one('next')
    await settled()
    assert.equal(served.load, { running: 1, waiting: 1 })
    assert.is(finallyRan, false)
    stuck.resolve()
    assert.is(await next, 'next')
    assert.is(finallyRan, true)
    assert.is((await stream.closed).ending, 'cancelled')
  }),
)

for (const [kind, item] of [
  ['a single item', () => 'item'],
  [
    'an item of an iterator without return()',
    () => ({ [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: 'item' }) }) }),
  ],
] as const) {
  test(
    `${kind} whose call is killed while it is checked frees the slot`,
    withRuntime(async ({ runtime }) => {
      const checked = deferred<{ value: unknown }>()
      const endpoint = runtime.endpoint(defineEndpoint('demo.test.checked', { item: schema(() => checked.promise) }))
      const served = await endpoint.serve(item as never)
      const stream = await (await endpoint.client()).generate(1)
      await settled()
      await stream.return()
      checked.resolve({ value: 'item' })
      assert.equal(await stream.closed, { ending: 'cancelled', items: 0 })
      assert.equal(served.load, { running: 0, waiting: 0 })
    }),
  )

  test(
    `${kind} that its schema refuses ends the call with internal and frees the slot`,
    withRuntime(async ({ runtime, lines }) => {
      for (const [name, validate] of [
        ['now', () => ({ issues: [{ message: 'no good' }] })],
        ['later', async () => ({ issues: [{ message: 'no good' }] })],
      ] as const) {
        const endpoint = runtime.endpoint(defineEndpoint(`demo.test.${name}`, { item: schema(validate) }))
        const served = await endpoint.serve(item as never)
        const stream = await (await endpoint.client()).generate(1)
        await rejects(stream.next(), 'internal')
        assert.equal(await stream.closed, { ending: 'error', items: 0 })
        assert.equal(served.load, { running: 0, waiting: 0 })
      }
      assert.is(lines.length, 2)
    }),
  )
}

// ---- calls that come from below --------------------------------------------------------------------------------------------

test(
  'direct recursion goes beyond the limit, and a mailbox of 0 does not refuse it',
  withRuntime(async ({ runtime }) => {
    let self: Client
    const { client } = await serveOne(
      runtime,
      async function* (n: number, context: Context): AsyncGenerator<number> {
        yield n
        if (n > 0) yield* (await self.generate(n - 1, { context })).values()
      },
      { concurrency: 1, mailbox: 0 },
    )
    self = client
    assert.equal(await client.all(5), [5, 4, 3, 2, 1, 0])
  }),
)

for (const [where, runtimes] of [
  ['in one runtime', 1],
  ['through another runtime of the hub', 2],
] as const) {
  test(`mutual recursion ${where} goes beyond the limit`, async () => {
    const transport = memory({ hub: memoryHub() })
    const made = await Promise.all(
      Array.from({ length: runtimes }, () => DistributedRuntime.create({ transport, logger: false })),
    )
    const [left, right] = [made[0], made.at(-1)] as [DistributedRuntime, DistributedRuntime]
    const toPong = await left.endpoint('demo.test.pong').client()
    const toPing = await right.endpoint('demo.test.ping').client()
    const through = (next: Client) =>
      async function* (n: number, context: Context): AsyncGenerator<number> {
        yield n
        if (n > 0) yield* (await next.generate(n - 1, { context })).values()
      }
    const one = { concurrency: 1, mailbox: 0 }
    await left.endpoint('demo.test.ping').serve(through(toPong), one)
    await right.endpoint('demo.test.pong').serve(through(toPing), one)
    assert.equal(await toPing.all(7), [7, 6, 5, 4, 3, 2, 1, 0])
    for (const runtime of made) {
      await untilQuiet(runtime)
      await runtime.shutdown()
    }
  })
}

test(
  'a call under a detached context is from outside: it waits for the slot like any other',
  withRuntime(async ({ runtime }) => {
    let self: Client
    const inner = deferred<Promise<unknown>>()
    const { client } = await serveOne(
      runtime,
      async (request: string, context: Context) => {
        if (request === 'outer') inner.resolve(self.one('inner', { context: context.detached() }))
        return request
      },
      { concurrency: 1 },
    )
    self = client
    assert.is(await client.one('outer'), 'outer')
    assert.is(await inner.promise, 'inner')
  }),
)

test(
  'a request may pass 64 endpoints and no more',
  withRuntime(async ({ runtime }) => {
    let self: Client
    let handlers = 0
    const { client } = await serveOne(runtime, async (_request: unknown, context: Context) => {
      handlers++
      return self.one(1, { context })
    })
    self = client
    const error = await rejects<Error & { code: string; retryable: boolean }>(
      client.one(1),
      /the request has passed 64 endpoints; does it go in a circle\?/,
    )
    assert.equal([error.code, error.retryable, handlers], ['resource_exhausted', false, 64])
  }),
)
