// "Values" of docs/protocol.md: every extension as raw bytes in both directions, and what is no value.
import { inspect } from 'node:util'
import { annotate } from 'sluice'
import { assert, suite } from '../support/suite.ts'
import { callee, caller, failure } from './kit.ts'
import { Raw, unpack } from './msgpack.ts'
import { body } from './peer.ts'

const test = suite('peer/values.test.ts')

// The bytes are written by hand: ext 8 is c7 <size> <type>, fixext 1, 2, 4, 8, 16 are d4 … d8 <type>.
const values: readonly (readonly [what: string, value: unknown, hex: string])[] = [
  ['null', null, 'c0'],
  ['true', true, 'c3'],
  ['false', false, 'c2'],
  ['0', 0, '00'],
  ['127', 127, '7f'],
  ['-1', -1, 'ff'],
  ['-32', -32, 'e0'],
  ['-33', -33, 'd0df'],
  ['65,536', 65_536, 'ce00010000'],
  ['2^53 − 1', 2 ** 53 - 1, 'cf001fffffffffffff'],
  ['-2^53 + 1', -(2 ** 53) + 1, 'd3ffe0000000000001'],
  ['2^64 as a number', 2 ** 64, 'cb43f0000000000000'],
  ['-0', -0, 'cb8000000000000000'],
  ['1.5', 1.5, 'cb3ff8000000000000'],
  ['NaN', Number.NaN, 'cb7ff8000000000000'],
  ['Infinity', Number.POSITIVE_INFINITY, 'cb7ff0000000000000'],
  ['a text', 'grüß', 'a66772c3bcc39f'],
  ['an empty text', '', 'a0'],
  ['a Uint8Array', new Uint8Array([0, 255]), 'c40200ff'],
  ['an array', [1, [2]], '92019102'],
  ['an object', { a: 1 }, '81a16101'],
  ['an object with a field undefined', { a: undefined }, '80'],
  ['a Date', new Date(1_000), 'd6ff00000001'],
  ['a Date with milliseconds', new Date(1_500), 'd7ff7735940000000001'],
  ['a Date before 1970', new Date(-1_000), 'c70cff00000000ffffffffffffffff'],
  ['undefined', undefined, 'c70001'],
  ['undefined in an array', [undefined], '91c70001'],
  ['0n', 0n, 'd40200'],
  ['1n', 1n, 'd5020001'],
  ['-256n', -256n, 'c703' + '02' + '01' + '0100'],
  ['2n ** 64n', 2n ** 64n, 'c70a' + '02' + '00' + '010000000000000000'],
  ['an invalid Date', new Date(Number.NaN), 'c70003'],
  [
    'a Map',
    new Map<unknown, unknown>([
      ['a', 1],
      [2, null],
    ]),
    'c706' + '04' + '94a16101' + '02c0',
  ],
  ['an empty Map', new Map(), 'd40490'],
  ['a Set', new Set([1, 'a']), 'd605' + '9201a161'],
  ['an Error', new Error('oh'), 'c70a' + '06' + '92a54572726f72a26f68'],
  ['an Error with a cause', new TypeError('a', { cause: 1 }), 'c70e' + '06' + '93a9547970654572726f72a16101'],
  ['a Buffer', Buffer.from([1, 2]), 'c703' + '07' + '000102'],
  ['an Int8Array', new Int8Array([-1]), 'd507' + '01ff'],
  ['a Uint8ClampedArray', new Uint8ClampedArray([255]), 'd507' + '02ff'],
  ['an Int16Array', new Int16Array([-2]), 'c703' + '07' + '03feff'],
  ['a Uint16Array', new Uint16Array([258]), 'c703' + '07' + '040201'],
  ['an Int32Array', new Int32Array([-2]), 'c705' + '07' + '05feffffff'],
  ['a Uint32Array', new Uint32Array([1]), 'c705' + '07' + '0601000000'],
  ['a Float32Array', new Float32Array([1.5]), 'c705' + '07' + '070000c03f'],
  ['a Float64Array', new Float64Array([1.5]), 'c709' + '07' + '08000000000000f83f'],
  ['a BigInt64Array', new BigInt64Array([-2n]), 'c709' + '07' + '09feffffffffffffff'],
  ['a BigUint64Array', new BigUint64Array([1n]), 'c709' + '07' + '0a0100000000000000'],
]

