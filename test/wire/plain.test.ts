// The one-pass reader against the library behind `scan`: for whatever bytes, both give the same values or both refuse, and
// what the reader has learned of keys and shapes changes nothing.
import fc from 'fast-check'
import { decodeInto, decodeValues } from '../../src/wire/decode.ts'
import { encodeValue } from '../../src/wire/encode.ts'
import { decodeAll } from '../../src/wire/library.ts'
import { readPlain } from '../../src/wire/plain-reader.ts'
import { ProtocolError } from '../../src/wire/protocol-error.ts'
import { assert, suite } from '../support/suite.ts'
import { bytesOf } from './frames.ts'
import { anything, same } from './values.ts'

const test = suite('wire/plain.test.ts')

const item = { code: 'internal', what: 'item', maxBytes: 4 * 1024 * 1024 } as const

function outcome(run: () => unknown[]): { values?: unknown[]; refusal?: string } {
  try {
    return { values: run() }
  } catch (error) {
    if (error instanceof ProtocolError) return { refusal: error.message }
    throw error
  }
}

/** Asserts that both agree, and says whether the reader took the bytes. */
function agree(bytes: Uint8Array, count: number, annotated = true): boolean {
  const wanted = outcome(() => decodeAll(bytes, count, annotated))
  const values: unknown[] = ['before']
  const isTaken = readPlain(values, bytes, count, annotated)
  if (isTaken) {
    assert.is(wanted.refusal, undefined, `taken, but: ${wanted.refusal}`)
    same(values.slice(1), wanted.values)
  } else {
    same(values, ['before'])
  }
  const got = outcome(() => (annotated ? decodeValues(bytes, count) : decodeAll(bytes, count, annotated)))
  assert.is(got.refusal, wanted.refusal)
  if (wanted.refusal === undefined) same(got.values, wanted.values)
  return isTaken
}

const heads = fc.constantFrom(
  ...[0x00, 0x7f, 0x80, 0x81, 0x82, 0x8f, 0x90, 0x91, 0x9f, 0xa0, 0xa1, 0xa3, 0xbf, 0xe0, 0xff],
  ...Array.from({ length: 32 }, (_, index) => 0xc0 + index),
)
const noise = fc
  .array(fc.oneof(heads, fc.nat(255), fc.constantFrom(0, 1, 2, 3, 0x61, 0xef, 0xbb, 0xbf)), { maxLength: 60 })
  .map((bytes) => Uint8Array.from(bytes))
/** Few keys, so that the same ones come in different order and company. */
const { record } = fc.letrec<{ record: unknown }>((tie) => ({
  record: fc.dictionary(
    fc.constantFrom(
      'a',
      'b',
      'id',
      'token',
      'index',
      'ä',
      '',
      '0',
      '1',
      'constructor',
      'a key of more than 31 bytes, it is',
    ),
    fc.oneof({ depthSize: 'small' }, fc.integer(), fc.string({ maxLength: 20 }), fc.double(), anything, tie('record')),
    { maxKeys: 10 },
  ),
}))
const mutation = fc.record({
  at: fc.nat(10_000),
  byte: fc.oneof(heads, fc.nat(255)),
  how: fc.constantFrom('flip', 'cut', 'insert', 'remove', 'splice'),
})

function mutated(bytes: Uint8Array, { at, byte, how }: { at: number; byte: number; how: string }): Uint8Array {
  if (bytes.length === 0) return bytes
  const place = at % bytes.length
  if (how === 'flip') return bytes.with(place, byte)
  if (how === 'cut') return bytes.slice(0, place)
  const tail = bytes.slice(how === 'insert' ? place : how === 'remove' ? place + 1 : byte % bytes.length)
  return Uint8Array.from([...bytes.slice(0, place), ...(how === 'insert' ? [byte] : []), ...tail])
}

function encoded(values: readonly unknown[]): Uint8Array {
  return new Uint8Array(Buffer.concat(values.map((value) => encodeValue(value, item))))
}

test('random bytes are the same values, or the same refusal', { timeoutMs: 20_000 }, () => {
  fc.assert(
    fc.property(noise, fc.integer({ min: 0, max: 4 }), fc.boolean(), (bytes, count, annotated) => {
      agree(bytes, count, annotated)
    }),
    { numRuns: 5_000 },
  )
})

test('whatever is encoded is taken', { timeoutMs: 30_000 }, () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(anything, record), { maxLength: 5 }), (values) => {
      assert.ok(agree(encoded(values), values.length))
    }),
    { numRuns: 1_000 },
  )
})

test('mutated encodings are the same values, or the same refusal', { timeoutMs: 60_000 }, () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(anything, record), { minLength: 1, maxLength: 3 }),
      fc.array(mutation, { minLength: 1, maxLength: 3 }),
      (values, mutations) => {
        agree(mutations.reduce(mutated, encoded(values)), values.length)
      },
    ),
    { numRuns: 1_500 },
  )
})

