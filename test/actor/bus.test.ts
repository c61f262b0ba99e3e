// What observers of the in-process bus see, and that nothing is made while nobody looks.
import {
  annotate,
  type BusEvent,
  type Context,
  DistributedRuntime,
  memory,
  memoryHub,
  Response,
  SluiceError,
} from 'sluice'
import { assertQuiet, untilQuiet } from 'sluice/testing'
import { serveOne, settled, withRuntime, withVirtualTime } from '../support/runtime.ts'
import { assert, deferred, rejects, suite } from '../support/suite.ts'

const test = suite('actor/bus.test.ts')

async function* letters(request: string) {
  for (const letter of request) yield letter
}

/** Type and payload of an event, in short. */
function short(event: BusEvent): string {
  if (event.type === 'started') return `started ${event.request}`
  if (event.type === 'item') return `item ${event.item}`
  return event.error === undefined ? `ended ${event.ending}` : `ended ${event.ending} ${event.error.code}`
}

test(
  'an observer sees the start with the request, each item, and the end, with context id, call id and time',
  withVirtualTime(async ({ runtime, env }) => {
    const { client, served } = await serveOne(runtime, letters)
    const events: BusEvent[] = []
    const subscription = runtime.bus.observe('demo.test.generate').subscribe((event) => events.push(event))
    await env.advance(1_234)
    const stream = await client.generate('ab')
    await stream.toArray()
    subscription.unsubscribe()
    const base = {
      endpoint: 'demo.test.generate',
      instanceId: served.instanceId,
      contextId: stream.context.id,
      callId: stream.context.callId,
      time: 1_234,
      placed: 'local',
    }
    assert.ok(base.callId)
    assert.equal(events, [
      { ...base, type: 'started', request: 'ab' },
      { ...base, type: 'item', item: 'a', hasData: true },
      { ...base, type: 'item', item: 'b', hasData: true },
      { ...base, type: 'ended', ending: 'complete' },
    ])
  }),
)

test(
  'calls of one request share the context id and differ in the call id',
  withRuntime(async ({ runtime }) => {
    const inner = await serveOne(runtime, letters, {}, 'inner')
    const outer = await serveOne(
      runtime,
      async function* (request: string, context: Context) {
        yield* await inner.client.generate(request, { context })
        yield* await inner.client.generate(request, { context })
      },
      {},
      'outer',
    )
    const started: BusEvent[] = []
    const subscription = runtime.bus
      .observe('demo.test.*')
      .subscribe((event) => event.type === 'started' && started.push(event))
    await outer.client.all('x')
    subscription.unsubscribe()
    assert.equal(
      started.map(({ endpoint }) => endpoint),
      ['demo.test.outer', 'demo.test.inner', 'demo.test.inner'],
    )
    assert.is(new Set(started.map(({ contextId }) => contextId)).size, 1)
    assert.is(new Set(started.map(({ callId }) => callId)).size, 3)
  }),
)

test(
  'a pattern takes * for any part, and sees endpoints that are served later',
  withRuntime(async ({ runtime }) => {
    const seen: Record<string, string[]> = {}
    const subscriptions = ['demo.test.one', 'demo.*.one', '*.*.*', 'demo.test.*', 'other.*.*'].map((pattern) => {
      const list: string[] = []
      seen[pattern] = list
      return runtime.bus.observe(pattern).subscribe(({ endpoint, type }) => type === 'started' && list.push(endpoint))
    })
    const one = await serveOne(runtime, letters, {}, 'one')
    const two = await serveOne(runtime, letters, {}, 'two')
    await one.client.all('x')
    await two.client.all('x')
    for (const subscription of subscriptions) subscription.unsubscribe()
    const both = ['demo.test.one', 'demo.test.two']
    assert.equal(seen, {
      'demo.test.one': [both[0]],
      'demo.*.one': [both[0]],
      '*.*.*': both,
      'demo.test.*': both,
      'other.*.*': [],
    })
  }),
)

