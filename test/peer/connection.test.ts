// "Connection" of docs/protocol.md: goaway, ping and pong, bye, silence, and what has to be complete in time.
import { assert, suite } from '../support/suite.ts'
import { callee, caller, failure } from './kit.ts'
import { pack } from './msgpack.ts'
import { body, errorOf, frameOf } from './peer.ts'

const test = suite('peer/connection.test.ts')

const handlers = {
  echo: (request: unknown) => request,
  async *wait(_: unknown, context: any) {
    yield 'begun'
    await context.killed
  },
  async *flood(_: unknown, context: any) {
    while (!context.isStopped) yield new Uint8Array(60_000)
  },
}

test(
  'a ping is answered with its token',
  callee(handlers, async ({ dial }) => {
    const peer = await dial()
    for (const token of [0, 1, 2 ** 32 - 1]) {
      peer.send('ping', token)
      assert.equal(await peer.expect('pong'), [token])
    }
  }),
)

test(
  'a listener pings when nothing was received for 250 ms',
  callee(
    handlers,
    async ({ dial, advance }) => {
      const peer = await dial()
      peer.skipped.delete('ping')
      await advance(500)
      const [token] = await peer.expect('ping')
      peer.send('pong', token)
      await advance(500)
      assert.ok((await peer.expect('ping'))[0] !== token)
    },
    { virtual: true },
  ),
)

test(
  'a dialler pings as well',
  caller(
    async ({ call, advance }) => {
      const { peer, stream } = await call()
      peer.skipped.delete('ping')
      await advance(500)
      await peer.expect('ping')
      peer.send('reject', stream, errorOf('permission_denied'))
      await peer.settled()
    },
    { virtual: true },
  ),
)

test(
  'a peer that is silent for 5 s is lost, and its calls are killed',
  callee(
    handlers,
    async ({ dial, open, advance }) => {
      const peer = await dial()
      open(peer, 'wait')
      await peer.until('items')
      await advance(4_000)
      assert.is(peer.socket.readyState, 'open')
      await advance(2_000)
      await peer.ended
    },
    { virtual: true },
  ),
)

test(
  'a listener that is silent for 5 s is lost, and its calls fail with unavailable',
  caller(
    async ({ call, advance }) => {
      const { peer, stream$ } = await call()
      const failed = failure(stream$)
      await advance(4_000)
      assert.is(peer.socket.readyState, 'open')
      await advance(2_000)
      assert.equal([(await failed).code, (await failed).retryable], ['unavailable', false])
      await peer.ended
    },
    { virtual: true },
  ),
)

test(
  'any byte is a sign of life, and a frame that is not complete after 30 s ends the connection',
  callee(
    handlers,
    async ({ dial, advance }) => {
      const peer = await dial()
      const frame = frameOf(100, new Uint8Array(200))
      for (let at = 0; at < 29; at++) {
        peer.bytes(frame.subarray(at, at + 1))
        await advance(1_000)
      }
      assert.is(peer.socket.readyState, 'open')
      for (let at = 29; at < 32 && peer.socket.readyState === 'open'; at++) {
        peer.bytes(frame.subarray(at, at + 1))
        await advance(1_000)
      }
      await peer.ended
    },
    { virtual: true },
  ),
)

test(
  'frames that are complete in time may follow each other without a break for longer than 30 s',
  callee(
    handlers,
    async ({ dial, advance }) => {
      const peer = await dial()
      const frame = frameOf(100, new Uint8Array(8))
      peer.bytes(frame.subarray(0, 5))
      for (let round = 0; round < 40; round++) {
        await advance(1_000)
        peer.bytes(frame.subarray(5), frame.subarray(0, 5))
      }
      peer.bytes(frame.subarray(5))
      await peer.settled()
    },
    { virtual: true },
  ),
)

test(
  'a peer that takes nothing for 10 s is cut off',
  callee(
    handlers,
    async ({ dial, open, advance }) => {
      const peer = await dial()
      peer.socket.pause()
      for (let count = 0; count < 40; count++) open(peer, 'flood', null, { items: 4096, bytes: 4 * 1024 * 1024 })
      // It goes on to speak, so silence is not what ends it.
      for (let second = 0; second < 30; second++) {
        peer.send(100)
        await advance(1_000)
      }
      peer.socket.resume()
      await peer.ended
    },
    { virtual: true },
  ),
)

test(
  'a bye ends the connection',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    open(peer, 'wait')
    await peer.until('items')
    peer.send('bye', errorOf('unavailable', 'going'))
    await peer.ended
  }),
)

test(
  'after a goaway calls above its last stream go elsewhere, and those accepted go on',
  caller(async ({ call, client, listener }) => {
    const first = await call()
    first.peer.send('accept', first.stream, 0, 0)
    const answer = await first.stream$
    const second = await call()
    const failed = failure(second.stream$)
    first.peer.send('goaway', first.stream, errorOf('unavailable', 'moving out'))
    const { code, retryable } = await failed
    assert.equal([code, retryable], ['unavailable', true])
    first.peer.send('items', first.stream, 0, 1, body('still here'))
    first.peer.send('end', first.stream, 0, 1)
    assert.equal(await answer.toArray(), ['still here'])
    // The address itself may be fine: a new connection is made for the next call, perhaps after a pause.
    void client
    void listener
  }),
)

test(
  'a runtime that shuts down says goaway',
  callee(handlers, async ({ dial, open, runtime }) => {
    const peer = await dial()
    const stream = open(peer, 'echo', 1)
    await peer.until('end')
    const closed = runtime.shutdown({ timeoutMs: 0 })
    const [last] = await peer.until('goaway')
    assert.is(last, stream)
    await peer.ended
    await closed
  }),
)

test(
  'a draining runtime rejects calls from outside, and accepts those made from within its own',
  callee(handlers, async ({ dial, open, runtime, records }) => {
    const peer = await dial()
    const [{ instanceId }] = records.values()
    const running = open(peer, 'wait')
    await peer.until('items')
    const closed = runtime.shutdown({ timeoutMs: 10_000 })
    const outside = open(peer, 'echo', 1)
    const [rejected, error] = await peer.until('reject')
    assert.equal([rejected, error[0], error[2]], [outside, 'unavailable', true])
    const inside = open(peer, 'echo', 2, { hops: [['peer.test.echo', instanceId]] })
    assert.equal((await peer.until('items'))[3], body(2))
    assert.is((await peer.until('end'))[0], inside)
    peer.send('kill', running, errorOf('cancelled'))
    await peer.until('goaway')
    await closed
  }),
)

test(
  'a call made after the highest stream number goes over another connection',
  callee(handlers, async ({ dial, open }) => {
    const peer = await dial()
    open(peer, 'echo', 1, { stream: 2 ** 31 - 1 })
    await peer.until('end')
    peer.send('open', ...[2 ** 31 + 1, 'i', 'a.b.c', 'c', 'd', [], [], null, 1, 1, pack(1), true])
    assert.is(await peer.bye(), 'data_loss')
  }),
)
