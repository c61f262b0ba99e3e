import { decode, encode } from '@msgpack/msgpack'
import fc from 'fast-check'
import { annotate, Response, type SluiceError } from 'sluice'
import { isResponse } from '../../src/core/response.ts'
import { decodeValue, decodeValues } from '../../src/wire/decode.ts'
import { encodeValue } from '../../src/wire/encode.ts'
import { decodeAll } from '../../src/wire/library.ts'
import { readPlain } from '../../src/wire/plain-reader.ts'
import { ProtocolError } from '../../src/wire/protocol-error.ts'
import { copyItem, copyValue, MAX_DEPTH } from '../../src/wire/value.ts'
import { assert, suite } from '../support/suite.ts'
import { places, refusals } from './refusals.ts'
import { anything, same, whatever, withoutUndefined } from './values.ts'

const test = suite('wire/codec.test.ts')

const MIB = 1024 * 1024
const item = { code: 'internal', what: 'item', maxBytes: 4 * MIB } as const
const request = { code: 'invalid_argument', what: 'request', maxBytes: 4 * MIB } as const
const hexOf = (value: unknown): string => Buffer.from(encodeValue(value, item)).toString('hex')
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
function refusalOf(run: () => unknown): SluiceError | undefined {
  try {
    run()
  } catch (error) {
    return error as SluiceError
  }
  return undefined
}

/** Its own kind of error, with a code. */
function isProtocolError(error: unknown): boolean {
  return error instanceof ProtocolError && error.code === 'data_loss'
}

/** What the bytes hold. The one-pass reader takes them if the library does, and makes the same of them. */
function decodedFrom(hex: string): unknown {
  const bytes = bytesOf(hex)
  const taken: unknown[] = []
  const isTaken = readPlain(taken, bytes, 1, true)
  const refused = refusalOf(() => decodeAll(bytes, 1, true))
  assert.is(isTaken, refused === undefined, refused?.message)
  if (isTaken) same(taken, decodeAll(bytes, 1, true))
  return decodeValues(bytes, 1)[0]
}

// ---- bytes, written out ----------------------------------------------------------------------------------------------

function errorOf(name: string, message: string, options: ErrorOptions = {}): Error {
  const error = new Error(message, options)
  Object.defineProperty(error, 'name', { value: name, configurable: true, writable: true })
  delete error.stack
  return error
}