for (const pattern of ['demo.test', 'demo.test.generate.more', 'demo.te*.generate', 'Demo.test.x', '', undefined]) {
  test(
    `the pattern ${String(pattern)} is refused where it is given`,
    withRuntime(async ({ runtime }) => {
      await rejects(
        async () => runtime.bus.observe(pattern as string),
        (error: SluiceError) => error.code === 'invalid_argument' && /each part a name or \*/.test(error.message),
      )
    }),
  )
}

test(
  'items and requests are by reference, and a response is seen as its data',
  withRuntime(async ({ runtime }) => {
    const item = { some: 'thing' }
    const request = { other: 'thing' }
    const { client } = await serveOne(runtime, async () => item)
    const events: BusEvent[] = []
    const subscription = runtime.bus.observe('*.*.*').subscribe((event) => events.push(event))
    await client.one(request)
    subscription.unsubscribe()
    const [started, seen] = events
    assert.is(started?.type === 'started' && started.request, request)
    assert.is(seen?.type === 'item' && seen.item, item)
  }),
)

test(
  'nothing is made while nobody observes the endpoint',
  withRuntime(async ({ runtime }) => {
    // The clock on the wall is asked for events and for nothing else here.
    let made = 0
    const { env } = DistributedRuntime.kernelOf(runtime)
    const { client } = await serveOne(runtime, letters)
    const wall = env.wall
    env.wall = () => {
      made++
      return wall.call(env)
    }
    const elsewhere = runtime.bus.observe('demo.test.other').subscribe()
    await client.all('abc')
    assert.is(made, 0)
    elsewhere.unsubscribe()
    const here = runtime.bus.observe('demo.test.generate').subscribe()
    await client.all('abc')
    assert.is(made, 5)
    here.unsubscribe()
    await client.all('abc')
    assert.is(made, 5)
  }),
)

test(
  'an observer that comes in the middle sees the rest, and one that leaves sees no more',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, letters)
    const stream = await client.generate('abcd')
    await stream.next()
    await settled()
    const seen: string[] = []
    const subscription = runtime.bus.observe('demo.test.generate').subscribe((event) => {
      seen.push(short(event))
      if (seen.length === 2) subscription.unsubscribe()
    })
    while (!(await stream.next()).done);
    assert.equal(seen, ['item b', 'item c'])
  }),
)

test(
  'two observers see the same, and one that leaves takes nothing from the other',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, letters)
    const seen: [string[], string[]] = [[], []]
    const first = runtime.bus.observe('*.*.*').subscribe((event) => seen[0].push(short(event)))
    const second = runtime.bus.observe('demo.*.*').subscribe((event) => seen[1].push(short(event)))
    assert.is(runtime.bus.observerCount, 2)
    await client.all('a')
    first.unsubscribe()
    await client.all('b')
    second.unsubscribe()
    assert.is(runtime.bus.observerCount, 0)
    assert.equal(seen[0], ['started a', 'item a', 'ended complete'])
    assert.equal(seen[1], [...seen[0], 'started b', 'item b', 'ended complete'])
  }),
)

test(
  'how calls end is seen: failed, left, stopped, refused by the bus of the caller',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async function* (request: string, context: Context) {
      yield request
      if (request === 'fail') throw new SluiceError('aborted', 'on purpose')
      if (request === 'kill') context.kill('enough')
      await context.race(new Promise(() => {}))
    })
    const seen: string[] = []
    const subscription = runtime.bus
      .observe('*.*.*')
      .subscribe((event) => event.type === 'ended' && seen.push(short(event)))
    await rejects(client.all('fail'), 'aborted')
    await rejects(client.all('kill'), 'cancelled')
    const left = await client.generate('left')
    await left.first()
    await left.closed
    const stopped = await client.generate('stop')
    await stopped.next()
    stopped.context.stop()
    await stopped.next()
    await stopped.closed
    subscription.unsubscribe()
    assert.equal(seen, ['ended error aborted', 'ended cancelled', 'ended cancelled', 'ended stopped'])
  }),
)

