// "A call" of docs/protocol.md: open, accept, reject, and the numbers of streams.
import { assert, deferred, suite } from '../support/suite.ts'
import { callee, caller, failure } from './kit.ts'
import { Ext, unpack, unpackAll } from './msgpack.ts'
import { body, errorOf } from './peer.ts'

const test = suite('peer/open.test.ts')

const MAX = 2 ** 31 - 1
const handlers = {
  echo: (request: unknown) => request,
  async *generator(request: unknown) {
    yield request
  },
  async *wait(_: unknown, context: any) {
    await context.killed
    yield 'to nobody'
  },
  about: (_: unknown, context: any) => ({
    id: context.id,
    remainingMs: context.remainingMs,
    metadata: [...context.metadata.keys()].map((key) => [key, context.metadata.getAll(key)]),
  }),
}

test(
  'an open is answered with accept, the item, and an end that counts it',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const stream = open(peer, 'echo', 'hi')
    const accept = await peer.expect('accept')
    assert.is(accept[0], stream)
    assert.is(accept.length, 3)
    assert.equal(await peer.until('items'), [stream, 0, 1, body('hi')])
    assert.equal(await peer.expect('end'), [stream, 0, 1])
  }),
)

test(
  'an open carries what the page says, and its stream is 1, then 3',
  caller(async ({ call }) => {
    const { peer, open } = await call({ hello: 'there' })
    const [stream, instanceId, endpoint, contextId, callId, hops, metadata, remainingMs, items, bytes, ...rest] = open
    assert.equal([stream, instanceId, endpoint], [1, 'peer-instance', 'peer.test.generate'])
    assert.equal([hops, metadata, remainingMs], [[], [], null])
    assert.equal([items, bytes], [32, 262_144])
    assert.ok(contextId.length > 0 && callId.length > 0)
    assert.equal(unpack(rest[0]), { hello: 'there' })
    assert.equal(rest.slice(1), [true])
    peer.send('reject', stream, errorOf('permission_denied'))
    const again = await call()
    assert.is(again.stream, 3)
    peer.send('reject', 3, errorOf('permission_denied'))
  }),
)

test(
  'context id, metadata and what is left of the deadline arrive',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const metadata = [
      ['trace', 'a', 'b'],
      ['raw', Buffer.from('00ff', 'hex')],
    ]
    open(peer, 'about', null, { metadata, remainingMs: 5_000.5 })
    await peer.until('accept')
    const [, , , bytes] = await peer.until('items')
    const about = unpack(bytes) as any
    assert.is(about.id, 'context')
    assert.equal(
      about.metadata,
      metadata.map(([key, ...values]) => [key, values]),
    )
    assert.ok(about.remainingMs > 1_000 && about.remainingMs <= 5_000.5)
  }),
)

test(
  'remainingMs below 0 means 0, and more than 24 hours means 24 hours',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    open(peer, 'about', null, { remainingMs: -1e300 })
    assert.is((await peer.next()).elements[1][0], 'deadline_exceeded')
    for (const remainingMs of [1e300, 2 ** 63]) {
      open(peer, 'about', null, { remainingMs })
      const [, , , bytes] = await peer.until('items')
      assert.ok((unpack(bytes) as any).remainingMs <= 24 * 3_600_000)
    }
  }),
)

test(
  'a deadline that passes at the callee ends the call there',
  callee(
    handlers,
    async ({ dial, open, advance }) => {
      const peer = await dial()
      const stream = open(peer, 'wait', null, { remainingMs: 300 })
      await peer.expect('accept')
      await advance(300)
      const [failed, error] = await peer.expect('fail')
      assert.equal([failed, error[0]], [stream, 'deadline_exceeded'])
    },
    { virtual: true },
  ),
)

test(
  'metadata and the remaining time are sent with the call',
  caller(async ({ call, runtime }) => {
    const metadata = { trace: ['a', 'b'], raw: new Uint8Array([0, 255]) }
    const { peer, open, stream } = await call(null, { metadata, timeoutMs: 60_000 })
    assert.equal(open[6], [
      ['trace', 'a', 'b'],
      ['raw', Buffer.from([0, 255])],
    ])
    assert.ok(open[7] > 50_000 && open[7] <= 60_000)
    peer.send('reject', stream, errorOf('permission_denied'))
    assert.ok(runtime)
  }),
)