const golden: readonly (readonly [value: unknown, hex: string])[] = [
  // What MessagePack has itself.
  [null, 'c0'],
  [false, 'c2'],
  [true, 'c3'],
  [0, '00'],
  [127, '7f'],
  [128, 'cc80'],
  [255, 'ccff'],
  [256, 'cd0100'],
  [65_535, 'cdffff'],
  [65_536, 'ce00010000'],
  [2 ** 31, 'ce80000000'],
  [2 ** 32 - 1, 'ceffffffff'],
  [2 ** 32, 'cf0000000100000000'],
  [2 ** 53 - 1, 'cf001fffffffffffff'],
  [-1, 'ff'],
  [-32, 'e0'],
  [-33, 'd0df'],
  [-128, 'd080'],
  [-129, 'd1ff7f'],
  [-32_768, 'd18000'],
  [-32_769, 'd2ffff7fff'],
  [-(2 ** 31), 'd280000000'],
  [-(2 ** 31) - 1, 'd3ffffffff7fffffff'],
  [-(2 ** 53) + 1, 'd3ffe0000000000001'],
  // Integers that a number no longer counts one by one, and −0, are float 64.
  [2 ** 53, 'cb4340000000000000'],
  [-(2 ** 53), 'cbc340000000000000'],
  [-0, 'cb8000000000000000'],
  [0.5, 'cb3fe0000000000000'],
  [Infinity, 'cb7ff0000000000000'],
  [-Infinity, 'cbfff0000000000000'],
  ['', 'a0'],
  ['a', 'a161'],
  ['ä日😀', 'a9c3a4e697a5f09f9880'],
  ['\ufeff', 'a3efbbbf'],
  [new Uint8Array(0), 'c400'],
  [Uint8Array.of(1, 2), 'c4020102'],
  [[], '90'],
  [[1, [2]], '92019102'],
  [{}, '80'],
  [{ a: 1, b: { c: null } }, '82a16101a16281a163c0'],
  // The extension types, in the order of docs/protocol.md.
  [new Date(1_000), 'd6ff00000001'],
  [new Date(1_001), 'd7ff003d090000000001'],
  [new Date(-1), 'c70cff3b8b87c0ffffffffffffffff'],
  [undefined, 'c70001'],
  [[undefined], '91c70001'],
  [0n, 'd40200'],
  [1n, 'd5020001'],
  [-1n, 'd5020101'],
  [256n, 'c70302000100'],
  [-(2n ** 64n), 'c70a0201010000000000000000'],
  [new Date(Number.NaN), 'c70003'],
  [new Map(), 'd40490'],
  [
    new Map<unknown, unknown>([
      ['a', 1],
      [2, undefined],
    ]),
    'd70494a1610102c70001',
  ],
  [new Set(), 'd40590'],
  [new Set([1, 'a']), 'd6059201a161'],
  [errorOf('RangeError', 'bad'), 'd806 92 aa52616e67654572726f72 a3626164'],
  [errorOf('E', 'x', { cause: null }), 'c7060693a145a178c0'],
  [errorOf('E', 'x', { cause: errorOf('F', '') }), 'c70b0693a145a178d60692a146a0'],
  [Buffer.from('hi'), 'c70307006869'],
  [Int8Array.of(-1), 'd50701ff'],
  [Uint8ClampedArray.of(255), 'd50702ff'],
  [Int16Array.of(-2), 'c7030703feff'],
  [Uint16Array.of(1), 'c70307040100'],
  [Int32Array.of(-2), 'c7050705feffffff'],
  [Uint32Array.of(1), 'c7050706 01000000'],
  [Float32Array.of(0.5), 'c7050707 0000003f'],
  [Float64Array.of(0.5), 'c7090708 000000000000e03f'],
  [BigInt64Array.of(-2n), 'c7090709 feffffffffffffff'],
  [BigUint64Array.of(1n), 'c709070a 0100000000000000'],
  [new Float64Array(0), 'd40708'],
]

for (const [value, hex] of golden) {
  const name = typeof value === 'object' && value !== null ? value.constructor.name : typeof value
  test(`${name} ${hex.slice(0, 40)} is written and read as the table has it`, () => {
    assert.is(hexOf(value), hex.replaceAll(' ', ''))
    same(decodedFrom(hex), value)
    same(decodedFrom(`91${hex}`), [value])
  })
}

test('an annotated item is written as the table has it, and arrives as a response', () => {
  const table: readonly [Response, string][] = [
    [annotate({ n: 1 }, { id: 'i', event: 'e', comments: ['c'] }), 'c70d0895c381a16e01a169a16591a163'],
    [annotate(undefined, { event: 'ping' }), 'c70a0895c2c0c0a470696e67c0'],
    [annotate(null, {}), 'c7060895c3c0c0c0c0'],
  ]
  for (const [response, hex] of table) {
    assert.is(hexOf(response), hex)
    const arrived = decodedFrom(hex) as Response
    assert.instance(arrived, Response)
    same(arrived.data(), response.data())
    same(arrived.annotations, response.annotations)
    assert.is(arrived.hasData, response.hasData)
  }
})

test('a response without annotations is its data', () => {
  assert.is(hexOf(new Response([1])), '9101')
  assert.is(hexOf(new Response(undefined)), 'c70001')
})

test('fields that are undefined are left out', () => {
  assert.is(hexOf({ a: undefined, b: 1, c: undefined }), '81a16201')
  assert.is(hexOf({ a: { b: undefined } }), '81a16180')
})

// ---- boundaries: the kinds of cases of the public msgpack-test-suite ---------------------------------------------------

const LENGTHS = [0, 1, 15, 16, 31, 32, 39, 40, 41, 255, 256, 65_535, 65_536]

