// Another MessagePack implementation in the place of sluice's own: what arrives and what is refused stay the same, and what
// an implementation gets wrong is said with its name.
import fc from 'fast-check'
import { type Codec, DistributedRuntime, memory, memoryHub, type SluiceError } from 'sluice'
import { decodeInto, decodeValue } from '../../src/wire/decode.ts'
import { encodeValue } from '../../src/wire/encode.ts'
import { decodeAll } from '../../src/wire/library.ts'
import { assert, rejects, suite } from '../support/suite.ts'
import { library, msgpackr } from './codecs.ts'
import { bytesOf } from './frames.ts'
import { places, refusals } from './refusals.ts'
import { anything, same, whatever, withoutUndefined } from './values.ts'

const test = suite('wire/plugged.test.ts')

const item = { code: 'internal', what: 'item', maxBytes: 4 * 1024 * 1024 } as const

function refusalOf(run: () => unknown): SluiceError | undefined {
  try {
    run()
  } catch (error) {
    return error as SluiceError
  }
  return undefined
}

function decodedBy(codec: Codec, bytes: Uint8Array, count: number): unknown[] {
  const values: unknown[] = []
  decodeInto(values, bytes, count, codec)
  return values
}

for (const codec of [library, msgpackr]) {
  const own = { ...item, codec }

  test(`${codec.name}: any value arrives, written by it or by sluice, read by it or by sluice`, {
    timeoutMs: 30_000,
  }, () => {
    fc.assert(
      fc.property(anything, (value) => {
        const wanted = withoutUndefined(value)
        for (const bytes of [encodeValue(value, own), encodeValue(value, item)]) {
          same(decodeValue(bytes, codec), wanted)
          same(decodeValue(bytes), wanted)
        }
      }),
      { numRuns: 1_000 },
    )
  })

  test(`${codec.name}: whatever is refused without it is refused with it, in the same words`, {
    timeoutMs: 30_000,
  }, () => {
    for (const [, value] of refusals) {
      for (const [whole] of places(value)) {
        assert.is(refusalOf(() => encodeValue(whole, own))?.message, refusalOf(() => encodeValue(whole, item))?.message)
      }
    }
    fc.assert(
      fc.property(whatever, (value) => {
        const refused = refusalOf(() => encodeValue(value, own))
        assert.is(refused?.message, refusalOf(() => encodeValue(value, item))?.message)
        if (refused === undefined) same(decodeValue(encodeValue(value, own)), decodeValue(encodeValue(value, item)))
      }),
      { numRuns: 1_000 },
    )
    const [inner, deep] = [[[]], { a: { a: {} } }]
    for (const value of [inner, deep])
      assert.throws(() => encodeValue(value, { ...own, depth: 1 }), /nests deeper than 1/)
    const twice = Array.from({ length: 60 }).reduce<unknown>((each) => [each, each], 1)
    assert.is(refusalOf(() => encodeValue(twice, own))?.code, 'resource_exhausted')
    const many = Array.from({ length: 2 ** 18 + 1 }, () => [])
    assert.is(refusalOf(() => encodeValue(many, own))?.code, 'resource_exhausted')
    assert.is(refusalOf(() => encodeValue('x'.repeat(100), { ...own, maxBytes: 50 }))?.code, 'resource_exhausted')
  })

  test(`${codec.name}: bytes that are refused without it are refused with it, in the same words`, {
    timeoutMs: 30_000,
  }, () => {
    fc.assert(
      fc.property(anything, fc.nat(1_000), fc.nat(255), fc.integer({ min: 0, max: 3 }), (value, at, byte, count) => {
        const bytes = new Uint8Array(encodeValue([value, value], item))
        bytes[at % bytes.length] = byte
        const refused = refusalOf(() => decodeAll(bytes, count, true))
        assert.is(refusalOf(() => decodedBy(codec, bytes, count))?.message, refused?.message)
        if (refused === undefined) same(decodedBy(codec, bytes, count), decodeAll(bytes, count, true))
      }),
      { numRuns: 1_000 },
    )
    for (const hex of ['81a95f5f70726f746f5f5f80', '81d9095f5f70726f746f5f5f80', 'cf0020000000000000', 'a1ff']) {
      assert.is(refusalOf(() => decodedBy(codec, bytesOf(hex), 1))?.code, 'data_loss', hex)
    }
  })

  test(`${codec.name}: bytes are the receiver's own, and integers of 64 bits are numbers`, () => {
    const received = Buffer.from(encodeValue([Uint8Array.of(1, 2), { a: Uint8Array.of(3) }], item))
    const [first, second] = decodeValue(received, codec) as [Uint8Array, { a: Uint8Array }]
    received.fill(0xff)
    same([first, second], [Uint8Array.of(1, 2), { a: Uint8Array.of(3) }])
    assert.is(first.buffer.byteLength, 2)
    same(decodeValue(bytesOf('93 cf001fffffffffffff d3ffe0000000000001 cb8000000000000000'), codec), [
      2 ** 53 - 1,
      -(2 ** 53) + 1,
      -0,
    ])
  })
}

