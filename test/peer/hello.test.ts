// "Opening" of docs/protocol.md: what the two sides say before anything else, and what ends a connection there.
import { assert, suite, within } from '../support/suite.ts'
import { callee, caller, failure } from './kit.ts'
import { pack } from './msgpack.ts'
import { errorOf, framed, hello, LIMITS } from './peer.ts'

const test = suite('peer/hello.test.ts')
const echo = { echo: (request: unknown) => request }

for (const unix of [false, true]) {
  const where = unix ? 'a Unix socket' : 'TCP'

  test(
    `a listener on ${where} says hello at once, as the page has it`,
    callee(
      echo,
      async ({ connect, runtime }) => {
        const peer = await connect()
        const [magic, version, runtimeId, limits, auth, ...more] = await peer.expect('hello')
        assert.equal([magic, version, runtimeId, auth, more], ['sluice', 1, runtime.id, null, []])
        assert.equal(Object.keys(limits).sort(), Object.keys(LIMITS).sort())
        assert.ok(limits.maxFrameBytes >= 4096 && limits.maxItemBytes > 0 && limits.maxStreams > 0)
      },
      { unix },
    ),
  )

  test(
    `a dialler on ${where} says hello at once, and nothing else before it has the listener's`,
    caller(
      async ({ listener, client, runtime }) => {
        const answer = client.generate('hi')
        const peer = await listener.accept()
        const [magic, version, runtimeId] = await peer.expect('hello')
        assert.equal([magic, version, runtimeId], ['sluice', 1, runtime.id])
        assert.equal(peer.seen.length, 1)
        peer.send('hello', ...hello())
        const [stream] = await peer.expect('open')
        peer.send('accept', stream, 0, 0)
        peer.send('end', stream, 0, 0)
        assert.equal(await (await answer).toArray(), [])
      },
      { unix },
    ),
  )
}

test(
  'a listener says nothing but hello before it has the dialler’s',
  callee(
    echo,
    async ({ connect, advance }) => {
      const peer = await connect()
      peer.skipped.clear()
      await peer.expect('hello')
      await advance(1_500)
      assert.equal(
        peer.seen.map(({ kind }) => kind),
        ['hello'],
      )
      await peer.close()
    },
    { virtual: true },
  ),
)

test(
  'elements after the last of a hello, and limits that are unknown, are ignored',
  callee(echo, async ({ connect, open }) => {
    const peer = await connect()
    peer.send('hello', ...hello({ maxDreams: 5 }), 'later', { more: true })
    await peer.expect('hello')
    const stream = open(peer, 'echo', 'hi')
    assert.is((await peer.expect('accept'))[0], stream)
  }),
)

for (const [what, elements, code] of [
  ['a wrong magic', ['slush', 1, 'peer', LIMITS, null], undefined],
  ['a version that is not 1', ['sluice', 2, 'peer', LIMITS, null], 'unimplemented'],
  ['a limit of frames below 4,096', hello({ maxFrameBytes: 4095 }), undefined],
  ['a limit that is no number', hello({ maxStreams: 'many' }), undefined],
  ['no limits', ['sluice', 1, 'peer'], undefined],
  ['an id of 257 characters', ['sluice', 1, 'p'.repeat(257), LIMITS, null], undefined],
] as const) {
  test(
    `${what} ends a connection, after a bye`,
    callee(echo, async ({ connect }) => {
      const peer = await connect()
      peer.send('hello', ...elements)
      const said = await peer.bye()
      if (code !== undefined) assert.is(said, code)
    }),
  )

  test(
    `${what} ends a connection of a dialler, and its call can go elsewhere`,
    caller(async ({ listener, client }) => {
      const answer = failure(client.generate('hi'))
      const peer = await listener.accept()
      peer.send('hello', ...elements)
      await peer.bye()
      const error = await answer
      assert.is(error.retryable, true)
      assert.is(error.code, code ?? 'unavailable')
    }),
  )
}

for (const [what, bytes] of [
  ['an HTTP request', Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')],
  ['a TLS hello', Buffer.from('16030100f8010000f40303', 'hex')],
  ['an SSH banner', Buffer.from('SSH-2.0-OpenSSH_9.6\r\n')],
  ['a frame above 4 KiB', framed(Buffer.alloc(4097))],
  ['a frame that is not MessagePack', framed(Buffer.from('c1', 'hex'))],
  ['a call', framed(pack([2, 1, 'x', 'peer.test.echo', 'c', 'd', [], [], null, 1, 1, Buffer.from([0xc0]), true]))],
  ['a ping', framed(pack([13, 1]))],
] as const) {
  test(
    `${what} in the place of a hello ends the connection`,
    callee(echo, async ({ connect, dial, open }) => {
      const peer = await connect()
      peer.bytes(bytes)
      await peer.ended
      assert.equal(
        peer.seen.map(({ kind }) => kind).filter((kind) => kind !== 'bye'),
        ['hello'],
      )
      const other = await dial()
      open(other, 'echo')
      await other.expect('accept')
    }),
  )
}

test(
  'a second hello ends the connection',
  callee(echo, async ({ dial }) => {
    const peer = await dial()
    peer.send('hello', ...hello())
    await peer.bye()
  }),
)

test(
  'a listener without a hello for 2 s ends the connection',
  callee(
    echo,
    async ({ connect, advance }) => {
      const peer = await connect()
      await peer.expect('hello')
      await advance(1_999)
      assert.is(peer.socket.readyState, 'open')
      await advance(1)
      await peer.ended
    },
    { virtual: true },
  ),
)

test(
  'bytes of a hello, one at a time, do not put off the end after 2 s',
  callee(
    echo,
    async ({ connect, advance }) => {
      const peer = await connect()
      await peer.expect('hello')
      const bytes = framed(pack([0, ...hello()]))
      for (let at = 0; at < 8; at++) {
        peer.bytes(bytes.subarray(at, at + 1))
        await advance(250)
      }
      await peer.ended
    },
    { virtual: true },
  ),
)

test(
  'a dialler without a hello for 2 s ends the connection, and its call fails retryably',
  caller(
    async ({ listener, client, advance }) => {
      const answer = failure(client.generate('hi'))
      const peer = await listener.accept()
      await peer.expect('hello')
      await advance(2_000)
      await peer.ended
      const { code, retryable } = await answer
      assert.equal([code, retryable], ['unavailable', true])
    },
    { virtual: true },
  ),
)

test(
  'a bye in the place of a hello reaches the caller',
  caller(async ({ listener, client }) => {
    const answer = failure(client.generate('hi'))
    const peer = await listener.accept()
    peer.send('hello', ...hello())
    peer.send('bye', errorOf('resource_exhausted', 'full house'))
    await within(2_000, peer.ended, 'the end of the connection')
    const { message, retryable } = await answer
    assert.is(retryable, true)
    assert.ok(message.includes('full house'), message)
  }),
)