test('strings, bytes, arrays and maps arrive at every boundary of their headers, in the bytes that the library writes', () => {
  for (const length of LENGTHS) {
    const values = [
      'x'.repeat(length),
      `${'x'.repeat(length)}ä`,
      'ä'.repeat(length),
      new Uint8Array(length).fill(7),
      Array.from({ length }, (_, index) => index),
      Object.fromEntries(Array.from({ length }, (_, index) => [`k${index}`, index])),
    ]
    for (const value of values) {
      assert.is(hexOf(value), Buffer.from(encode(value)).toString('hex'), `length ${length}`)
      same(decodeValue(encodeValue(value, item)), value, `length ${length}`)
    }
  }
})

test('extensions arrive at every boundary of their headers', () => {
  for (const length of [...LENGTHS, 2, 3, 4, 7, 8, 14, 254, 65_534]) {
    same(decodeValue(encodeValue(Buffer.alloc(length, 7), item)), Buffer.alloc(length, 7))
    const set = new Set(Array.from({ length }, (_, index) => index))
    same(decodeValue(encodeValue(set, item)), set)
  }
})

test('integers on both sides of every power of two arrive, in the bytes that the library writes', () => {
  for (let power = 0; power <= 60; power++) {
    for (const offset of [-1, 0, 1]) {
      for (const value of [2 ** power + offset, -(2 ** power) + offset]) {
        if (!Object.is(value, -0)) assert.is(hexOf(value), Buffer.from(encode(value)).toString('hex'), String(value))
        assert.is(decodeValue(encodeValue(value, item)), value)
        assert.is(decodeValue(encodeValue(BigInt(value) ** 3n, item)), BigInt(value) ** 3n)
      }
    }
  }
})

test('longer forms than needed are read too', () => {
  for (const [hex, value] of [
    ['cd0001', 1],
    ['cf0000000000000001', 1],
    ['d3ffffffffffffffff', -1],
    ['ca3f000000', 0.5],
    ['d90161', 'a'],
    ['db0000000161', 'a'],
    ['dc000101', [1]],
    ['dd0000000101', [1]],
    ['df00000001a16101', { a: 1 }],
    ['c60000000101', Uint8Array.of(1)],
    ['c9000000010490', new Map()],
    ['cb8000000000000000', -0],
    ['ca80000000', -0],
  ] as const) {
    same(decodedFrom(hex), value)
  }
})

test('a byte order mark at the beginning of a text is kept, however long the text is', () => {
  for (const length of [0, 1, 100, 196, 197, 198, 252, 253, 254, 300, 65_532, 65_533, 70_000]) {
    const text = `\ufeff${'x'.repeat(length)}`
    same(decodeValue(encodeValue(text, item)), text, `length ${length}`)
    const value = { [text]: text, b: [text, new Map([[text, { text }]])], c: Uint8Array.of(1) }
    same(decodeValue(encodeValue(value, item)), value, `length ${length}`)
  }
})

// ---- properties ------------------------------------------------------------------------------------------------------

test('what is decoded equals what copyValue copies', { timeoutMs: 30_000 }, () => {
  fc.assert(
    fc.property(anything, (value) => {
      const arrived = decodeValue(encodeValue(value, item))
      same(arrived, withoutUndefined(value))
      same(arrived, copyValue(value, 'internal', 'item'))
    }),
    { numRuns: 2_000 },
  )
})

test('any value whatever is refused by copyValue and codec alike, or arrives alike', { timeoutMs: 30_000 }, () => {
  fc.assert(
    fc.property(whatever, (value) => {
      let copied: unknown
      const refused = refusalOf(() => {
        copied = copyValue(value, 'internal', 'item')
      })
      let arrived: unknown
      const refusedByCodec = refusalOf(() => {
        arrived = decodeValue(encodeValue(value, item))
      })
      assert.equal([refusedByCodec?.code, refusedByCodec?.message], [refused?.code, refused?.message])
      same(arrived, copied)
    }),
    { numRuns: 3_000 },
  )
})

test('JSON is written in the bytes that the library writes', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'grapheme' }), (value) => {
      fc.pre(!JSON.stringify(value).includes('__proto__') && !hasNegativeZero(value))
      assert.is(hexOf(value), Buffer.from(encode(value)).toString('hex'))
      same(decode(encodeValue(value, item)), value)
    }),
    { numRuns: 1_000 },
  )
})

