// "Ending" of docs/protocol.md: end, fail, closed, stop and kill, from both sides.

import { Context, SluiceError } from 'sluice'
import type { VirtualEnv } from 'sluice/testing'
import { assert, deferred, suite } from '../support/suite.ts'
import { type Called, callee, caller, failure } from './kit.ts'
import { unpackAll } from './msgpack.ts'
import { body, errorOf } from './peer.ts'

const test = suite('peer/ending.test.ts')

const gates = { closing: deferred(), returned: deferred() }
const handlers = {
  async *count(upTo: number) {
    for (let item = 0; item < upTo; item++) yield item
  },
  async *wait(_: unknown, context: any) {
    yield 'begun'
    await context.killed
  },
  async *fails() {
    yield 1
    throw new SluiceError('out_of_range', 'too far', { details: { by: 3 } })
  },
  async *polite(_: unknown, context: any) {
    yield 'begun'
    await context.stopped
    yield 'going'
  },
  async *deaf() {
    yield 1
    await gates.closing.promise
    yield 2
  },
  async *last() {
    try {
      yield 'only'
    } finally {
      gates.returned.resolve()
    }
  },
}

test(
  'end says how many items there were, also of none',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    for (const total of [0, 1, 20]) {
      const stream = open(peer, 'count', total)
      assert.equal(await peer.until('end'), [stream, 0, total])
    }
  }),
)

test(
  'what a handler throws is a fail with code, message, details and where it arose, and closed, after its items',
  callee(handlers, async ({ dial, open, records }) => {
    const peer = await dial()
    const stream = open(peer, 'fails', null, { hops: [['up.the.stream', 'x']] })
    assert.equal(await peer.until('items'), [stream, 0, 1, body(1)])
    const [failed, error, closed, ...more] = await peer.expect('fail')
    assert.equal([failed, more], [stream, []])
    if (!closed) assert.equal(await peer.expect('closed'), [stream, 3, 1])
    const [code, message, retryable, endpoint, instanceId, hops, , details] = error
    assert.equal([code, message, retryable, endpoint], ['out_of_range', 'too far', false, 'peer.test.fails'])
    assert.ok(records.has(instanceId))
    assert.equal(hops, ['up.the.stream', 'peer.test.fails'])
    assert.equal(details, { by: 3 })
    assert.equal(await peer.settled(), [])
  }),
)

test(
  'closed comes at most once, and nothing after an end',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const stream = open(peer, 'last', null, { items: 0 })
    assert.is((await peer.expect('accept'))[0], stream)
    peer.send('credit', [stream, 2, 1])
    const kinds = [await peer.next(), await peer.next()].map(({ kind }) => kind)
    if (kinds[1] === 'closed') kinds[1] = (await peer.next()).kind
    if (kinds[0] === 'closed') kinds.splice(0, 1, (await peer.next()).kind)
    assert.equal(kinds.sort(), ['end', 'items'])
    assert.equal(await peer.settled(), [])
  }),
)

test(
  'stop lets what follows arrive, and the ending says so',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const stream = open(peer, 'polite')
    await peer.until('items')
    peer.send('stop', stream, errorOf('cancelled', 'enough'))
    assert.equal(unpackAll((await peer.expect('items'))[3]), ['going'])
    assert.equal(await peer.expect('end'), [stream, 1, 2])
  }),
)

test(
  'stop and kill may follow an open at once',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const stopped = open(peer, 'polite')
    peer.send('stop', stopped, errorOf('cancelled'))
    const killed = open(peer, 'wait')
    peer.send('kill', killed, errorOf('cancelled'))
    const endings = new Map<number, unknown>()
    while (endings.size < 2) {
      const { kind, elements } = await peer.next()
      if (kind === 'end') endings.set(elements[0], `end ${elements[1]}`)
      if (kind === 'closed' && elements[0] === killed) endings.set(killed, `closed ${elements[1]}`)
    }
    assert.equal([endings.get(stopped), endings.get(killed)], ['end 1', 'closed 2'])
  }),
)

test(
  'a kill is followed by nothing but closed, when the handler has really ended',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const stream = open(peer, 'deaf')
    await peer.until('items')
    peer.send('kill', stream, errorOf('cancelled', 'no more'))
    assert.equal(await peer.settled(), [])
    gates.closing.resolve()
    const [closed, ending] = await peer.expect('closed')
    assert.equal([closed, ending], [stream, 2])
    assert.equal(await peer.settled(), [])
  }),
)