/** Compared as Node shows them: -0, undefined in arrays, classes and causes are all told apart. */
const shown = (value: unknown): string =>
  value instanceof Error ? `${value.name}: ${value.message} ${shown(value.cause)}` : inspect(value, { depth: 99 })

test(
  'a runtime sends every kind of value as the page has it, and takes it as a request',
  callee({ at: (index: number) => values[index]?.[1], shown }, async ({ dial, open }) => {
    const peer = await dial()
    for (const [index, [what, value, hex]] of values.entries()) {
      open(peer, 'at', index)
      const [, , , bytes] = await peer.until('items')
      assert.is(bytes.toString('hex'), hex, what)
      open(peer, 'shown', new Raw(hex))
      const [, , , text] = await peer.until('items')
      assert.is(unpack(text), shown(what.includes('field undefined') ? {} : value), what)
    }
  }),
)

test(
  'every kind of value arrives equal when the peer sends it',
  caller(async ({ call }) => {
    for (const [what, value, hex] of values) {
      const { peer, stream, stream$ } = await call()
      peer.send('accept', stream, 0, 0)
      peer.send('items', stream, 0, 1, Buffer.from(hex, 'hex'))
      peer.send('end', stream, 0, 1)
      const [item] = await (await stream$).toArray()
      const expected = what.includes('field undefined') ? {} : value
      assert.is(shown(item), shown(expected), what)
    }
  }),
)

test(
  'numbers may be sent wider than they have to be, and as float 32',
  caller(async ({ call }) => {
    const { peer, stream, stream$ } = await call()
    peer.send('accept', stream, 0, 0)
    const wide = [
      'cc05',
      'cd0005',
      'ce00000005',
      'cf0000000000000005',
      'd005',
      'd10005',
      'd200000005',
      'd30000000000000005',
    ]
    const hex = [...wide, 'ca40a00000', 'cb4014000000000000']
    peer.send('items', stream, 0, hex.length, Buffer.from(hex.join(''), 'hex'))
    peer.send('end', stream, 0, hex.length)
    assert.equal(await (await stream$).toArray(), Array(hex.length).fill(5))
  }),
)

test(
  'an annotated item is sent as type 8: data, then annotations alone',
  callee(
    {
      async *annotated() {
        yield annotate('data', { id: 'i', event: 'e', comments: ['c', 'd'] })
        yield annotate(undefined, { id: 'i' })
      },
    },
    async ({ dial, open }) => {
      const peer = await dial()
      open(peer, 'annotated')
      const items: string[] = []
      for (let frame = await peer.next(); frame.kind !== 'end'; frame = await peer.next()) {
        if (frame.kind === 'items') items.push(frame.elements[3].toString('hex'))
      }
      const whole = 'd808' + '95c3a464617461a169a16592a163a164'
      assert.ok(items.join('').startsWith(whole), items.join(''))
    },
  ),
)

test(
  'annotated items arrive with what they carry, and without data where there is none',
  caller(async ({ call }) => {
    const { peer, stream, stream$ } = await call()
    peer.send('accept', stream, 0, 0)
    const bytes = 'c710' + '08' + '95c3a464617461a169a16592a163a164' + 'c707' + '08' + '95c2c0a169c0c0'
    peer.send('items', stream, 0, 2, Buffer.from(bytes, 'hex'))
    peer.send('end', stream, 0, 2)
    const seen: unknown[] = []
    for await (const response of await stream$) {
      const { id, event, comments } = response as any
      seen.push([response.data(), id, event, comments?.length])
    }
    assert.equal(seen[0], ['data', 'i', 'e', 2])
    assert.equal((seen[1] as unknown[]).slice(0, 2), [undefined, 'i'])
  }),
)