function hasNegativeZero(value: unknown): boolean {
  if (Object.is(value, -0)) return true
  return value !== null && typeof value === 'object' && Object.values(value).some(hasNegativeZero)
}

test('several values of a body arrive in order', () => {
  fc.assert(
    fc.property(fc.array(anything, { maxLength: 5 }), (values) => {
      const body = Buffer.concat(values.map((value) => encodeValue(value, item)))
      same(decodeValues(body, values.length), values.map(withoutUndefined))
    }),
  )
})

// ---- what is refused on the way out ------------------------------------------------------------------------------------

for (const [name, value, why] of refusals) {
  test(`${name} is refused with the code and the path that copyValue names`, () => {
    for (const [whole] of places(value)) {
      // Outermost it is an item like any other.
      if (isResponse(whole)) continue
      const refused = refusalOf(() => encodeValue(whole, item))
      assert.ok(refused !== undefined && why.test(refused.message), refused?.message)
      assert.is(refused.code, 'internal')
      assert.is(refused.message, refusalOf(() => copyValue(whole, 'internal', 'item'))?.message)
      assert.is(refusalOf(() => encodeValue(whole, request))?.code, 'invalid_argument')
    }
  })
}

const kinds: Readonly<Record<string, (inner: unknown) => unknown>> = {
  array: (inner) => [inner],
  object: (inner) => ({ a: inner }),
  map: (inner) => new Map([['k', inner]]),
  'map key': (inner) => new Map([[inner, 1]]),
  set: (inner) => new Set([inner]),
  error: (inner) => new Error('x', { cause: inner }),
}

function nested(depth: number, wrap: (inner: unknown) => unknown, leaf: unknown = 'bottom'): unknown {
  let value = leaf
  for (let level = 0; level < depth; level++) value = wrap(value)
  return value
}

test('64 levels pass both ways and 65 do not, of every kind of container, empty ones too', () => {
  for (const [name, wrap] of Object.entries(kinds)) {
    const deepest = nested(MAX_DEPTH, wrap)
    same(decodeValue(encodeValue(deepest, item)), copyValue(deepest, 'internal', 'item'), name)
    assert.throws(() => encodeValue(nested(MAX_DEPTH + 1, wrap), item), /nests deeper than 64/, name)
    assert.throws(() => encodeValue(nested(MAX_DEPTH, wrap, []), item), /nests deeper than 64/, name)
    assert.throws(() => encodeValue(nested(100_000, wrap), item), /nests deeper than 64/, name)
  }
  const annotated = annotate(
    nested(MAX_DEPTH, (inner) => [inner]),
    { id: 'x' },
  )
  same((decodedFrom(hexOf(annotated)) as Response).data(), annotated.data())
  assert.throws(() => decodedFrom(`${'91'.repeat(65)}00`), isProtocolError)
  decodedFrom(`${'91'.repeat(64)}00`)
  // The level that an annotated item has more is its own and not that of what follows it.
  assert.throws(() => decodeValues(bytesOf(`c7060895c3c0c0c0c0${'91'.repeat(65)}00`), 2), isProtocolError)
})

test('a cycle is refused where it closes', () => {
  const object: Record<string, unknown> = {}
  object.a = { back: [object] }
  assert.throws(() => encodeValue(object, item), /^item at a\.back\[0\] is part of a cycle/)
})

test('a value that is too big is refused with its size and the limit', () => {
  const refused = refusalOf(() => encodeValue('x'.repeat(1_000), { ...item, maxBytes: 1_002 }))
  assert.is(refused?.code, 'resource_exhausted')
  assert.is(refused?.message, 'item takes 1003 bytes; at most 1002 are allowed')
  encodeValue('x'.repeat(1_000), { ...item, maxBytes: 1_003 })
  for (const value of ['x'.repeat(64 * MIB), new Uint8Array(64 * MIB), Array(2 ** 32 - 1), [[Array(2 ** 31)]]]) {
    const error = refusalOf(() => encodeValue(value, item))
    assert.is(error?.code, 'resource_exhausted')
    assert.match(error?.message ?? '', /^item takes .* bytes; at most 4194304 are allowed$/)
  }
})

