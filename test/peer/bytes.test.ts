// "Bytes" of docs/protocol.md: what is refused of a frame before anybody looks at what it means, and what is ignored.
import { assert, suite } from '../support/suite.ts'
import { callee } from './kit.ts'
import { pack, Raw } from './msgpack.ts'
import { body, errorOf, framed, frameOf, type Peer } from './peer.ts'

const test = suite('peer/bytes.test.ts')
const echo = { echo: (request: unknown) => request }

const nested = (levels: number): Buffer => Buffer.concat([Buffer.alloc(levels, 0x91), Buffer.from([0xc0])])

/** Sends `bytes` on a greeted connection; it has to end with a bye, and another one to go on. */
function ends(bytes: Uint8Array | ((peer: Peer) => void), code = 'data_loss'): () => Promise<void> {
  return callee(echo, async ({ dial, open }) => {
    const healthy = await dial()
    const peer = await dial()
    if (typeof bytes === 'function') bytes(peer)
    else peer.bytes(bytes)
    assert.is(await peer.bye(), code)
    open(healthy, 'echo', 'alive')
    assert.equal((await healthy.until('items'))[3], body('alive'))
  })
}

/** A ping with something behind its token: refused or ignored for its bytes alone. */
const withValue = (value: Uint8Array | string): Buffer => frameOf('ping', 1, new Raw(value as Uint8Array))

for (const [what, length] of [
  ['0', 0],
  ['one above the limit', undefined],
  ['2^31 − 1', 2 ** 31 - 1],
  ['2^31', 2 ** 31],
  ['2^32 − 1', 2 ** 32 - 1],
] as const) {
  test(
    `a length of ${what} ends the connection on the length alone`,
    callee(echo, async ({ connect }) => {
      const peer = await connect()
      const [, , , limits] = await peer.greet()
      const bytes = Buffer.alloc(4)
      bytes.writeUInt32BE(length ?? limits.maxFrameBytes + 1)
      peer.bytes(bytes)
      assert.ok(['data_loss', 'resource_exhausted'].includes(await peer.bye()))
    }),
  )
}

test(
  'a frame as large as the limit is taken',
  callee(echo, async ({ connect }) => {
    const peer = await connect()
    const [, , , { maxFrameBytes }] = await peer.greet()
    const around = frameOf(100, new Uint8Array(70_000)).length - 70_000 - 4
    peer.bytes(frameOf(100, new Uint8Array(maxFrameBytes - around)))
    await peer.settled()
  }),
)