test(
  'a kill that meets an end is ignored, and so is one that comes twice',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    const stream = open(peer, 'count', 1)
    await peer.until('end')
    for (const kind of ['kill', 'kill', 'stop'] as const) peer.send(kind, stream, errorOf('cancelled'))
    peer.send('credit', [stream, 1, 1])
    assert.equal(await peer.settled(), [])
  }),
)

test(
  'the reason of a kill reaches the handler',
  callee(
    {
      async *why(_: unknown, context: any) {
        yield 'begun'
        await context.killed
        seen.resolve(context.signal.reason)
      },
    },
    async ({ dial, open }) => {
      const peer = await dial()
      const stream = open(peer, 'why')
      await peer.until('items')
      peer.send('kill', stream, errorOf('deadline_exceeded', 'took too long'))
      const { code, message } = await seen.promise
      assert.equal([code, message.includes('took too long')], ['deadline_exceeded', true])
      await peer.expect('closed')
    },
  ),
)
const seen = deferred<any>()

test(
  'calls of a connection that ends are killed',
  callee(
    {
      async *watch(_: unknown, context: any) {
        yield 'begun'
        await context.killed
        over.resolve()
      },
    },
    async ({ dial, open }) => {
      const peer = await dial()
      open(peer, 'watch')
      await peer.until('items')
      await peer.close()
      await over.promise
    },
  ),
)
const over = deferred()

// --- as the caller -------------------------------------------------------------------------------------------------------

async function accepted(call: (request?: unknown, options?: object) => Promise<Called>, options: object = {}) {
  const called = await call(null, options)
  called.peer.send('accept', called.stream, 0, 0)
  return { ...called, answer: (await called.stream$) as any }
}

test(
  'a stream whose total is not what was received fails with data_loss',
  caller(async ({ call }) => {
    for (const total of [0, 2]) {
      const { peer, stream, answer } = await accepted(call)
      peer.send('items', stream, 0, 1, body('a'))
      peer.send('end', stream, 0, total)
      assert.is((await failure(answer.toArray())).code, 'data_loss')
      assert.is((await peer.until('kill'))[0], stream)
      peer.send('closed', stream, 0, 1)
      await answer.closed
    }
  }),
)

test(
  'a callee that sees a deadline pass just before its caller does ends the context that it was set on; no other does',
  caller(
    async ({ call, advance, env }) => {
      for (const [ms, isDue] of [
        [900, false],
        [999.5, true],
      ] as const) {
        const context = new Context({ timeoutMs: 1_000, env: env as VirtualEnv })
        const { peer, stream, answer } = await accepted(call, { context })
        await advance(ms)
        const failed = failure(answer.first())
        peer.send('fail', stream, errorOf('deadline_exceeded', 'no time left'), true)
        const { code, message } = await failed
        assert.is(code, 'deadline_exceeded')
        assert.is(context.signal.aborted, isDue, `after ${ms} ms`)
        assert.match(message, isDue ? 'the deadline set by client has passed' : 'no time left')
        assert.is((await answer.closed).ending, isDue ? 'cancelled' : 'error')
      }
    },
    { virtual: true },
  ),
)

test(
  'a fail comes after the items before it, with everything that it says',
  caller(async ({ call }) => {
    const { peer, stream, answer } = await accepted(call)
    peer.send('items', stream, 0, 2, body('a', 'b'))
    peer.send('fail', stream, ['aborted', 'broke off', false, 'a.b.c', 'i', ['a.b.c'], null, { at: 2 }], true)
    const items: unknown[] = []
    const error = await failure(
      (async () => {
        for await (const item of answer.values()) items.push(item)
      })(),
    )
    assert.equal(items, ['a', 'b'])
    const { code, message, endpoint, hops, details } = error
    assert.equal([code, message, endpoint, hops, details], ['aborted', 'broke off', 'a.b.c', ['a.b.c'], { at: 2 }])
    assert.is((await answer.closed).ending, 'error')
  }),
)

test(
  'after a fail with closed false the stream is closed when closed comes',
  caller(async ({ call }) => {
    const { peer, stream, answer } = await accepted(call)
    peer.send('fail', stream, errorOf('internal'), false)
    await failure(answer.toArray())
    let closed = false
    const whenClosed = answer.closed.then(() => {
      closed = true
    })
    await peer.settled()
    assert.is(closed, false)
    peer.send('closed', stream, 3, 0)
    await whenClosed
  }),
)

test(
  'stop travels, and an end with ending 1 closes the stream as stopped',
  caller(async ({ call }) => {
    const { peer, stream, answer } = await accepted(call)
    answer.context.stop('enough')
    const [stopped, error] = await peer.expect('stop')
    assert.equal([stopped, error[0], error[1].includes('enough')], [stream, 'cancelled', true])
    peer.send('items', stream, 0, 1, body('last'))
    peer.send('end', stream, 1, 1)
    assert.equal(await answer.toArray(), ['last'])
    assert.equal(await answer.closed, { ending: 'stopped', items: 1 })
  }),
)