test('objects that begin like the one that always comes are what they are', () => {
  const usual = encoded(
    Array.from({ length: 600 }, (_, index) => ({ kind: 'usual', a: index, b: null, c: { d: 1, e: 2 } })),
  )
  for (let round = 0; round < 20; round++) assert.is(decodeValues(usual, 600).length, 600)
  for (const value of [
    { kind: 'usual', a: 1, b: null, c: { d: 1, e: 2 } },
    { kind: 'usual', a: 1, c: { e: 2, d: 1 }, b: null },
    { kind: { kind: 'usual', a: 1, b: null, c: {} }, a: 1, b: 2, c: 3 },
    { kind: 'usual', b: null, a: 1, c: 5 },
    { kind: 'usual', a: 1, b: null, c: null, d: 4 },
    { kind: 'usual', a: 1, b: null, cc: { d: 1, e: 2, f: 3 } },
    { kind: 'usual', a: 1, b: null, __proto: 5 },
    { kind: 'usual' },
  ]) {
    const bytes = encoded([value, value])
    assert.ok(agree(bytes, 2))
    same(decodeValues(bytes, 2), [value, value])
    for (let to = 0; to < bytes.length; to++) agree(bytes.slice(0, to), 2)
    for (let at = 0; at < bytes.length; at++) for (const byte of [0xc1, 0xa0, 0x61]) agree(bytes.with(at, byte), 2)
  }
  // A key twice, in an object of the usual size.
  for (const hex of [
    '84a46b696e6401a16102a16103a16304',
    '84a46b696e6401a16102a16203a16204',
    '84a46b696e6401a16102a16203a46b696e6404',
  ]) {
    assert.ok(agree(bytesOf(hex), 1))
  }
})

test('a key that is no string is refused wherever it comes, also where none was expected yet', () => {
  for (const key of ['c0', 'c1', '00', '80', '90', 'c400', 'ff', 'cb0000000000000000']) {
    for (const hex of [
      `81${key}01`,
      `82a16101${key}01`,
      `83a16101a16201${key}01`,
      `82a97768617420656c736501${key}01`,
    ]) {
      for (let round = 0; round < 3; round++) assert.not(agree(bytesOf(hex), 1), hex)
    }
  }
})

test('maps of any size and keys of any length are taken, in every form of their headers', () => {
  for (const size of [0, 1, 7, 8, 9, 15, 16, 17, 300]) {
    const value = Object.fromEntries(Array.from({ length: size }, (_, index) => [`k${index}`, index]))
    for (let round = 0; round < 3; round++) assert.ok(agree(encoded([value, value]), 2))
  }
  for (const length of [0, 1, 30, 31, 32, 255, 256, 70_000]) {
    for (let round = 0; round < 3; round++) assert.ok(agree(encoded([{ ['x'.repeat(length)]: 1 }]), 1))
  }
  for (const hex of ['81d9016101', '81da00016101', '81db000000016101', 'de0001a16101', 'df00000001d9016101']) {
    for (let round = 0; round < 3; round++) assert.ok(agree(bytesOf(hex), 1))
  }
})

test('numbers of every form are taken, up to what a number counts one by one', () => {
  for (const hex of [
    ...['cc00', 'ccff', 'cd0000', 'cdffff', 'ce00000000', 'ceffffffff', 'd080', 'd07f', 'd18000', 'd17fff'],
    ...['d280000000', 'd27fffffff', 'cf001fffffffffffff', 'd3ffe0000000000000', 'd3001fffffffffffff'],
    ...['ca7fc00000', 'cb7ff8000000000000', 'ca80000000', 'cb8000000000000000', 'cb3ff199999999999a'],
  ]) {
    assert.ok(agree(bytesOf(hex), 1), hex)
    for (let to = 2; to < hex.length; to += 2) assert.not(agree(bytesOf(hex.slice(0, to)), 1))
  }
  for (const hex of ['cf0020000000000000', 'd3ffdfffffffffffff', 'd30020000000000000', 'cfffffffffffffffff']) {
    assert.not(agree(bytesOf(hex), 1), hex)
  }
})

test('what was decoded before a refusal is not appended', () => {
  const values: unknown[] = ['kept']
  assert.throws(
    () => decodeInto(values, bytesOf('01 02 c1'), 3),
    (error: unknown) => error instanceof ProtocolError,
  )
  assert.equal(values, ['kept'])
  decodeInto(values, bytesOf('01 a161'), 2)
  assert.equal(values, ['kept', 1, 'a'])
})

test('a setter on Object.prototype that decodes meanwhile harms nothing', () => {
  let inner: unknown[] = []
  Object.defineProperty(Object.prototype, 'trap', {
    configurable: true,
    set: () => {
      inner = decodeValues(bytesOf('93010203'), 1)
    },
  })
  try {
    assert.equal(decodeValues(bytesOf('82a474726170c0a16101'), 1), [{ a: 1 }])
    assert.equal(inner, [[1, 2, 3]])
  } finally {
    delete (Object.prototype as { trap?: unknown }).trap
  }
})