const noValues: readonly (readonly [what: string, hex: string])[] = [
  ['an extension type that is not in the table', 'd40900'],
  ['extension type 0', 'd40000'],
  ['extension type −2', 'd4fe00'],
  ['undefined with data', 'd40100'],
  ['an invalid Date with data', 'd40300'],
  ['a bigint without a sign', 'c70002'],
  ['a bigint with the sign 2', 'd5020201'],
  ['a bigint with a leading zero', 'c703' + '02' + '000001'],
  ['a negative 0n', 'd40201'],
  ['a timestamp of 5 bytes', 'c705ff0000000000'],
  ['a timestamp with 10^9 nanoseconds', 'd7ffee6b280000000001'],
  ['an integer above 2^53 as 64 bits', 'cf0020000000000001'],
  ['an integer below −2^53 as 64 bits', 'd3ffdfffffffffffff'],
  ['__proto__ as a key', '81a95f5f70726f746f5f5fc0'],
  ['a key that is a number', '8101c0'],
  ['a Map of an odd count', 'd504' + '9101'],
  ['a Map that is no array', 'd404c0'],
  ['a Map with a key twice', 'c705' + '04' + '9401c001c0'],
  ['a Map with more behind it', 'd50490c0'],
  ['a Set with a value twice', 'c703' + '05' + '920101'],
  ['a Set whose count is larger than its bytes', 'c705' + '05' + 'dd01e84800'],
  ['an Error that is a text', 'd506' + 'a161'],
  ['an Error without a message', 'c703' + '06' + '91a161'],
  ['an Error whose name is a number', 'c703' + '06' + '920101'],
  ['a typed array without a kind', 'c70007'],
  ['a typed array of kind 11', 'd4070b'],
  ['an Int16Array of 1 byte', 'd507' + '03ff'],
  ['an annotated item within another value', '91' + 'c707' + '08' + '95c2c0a169c0c0'],
  ['an annotated item within another', 'c70a' + '08' + '95c3' + 'd408c0' + 'c0c0c0'],
  ['an annotated item that is no array', 'd408c0'],
  ['an annotated item whose comments are a text', 'c709' + '08' + '95c2c0a169c0a163'],
  ['nesting 65 deep', `${'91'.repeat(65)}c0`],
  ['nesting 65 deep through Maps', 'nested-maps'],
]

/** A Map within a Map: an extension counts as one level. */
function maps(levels: number): string {
  let hex = 'c0'
  for (let level = 0; level < levels; level++) {
    const inner = `9201${hex}`
    const size = inner.length / 2
    const fixed = [1, 2, 4, 8, 16].indexOf(size)
    const wide = size < 256 ? `c7${size.toString(16).padStart(2, '0')}` : `c8${size.toString(16).padStart(4, '0')}`
    hex = `${fixed < 0 ? wide : (0xd4 + fixed).toString(16)}04${inner}`
  }
  return hex
}

for (const [what, given] of noValues) {
  const hex = given === 'nested-maps' ? maps(65) : given
  test(
    `${what} is no item: its call fails with data_loss and no other`,
    caller(async ({ call }) => {
      const { peer, stream, stream$ } = await call()
      peer.send('accept', stream, 0, 0)
      peer.send('items', stream, 0, 1, Buffer.from(hex, 'hex'))
      assert.is((await failure((await stream$).toArray())).code, 'data_loss')
      assert.is((await peer.expect('kill'))[0], stream)
      peer.send('closed', stream, 2, 0)
      assert.equal(await peer.settled(), [])
    }),
  )
}

test(
  'what is no value is no request: each is rejected, and the connection goes on',
  callee({ echo: (request: unknown) => request }, async ({ dial, open }) => {
    const peer = await dial()
    for (const [what, given] of noValues) {
      const hex = given === 'nested-maps' ? maps(65) : given
      const stream = open(peer, 'echo', null, { request: Buffer.from(hex, 'hex') })
      const [rejected, error] = await peer.expect('reject')
      assert.equal([rejected, error[0]], [stream, 'invalid_argument'], what)
    }
    open(peer, 'echo', 'fine')
    assert.equal((await peer.until('items'))[3], body('fine'))
  }),
)

test(
  'nesting 64 deep is a value, through arrays and through Maps',
  callee({ echo: (request: unknown) => request }, async ({ dial, open }) => {
    const peer = await dial()
    for (const hex of [`${'91'.repeat(64)}c0`, maps(64)]) {
      open(peer, 'echo', new Raw(hex))
      assert.is((await peer.until('items'))[3].toString('hex'), hex)
    }
  }),
)