test('a call to another runtime passes the bus of both: remote at the caller, local at the callee', async () => {
  const hub = memoryHub()
  const make = () => DistributedRuntime.create({ transport: memory({ hub }), logger: false })
  const [here, there] = [await make(), await make()]
  await there.endpoint('demo.test.generate').serve(letters)
  const client = await here.endpoint('demo.test.generate').client()
  const seen: Record<string, BusEvent[]> = { here: [], there: [] }
  const subscriptions = [
    here.bus.observe('demo.test.generate').subscribe((event) => seen.here?.push(event)),
    there.bus.observe('demo.test.generate').subscribe((event) => seen.there?.push(event)),
  ]
  await client.all('ab')
  for (const side of ['here', 'there'])
    assert.equal(seen[side]?.map(short), ['started ab', 'item a', 'item b', 'ended complete'])
  assert.ok(seen.here?.every(({ placed }) => placed === 'remote'))
  assert.ok(seen.there?.every(({ placed }) => placed === 'local'))
  assert.is(seen.here?.[0]?.callId, seen.there?.[0]?.callId)
  for (const subscription of subscriptions) subscription.unsubscribe()
  for (const runtime of [here, there]) {
    await untilQuiet(runtime)
    await runtime.shutdown()
  }
})

test(
  'a call in the mailbox is seen when its handler starts, and not at all if it never does',
  withRuntime(async ({ runtime }) => {
    const gate = deferred()
    const { client } = await serveOne(
      runtime,
      async (request: string) => {
        await gate.promise
        return request
      },
      { concurrency: 1 },
    )
    const seen: string[] = []
    const subscription = runtime.bus.observe('*.*.*').subscribe((event) => seen.push(short(event)))
    const first = client.one('a')
    const left = await client.generate('b')
    const third = client.one('c')
    await left.return()
    assert.equal(seen, ['started a'])
    gate.resolve()
    await Promise.all([first, third])
    subscription.unsubscribe()
    assert.equal(seen, ['started a', 'item a', 'ended complete', 'started c', 'item c', 'ended complete'])
  }),
)

test(
  'item events carry annotations, and tell one without data from an item; an annotation cannot pose as the endpoint',
  withRuntime(async ({ runtime }) => {
    const { client } = await serveOne(runtime, async function* () {
      yield annotate('a', { id: '7', event: 'token', comments: ['slow'] })
      yield annotate(undefined, { event: 'ping' })
      yield undefined
      yield new Response('b', { endpoint: 'forged' } as never)
    })
    const seen: unknown[] = []
    const subscription = runtime.bus.observe('*.*.*').subscribe((event) => {
      if (event.type !== 'item') return
      const { endpoint, item, hasData, id, event: name, comments } = event
      seen.push([endpoint, item, hasData, id, name, comments])
    })
    await client.all(1)
    subscription.unsubscribe()
    const endpoint = 'demo.test.generate'
    assert.equal(seen, [
      [endpoint, 'a', true, '7', 'token', ['slow']],
      [endpoint, undefined, false, undefined, 'ping', undefined],
      [endpoint, undefined, true, undefined, undefined, undefined],
      [endpoint, 'b', true, undefined, undefined, undefined],
    ])
  }),
)

test('observations complete when the runtime has closed, also later ones, and nothing is left', async () => {
  const runtime = await DistributedRuntime.create({ logger: false })
  const seen: string[] = []
  const observe = (name: string) =>
    runtime.bus.observe('*.*.*').subscribe({ next: ({ type }) => seen.push(type), complete: () => seen.push(name) })
  observe('first')
  const { client } = await serveOne(runtime, letters)
  await client.all('a')
  await runtime.shutdown()
  observe('late')
  assert.equal(seen, ['started', 'item', 'ended', 'first', 'late'])
  assert.is(runtime.bus.observerCount, 0)
  assertQuiet(runtime)
})