test('a value that holds itself 2^60 times over without a cycle is refused in time', () => {
  const big = (inner: unknown) => [inner, inner]
  assert.is(refusalOf(() => encodeValue(nested(60, big), item))?.code, 'resource_exhausted')
  const withFunction = [nested(60, big), () => {}]
  assert.is(refusalOf(() => encodeValue(withFunction, item))?.code, 'resource_exhausted')
  const afterFunction = [() => {}, nested(60, big)]
  assert.is(refusalOf(() => encodeValue(afterFunction, item))?.code, 'internal')
})

test('annotations that are not strings, or not well-formed, are refused by copyItem and codec alike', () => {
  for (const annotations of [
    { id: 5 },
    { event: {} },
    { comments: 'c' },
    { comments: ['a', 5] },
    { id: '\ud800' },
    { comments: ['\udc00'] },
  ]) {
    const response = new Response(1, annotations as never)
    const refused = refusalOf(() => encodeValue(response, item))
    assert.is(refused?.code, 'internal')
    assert.is(refused?.message, refusalOf(() => copyItem(response))?.message)
  }
})

test('a getter is read once, and whatever it does is safe', () => {
  let reads = 0
  const counting = {
    get a() {
      return ++reads
    },
  }
  same(decodeValue(encodeValue(counting, item)), { a: 1 })
  const encoding = {
    get a() {
      return [...encodeValue({ n: 'inner' }, item)]
    },
    b: 'outer',
  }
  same(decodeValue(encodeValue(encoding, item)), { a: [...encodeValue({ n: 'inner' }, item)], b: 'outer' })
})

test('a symbol as key that is not enumerable is no obstacle, and keys that Object.prototype lends are not sent', () => {
  const value = Object.defineProperty({ a: 1 }, Symbol('hidden'), { value: 1, enumerable: false })
  same(decodeValue(encodeValue(value, item)), { a: 1 })
  Object.assign(Object.prototype, { lent: 1 })
  try {
    assert.is(hexOf({ a: 1 }), '81a16101')
  } finally {
    delete (Object.prototype as { lent?: number }).lent
  }
})

test('encoding goes on as before after a refusal', () => {
  const before = hexOf({ a: [1, 'x'] })
  assert.throws(() => encodeValue({ a: [1, 'x', () => {}] }, item))
  assert.throws(() => encodeValue({ a: 'x'.repeat(100) }, { ...item, maxBytes: 10 }))
  assert.is(hexOf({ a: [1, 'x'] }), before)
})

// ---- what is refused on the way in -------------------------------------------------------------------------------------