test(
  'a call made from within a call says its hops, outermost first',
  callee(
    {
      async *relay(_: unknown, context: any) {
        const [client, request] = relay as [any, unknown]
        yield* await client.generate(request, { context })
      },
    },
    async ({ dial, open, runtime, records }) => {
      const outer = await dial()
      const { PeerListener } = await import('./peer.ts')
      const { recordAt } = await import('./kit.ts')
      const listener = await PeerListener.listen()
      try {
        const [{ instanceId }] = records.values()
        records.set('peer-instance', recordAt(listener.address))
        const client = await runtime.endpoint('peer.test.generate').client()
        relay = [client, 'deep']
        open(outer, 'relay', null, { hops: [['other.side.first', 'x']] })
        const inner = await listener.accept()
        await inner.greet()
        const [stream, , , contextId, , hops] = await inner.expect('open')
        assert.is(contextId, 'context')
        assert.equal(hops, [
          ['other.side.first', 'x'],
          ['peer.test.relay', instanceId],
        ])
        inner.send('accept', stream, 0, 0)
        inner.send('items', stream, 0, 1, body('answer'))
        inner.send('end', stream, 0, 1)
        assert.equal(unpackAll((await outer.until('items'))[3]), ['answer'])
        assert.equal((await outer.until('end')).slice(1), [0, 1])
        await client.close()
      } finally {
        await listener.close()
      }
    },
  ),
)
let relay: unknown

test(
  'generate resolves at accept, and rejects with what a reject says',
  caller(async ({ call }) => {
    const { peer, stream, stream$ } = await call()
    peer.send('accept', stream, 0, 0)
    const answer = await stream$
    peer.send('end', stream, 0, 0)
    assert.equal(await answer.toArray(), [])
    const refused = await call()
    const failed = failure(refused.stream$)
    const details = new Ext(2, '0105')
    peer.send('reject', refused.stream, [
      ...['failed_precondition', 'not today', false, 'a.b.c', 'i', ['x.y.z', 'a.b.c'], 'me', details],
    ])
    const { code, message, retryable, hops, origin, details: sent } = await failed
    assert.equal(
      [code, message, retryable, hops, origin, sent],
      [...['failed_precondition', 'not today', false, ['x.y.z', 'a.b.c'], 'me', -5n]],
    )
  }),
)

for (const [what, more, code] of [
  ['an endpoint that is not there', { endpoint: 'peer.test.missing' }, undefined],
  ['an instance that is not there', { instanceId: 'nobody' }, undefined],
  ['a request that is two values', { request: body(1, 2) }, 'invalid_argument'],
  ['a request that is no value', { request: Buffer.alloc(0) }, 'invalid_argument'],
  ['a request that is not MessagePack', { request: Buffer.from([0xc1]) }, 'invalid_argument'],
  ['65 hops', { hops: Array.from({ length: 65 }, () => ['a.b.c', 'i']) }, undefined],
] as const) {
  test(
    `${what} costs its call or its connection, and no other`,
    callee(handlers, async ({ dial, open }) => {
      const peer = await dial()
      const stream = open(peer, 'echo', 1, more)
      const { kind, elements } = await peer.next()
      assert.ok(kind === 'reject' || kind === 'bye', kind)
      if (kind === 'reject') {
        assert.is(elements[0], stream)
        if (code !== undefined) assert.is(elements[1][0], code)
        const next = open(peer, 'echo', 2)
        assert.is((await peer.until('end'))[0], next)
      }
      const other = await dial()
      open(other, 'echo', 3)
      assert.equal((await other.until('items'))[3], body(3))
    }),
  )
}

test(
  'elements after the last of a frame are ignored',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const stream = open(peer, 'echo', 'hi', { extra: ['later', { more: [1, 2] }, 3] })
    assert.is((await peer.until('end'))[0], stream)
    peer.send('kill', stream, [...errorOf('cancelled'), 'more', 'of it'], 'and more')
    peer.send('credit', [stream, 1, 1], 'more')
    await peer.settled()
  }),
)

for (const [what, streams] of [
  ['0', [0]],
  ['even', [2]],
  ['above 2^31 − 1', [MAX + 2]],
  ['negative', [-1]],
  ['used before', [1, 1]],
  ['lower than one before', [5, 3]],
  ['no integer', [1.5]],
] as const) {
  test(
    `a stream number that is ${what} ends the connection`,
    callee(handlers, async ({ dial, open }) => {
      const peer = await dial()
      for (const stream of streams) open(peer, 'wait', null, { stream })
      assert.is(await peer.bye(), 'data_loss')
    }),
  )
}

test(
  'the highest stream number is good',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    open(peer, 'echo', 'last', { stream: MAX })
    assert.equal(await peer.until('end'), [MAX, 0, 1])
  }),
)