test(
  'leaving a loop is a kill; what comes after it is ignored, and closed closes',
  caller(async ({ call }) => {
    const { peer, stream, answer } = await accepted(call)
    peer.send('items', stream, 0, 2, body('a', 'b'))
    for await (const item of answer.values()) {
      assert.is(item, 'a')
      break
    }
    assert.is((await peer.expect('kill'))[0], stream)
    peer.send('items', stream, 2, 1, body('late'))
    peer.send('end', stream, 0, 3)
    peer.send('closed', stream, 2, 3)
    assert.is((await answer.closed).ending, 'cancelled')
    assert.equal(await peer.settled(), [])
  }),
)

test(
  'a call cancelled before it is accepted is a kill, and its accept or reject comes to nothing',
  caller(async ({ call }) => {
    for (const answer of ['accept', 'reject'] as const) {
      const cancel = new AbortController()
      const { peer, stream, stream$ } = await call(null, { signal: cancel.signal })
      cancel.abort()
      assert.is((await failure(stream$)).code, 'cancelled')
      assert.is((await peer.expect('kill'))[0], stream)
      if (answer === 'accept') {
        peer.send('accept', stream, 0, 0)
        peer.send('closed', stream, 2, 0)
      } else peer.send('reject', stream, errorOf('unavailable'))
      assert.equal(await peer.settled(), [])
    }
  }),
)

for (const [what, end] of [
  ['is lost', (peer: any) => peer.socket.resetAndDestroy()],
  ['is closed', (peer: any) => peer.socket.end()],
  ['ends with a bye', (peer: any) => peer.send('bye', errorOf('unavailable', 'so long'))],
] as const) {
  test(
    `a connection that ${what} while a half is open ends its calls with unavailable, which is not retryable`,
    caller(async ({ call }) => {
      const { peer, answer, stream } = await accepted(call)
      const waiting = await call()
      peer.send('items', stream, 0, 1, body('a'))
      await peer.settled()
      end(peer)
      const open = await failure(waiting.stream$)
      const streaming = await failure(answer.toArray())
      for (const { code, retryable } of [open, streaming]) {
        assert.equal([code, retryable], ['unavailable', false])
      }
    }),
  )
}

for (const [what, ...frames] of [
  ['items before accept', ['items', 0, 1, body(1)]],
  ['an end before accept', ['end', 0, 0]],
  ['a fail before accept', ['fail', errorOf('internal'), true]],
  ['closed before accept', ['closed', 0, 0]],
  ['accept twice', ['accept', 0, 0], ['accept', 0, 0]],
  ['reject after accept', ['accept', 0, 0], ['reject', errorOf('unavailable')]],
] as const) {
  test(
    `${what} fails the call with data_loss and kills it at the other end`,
    caller(async ({ call }) => {
      const { peer, stream, stream$ } = await call()
      const failed = failure(stream$.then((answer) => answer.toArray()))
      for (const [kind, ...elements] of frames) peer.send(kind, stream, ...elements)
      assert.is((await peer.expect('kill'))[0], stream)
      assert.equal([(await failed).code, (await failed).retryable], ['data_loss', false])
      peer.send('closed', stream, 2, 0)
      assert.equal(await peer.settled(), [])
    }),
  )
}

for (const [what, ...frame] of [
  ['an ending that is none', 'end', 4, 0],
  ['a total that is no number', 'end', 0, 'many'],
  ['an error with a code that is none', 'fail', errorOf('no_such_code'), true],
] as const) {
  test(
    `${what} ends the connection`,
    caller(async ({ call }) => {
      const { peer, stream, answer } = await accepted(call)
      const failed = failure(answer.toArray())
      const [kind, ...elements] = frame
      peer.send(kind, stream, ...elements)
      assert.is(await peer.bye(), 'data_loss')
      assert.is((await failed).code, 'data_loss')
    }),
  )
}

test(
  'items and endings after the end are ignored',
  caller(async ({ call }) => {
    const { peer, stream, answer } = await accepted(call)
    peer.send('end', stream, 0, 0)
    peer.send('items', stream, 0, 1, body(1))
    peer.send('end', stream, 0, 0)
    peer.send('fail', stream, errorOf('internal'), true)
    peer.send('closed', stream, 0, 0)
    assert.equal(await peer.settled(), [])
    assert.equal(await answer.toArray(), [])
  }),
)