test(
  'frames that arrive together, and in single bytes, are each taken',
  callee(echo, async ({ dial }) => {
    const peer = await dial()
    peer.bytes(Buffer.concat([1, 2, 3].map((token) => frameOf('ping', token))))
    for (const token of [1, 2, 3]) assert.equal(await peer.expect('pong'), [token])
    for (const byte of frameOf('ping', 4)) {
      peer.bytes(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(await peer.expect('pong'), [4])
  }),
)

for (const [what, bytes] of [
  ['a frame that is no array', framed(pack('ping'))],
  ['a frame that is a map', framed(pack({ kind: 13 }))],
  ['an empty array', framed(pack([]))],
  ['a kind that is no number', frameOf('ping').fill(0xa0, 5, 6)],
  ['a negative kind', frameOf(-1, 1)],
  ['a byte that begins no value', withValue('c1')],
  ['two values in a frame', framed(Buffer.concat([pack([13, 1]), pack([13, 2])]))],
  ['a value that is cut off', framed(Buffer.from('930d01', 'hex'))],
  ['an array whose count is larger than the bytes left', framed(Buffer.from('dd01e84800', 'hex'))],
  ['an inner array whose count is larger than the bytes left', withValue('dd01e84800')],
  ['a map whose count is larger than the bytes left', withValue('df7fffffff')],
  ['a map whose pairs are more than the bytes left', withValue('82a161c0')],
  ['a string longer than the bytes left', withValue('db7fffffff')],
  ['bytes longer than the bytes left', withValue('c6ffffffff')],
  ['an extension longer than the bytes left', withValue('c9ffffffff01')],
  ['a key that is a number', withValue('8101c0')],
  ['a key that is nil', withValue('81c0c0')],
  ['a string that is not UTF-8', withValue('a2c328')],
  ['a lone surrogate in UTF-8', withValue('a3eda080')],
  ['an overlong form in UTF-8', withValue('a2c080')],
  ['nesting 69 deep', withValue(nested(68))],
  ['nesting 100,000 deep', withValue(nested(100_000))],
  ['too few elements', frameOf('ping')],
  ['a token that is no number', frameOf('ping', 'x')],
  ['a token above 2^32 − 1', frameOf('ping', 2 ** 32)],
  ['a token below 0', frameOf('pong', -1)],
] as const) {
  test(`${what} ends the connection with data_loss, and no other`, ends(bytes))
}

for (const [what, kind] of [
  ['16', 16],
  ['63', 63],
  ['128', 128],
  ['2^32', 2 ** 32],
] as const) {
  test(`the unknown kind ${what} ends the connection`, async () => {
    for (const code of ['data_loss', 'unimplemented']) {
      try {
        return await ends(frameOf(kind, 1), code)()
      } catch (thrown) {
        if (code === 'unimplemented') throw thrown
      }
    }
  })
}

test(
  'unknown kinds from 64 to 127 are ignored, whatever they carry',
  callee(echo, async ({ dial }) => {
    const peer = await dial()
    for (let kind = 64; kind < 128; kind++) peer.send(kind, { any: ['thing', kind] }, new Uint8Array(100))
    peer.send(99)
    assert.equal(await peer.settled(), [])
  }),
)

test(
  'nesting 68 deep within a frame is taken, and elements after the last are ignored',
  callee(echo, async ({ dial }) => {
    const peer = await dial()
    peer.bytes(withValue(nested(67)))
    assert.equal(await peer.expect('pong'), [1])
    peer.send('ping', 2, 'more', { of: 'it' })
    assert.equal(await peer.expect('pong'), [2])
  }),
)

for (const [what, elements] of [
  ['metadata of 65 pairs', { metadata: Array.from({ length: 65 }, (_, index) => [`k${index}`, 'v']) }],
  ['metadata above 8 KiB', { metadata: [['key', 'v'.repeat(8_200)]] }],
  ['metadata that is no array', { metadata: { key: 'v' } }],
  ['a metadata value that is a number', { metadata: [['key', 1]] }],
  ['a call id of 257 characters', { callId: 'c'.repeat(257) }],
  ['an empty call id', { callId: '' }],
  ['an endpoint of 257 characters', { endpoint: 'e'.repeat(257) }],
  ['an instance id that is a number', { instanceId: 5 }],
  ['hops that are texts', { hops: ['a.b.c'] }],
  ['remainingMs that is a text', { remainingMs: 'soon' }],
  ['a request that is text', { request: 'text' }],
  ['ended that is a number', { ended: 1 }],
  ['credit above 2^31 − 1', { items: 2 ** 31 }],
] as const) {
  test(
    `an open with ${what} is refused`,
    callee(echo, async ({ dial, open }) => {
      const peer = await dial()
      open(peer, 'echo', 1, elements as object)
      const { kind, elements: said } = await peer.next()
      assert.ok(kind === 'bye' || kind === 'reject', kind)
      const [code] = said[kind === 'bye' ? 0 : 1]
      assert.ok(['data_loss', 'resource_exhausted', 'invalid_argument'].includes(code), code)
    }),
  )
}

for (const [what, error] of [
  ['a code that is none', errorOf('nonsense')],
  ['a message that is a number', ['cancelled', 5, false, null, null, [], null, null]],
  ['a message above 1 KiB', errorOf('cancelled', 'm'.repeat(1_025))],
  ['too few elements', ['cancelled', 'm']],
  ['65 hops', ['cancelled', 'm', false, null, null, Array(65).fill('a.b.c'), null, null]],
  ['an origin of 257 characters', ['cancelled', 'm', false, null, null, [], 'o'.repeat(257), null]],
  ['no array', 'cancelled'],
] as const) {
  test(
    `an error with ${what} ends the connection`,
    callee(echo, async ({ dial, open }) => {
      const peer = await dial()
      const stream = open(peer, 'echo', 1)
      await peer.until('end')
      peer.send('kill', stream, error)
      assert.is(await peer.bye(), 'data_loss')
    }),
  )
}