for (const [kind, elements] of [
  ['items', [1, 0, 1, body(1)]],
  ['end', [1, 0, 0]],
  ['credit', [[1, 1, 1]]],
  ['stop', [1, errorOf('cancelled')]],
  ['kill', [1, errorOf('cancelled')]],
] as const) {
  test(
    `${kind} for a stream that was never opened ends the connection`,
    callee(handlers, async ({ dial }) => {
      const peer = await dial()
      peer.send(kind, ...elements)
      assert.is(await peer.bye(), 'data_loss')
    }),
  )
}

for (const [kind, elements] of [
  ['accept', [7, 0, 0]],
  ['reject', [7, errorOf('cancelled')]],
  ['items', [7, 0, 1, body(1)]],
  ['end', [7, 0, 0]],
  ['fail', [7, errorOf('internal'), true]],
  ['closed', [7, 0, 0]],
  ['credit', [[7, 1, 1]]],
] as const) {
  test(
    `${kind} for a stream that was never opened ends the connection of a dialler`,
    caller(async ({ call }) => {
      const { peer, stream$ } = await call()
      peer.send(kind, ...elements)
      assert.is(await peer.bye(), 'data_loss')
      assert.is((await failure(stream$)).code, 'data_loss')
    }),
  )
}

for (const [kind, elements] of [
  ['accept', [1, 0, 0]],
  ['reject', [1, errorOf('cancelled')]],
  ['fail', [1, errorOf('internal'), true]],
  ['closed', [1, 0, 0]],
  ['instances', [[], [], true]],
] as const) {
  test(
    `${kind} from a dialler ends the connection`,
    callee(handlers, async ({ dial, open }) => {
      const peer = await dial()
      open(peer, 'wait')
      peer.send(kind, ...elements)
      assert.is(await peer.bye(), 'data_loss')
    }),
  )
}

for (const [kind, elements] of [
  ['stop', [1, errorOf('cancelled')]],
  ['kill', [1, errorOf('cancelled')]],
  ['open', [1, 'i', 'a.b.c', 'c', 'd', [], [], null, 1, 1, body(1), true]],
] as const) {
  test(
    `${kind} from a listener ends the connection`,
    caller(async ({ call }) => {
      const { peer } = await call()
      peer.send(kind, ...elements)
      assert.is(await peer.bye(), 'data_loss')
    }),
  )
}

test(
  'calls above maxStreams are rejected, also while killed handlers are at work still',
  { timeoutMs: 10_000 },
  (() => {
    const gate = deferred()
    return callee(
      {
        async *stuck() {
          await gate.promise
          yield 1
        },
        echo: handlers.echo,
      },
      async ({ connect, open }) => {
        const peer = await connect()
        const [, , , limits] = await peer.greet()
        const { maxStreams } = limits
        for (let count = 0; count < maxStreams; count++) {
          const stream = open(peer, 'stuck')
          if (count % 2 === 0) peer.send('kill', stream, errorOf('cancelled'))
        }
        await peer.settled()
        open(peer, 'echo')
        const [stream, error] = await peer.expect('reject')
        assert.is(stream, 2 * maxStreams + 1)
        assert.equal([maxStreams, error[0], error[2]], [1000, 'resource_exhausted', true])
        assert.match(error[1], 'has 1000 calls already, as many as option maxStreams of the called runtime allows')
        gate.resolve()
        for (let count = 0; count < maxStreams; count++) {
          for (;;) {
            const { kind } = await peer.next()
            if (kind === 'closed' || kind === 'end') break
          }
        }
        await peer.settled()
        const last = open(peer, 'echo', 'room again')
        assert.is((await peer.until('end'))[0], last)
      },
      { serve: { concurrency: 2000, mailbox: 2000 }, limits: { maxStreams: 1000 } },
    )
  })(),
)

test(
  'calls that come all at once, as after a pause, are answered and not refused, though they are more than a mailbox holds',
  callee(
    handlers,
    async ({ dial, open }) => {
      const peer = await dial()
      // In the buffers of the kernel when the callee begins to read.
      for (let call = 0; call < 3_000; call++) open(peer, 'generator', 'hi')
      const ends = new Map<string, number>()
      while ((ends.get('end') ?? 0) + (ends.get('reject') ?? 0) < 3_000) {
        const { kind } = await peer.next()
        ends.set(kind, (ends.get(kind) ?? 0) + 1)
      }
      assert.equal([...ends].sort(), [
        ['accept', 3_000],
        ['end', 3_000],
        ['items', 3_000],
      ])
    },
    { serve: { concurrency: 700, mailbox: 700 } },
  ),
)