const bad: Readonly<Record<string, string>> = {
  'nothing at all': '',
  'a type that does not exist': 'c1',
  'an array that is cut off': '9201',
  'a map that is cut off': '81a161',
  'a map with an integer as key': '810101',
  'a map with nil as key': '81c001',
  'a map with bytes as key': '81c4016101',
  'a map with an array as key': '819001',
  'a map with a second key that is an integer': '82a161010101',
  'a map with __proto__ as key': '81a95f5f70726f746f5f5f80',
  'a string that is cut off': 'a261',
  'a string with a header that is cut off': 'da01',
  'bytes that are cut off': 'c40201',
  'a float that is cut off': 'cb00',
  'an integer above 2^53': 'cf0020000000000000',
  'an integer below −2^53': 'd3ffdfffffffffffff',
  'overlong UTF-8': 'a2c080',
  'overlong UTF-8 of three bytes': 'a3e08080',
  'overlong UTF-8 of four bytes': 'a4f0808080',
  'a surrogate in UTF-8': 'a3eda080',
  'UTF-8 above U+10FFFF': 'a4f4908080',
  'a byte that never is in UTF-8': 'a1ff',
  'a lone continuation byte': 'a180',
  'UTF-8 that is cut off': 'a2e697',
  'a key that is not UTF-8': '81a1ff01',
  'extension type 0': 'd40000',
  'extension type 9': 'd40900',
  'extension type 127, which is used inside': 'd57f0000',
  'extension type −2': 'd4fe00',
  'an extension that is cut off': 'd501',
  'a timestamp of 5 bytes': 'c705ff0000000000',
  'a timestamp with 10^9 nanoseconds': 'd7ffee6b280000000001',
  'a timestamp after the last Date': 'c70cff00000000 7fffffffffffffff',
  'an undefined with content': 'd40100',
  'an invalid date with content': 'd40300',
  'a bigint without sign': 'c70002',
  'a bigint with sign 2': 'd5020201',
  'a bigint with leading zeros': 'd5020000',
  'a negative bigint of nothing': 'd40201',
  'a Map of nothing': 'c70004',
  'a Map that holds a map': 'd40480',
  'a Map with an odd number of elements': 'd5049101',
  'a Map with a key twice': 'd7049401010101c0c0c0',
  'a Map with bytes after its array': 'd50490c0',
  'a Map that is longer than its extension': 'd404 91 01',
  'a Map with a header that is longer than its extension': 'd404 dc 0000',
  'a Set of nothing': 'c70005',
  'a Set with a value twice': 'c70305920101',
  'an Error without message': 'd50691a0',
  'an Error with a number as name': 'c7030692 01a0',
  'an Error of four': 'c7050694a0a0c0c0',
  'a typed array without kind': 'c70007',
  'a typed array of kind 11': 'd4070b',
  'a typed array with half an element': 'c702070301',
  'an annotated item within an array': '91c7060895c3c0c0c0c0',
  'an annotated item within an annotated item': 'c70e0895c3c7060895c3c0c0c0c0c0c0c0',
  'an annotated item of four': 'c7050894c3c0c0c0',
  'an annotated item of six': 'c7070896c3c0c0c0c0c0',
  'an annotated item with data that it says it has not': 'c7060895c201c0c0c0',
  'an annotated item with a number as id': 'c7060895c3c001c0c0',
  'an annotated item with a number among its comments': 'c7070895c3c0c0c09101',
}

for (const [name, hex] of Object.entries(bad)) {
  test(`${name} is not decoded`, () => {
    assert.throws(() => decodedFrom(hex), isProtocolError)
    assert.throws(() => decodedFrom(`92${hex}`), isProtocolError)
  })
}

test('a request is never an annotated item', () => {
  assert.throws(() => decodeValue(bytesOf('c7060895c3c0c0c0c0')), isProtocolError)
})

test('a count that is not what is in the body is refused, however large', () => {
  for (const count of [0, 1, 3, 1_000, 2 ** 32 - 1]) {
    assert.throws(() => decodeValues(bytesOf('0101'), count), isProtocolError, String(count))
  }
  assert.equal(decodeValues(bytesOf('0101'), 2), [1, 1])
  assert.equal(decodeValues(bytesOf(''), 0), [])
})

// ---- what is decoded is the receiver's -----------------------------------------------------------------------------------

test('bytes share no memory with what they came from, and a bin is never a Buffer', () => {
  const value = {
    bin: Uint8Array.of(1, 2),
    buffer: Buffer.from([1, 2]),
    floats: Float64Array.of(1, 2),
    map: new Map([[Uint8Array.of(1), [Uint8Array.of(2)]]]),
    set: new Set([Uint8Array.of(3)]),
    error: errorOf('E', 'x', { cause: Uint8Array.of(4) }),
  }
  for (const sent of [value, [value], new Map([[value, 1]])]) {
    const received = Buffer.from(encodeValue(sent, item))
    const arrived = decodeValue(received)
    received.fill(0xff)
    same(arrived, sent)
  }
  const received = Buffer.from(encodeValue(Uint8Array.of(1), item))
  const bin = decodeValue(received) as Uint8Array
  assert.is(Object.getPrototypeOf(bin), Uint8Array.prototype)
  assert.is(bin.buffer.byteLength, 1)
})

test('an Error arrives without stack, and errors made elsewhere have theirs', () => {
  assert.is((decodeValue(encodeValue(new Error('x'), item)) as Error).stack, undefined)
  assert.ok(new Error('y').stack?.includes('codec.test'))
})

test('the bytes of a value are its own', () => {
  const first = encodeValue({ a: 'first' }, item)
  const copy = first.slice()
  encodeValue({ a: 'other' }, item)
  same(first, copy)
  assert.is(first.buffer.byteLength, first.length)
})