test('what a codec gets wrong is an internal error with its name', () => {
  const good: Codec = { ...library, name: 'odd' }
  const value = { a: 1 }
  for (const [encode, why] of [
    [() => bytesOf('d40490'), /wrote an extension type/],
    [() => bytesOf('0101'), /more than one value/],
    [() => bytesOf('c1'), /0xc1 is not MessagePack/],
    [() => bytesOf(''), /no bytes are left|announced/],
    [() => 'text', /did not return a Uint8Array/],
    [() => undefined, /did not return a Uint8Array/],
    [
      () => {
        throw new RangeError('full')
      },
      /encode failed: full/,
    ],
  ] as const) {
    const refused = refusalOf(() =>
      encodeValue(value, { ...item, codec: { ...good, encode: encode as Codec['encode'] } }),
    )
    assert.is(refused?.code, 'internal')
    assert.match(refused?.message ?? '', /^codec odd: encode failed/)
    assert.match(refused?.message ?? '', why)
  }
  for (const decode of [() => [], () => [1, 2], () => 1, () => undefined]) {
    const codec = { ...good, decode: decode as unknown as Codec['decode'] }
    assert.match(
      refusalOf(() => decodeValue(bytesOf('01'), codec))?.message ?? '',
      /^codec odd: decode failed: it did not/,
    )
  }
})

test('what a getter encodes while a codec is at work goes without it', () => {
  const codec = { ...library, name: 'busy' }
  let reads = 0
  const value = {
    get a() {
      // The first reading is the check's, the second is the codec's.
      return ++reads % 2 === 0 ? [...encodeValue({ b: 1 }, { ...item, codec })] : null
    },
  }
  same(decodeValue(encodeValue(value, { ...item, codec })), { a: [...encodeValue({ b: 1 }, item)] })
})

test('a runtime uses its codec for requests and items, and its peer need not have one', async () => {
  const hub = memoryHub()
  const uses = { encode: 0, decode: 0 }
  const counting: Codec = {
    name: 'counting',
    encode(value) {
      uses.encode++
      return msgpackr.encode(value)
    },
    decode(bytes, count) {
      uses.decode++
      return msgpackr.decode(bytes, count)
    },
  }
  const transport = () => memory({ hub, isolate: 'wire' })
  const plain = await DistributedRuntime.create({ transport: transport() })
  const plugged = await DistributedRuntime.create({ transport: transport(), codec: counting })
  const echo = async function* (request: unknown) {
    yield request
    yield { n: 1, map: new Map([[1, 2]]) }
  }
  try {
    await plain.endpoint('a.b.plain').serve(echo)
    await plugged.endpoint('a.b.plugged').serve(echo)
    const wanted = [
      { q: 'x', n: 0.5 },
      { n: 1, map: new Map([[1, 2]]) },
    ]
    const toPlain = await plugged.endpoint('a.b.plain').client()
    same(await (await toPlain.generate({ q: 'x', n: 0.5 })).toArray(), wanted)
    assert.ok(uses.encode === 1 && uses.decode <= 1)
    const toPlugged = await plain.endpoint('a.b.plugged').client()
    same(await (await toPlugged.generate({ q: 'x', n: 0.5 })).toArray(), wanted)
    assert.is(uses.encode, 2)
  } finally {
    await plain.shutdown()
    await plugged.shutdown()
  }
})

test('an option that is no codec is refused with what it lacks', async () => {
  const codec = { name: 'half', encode: () => new Uint8Array(0) }
  const error = await rejects(DistributedRuntime.create({ codec: codec as unknown as Codec }))
  assert.match(String(error), /option codec .* lacks decode/)
})

test('bytes that an implementation hands out as views, of whatever class, share nothing with what was received', () => {
  const views: Codec = {
    name: 'views',
    encode: library.encode,
    decode: (bytes, count) => library.decode(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), count),
  }
  const body = encodeValue([Uint8Array.of(1, 2, 3), { bytes: Uint8Array.of(4) }], item)
  const [value] = decodedBy(views, body, 1)
  body.fill(0)
  same(value, [Uint8Array.of(1, 2, 3), { bytes: Uint8Array.of(4) }])
})
